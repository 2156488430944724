"""How long an answer takes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from crypto_nn.inference.predictor import ModelInference
from crypto_nn.models import Inputs
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
    repeats: int = 50,
) -> tuple[Latency, ...]:
    """Time forward passes over random windows, `repeats` for each batch size after a warm-up."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for batch_size in batch_sizes:
        times = _times(inference, random_windows(inference.inputs, batch_size, generator), repeats)
        p50, p90, p99 = np.percentile(times, [50, 90, 99])
        found.append(
            Latency(
                batch_size,
                inference.inputs.window,
                inference.threads or torch.get_num_threads(),
                float(times.mean()),
                float(p50),
                float(p90),
                float(p99),
                float(batch_size / times.mean() * 1e3),
            )
        )
    return tuple(found)


def random_windows(inputs: Inputs, batch_size: int, generator: torch.Generator) -> Windows:
    """Windows of noise, of the shape that a model is made for."""

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(batch_size, *shape, generator=generator)

    zeros_B = torch.zeros(batch_size, dtype=torch.int64)
    slower = {bars.timeframe: noise(bars.length, len(bars.columns)) for bars in inputs.slower}
    return Windows(noise(inputs.window, inputs.num_features), zeros_B, zeros_B, slower)


@torch.inference_mode()
def _times(inference: ModelInference, windows: Windows, repeats: int) -> np.ndarray:
    times = []
    with inference.thread_limit():
        for _ in range(WARM_UP + repeats):
            started = time.perf_counter()
            inference.network(windows)
            times.append((time.perf_counter() - started) * 1e3)
    return np.array(times[WARM_UP:])
