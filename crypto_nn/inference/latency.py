"""How long an answer takes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from crypto_nn.inference.predictor import ModelInference
from crypto_nn.models.prediction import Windows

WARM_UP = 3


@dataclass(frozen=True)
class Latency:
    """Time of one forward pass over a batch, from tensors to logits, on this machine."""

    batch_size: int
    window: int
    threads: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    windows_per_second: float


def measure_latency(
    inference: ModelInference,
    batch_sizes: Sequence[int] = (1, 32),
    window: int | None = None,
    repeats: int = 50,
) -> tuple[Latency, ...]:
    """Time forward passes over random windows, `repeats` for each batch size after a warm-up."""
    window = window or inference.window
    generator = torch.Generator().manual_seed(0)
    found = []
    for batch_size in batch_sizes:
        x_BTF = torch.randn(batch_size, window, len(inference.feature_names), generator=generator)
        zeros_B = torch.zeros(batch_size, dtype=torch.int64)
        times = _times(inference, Windows(x_BTF, zeros_B, zeros_B), repeats)
        p50, p90, p99 = np.percentile(times, [50, 90, 99])
        found.append(
            Latency(
                batch_size,
                window,
                inference.threads or torch.get_num_threads(),
                float(times.mean()),
                float(p50),
                float(p90),
                float(p99),
                float(batch_size / times.mean() * 1e3),
            )
        )
    return tuple(found)


@torch.inference_mode()
def _times(inference: ModelInference, windows: Windows, repeats: int) -> np.ndarray:
    times = []
    with inference.thread_limit():
        for _ in range(WARM_UP + repeats):
            started = time.perf_counter()
            inference.network(windows)
            times.append((time.perf_counter() - started) * 1e3)
    return np.array(times[WARM_UP:])
