"""Windows to a batch on the device: gathered by index, beside a DataLoader over stored windows.

    python benchmarks/data_path.py [--window 100] [--batch 256] [--windows 20000] [--device cpu]

Both give the same windows with their answers, in a random order, ready for a step. Ours gathers
them from the one tensor of all rows; the peer has every window as a tensor of its own, and a
`DataLoader` that draws, stacks and moves them, as tutorials do it. Then whole training steps of a
small model, with either. Times are of CPU (of the clock on a GPU), the best of rounds that take
turns, since the machine may be busy; memory is that of the tensors.
"""

import argparse
from collections.abc import Callable

import torch
from peers.loops import HORIZONS, Ours, Plain, Setting, materialised, task_of, unpacked
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from crypto_nn.training.config import TrainConfig
from crypto_nn.training.datasets import MultiHorizonDataset, collate
from crypto_nn.training.windows import LearningTask, WindowReader, sampler_of

MODEL, PRESET = "LSTMPricePredictor", "small"


def bytes_of(tensors: list[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def best(rounds: int, ways: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The fewest seconds of each way, which take turns."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(way())
    return {name: min(seconds) for name, seconds in found.items()}


def gathered(task: LearningTask, config: TrainConfig, clock: Callable[[], float]) -> float:
    """Seconds for one epoch of batches, ours."""
    sampler, read = sampler_of(task, config), WindowReader(task.windows)
    started = clock()
    sampler.begin_epoch()
    while len(ends_B := sampler.take(config.batch_size)):
        read(ends_B)
        task.answers(ends_B)
    return clock() - started


def loaded(loader: DataLoader, task: LearningTask, device: str, clock: Callable) -> float:  # type: ignore[type-arg]
    """Seconds for one epoch of batches of stored windows."""
    started = clock()
    for batch in loader:
        unpacked(task, [tensor.to(device) for tensor in batch])
    return clock() - started


def walked(loader: DataLoader, clock: Callable[[], float]) -> float:  # type: ignore[type-arg]
    """Seconds for one epoch of our own `Dataset` in a `DataLoader`."""
    started = clock()
    for _ in loader:
        pass
    return clock() - started


def measure(asked: argparse.Namespace) -> None:
    config = TrainConfig(
        window=asked.window,
        batch_size=asked.batch,
        max_windows=asked.windows,
        device=asked.device,
    )
    here = task_of(MODEL, PRESET, asked.window, asked.windows + asked.window)
    stored: TensorDataset = materialised(here, asked.windows)
    task = here.to(asked.device)
    ours = Ours(Setting(MODEL, PRESET, here, config), "off")
    plain = Plain(Setting(MODEL, PRESET, here, config), stored)
    loader = DataLoader(stored, asked.batch, shuffle=True)
    dataset = MultiHorizonDataset(task, task.train_ends)
    own = DataLoader(dataset, asked.batch, shuffle=True, collate_fn=collate)
    rows = bytes_of([task.windows.x_NF, task.windows.t_N, task.windows.symbol_N])
    windows = bytes_of(list(stored.tensors[:3]))
    print(f"{len(stored):,} windows of {asked.window} x {here.inputs.num_features}, "
          f"{len(HORIZONS)} horizons, batches of {asked.batch}, on {asked.device}")  # fmt: skip
    print(f"memory  ours {rows / 1e6:8.1f} MB   stored {windows / 1e6:8.1f} MB   "
          f"1/{windows / rows:.0f}")  # fmt: skip
    took = best(asked.rounds, {
        "ours": lambda: gathered(task, config, ours.clock),
        "stored": lambda: loaded(loader, task, asked.device, ours.clock),
        "dataset": lambda: walked(own, ours.clock),
    })  # fmt: skip
    each = {name: seconds / len(stored) * 1e6 for name, seconds in took.items()}
    print(f"batches ours {each['ours']:8.2f} us   stored {each['stored']:8.2f} us a window   "
          f"{took['stored'] / took['ours']:.1f}x")  # fmt: skip
    print(f"        our Dataset in a DataLoader {each['dataset']:.2f} us a window   "
          f"{took['stored'] / took['dataset']:.1f}x")  # fmt: skip
    steps = asked.steps
    took = best(
        asked.rounds, {"ours": lambda: ours.steps(steps), "stored": lambda: plain.steps(steps)}
    )
    a, b = (steps * asked.batch / took[name] for name in ("ours", "stored"))
    print(f"steps   ours {a:8,.0f}      stored {b:8,.0f} windows/s of {MODEL}:{PRESET}   "
          f"{a / b:.2f}x end to end")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--windows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    torch.set_num_threads(1)
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
