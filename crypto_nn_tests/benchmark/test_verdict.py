"""When a model is called better, and when it is not."""

import math

import pytest

from crypto_nn.benchmark.verdict import Verdict
from crypto_nn.metrics.significance import Interval

ABOVE, ACROSS, BELOW = (Interval(0.5, 0.1, 0.9), Interval(0.5, -0.1, 1), Interval(-1, -2, -0.1))
UNKNOWN = Interval(0.5, math.nan, math.nan)


@pytest.mark.parametrize(
    ("gains", "better", "text"),
    [
        ({"a": ABOVE, "b": ABOVE}, True, "better than every baseline"),
        ({"a": ABOVE, "b": ACROSS}, False, "no better than the baseline (b)"),
        ({"a": BELOW, "b": ACROSS}, False, "no better than the baseline (a)"),
        ({"a": Interval(0, 0, 0)}, False, "no better than the baseline (a)"),
        ({"a": ABOVE, "b": UNKNOWN}, None, "too few test days for a verdict"),
        ({}, None, "baseline"),
    ],
)
def test_one_baseline_that_is_not_beaten_is_enough(
    gains: dict[str, Interval], better: bool | None, text: str
) -> None:
    """Better only where every interval lies above zero; a tie is not better."""
    verdict = Verdict("model", 5, gains)
    assert verdict.better is better
    assert verdict.text == text
