"""Every model: latency, throughput and memory of answers, AMP in training, time to train.

    python benchmarks/models.py [--preset full] [--device cuda] [--models …]
    python benchmarks/models.py --small-training [--days 90]

The first prints, at a window of 100 minutes: p50 and p99 of one answer (batch 1) and of a batch of
32, answers a second, and the memory that weights and activations take; then, for training, windows
a second in fp32 and with bf16 autocast, their ratio, memory, and the share of the speed of a large
matrix product in the same run (MFU). On a GPU memory is what torch allocated at its peak; on a CPU
it is that of the weights, and of the gradients and optimizer with them. `--device cuda` says so
where there is no GPU.

The second trains every small model on 90 days of real BTC bars with the default settings, one
after the other, and prints seconds of the clock and of CPU.
"""

import argparse
import gc
import statistics
import time

import numpy as np
import torch
from peers.loops import Loop, Ours, Setting, model_of, task_of
from train_speed import BATCH, WINDOW, flops_of, peak

from crypto_nn.models import MODELS
from crypto_nn.training.config import TrainConfig

ROWS = 4_000
LIMIT_S = 180


def latency(name: str, asked: argparse.Namespace, batch: int) -> tuple[float, float]:
    """Milliseconds of an answer to a batch: median and 99th percentile."""
    task = task_of(name, asked.preset, WINDOW, ROWS).to(asked.device)
    model = model_of(name, asked.preset, task).to(asked.device).eval()
    windows = task.windows.gather(task.train_ends[:batch])
    times = []
    with torch.inference_mode():
        for repeat in range(asked.repeats + 3):
            started = time.perf_counter()
            model(windows)
            if asked.device != "cpu":
                torch.cuda.synchronize()
            if repeat >= 3:
                times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times), float(np.percentile(times, 99))


def answers(name: str, asked: argparse.Namespace) -> str:
    """One line of the table of answers."""
    _forget(asked.device)
    one, many = latency(name, asked, 1), latency(name, asked, 32)
    weights = sum(w.numel() for w in model_of(name, asked.preset, _task(name, asked)).parameters())
    memory = weights * 4 / 1e6 if asked.device == "cpu" else _allocated()
    return (
        f"{name:26} {weights:11,}  {one[0]:8.2f} {one[1]:8.2f}  {many[0]:8.2f} {many[1]:8.2f}  "
        f"{32e3 / many[0]:9,.0f}  {memory:8.0f}"
    )


def _task(name: str, asked: argparse.Namespace):  # type: ignore[no-untyped-def]
    return task_of(name, asked.preset, WINDOW, ROWS)


def training(name: str, asked: argparse.Namespace) -> str:
    """One line of the table of training."""
    config = TrainConfig(
        window=WINDOW, batch_size=BATCH, device=asked.device, max_epochs=10_000, threads=1
    )
    setting = Setting(name, asked.preset, _task(name, asked), config)
    cells = [f"{name:26}"]
    speeds = []
    for amp, dtype in (("off", torch.float32), ("bf16", torch.bfloat16)):
        _forget(asked.device)
        loop: Loop = Ours(setting, amp)
        loop.steps(2)
        seconds = min(loop.steps(asked.steps) / asked.steps for _ in range(3))
        speeds.append(BATCH / seconds)
        memory = _of_training(loop) if asked.device == "cpu" else _allocated()
        share = flops_of(loop) / seconds / peak(dtype, asked.device, loop.clock)
        cells.append(f"{speeds[-1]:9,.0f} {memory:8.0f} {share:6.0%}")
    return "  ".join([*cells, f"{speeds[1] / speeds[0]:5.2f}"])


def _of_training(loop: Loop) -> float:
    """Megabytes of weights, gradients, AdamW's two moments and averaged weights."""
    return sum(w.numel() for w in loop.model.parameters()) * 4 * 5 / 1e6


def _forget(device: str) -> None:
    gc.collect()
    if device != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _allocated() -> float:
    return torch.cuda.max_memory_allocated() / 1e6


def small_training(asked: argparse.Namespace) -> None:
    """Seconds of every small model for 90 real days with the default settings."""
    import pyarrow.parquet as pq
    from training import panel_of  # the benchmark of skill beside this one

    from crypto_nn.bars import Bars
    from crypto_nn.features.splits import Reach, SplitConfig, walk_forward
    from crypto_nn.training import Recipe
    from crypto_nn.training.loop import fit
    from crypto_nn.training.preparation import prepare
    from crypto_nn.training.version import first_model, learning_task
    from crypto_nn_tests.market import BTC, MARKET

    bars = Bars.from_arrow(pq.read_table(MARKET / BTC), "BTC-USDT")
    panel = panel_of(bars, np.datetime64("2024-10-01", "us"), asked.days)
    config = TrainConfig()
    splits = SplitConfig(train_days=asked.days, lock_box_days=0, max_folds=1)
    print(f"{asked.days} days, {config.max_windows:,} windows x {config.max_epochs} epochs, window "
          f"{config.window}, one thread; limit {LIMIT_S} s")  # fmt: skip
    print(f"{'model':26} {'parameters':>11}  {'clock s':>8}  {'CPU s':>8}  validation loss")
    for name in asked.models:
        preset = MODELS[name].presets["small"]
        recipe = Recipe(name, preset, config)
        reach = Reach(max(panel.horizons), recipe.reach)
        fold = walk_forward(panel.ts_N[0], panel.ts_N[-1], splits, reach)[-1]
        prepared = prepare(panel, fold, recipe)
        task = learning_task(prepared, recipe)
        torch.manual_seed(config.seed)
        model, _ = first_model(prepared, recipe)
        started, spent = time.perf_counter(), time.process_time()
        fitted = fit(model, task, config)
        wall, cpu = time.perf_counter() - started, time.process_time() - spent
        parameters = sum(weight.numel() for weight in model.parameters())
        over = "" if cpu < LIMIT_S else "  OVER the limit"
        print(f"{name:26} {parameters:11,}  {wall:8.1f}  {cpu:8.1f}  "
              f"{fitted.validation_loss:.4f}{over}", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--preset", default="full")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--small-training", action="store_true")
    parser.add_argument("--days", type=int, default=90)
    asked = parser.parse_args()
    if asked.device != "cpu" and not torch.cuda.is_available():
        print(f"There is no GPU at hand, so that nothing was measured on {asked.device}.")
        return
    torch.set_num_threads(1)
    if asked.small_training:
        small_training(asked)
        return
    where = "CPU, one thread" if asked.device == "cpu" else torch.cuda.get_device_name()
    print(f"{asked.preset} presets, window {WINDOW}, {where}, torch {torch.__version__}\n")
    print(f"{'answers':26} {'parameters':>11}  {'1: p50':>8} {'p99 ms':>8}  {'32: p50':>8} "
          f"{'p99 ms':>8}  {'a second':>9}  {'MB':>8}")  # fmt: skip
    for name in asked.models:
        print(answers(name, asked), flush=True)
    print(f"\n{'training, batch 32':26}  {'fp32 /s':>9} {'MB':>8} {'MFU':>6}  {'bf16 /s':>9} "
          f"{'MB':>8} {'MFU':>6}  ratio")  # fmt: skip
    for name in asked.models:
        print(training(name, asked), flush=True)


if __name__ == "__main__":
    main()
