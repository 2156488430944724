"""Live windows are those of history, to the bit, and never have a hole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from crypto_nn.bars import M5, Bar, Bars
from crypto_nn.bars.reference import with_reference
from crypto_nn.errors import BarsError, FeatureError
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.labels import LabelConfig, compute_labels
from crypto_nn.features.live_windows import LiveWindows, Window
from crypto_nn.features.panel import Panel, Part
from crypto_nn_tests.indicators.made import walk, without

SHIPPED = default_feature_set()
# The same without the slowest columns: its anchors are one and two days before the month.
QUICK = FeatureSet(tuple(one for one in SHIPPED.features if one.timeframe <= M5), SHIPPED.gaps)
MINUTE = np.timedelta64(60_000_000, "us")
WINDOW = 12


def windows_of_history(
    features: FeatureSet, bars: Bars, window: int, complete: bool
) -> dict[np.datetime64, NDArray[np.float32]]:
    """The windows that training would see, by their newest bar's open."""
    labels = compute_labels(bars, LabelConfig())
    part = Part.from_arrays(features.compute(bars, complete), features.names, labels, bars)
    panel = Panel.from_parts({bars.symbol: part})
    return {
        panel.ts_N[end]: panel.x_NF[end - window + 1 : end + 1] for end in panel.window_ends(window)
    }


def follow(windows: LiveWindows, bars: Bars) -> dict[np.datetime64, NDArray[np.float32]]:
    """The windows that bars give, one after the other."""
    found: dict[np.datetime64, NDArray[np.float32]] = {}
    for bar in bars:
        window = windows.update(bar)
        if window is not None:
            assert window.ts == bar.ts
            found[window.ts] = window.x_TF
    return found


def check_same(
    found: dict[np.datetime64, NDArray[np.float32]], due: dict[np.datetime64, NDArray[np.float32]]
) -> None:
    """The same windows at the same times, to the bit."""
    assert found.keys() == due.keys()
    for ts, x_TF in due.items():
        assert found[ts].dtype == np.float32
        assert_array_equal(found[ts], x_TF)


@pytest.fixture(scope="module")
def holes() -> Bars:
    """Three days around a month's end: holes short and long, one over midnight of the first."""
    bars = walk(3 * 1440, seed=21, start="2024-02-28T00:00")
    midnight = 2 * 1440
    return without(bars, (100, 103), (1000, 1005), (1500, 1506), (1700, 1900), (2600, 2613),
                   (midnight - 2, midnight + 3), (midnight + 500, midnight + 640))  # fmt: skip


@pytest.mark.parametrize("complete", [True, False])
def test_windows_are_those_of_history(holes: Bars, complete: bool) -> None:
    """From the first bar ever, or from a day's history, over holes and a month's end."""
    bars, opened = (holes[1200:3400], 0) if complete else (holes, 2400)
    live = LiveWindows(QUICK, bars[:opened], WINDOW, complete)
    rows = bars[opened:3400]
    due = windows_of_history(QUICK, bars, WINDOW, complete)
    check_same(follow(live, rows), {ts: x for ts, x in due.items() if ts in set(rows.ts)})
    assert len(due) > 300
    assert min(due) > np.datetime64("2024-02-28" if complete else "2024-03-01")


@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_windows_are_those_of_history_wherever_it_is_opened(data: st.DataObject) -> None:
    """Any holes, any start, any window, across the end of a month; none has a hole."""
    bars = walk(1800, seed=data.draw(st.integers(0, 99)), start="2024-01-31T07:13")
    for _ in range(data.draw(st.integers(0, 5))):
        at = data.draw(st.integers(0, len(bars) - 2))
        length = data.draw(st.sampled_from([1, 4, 6, 61, 300]))
        bars = without(bars, (at, at + length))
    complete, window = data.draw(st.booleans()), data.draw(st.sampled_from([1, 2, 30]))
    opened = data.draw(st.integers(0, len(bars)))
    live = LiveWindows(QUICK, bars[:opened], window, complete)
    newest = live.newest()
    due = windows_of_history(QUICK, bars, window, complete)
    for ts in due:
        there = bars.between(ts - (window - 1) * MINUTE, ts + MINUTE)
        assert len(there) == window, "history itself has no window with a hole"
    rows = bars[opened : opened + 250]
    found = follow(live, rows)
    check_same(found, {ts: x for ts, x in due.items() if ts in set(rows.ts)})
    if opened:
        assert (newest is not None) == (bars.ts[opened - 1] in due)
    if newest is not None:
        assert_array_equal(newest.x_TF, due[newest.ts])


def changed(bar: Bar, factor: float) -> Bar:
    """The bar at other prices."""
    return bar._replace(
        open=bar.open * factor,
        high=bar.high * factor,
        low=bar.low * factor,
        close=bar.close * factor,
    )


@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_after_a_revision_windows_are_those_of_the_corrected_history(data: st.DataObject) -> None:
    """Bars changed or put in late, in and before the window, on both sides of a month's end."""
    whole = walk(1700, seed=data.draw(st.integers(0, 99)), start="2024-01-31T05:00")
    late = data.draw(st.sampled_from([[], [800], [1100, 1101], [1195]]))
    opened, now = data.draw(st.sampled_from([0, 900, 1190])), 1200 + data.draw(st.integers(0, 60))
    at = data.draw(st.lists(st.integers(now - 400, now - 1), min_size=1, max_size=3, unique=True))
    live = LiveWindows(QUICK, without(whole[:opened], *_cuts(late, opened)), WINDOW, complete=True)
    for row in range(opened, now):
        if row not in late:
            live.update(whole[row])
    news = {row: changed(whole[row], 1.001) for row in at} | {row: whole[row] for row in late}
    news |= {row: changed(whole[row], 1.002) for row in set(late) & set(at)}
    corrected = _corrected(whole, news)
    due = windows_of_history(QUICK, corrected, WINDOW, complete=True)
    newest: Window | None = None
    for bars in _pieces(data, list(news.values())):
        newest = live.revise(*bars)
    assert newest is not None
    assert newest.ts == whole.ts[now - 1]
    check_same({newest.ts: newest.x_TF}, {newest.ts: due[newest.ts]})
    rows = corrected[now : now + 60]
    check_same(follow(live, rows), {ts: x for ts, x in due.items() if ts in set(rows.ts)})


def _cuts(rows: list[int], before: int) -> list[tuple[int, int]]:
    return [(row, row + 1) for row in rows if row < before]


def _pieces(data: st.DataObject, bars: list[Bar]) -> list[list[Bar]]:
    return [bars] if data.draw(st.booleans()) else [[bar] for bar in bars]


def _corrected(bars: Bars, news: dict[int, Bar]) -> Bars:
    columns = {name: column.copy() for name, column in bars.columns().items()}
    for row, bar in news.items():
        for name in ("open", "high", "low", "close"):
            columns[name][row] = getattr(bar, name)
    return Bars(bars.symbol, bars.timeframe, **columns)


def test_a_revision_that_changes_nothing_gives_nothing(holes: Bars) -> None:
    """The same bar again: the stream goes on alike."""
    live = LiveWindows(QUICK, holes[:3500], WINDOW, complete=True)
    other = LiveWindows(QUICK, holes[:3500], WINDOW, complete=True)
    for bar in holes[3500:3700]:
        live.update(bar)
        other.update(bar)
    assert live.revise(holes[3690]) is None
    check_same(follow(live, holes[3700:3750]), follow(other, holes[3700:3750]))


def test_a_late_bar_after_the_last_is_the_next(holes: Bars) -> None:
    """A gap at the end was told, and one of its bars came after all, before any other."""
    live = LiveWindows(QUICK, holes[:900], WINDOW, complete=True)
    live.revise(holes[901])
    live.revise(holes[900])
    due = windows_of_history(QUICK, holes, WINDOW, complete=True)
    newest = live.newest()
    assert newest is not None
    assert_array_equal(newest.x_TF, due[holes.ts[901]])
    rows = holes[902:990]
    check_same(follow(live, rows), {ts: x for ts, x in due.items() if ts in set(rows.ts)})


def test_a_bar_that_cannot_be_is_refused_and_forgotten(holes: Bars) -> None:
    """By update and by revise; all is as before."""
    live = LiveWindows(QUICK, holes[:1950], WINDOW, complete=True)
    good, before = holes[1950], holes[1949]
    for wrong in (before, good._replace(ts=good.ts + np.timedelta64(1, "s")),
                  good._replace(low=float("nan")), good._replace(high=good.low / 2)):  # fmt: skip
        with pytest.raises(BarsError):
            live.update(wrong)
    timeless = before._replace(ts=np.datetime64("NaT", "us"))
    for wrong in (timeless, before._replace(close=float("nan")), before._replace(volume=-1.0)):
        with pytest.raises(BarsError):
            live.revise(wrong)
    due = windows_of_history(QUICK, holes, WINDOW, complete=True)
    rows = holes[1950:2000]
    check_same(follow(live, rows), {ts: x for ts, x in due.items() if ts in set(rows.ts)})
    with pytest.raises(FeatureError, match="at least 1"):
        LiveWindows(QUICK, holes, 0)


def test_what_is_kept_does_not_grow() -> None:
    """From a day after a month's turn on, no more bars than its features can see."""
    bars = walk(14 * 1440, seed=5, start="2024-01-24T00:00")
    few = FeatureSet(QUICK.features[:2], QUICK.gaps)
    live = LiveWindows(few, bars[:1], WINDOW, complete=True)
    for bar in bars[1:]:
        newest = live.update(bar)
        since = (bar.ts - bar.ts.astype("M8[M]").astype(bar.ts.dtype)) // MINUTE
        before = bar.ts < np.datetime64("2024-02-02T00:01")
        assert live.num_kept <= (10 * 1440 if before else since + few.memory + 2 * 1440)
    assert live.num_kept < 6 * 1440 + few.memory + 1440
    assert newest is not None
    assert_array_equal(newest.x_TF, few.compute(bars, complete=True)[-WINDOW:])
    assert live.revise(changed(bars[0], 1.5)) is None, "no feature can see it any more"
    assert live.revise(changed(bars[-5], 1.5)) is not None
    assert live.revise(changed(bars[0], 1.5)) is None


def test_a_reference_that_stays_silent_for_all_that_is_kept() -> None:
    """The other market's bars stop coming, for longer than any feature remembers: no error."""
    bars = walk(5 * 1440, seed=33, start="2024-01-29T00:00")
    beside = with_reference(bars, walk(100, seed=34, start="2024-01-29T00:00"))
    config = FeatureConfig(groups=("momentum",), reference="ETH-USDT")
    live = LiveWindows(default_feature_set(config), beside[:-5], WINDOW, complete=True)
    for bar in beside[-5:]:
        assert live.update(bar) is None
    assert live.num_kept < 5 * 1440
    assert live.bars.reference is not None
    assert np.isnan(live.bars.reference).all()
    late = beside[-3]._replace(reference=30_000.0)
    assert live.revise(late) is None
    assert live.bars.reference[-3] == 30_000.0


def test_the_whole_set_crosses_a_month() -> None:
    """All columns, opened a day before the turn, revised after it."""
    bars = walk(32 * 1440, seed=22, start="2024-01-01T00:00")
    turn = int(np.searchsorted(bars.ts, np.datetime64("2024-02-01")))
    bars = without(bars, (turn - 300, turn - 295), (turn + 20, turn + 23))
    due = windows_of_history(SHIPPED, bars, 60, complete=True)
    live = LiveWindows(SHIPPED, bars[: turn - 80], 60, complete=True)
    rows = bars[turn - 80 : turn + 150]
    check_same(follow(live, rows), {ts: x for ts, x in due.items() if ts in set(rows.ts)})
    back = turn + 100
    corrected = _corrected(bars, {back: changed(bars[back], 1.01)})
    newest = live.revise(changed(bars[back], 1.01))
    assert newest is not None
    assert_array_equal(
        newest.x_TF, windows_of_history(SHIPPED, corrected, 60, complete=True)[newest.ts]
    )
