"""A stream that is stopped and restored goes on with the bits of one that never stopped."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import month_of
from crypto_nn.errors import FeatureError
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.live_windows import LiveWindows
from crypto_nn.features.snapshot import Snapshot
from crypto_nn_tests.indicators.made import walk, without
from crypto_nn_tests.market import BTC, needs_market, real_bars

WINDOW = 12
RESTARTS = 20
MINUTE = np.timedelta64(60_000_000, "us")


@cache
def quick() -> FeatureSet:
    """The features that remember less than seven hours, so that months are crossed quickly."""
    shipped = default_feature_set()
    few = [feature for feature in shipped.features if (feature.memory_minutes or 0) < 420]
    return FeatureSet(tuple(few), shipped.gaps)


@cache
def holes() -> Bars:
    """Four days around a month's end, with holes short and long, one over midnight of the first."""
    bars = walk(4 * 1440, seed=31, start="2024-02-28T00:00")
    turn = 2 * 1440
    return without(bars, (100, 103), (1500, 1506), (1700, 1900), (2600, 2613), (turn - 2, turn + 3),
                   (turn + 300, turn + 440), (4000, 4001), (4100, 4170))  # fmt: skip


def kept(snapshot: Snapshot) -> Snapshot:
    """As it comes back from a file."""
    return Snapshot.from_bytes(snapshot.to_bytes())


def stored_at(features: FeatureSet, bars: Bars, row: int, rng: np.random.Generator) -> Bars:
    """What a lake may have by a restart: from the anchor on or earlier, and some later bars."""
    anchor = features.anchor(month_of(bars.ts[row]))
    lo = int(np.searchsorted(bars.ts, anchor, side="right")) - 1
    return bars[int(rng.integers(0, max(lo, 0) + 1)) : row + 1 + int(rng.integers(0, 50))]


def with_restarts(
    features: FeatureSet, bars: Bars, opened: int, complete: bool, seed: int
) -> NDArray[np.float32]:
    """The rows of the bars from `opened` on, from a stream that is stopped twenty times."""
    rng = np.random.default_rng(seed)
    stops = set(rng.choice(np.arange(opened, len(bars)), RESTARTS, replace=False).tolist())
    live = features.stream(bars[:opened], complete)
    rows = []
    for number in range(opened, len(bars)):
        rows.append(live.update(bars[number]))
        if number in stops:
            known = bars[: number + 1] if rng.random() < 0.5 else None
            snapshot = kept(Snapshot.of(features, live, known))
            stored = bars if complete else stored_at(features, bars, number, rng)
            live = snapshot.restore(features, stored)
            assert live.last == bars.ts[number]
            assert_array_equal(live.newest, rows[-1])
    return np.array(rows)


@pytest.mark.parametrize(("complete", "opened"), [(True, 0), (True, 1000), (False, 2000)])
def test_restarts_change_no_row(complete: bool, opened: int) -> None:
    """Over holes and a month's end, from the first bar ever or from some history on."""
    features, bars = quick(), holes()
    rows = with_restarts(features, bars, opened, complete, opened)
    straight = features.stream(bars[:opened], complete)
    assert_array_equal(rows, [straight.update(bar) for bar in bars[opened:]])
    assert_array_equal(rows, features.compute(bars, complete)[opened:])
    assert np.isnan(rows).all(axis=1).any() == (not complete), "February has no anchor then"
    assert np.isnan(rows).any(axis=1).sum() > 100, "warm-up, at the start or after an outage"
    assert np.isfinite(rows).all(axis=1).sum() > 500


@pytest.mark.parametrize("start", ["2023-03-24", "2023-05-31T12:00"])
@needs_market[0]
@needs_market[1]
def test_restarts_on_real_bars_change_no_row(start: str) -> None:
    """All shipped features, over the outage of 24 March 2023 and over a month's end."""
    features = default_feature_set()
    at = np.datetime64(start, "us")
    bars = real_bars(BTC, rows=160 * 1440).between(at - 75 * 1440 * MINUTE, at + 1440 * MINUTE)
    opened = int(np.searchsorted(bars.ts, at))
    rows = with_restarts(features, bars, opened, False, 5)
    assert_array_equal(rows, features.compute(bars)[opened:])
    assert np.isfinite(rows).all(axis=1).mean() > 0.5


@pytest.mark.parametrize("complete", [True, False])
def test_restarts_change_no_window(complete: bool) -> None:
    """The same of windows, which keep their own bars and need none but the stored ones again."""
    features, bars, opened = quick(), holes(), 2500
    rng = np.random.default_rng(8)
    stops = set(rng.choice(np.arange(opened, len(bars)), RESTARTS, replace=False).tolist())
    straight = LiveWindows(features, bars[:opened], WINDOW, complete)
    live = LiveWindows(features, bars[:opened], WINDOW, complete)
    found = 0
    for number in range(opened, len(bars)):
        ours, theirs = live.update(bars[number]), straight.update(bars[number])
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert_array_equal(ours.x_TF, theirs.x_TF)
            found += 1
        if number in stops:
            live = kept(Snapshot.of_windows(live)).restore_windows(features, bars)
    assert found > 1000


def test_a_stream_without_a_bar_is_restored_without_one() -> None:
    """Stopped before its first bar, and before any row had all its features."""
    features, bars = quick(), holes()
    none = kept(Snapshot.of(features, features.stream(bars[:0], complete=True)))
    assert none.last is None
    live = none.restore(features, bars)
    assert live.last is None
    assert_array_equal(live.update(bars[0]), features.compute(bars[:1], complete=True)[0])
    empty = LiveWindows(features, bars[:0], WINDOW, complete=True)
    assert kept(Snapshot.of_windows(empty)).restore_windows(features, bars).newest() is None


def test_a_history_that_began_late_is_restored_as_late() -> None:
    """Bars that were stored since, from before the stream's first, do not change its rows."""
    features, bars = quick(), holes()
    late, now = bars[2000:2600], 2600
    assert bars.ts[2000] > features.anchor("2024-02")
    live = features.stream(late)
    assert live.newest is not None
    assert np.isnan(live.newest).all()
    again = kept(Snapshot.of(features, live, late)).restore(features, bars)
    for bar in bars[now:]:
        assert_array_equal(again.update(bar), live.update(bar))
    assert again.newest is not None
    windows = LiveWindows(features, late, WINDOW)
    same = kept(Snapshot.of_windows(windows)).restore_windows(features, bars)
    assert len(same.bars) == len(windows.bars)


def revised(bars: Bars, row: int, **factors: float) -> Bars:
    """The bars with these columns of one bar multiplied."""
    columns = {name: getattr(bars, name).copy() for name in factors}
    for name, factor in factors.items():
        columns[name][row] *= factor
    return replace(bars, **columns)


def test_a_revised_bar_is_noticed_and_named() -> None:
    """A near one by the columns that differ, a far one by the bars' digest, where it is there."""
    features, bars = quick(), holes()
    live = features.stream(bars[:3500], complete=True)
    with_bars = kept(Snapshot.of(features, live, bars[:3500]))
    without_bars = kept(Snapshot.of(features, live))
    near, far = revised(bars, 3498, volume=3.0), revised(bars, 1600, volume=3.0)
    since = features.anchor("2024-03")
    num = int((bars.ts[:3500] >= since).sum())
    assert bars.ts[50] < since < bars.ts[1600]
    with pytest.raises(FeatureError, match=r"columns differ: .*volume_share_60 \(.* then, .* now"):
        without_bars.restore(features, near)
    with pytest.raises(FeatureError, match=r"columns differ.*bars since .* are others.*Open a new"):
        with_bars.restore(features, near)
    with pytest.raises(FeatureError, match=f"bars since {since} are others: {num} then, {num} now"):
        with_bars.restore(features, far)
    one_less = without(bars, (1600, 1601))
    with pytest.raises(FeatureError, match=f"are others: {num} then, {num - 1} now"):
        with_bars.restore(features, one_less)
    for unseen in (50, 3500):  # before the anchor, and after the last
        other = revised(bars, unseen, volume=3.0)
        assert with_bars.restore(features, other).last == bars.ts[3499]


def test_a_revised_bar_is_noticed_by_windows() -> None:
    features, bars = quick(), holes()
    snapshot = kept(Snapshot.of_windows(LiveWindows(features, bars[:3500], WINDOW, complete=True)))
    with pytest.raises(FeatureError, match="are others"):
        snapshot.restore_windows(features, revised(bars, 2000, volume=3.0))
    assert snapshot.restore_windows(features, bars).newest() is not None


def test_what_does_not_belong_to_the_snapshot_is_refused() -> None:
    """Another feature set, symbol or kind of stream, and bars that do not reach to its last."""
    features, bars = quick(), holes()
    live = features.stream(bars[:3500], complete=True)
    snapshot = kept(Snapshot.of(features, live))
    other = FeatureSet(features.features[1:], features.gaps)
    with pytest.raises(FeatureError, match=f"{features.fingerprint}, and this one is"):
        snapshot.restore(other, bars)
    with pytest.raises(FeatureError, match="bars of ETH-USDT"):
        snapshot.restore(features, replace(bars, symbol="ETH-USDT"))
    with pytest.raises(FeatureError, match="call `restore`"):
        snapshot.restore_windows(features, bars)
    windows = Snapshot.of_windows(LiveWindows(features, bars[:3500], WINDOW, complete=True))
    with pytest.raises(FeatureError, match="call `restore_windows`"):
        windows.restore(features, bars)
    for few in (bars[:3499], bars[:0], without(bars, (3499, 3500))):
        with pytest.raises(FeatureError, match=f"taken the bar of {bars.ts[3499]}"):
            snapshot.restore(features, few)


def _flipped(content: bytes) -> bytes:
    """One digit of the newest row is another."""
    return content.replace(b'"log_return_1": "', b'"log_return_1": "0', 1)


def _older(content: bytes) -> bytes:
    return content.replace(b"crypto_nn.stream/1", b"crypto_nn.stream/0")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_flipped, "damaged"),
        (_older, "format 'crypto_nn.stream/0'"),
        (lambda content: content[:-40], "no snapshot"),
        (lambda content: b"", "no snapshot"),
        (lambda content: b"\x80\x04\x95", "no snapshot"),
        (lambda content: b"[1, 2]", "no snapshot"),
        (lambda content: b'{"format": 1}', "no snapshot"),
        (lambda content: b"17", "no snapshot"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(damage: Callable[[bytes], bytes], said: str) -> None:
    """Each says what is wrong; none is taken for a stream, and none raises anything else."""
    features = quick()
    content = Snapshot.of(features, features.stream(holes()[:300], complete=True)).to_bytes()
    damaged = damage(content)
    assert damaged != content
    with pytest.raises(FeatureError, match=said):
        Snapshot.from_bytes(damaged)


def test_a_snapshot_is_small_plain_json_and_the_same_for_the_same_state() -> None:
    features, bars = quick(), holes()
    live = features.stream(bars[:3500], complete=True)
    one, other = (Snapshot.of(features, live, bars[:3500]) for _ in range(2))
    assert one == other == kept(one)
    assert one.to_bytes() == other.to_bytes()
    assert len(one.to_bytes()) < 100 * len(features.names)
    facts = json.loads(one.to_bytes())
    assert facts["row"].keys() == set(features.names)
    assert one.last == str(bars.ts[3499])
