"""Training samples a second of each model: our loop beside a plain one and Lightning's Trainer.

    python benchmarks/train_speed.py [--preset full] [--models TransformerPredictor …]
                                     [--rounds 3] [--steps 2] [--device cpu]

The same model, windows (100 rows of the shipped features, batches of 32), loss, clipping and
settings of AdamW in every way to train; the others draw from stored windows with a `DataLoader`.
The ways take turns; told is the best round of each (of CPU time with one thread on a CPU, of the
clock on a GPU), the ratio of ours to both others, and the share of the speed of a large matrix
product in the same precision, measured in the same run, that the arithmetic of the model
(`FlopCounterMode`; of an LSTM counted by hand, since torch does not) comes to. Ours averages the
weights besides, which the others do not.
"""

import argparse
import gc
import time
from collections.abc import Callable, Sequence

import torch
from peers.loops import HORIZONS, Lightning, Loop, Ours, Plain, Setting, materialised, task_of
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from crypto_nn.models import MODELS
from crypto_nn.training.config import TrainConfig

WINDOW, BATCH, WINDOWS = 100, 32, 2_000
PRECISION = {"off": "32-true", "bf16": "bf16-mixed"}


def peak(dtype: torch.dtype, device: str, clock: Callable[[], float]) -> float:
    """Floating-point operations a second of a large matrix product."""
    size = 2_048 if device == "cpu" else 8_192
    a = torch.randn(size, size, device=device).to(dtype)
    a @ a
    times = []
    for _ in range(5):
        started = clock()
        a @ a
        times.append(clock() - started)
    return 2 * size**3 / min(times)


def flops_of(loop: Loop) -> float:
    """Operations of one forward and backward pass over a batch."""
    task, model = loop.setting.task, loop.model
    windows = task.to(loop.config.device).windows.gather(task.train_ends[: loop.config.batch_size])
    counted = []
    lstm = 0.0

    def hook(module: nn.LSTM, given: Sequence[torch.Tensor], out: object) -> None:
        nonlocal lstm
        places = given[0].shape[0] * given[0].shape[1]
        weights = sum(w.numel() for name, w in module.named_parameters() if "weight" in name)
        lstm += 6.0 * places * weights  # forward, and twice that backward

    hooks = [m.register_forward_hook(hook) for m in model.modules() if isinstance(m, nn.LSTM)]
    model.train()
    with FlopCounterMode(display=False) as counter:
        model(windows).logits_BHC.sum().backward()
    for each in hooks:
        each.remove()
    model.zero_grad()
    counted.append(counter.get_total_flops())
    return counted[0] + lstm


def ways_of(setting: Setting, lightning: bool) -> dict[str, Loop]:
    stored = materialised(setting.task, WINDOWS)
    ways: dict[str, Loop] = {
        "ours": Ours(setting, "off"),
        "ours bf16": Ours(setting, "bf16"),
        "plain": Plain(setting, stored),
    }
    if lightning:
        ways["lightning"] = Lightning(setting, stored, PRECISION["off"])
        ways["lightning bf16"] = Lightning(setting, stored, PRECISION["bf16"])
    return ways


def measure(name: str, asked: argparse.Namespace) -> None:
    config = TrainConfig(
        window=WINDOW, batch_size=BATCH, device=asked.device, max_epochs=10_000, threads=1
    )
    task = task_of(name, asked.preset, WINDOW, WINDOWS + 1_000)
    setting = Setting(name, asked.preset, task, config)
    ways = ways_of(setting, not asked.no_lightning)
    best = dict.fromkeys(ways, float("inf"))
    for round_ in range(asked.rounds + 1):
        for way, loop in ways.items():
            seconds = loop.steps(asked.steps) / asked.steps
            if round_:  # the first one warms up
                best[way] = min(best[way], seconds)
    clock, flops = ways["ours"].clock, flops_of(ways["plain"])
    speed = {way: BATCH / seconds for way, seconds in best.items()}
    share = {
        way: flops / best[way] / peak(dtype, asked.device, clock)
        for way, dtype in (("ours", torch.float32), ("ours bf16", torch.bfloat16))
    }
    cells = [f"{name:24} {flops / 1e9:8.1f}"]
    cells += [f"{speed[way]:8,.0f}" for way in ways]
    cells.append(
        f"{speed['ours'] / speed['plain']:6.2f} {speed['ours bf16'] / speed['plain']:6.2f}"
    )
    if not asked.no_lightning:
        cells.append(f"{speed['ours'] / speed['lightning']:6.2f}")
        cells.append(f"{speed['ours bf16'] / speed['lightning bf16']:6.2f}")
    cells.append(f"{share['ours']:6.0%} {share['ours bf16']:6.0%}")
    print("  ".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--preset", default="full")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-lightning", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    clock = time.process_time if asked.device == "cpu" else time.perf_counter
    fp32, bf16 = (peak(each, asked.device, clock) for each in (torch.float32, torch.bfloat16))
    print(f"{asked.preset}, window {WINDOW}, batch {BATCH}, {len(HORIZONS)} horizons, on "
          f"{asked.device}; matrix product: fp32 {fp32 / 1e9:,.0f}, bf16 {bf16 / 1e9:,.0f} "
          "GFLOP/s")  # fmt: skip
    told = ["ours", "bf16", "plain"] + ([] if asked.no_lightning else ["lightn.", "bf16"])
    print(f"{'windows a second':24} {'GFLOP':>8}  " + "  ".join(f"{each:>8}" for each in told)
          + "  ours and bf16 by plain, by Lightning's; share of the product")  # fmt: skip
    for name in asked.models:
        measure(name, asked)
        gc.collect()


if __name__ == "__main__":
    main()
