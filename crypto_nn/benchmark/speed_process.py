"""One contestant's speed and memory, measured in a process of its own.

`python -m crypto_nn.benchmark.speed_process` reads a `Question` as JSON and prints the facts as
JSON: whatever ran before in the process that asks cannot warm a cache or hide memory.
"""

import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crypto_nn.features.panel import MINUTE, Panel
from crypto_nn.inference.latency import random_windows
from crypto_nn.models import Inputs, build, find, find_slower
from crypto_nn.models.baselines import BASELINES
from crypto_nn.models.prediction import NUM_CLASSES

BATCHES: Mapping[int, int] = {1: 100, 32: 30}
"""Batch sizes, and how many answers are timed in a round at least."""
ROUNDS, ROUND_S, WARM_UP_S = 5, 0.5, 0.2
MOST_REPEATS = 1_000
FEWEST_UNDISTURBED = 10
BASELINE_ROWS = 5_000  # of noise that a baseline is fitted on
MEGABYTE = 1_000_000

Times = NDArray[np.float64]
Answer = Callable[[], object]


@dataclass(frozen=True)
class Question:
    """Whose speed is asked for, and the shape of what it is shown.

    Attributes:
        model: a network's name, or a baseline's.
        settings: of the network; None for a baseline.
        names: the features.
        horizons: minutes ahead.
        symbols: how many the network tells apart.
        window: minutes it looks back on.
    """

    model: str
    settings: Mapping[str, Any] | None
    names: tuple[str, ...]
    horizons: tuple[int, ...]
    symbols: int
    window: int

    @property
    def inputs(self) -> Inputs:
        """What the network sees.

        Raises:
            ConfigError: its settings ask for bars that no feature is of.
        """
        bars = {} if self.settings is None else find(self.model).configure(self.settings).slower
        slower = find_slower(bars, self.names)
        return Inputs(len(self.names), len(self.horizons), self.symbols, self.window, slower)


def measure(asked: Question) -> dict[str, float]:
    """Latency (ms), throughput (windows a second) and memory (MB) at each batch size, one thread.

    Memory is the most that was resident while it answered, less what was resident before it was
    made: weights, activations, and what the libraries set up for it. Linux tells it; elsewhere
    there is none among the facts, and none of baselines, which keep what they were fitted with.
    Each time is that of its best of five rounds, without answers during which another process had
    the core: other work on the machine only ever adds to it.
    """
    torch.set_num_threads(1)
    torch.randn(64, 64) @ torch.randn(64, 64)  # libraries are set up by their first work
    gc.collect()
    before = _megabytes("VmRSS")
    is_network = asked.settings is not None
    facts, answering = _network(asked) if is_network else _baseline(asked)
    for batch_size, least in BATCHES.items():
        _forget_peak()
        rounds = time_rounds(answering(batch_size), least)
        mean_ms = min(float(times.mean()) for times in rounds)
        facts |= {
            f"latency_p50_ms_batch{batch_size}": _lowest(rounds, 50),
            f"latency_p99_ms_batch{batch_size}": _lowest(rounds, 99),
            f"windows_per_second_batch{batch_size}": batch_size / mean_ms * 1e3,
        }
        peak = _megabytes("VmHWM")
        if is_network and before is not None and peak is not None:
            facts[f"memory_mb_batch{batch_size}"] = max(peak - before, 0.0)
    del facts[f"latency_p99_ms_batch{max(BATCHES)}"]  # of too few answers
    return facts


def time_rounds(answer: Answer, least: int) -> list[Times]:
    """The times of each round, after a warm-up that also tells how many answers fit into one."""
    pace_ms, started = time_answers(answer, 1), time.perf_counter()
    while time.perf_counter() - started < WARM_UP_S:
        pace_ms = time_answers(answer, 3)
    fitting = int(1e3 * ROUND_S / float(np.median(pace_ms)))
    repeats = max(least, min(fitting, MOST_REPEATS))
    return [time_answers(answer, repeats) for _ in range(ROUNDS)]


@torch.inference_mode()
def time_answers(answer: Answer, repeats: int) -> Times:
    """Milliseconds of each answer; of the undisturbed ones, where there are enough of them.

    Disturbed is an answer during which the kernel gave the core to another process.
    """
    times: list[float] = []
    switches = [_switches()]
    for _ in range(repeats):
        started = time.perf_counter()
        answer()
        times.append((time.perf_counter() - started) * 1e3)
        switches.append(_switches())
    found: Times = np.array(times)
    undisturbed = found[np.diff(switches) == 0]
    return undisturbed if len(undisturbed) >= FEWEST_UNDISTURBED else found


def _switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _lowest(rounds: list[Times], percent: float) -> float:
    return min(float(np.percentile(times, percent)) for times in rounds)


def _network(asked: Question) -> tuple[dict[str, float], Callable[[int], Answer]]:
    """A network with its first weights: what they are makes an answer neither faster nor slower."""
    assert asked.settings is not None
    inputs = asked.inputs
    torch.manual_seed(0)
    network = build(asked.model, find(asked.model).configure(asked.settings), inputs).eval()
    network.requires_grad_(False)
    generator = torch.Generator().manual_seed(0)

    def answering(batch_size: int) -> Answer:
        return partial(network, random_windows(inputs, batch_size, generator))

    return {"parameters": float(sum(w.numel() for w in network.parameters()))}, answering


def _baseline(asked: Question) -> tuple[dict[str, float], Callable[[int], Answer]]:
    """A baseline fitted on noise; an answer is from features of the newest bars to shares."""
    panel = noise(asked)
    fitted = BASELINES[asked.model]().fit(panel, np.arange(asked.window, len(panel)))

    def answering(batch_size: int) -> Answer:
        return partial(fitted.predict, panel, np.arange(len(panel) - batch_size, len(panel)))

    return {}, answering


def noise(asked: Question) -> Panel:
    """A panel of one symbol in which nothing can be learned."""
    random = np.random.default_rng(0)
    rows, horizons = BASELINE_ROWS, np.array(asked.horizons)
    shape = rows, len(horizons)
    ts_N = np.datetime64("2024-01-01", "us") + np.arange(rows) * MINUTE
    return Panel(
        symbols=("NOISE",),
        names=asked.names,
        horizons=asked.horizons,
        ts_N=ts_N,
        symbol_N=np.zeros(rows, dtype=np.int16),
        x_NF=random.standard_normal((rows, len(asked.names))).astype(np.float32),
        close_N=100 * np.exp(np.cumsum(1e-3 * random.standard_normal(rows))),
        sigma_N=1e-3 * (1 + random.random(rows)),
        returns_NH=1e-3 * random.standard_normal(shape),
        scores_NH=random.standard_normal(shape),
        t1_NH=ts_N[:, None] + horizons * MINUTE,
        classes_NH=random.integers(0, NUM_CLASSES, shape).astype(np.int8),
    )


def _forget_peak() -> None:
    """Set Linux's VmHWM back to what is resident now; nothing where there is no such file."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        gc.collect()
        path.write_text("5")


def _megabytes(field: str) -> float | None:
    """A field of Linux's account of this process; None where there is none.

    `getrusage` would not do: its peak is inherited from the process that started this one.
    """
    path = Path("/proc/self/status")
    if not path.exists():
        return None
    line = next(one for one in path.read_text().splitlines() if one.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024 / MEGABYTE


def main() -> None:
    """Answer the question on standard input."""
    facts = json.loads(sys.stdin.read())
    lists = {name: tuple(facts[name]) for name in ("names", "horizons")}
    sys.stdout.write(json.dumps(measure(Question(**{**facts, **lists}))) + "\n")


if __name__ == "__main__":
    main()
