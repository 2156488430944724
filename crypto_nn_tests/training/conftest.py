"""One thread for torch: its threads wait for each other badly where cores are shared."""

import signal
from collections.abc import Iterator

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _nobody_listens() -> Iterator[None]:
    """SIGTERM ends a process, as at its start: Dagster, run in a test before, listens to it."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)
