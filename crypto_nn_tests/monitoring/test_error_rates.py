"""The alarm rings in vain as often as it says, and rings when it should."""

import os

import numpy as np
import pytest
from scipy import stats

from crypto_nn.monitoring.drift import DayBlocks, DriftConfig, Reference, compare
from crypto_nn.monitoring.error_rates import (
    NULL_STREAMS,
    Rate,
    Window,
    compare_last,
    false_alarm_rate,
    normal,
    power_curve,
)
from crypto_nn_tests.market import BTC, needs_market, real_bars

WINDOWS = int(os.environ.get("CRYPTO_NN_DRIFT_WINDOWS", "100"))
WINDOW = Window(rows_per_day=100)
CONFIG = DriftConfig(power_days=0, season="all")
FAMILIES = len(NULL_STREAMS) + 1


def check_holds_its_level(rate: Rate, level: float = 0.05) -> None:
    """As many alarms as a fair test of this level makes in 95 of 100 sets of all families."""
    most = int(stats.binom.ppf(1 - 0.05 / FAMILIES, rate.trials, level))
    assert rate.count <= most, f"{rate.count} alarms in {rate.trials} windows; {most} at most"


@pytest.mark.parametrize("name", NULL_STREAMS)
def test_where_nothing_moves_the_alarm_rings_as_often_as_it_says(name: str) -> None:
    """All columns together, however dependent the rows are."""
    check_holds_its_level(false_alarm_rate(NULL_STREAMS[name], WINDOW, CONFIG, WINDOWS))


@pytest.mark.parametrize("name", NULL_STREAMS)
def test_of_forty_days_each_in_turn_the_last_at_most_two_alarm(name: str) -> None:
    """The level is exact: no day is treated unlike another, whatever the values."""
    x_BNF = WINDOW.draw(NULL_STREAMS[name], seed=7)
    alarms = 0
    for day in range(len(x_BNF)):
        order = [*np.delete(np.arange(len(x_BNF)), day), day]
        alarms += compare_last(x_BNF[order], CONFIG).drift_score > 1
    assert 1 <= alarms <= 2


def test_the_level_would_not_be_held_by_a_test_that_takes_rows_for_independent() -> None:
    """The bound has teeth: Kolmogorov–Smirnov at 5 % per column breaks it."""

    def naive(seed: int) -> bool:
        x_BNF = WINDOW.draw(NULL_STREAMS["AR(0.9)"], seed)
        reference, today = x_BNF[:-1].reshape(-1, WINDOW.columns), x_BNF[-1]
        p_values = [stats.ks_2samp(today[:, j], reference[:, j]).pvalue for j in range(5)]
        return min(p_values) <= 0.05

    with pytest.raises(AssertionError, match="at most"):
        check_holds_its_level(Rate.of(naive(seed) for seed in range(40)))


def test_a_move_of_half_a_standard_deviation_is_seen() -> None:
    """On independent rows; with power growing in the shift, and the level where there is none."""
    curve = power_curve(normal, [0.0, 0.25, 0.5], Window(), CONFIG, max(WINDOWS // 2, 40))
    assert curve[0.5].value >= 0.95
    assert curve[0.0].value < curve[0.25].value < curve[0.5].value


def test_the_interval_of_a_rate_is_exact() -> None:
    rate = Rate.of([True] * 5 + [False] * 95)
    due = stats.binomtest(5, 100).proportion_ci(0.95, method="exact")
    assert (rate.value, rate.low, rate.high) == pytest.approx((0.05, due.low, due.high))
    assert Rate.of([False] * 9).low == 0
    assert Rate.of([True] * 9).high == 1


class TestRealBars:
    """Bitcoin's minutes of two and a half years."""

    pytestmark = needs_market

    def test_with_days_shuffled_the_alarm_rings_as_often_as_it_says(self) -> None:
        """Each trial: 79 days drawn from all, against one more; no drift by construction."""
        blocks = _simple_features()
        day_N = blocks.day_N()
        days = np.unique(day_N)
        starts = np.append(np.searchsorted(day_N, days), len(day_N))
        rng = np.random.default_rng(0)

        def rings() -> bool:
            picked = rng.choice(len(days), 80, replace=False)
            parts = [_moved(blocks, starts, day, to) for to, day in enumerate(picked)]
            x_NF = np.concatenate([x for _, x in parts])
            stacked = DayBlocks.from_rows(np.concatenate([ts for ts, _ in parts]), x_NF, NAMES)
            last = stacked.day_N()[-1]
            today = stacked.rows(stacked.day_N() == last)
            reference = Reference("BTC-USDT", "v1", stacked.rows(stacked.day_N() < last))
            made_at = np.datetime64("2025-07-01", "us")
            return compare(reference, today, CONFIG, day=str(last), made_at=made_at).drift_score > 1

        check_holds_its_level(Rate.of(rings() for _ in range(WINDOWS)))


NAMES = ("return", "absolute_return", "log_volume")


def _simple_features() -> DayBlocks:
    bars = real_bars(BTC)
    change = np.diff(np.log(bars.close), prepend=np.nan)
    x_NF = np.column_stack([change, np.abs(change), np.log1p(bars.volume)])
    return DayBlocks.from_rows(bars.ts, x_NF.astype(np.float32), NAMES).thinned(180)


def _moved(
    blocks: DayBlocks, starts: np.ndarray, day: int, to: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of one day as if they were those of the day `to` days after 2030-01-01."""
    ts_N = blocks.ts_N[starts[day] : starts[day + 1]]
    offset = np.datetime64("2030-01-01", "us") + np.timedelta64(to, "D")
    return ts_N - ts_N[0].astype("datetime64[D]") + offset, blocks.x_NF[
        starts[day] : starts[day + 1]
    ]
