"""The machine that training runs on, held still: seeds, threads, deterministic algorithms."""

import logging
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch

from crypto_nn.training.config import TrainConfig

log = logging.getLogger(__name__)


def fingerprint() -> dict[str, str | int]:
    """What bits depend on beside data, code and settings; equal fingerprints give equal bits."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


@contextmanager
def reproducible(config: TrainConfig) -> Iterator[None]:
    """Seed torch and make it deterministic for the time of the block; put all back afterwards."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    devices = [torch.device(config.device)] if config.device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(config.seed)
        torch.set_num_threads(config.threads or threads)
        # A GPU has no deterministic form of some steps: torch then warns, and bits may differ.
        torch.use_deterministic_algorithms(True, warn_only=config.device_type != "cpu")
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(strict)
            torch.set_num_threads(threads)


def log_difference(before: Mapping[str, str | int]) -> None:
    """Say so where training goes on in another environment: its bits may then differ."""
    now = fingerprint()
    changed = [f"{k} {before.get(k)} → {now[k]}" for k in now if before.get(k) != now[k]]
    if changed:
        log.warning("Training goes on in another environment: %s.", ", ".join(changed))
