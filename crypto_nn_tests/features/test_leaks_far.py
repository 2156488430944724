"""What only a long history shows: leaks from weeks ahead, or where many bars are given."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crypto_nn.bars import Bars, Float
from crypto_nn.features.leaks import awkward_bars, examine, examine_labels
from crypto_nn.features.leaks.far import affordable
from crypto_nn_tests.indicators.made import walk


@pytest.fixture(scope="module")
def awkward() -> Bars:
    return awkward_bars()


def far_ahead(bars: Bars) -> "pd.Series[float]":
    """The close of two weeks later: it has no value on stretches of nine days."""
    return pd.Series(bars.close).shift(-20_160)


def far_ahead_filled(bars: Bars) -> "pd.Series[float]":
    """The same, and a clock where it has none: no change of a stretch moves it."""
    return far_ahead(bars).fillna(0)


def only_on_long_history(bars: Bars) -> "pd.Series[float]":
    """The next close where many bars are given, and the last one where few are."""
    return pd.Series(bars.close).shift(-1 if len(bars) > 15_000 else 1)


@pytest.mark.parametrize("leak", [far_ahead, far_ahead_filled, only_on_long_history])
def test_what_only_a_long_history_shows_is_found(
    leak: Callable[[Bars], Any], awkward: Bars
) -> None:
    """All bars are given at once too, and not stretches alone."""
    done = examine(leak, awkward, seconds=0.3)
    assert done.leaks
    assert done.longest == done.num_bars == len(awkward)
    assert not examine(leak, awkward, seconds=0.3, far=False).leaks


def test_labels_are_tried_on_a_long_history_too(awkward: Bars) -> None:
    """A label that cheats only where many bars are given."""

    def compute(bars: Bars) -> tuple[Float, Any]:
        ahead = pd.Series(bars.close).shift(-9 if len(bars) > 15_000 else -1)
        return ahead.to_numpy(), bars.ts + np.timedelta64(9, "m")

    holeless = walk(16_000, seed=4)
    assert examine_labels(compute, holeless, seconds=0.2).leaks
    assert examine_labels(compute, awkward, seconds=0.1).longest == len(awkward)


def test_a_function_too_slow_for_all_bars_is_given_as_many_as_time_allows() -> None:
    """And it is told that they were not all."""
    slow = {"at": 0.0}

    def once() -> None:
        slow["at"] = time.monotonic()
        while time.monotonic() - slow["at"] < 0.01:
            pass

    assert affordable(once, 1_000, 1_000_000, 0.0) == 1_000
    assert 1_000 < affordable(once, 1_000, 1_000_000, 0.6) < 20_000
    assert affordable(once, 1_000, 3_000, 60.0) == 3_000
