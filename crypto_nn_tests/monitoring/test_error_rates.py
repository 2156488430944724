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
    largest_bound,
    normal,
    power_curve,
)
from crypto_nn_tests.market import BTC, ETH, needs_market, real_bars
from crypto_nn_tests.monitoring.blocks import last_day

WINDOWS = int(os.environ.get("CRYPTO_NN_DRIFT_WINDOWS", "100"))
WINDOW = Window(rows_per_day=100)
CONFIG = DriftConfig(power_days=0, season="all")
BROKEN_DAYS = ("4 hours gone", "12 hours gone", "a column null for 8 hours", "rows at odd times")
FAMILIES = len(NULL_STREAMS) + len(BROKEN_DAYS) + 2


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


@pytest.mark.parametrize("broken", BROKEN_DAYS)
def test_a_day_with_a_gap_alarms_as_seldom_as_a_whole_one(broken: str) -> None:
    """Where each day has the same cycle a day without its evening is unlike whole ones."""
    check_holds_its_level(Rate.of(_gap_rings(broken, seed) for seed in range(WINDOWS)))


def _gap_rings(broken: str, seed: int) -> bool:
    """59 days with a daily cycle of four standard deviations, and one more that is broken."""
    rng = np.random.default_rng(seed)
    step_N = np.arange(60 * 96) * np.timedelta64(15, "m")
    if broken == "rows at odd times":
        step_N = np.sort(rng.integers(0, 60 * 86_400_000_000, 60 * 96)).astype("timedelta64[us]")
    ts_N = np.datetime64("2024-01-01", "us") + step_N
    hour_N = (ts_N - ts_N.astype("datetime64[D]")) / np.timedelta64(1, "h")
    x_NF = rng.standard_normal((len(ts_N), 3)) + 2 * np.sin(2 * np.pi * hour_N / 24)[:, None]
    is_today = np.arange(len(ts_N)) >= np.searchsorted(ts_N, np.datetime64("2024-02-29"))
    gone_N = is_today & (hour_N >= {"12 hours gone": 12}.get(broken, 20))
    if "null" in broken:
        x_NF[is_today & (hour_N >= 16), 0] = np.nan
        gone_N[:] = False
    everything = DayBlocks.from_rows(ts_N[~gone_N], x_NF[~gone_N], NAMES)
    return last_day(everything).drift_score > 1


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


def test_the_upper_bound_is_the_rate_at_which_so_few_would_be_a_surprise() -> None:
    rate = Rate.of([True] * 5 + [False] * 95)
    assert stats.binom.cdf(5, 100, rate.upper(0.99)) == pytest.approx(0.01)
    assert Rate.of([True] * 9).upper(0.95) == 1


def test_an_alarm_of_its_level_keeps_its_bounds_and_one_of_twice_that_does_not() -> None:
    """The margin that so many windows allow, by drawing alarms of ten series again and again."""
    most = largest_bound(400, 10)
    assert largest_bound(4000, 10) < largest_bound(2000, 10) < most < 0.125
    rng = np.random.default_rng(0)

    def kept(level: float) -> float:
        counts = rng.binomial(400, level, (2000, 10))
        bounds = stats.beta.ppf(1 - 0.005, counts + 1, 400 - counts)
        return float((bounds <= most).all(axis=1).mean())

    assert kept(0.05) >= 0.95
    assert kept(0.10) <= 0.10


class TestRealBars:
    """Minutes of two and a half years."""

    pytestmark = needs_market

    @pytest.mark.parametrize("name", [BTC, ETH])
    def test_with_days_shuffled_the_alarm_rings_as_often_as_it_says(self, name: str) -> None:
        """Each trial: 79 days drawn from all, against one more; no drift by construction."""
        blocks = _simple_features(name)
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


def _simple_features(name: str) -> DayBlocks:
    bars = real_bars(name)
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
