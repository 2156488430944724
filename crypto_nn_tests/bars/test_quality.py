"""Every received row is a bar or is put aside with a reason; nothing is lost, nothing invented."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import month_bounds
from crypto_nn.bars.quality import (
    NUMBERS,
    QUARANTINE_COLUMNS,
    REASONS,
    QualityConfig,
    fit,
    inspect,
    nothing_received,
)
from crypto_nn.errors import BarsError
from crypto_nn_tests.bars.raw_table import LATER, minutes, raw_table

JANUARY = "2024-01"
NAN, INF = float("nan"), float("inf")


def put(bars: Bars, row: int, **values: object) -> Bars:
    """The bars with some cells of one row replaced."""
    columns: dict[str, Any] = {name: column.copy() for name, column in bars.columns().items()}
    for name, value in values.items():
        columns.setdefault(name, np.full(len(bars), None if name == "note" else NAN, dtype=object))
        columns[name][row] = value
    return replace(bars, **columns)


@pytest.mark.parametrize(
    ("values", "reason", "told"),
    [
        ({"ts": np.datetime64("NaT"), "note": "ts='soon'"}, "unreadable_time", "ts='soon'"),
        ({"ts": np.datetime64("NaT")}, "unreadable_time", "no time stamp"),
        ({"ts": np.datetime64("2024-01-01T00:03:20.799")}, "off_minute", "00:03:20.799"),
        ({"ts": np.datetime64("2023-12-31T23:59")}, "out_of_month", "2023-12-31T23:59"),
        ({"ts": np.datetime64("2024-02-01T00:00")}, "out_of_month", "2024-02-01T00:00"),
        ({"close": NAN, "note": "close='n/a'"}, "unreadable_number", "close is nan"),
        ({"close": NAN, "note": "close='n/a'"}, "unreadable_number", "written: close='n/a'"),
        ({"high": INF}, "unreadable_number", "high is inf"),
        ({"volume": -INF}, "unreadable_number", "volume is -inf"),
        ({"low": 0.0}, "not_positive", "low 0.0"),
        ({"open": -1.0}, "not_positive", "open -1.0"),
        ({"high": 1e308}, "out_of_range", "high 1e+308"),
        ({"low": 5e-324}, "out_of_range", "low 5e-324"),
        ({"volume": 1e300}, "out_of_range", "volume 1e+300"),
        ({"high": 50.0}, "high_below_low", "high 50.0"),
        ({"open": 102.0}, "high_below_low", "open 102.0"),
        ({"close": 98.0}, "high_below_low", "close 98.0"),
        ({"volume": -0.5}, "negative_volume", "volume -0.5"),
    ],
)
def test_a_row_that_is_no_bar_is_put_aside_with_its_reason(
    values: dict[str, object], reason: str, told: str
) -> None:
    """One bad row costs one row, keeps what it held, and says what was wrong with it."""
    found = inspect(raw_table(put(minutes(5), 3, **values), JANUARY))
    assert found.reasons == {reason: 1}
    assert told in found.quarantined.column("detail")[0].as_py()
    assert (found.received, len(found.accepted)) == (5, 4)
    assert tuple(found.quarantined.column_names) == QUARANTINE_COLUMNS


def test_every_reason_is_in_the_closed_vocabulary_and_explained() -> None:
    """What a user may meet in the quarantine is listed with its meaning."""
    assert all(len(meaning) > 20 for meaning in REASONS.values())
    assert set(REASONS) == {
        "unreadable_time", "off_minute", "out_of_month", "unreadable_number", "not_positive",
        "out_of_range", "high_below_low", "negative_volume", "not_closed", "duplicate",
        "superseded",
    }  # fmt: skip


def test_a_bar_is_known_only_once_its_minute_has_passed() -> None:
    """The bar of the running minute is put aside; a moment after its close it is accepted."""
    bars = minutes(3)
    close = bars.ts[-1] + bars.timeframe.step
    early = inspect(raw_table(bars, JANUARY, received_at=close - np.timedelta64(1, "us")))
    assert early.reasons == {"not_closed": 1}
    assert len(inspect(raw_table(bars, JANUARY, received_at=close)).accepted) == 3


def test_a_row_without_a_time_of_receipt_is_not_taken_as_closed() -> None:
    """Not knowing when a row came is not a licence to use it."""
    raw = raw_table(minutes(2), JANUARY)
    at = raw.column_names.index("received_at")
    raw = raw.set_column(at, "received_at", pa.nulls(2, pa.timestamp("us")))
    assert inspect(raw).reasons == {"not_closed": 2}


def test_flat_bars_without_trades_are_real() -> None:
    """A minute in which nobody traded is a bar of volume 0, and −0.0 is 0."""
    bars = put(minutes(4), 2, open=100.0, high=100.0, low=100.0, close=100.0, volume=-0.0)
    found = inspect(raw_table(bars, JANUARY))
    assert (len(found.accepted), found.flat_bars) == (4, 1)
    assert not np.signbit(found.accepted.volume).any()


def test_an_optional_number_that_cannot_be_costs_only_itself() -> None:
    """A wrong vwap or trade count is left out of its bar; the bar stays."""
    bars = put(put(minutes(3), 0, vwap=100.0, trades=5.0), 1, vwap=INF, trades=-3.0)
    accepted = inspect(raw_table(bars, JANUARY)).accepted
    assert accepted.vwap is not None
    assert accepted.trades is not None
    np.testing.assert_array_equal(accepted.vwap, [100.0, NAN, NAN])
    np.testing.assert_array_equal(accepted.trades, [5.0, NAN, NAN])


def test_the_latest_sane_revision_of_a_minute_wins() -> None:
    """A re-sent bar replaces the first one, unless it is bad; what lost is kept aside."""
    first = minutes(4)
    second = put(put(first, 1, close=100.5), 2, close=-1.0)
    raw = pa.concat_tables(
        [raw_table(second[1:3], JANUARY, revision=1), raw_table(first, JANUARY, revision=0)]
    )
    found = inspect(raw)
    assert found.reasons == {"not_positive": 1, "superseded": 1}
    assert found.accepted.close[1] == 100.5
    assert found.accepted.close[2] == first.close[2]
    assert found.unordered == 2


def test_what_was_received_last_wins_whatever_its_revision() -> None:
    """Older news that was stored later has a higher revision, and does not win."""
    first, second = minutes(2), put(minutes(2), 1, close=100.5)
    early, late = (np.datetime64(f"2024-02-0{day}", "us") for day in (1, 2))
    raw = [raw_table(second, JANUARY, late, revision=0), raw_table(first, JANUARY, early, 1)]
    for rows in (raw, raw[::-1]):
        found = inspect(pa.concat_tables(rows))
        assert found.reasons == {"duplicate": 1, "superseded": 1}
        assert found.accepted.close.tolist() == second.close.tolist()


def test_within_a_revision_the_last_row_wins_and_equal_rows_are_duplicates() -> None:
    """Rows of one minute: the one that came last counts, an identical one is no revision."""
    bars = minutes(2)
    again = put(bars, 1, close=100.5)
    found = inspect(raw_table(Bars.concat([bars, bars[:1], again[1:], again[1:]]), JANUARY))
    assert found.reasons == {"duplicate": 2, "superseded": 1}
    assert found.accepted.close.tolist() == [bars.close[0], 100.5]


def test_floored_stamps_give_way_to_exact_ones() -> None:
    """With `off_minute: floor` a bar stamped within a minute fills it only if nobody else does."""
    bars = minutes(3)
    late = np.timedelta64(20_799, "ms")
    shifted = replace(bars, ts=bars.ts + late, volume=bars.volume + 1)
    raw = raw_table(Bars.concat([bars[:1], shifted]), JANUARY)
    found = inspect(raw, QualityConfig(off_minute="floor"))
    assert found.reasons == {"superseded": 1}
    np.testing.assert_array_equal(found.accepted.ts, bars.ts)
    np.testing.assert_array_equal(found.accepted.volume, [1.0, 3.0, 4.0])
    assert inspect(raw).reasons == {"off_minute": 3}


def test_missing_minutes_stay_gaps() -> None:
    """Each run of missing minutes is one gap, a quarantined minute included."""
    bars = minutes(10).take(np.array([0, 1, 4, 5, 6, 7, 9]))
    found = inspect(raw_table(put(bars, 3, close=NAN), JANUARY))
    gaps = found.gaps.select(["gap_start", "minutes"]).to_pylist()
    assert [(gap["gap_start"].minute, gap["minutes"]) for gap in gaps] == [(2, 2), (5, 1), (8, 1)]
    assert found.missing_minutes == 4
    assert found.gap_share == 4 / 10


@pytest.mark.parametrize(
    ("start", "end", "missing"),
    [
        ("2023-06-01", None, [60]),
        (None, "2024-06-01", [31 * 1440 - 70]),
        ("2024-01-01T00:58:30", "2024-01-01T01:12:59", [1, 2]),
        ("2024-01-01T01:05", "2024-01-01T01:05", []),
    ],
)
def test_what_is_missing_at_the_ends_is_a_gap_where_it_was_due(
    start: str | None, end: str | None, missing: list[int]
) -> None:
    """Bars count as missing from the expected start to the expected end, within the month."""
    raw = raw_table(minutes(10, "2024-01-01T01:00"), JANUARY)
    found = inspect(
        raw,
        expected_start=np.datetime64(start) if start else None,
        expected_end=np.datetime64(end) if end else None,
    )
    assert found.gaps.column("minutes").to_pylist() == missing
    edges = [*found.gaps.column("gap_start").to_pylist(), *found.gaps.column("gap_end").to_pylist()]
    assert all((edge.second, edge.microsecond) == (0, 0) for edge in edges)


def test_a_month_of_nothing_but_bad_rows_is_one_gap() -> None:
    """Where every row is put aside, the whole due time is missing."""
    raw = raw_table(put(minutes(1), 0, close=NAN), JANUARY)
    start, end = month_bounds(JANUARY)
    found = inspect(raw, expected_start=start, expected_end=end)
    assert (len(found.accepted), found.gap_share) == (0, 1.0)
    assert found.gaps.column("minutes").to_pylist() == [31 * 1440]
    assert inspect(raw).gaps.num_rows == 0
    assert inspect(raw).gap_share == 0.0


def test_a_month_in_which_nothing_came_is_one_gap() -> None:
    """Without a single row what was due of the month is missing, and nothing is put aside."""
    due = np.datetime64("2024-01-31T12:00", "us"), np.datetime64("2024-06-01", "us")
    found = nothing_received("test", "BTC-USDT", JANUARY, *due)
    assert (found.received, found.reasons, found.missing_minutes) == (0, {}, 720)
    assert found.quarantined.schema == inspect(raw_table(minutes(1), JANUARY)).quarantined.schema
    assert nothing_received("test", "BTC-USDT", "2023-12", *due).gaps.num_rows == 0


def test_rows_of_several_symbols_sources_or_months_are_refused() -> None:
    """Bars of several venues are never mixed into one series."""
    one, other = raw_table(minutes(1), JANUARY), raw_table(minutes(1, symbol="ETH-USDT"), JANUARY)
    with pytest.raises(BarsError, match="one symbol are due; found BTC-USDT, ETH-USDT"):
        inspect(pa.concat_tables([one, other]))
    with pytest.raises(BarsError, match="no row at all"):
        inspect(one[:0])
    with pytest.raises(BarsError, match="without column revision"):
        inspect(one.drop_columns(["revision"]))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_order_and_any_repetition_give_the_same_bars(data: st.DataObject) -> None:
    """Rows may come in any order, and as often as they like: the accepted bars are the same."""
    bars = minutes(12)
    rows = data.draw(st.permutations(list(range(12)) + data.draw(st.lists(st.integers(0, 11)))))
    found = inspect(raw_table(bars.take(np.array(rows)), JANUARY))
    assert found.received == len(rows)
    assert set(found.reasons) <= {"duplicate"}
    for name, column in bars.columns().items():
        np.testing.assert_array_equal(getattr(found.accepted, name), column)


PRICE = st.sampled_from([100.0, 100.0, 100.0, 101.0, 99.0, 0.0, -1.0, NAN, INF, 1e308])
ROW = st.tuples(
    st.sampled_from(["2024-01-01T00:00", "2024-01-01T00:01", "2024-01-01T00:01:05", "NaT",
                     "2024-02-01"]),
    PRICE, PRICE, PRICE, PRICE,
    st.sampled_from([1.0, 0.0, -1.0, NAN]),
    st.integers(0, 2),
    st.sampled_from(["2024-01-01T00:01:30", "2024-02-01", "2024-02-02"]),
)  # fmt: skip


def bars_of(rows: list[tuple[Any, ...]]) -> tuple[Bars, pa.Table]:
    """Rows of that kind as bars, and as they lie in the raw store."""
    columns = [np.array(column) for column in zip(*rows)]
    numbers: dict[str, Any] = {n: c.astype(np.float64) for n, c in zip(NUMBERS, columns[1:6])}
    bars = replace(minutes(len(rows)), ts=columns[0].astype("datetime64[us]"), **numbers)
    raw = raw_table(bars, JANUARY)
    for name, values in (
        ("revision", columns[6].astype(np.int32)),
        ("received_at", columns[7].astype("datetime64[us]")),
    ):
        raw = raw.set_column(raw.column_names.index(name), name, pa.array(values))
    return bars, raw


@settings(deadline=None, max_examples=100)
@given(st.lists(ROW, min_size=1, max_size=12), st.sampled_from(["quarantine", "floor"]))
def test_inspection_agrees_with_the_rules_read_one_row_at_a_time(
    rows: list[tuple[str, float, float, float, float, float, int, str]], off_minute: str
) -> None:
    """A slow reading of the rules accepts the same row of each minute, and as many are aside."""
    bars, raw = bars_of(rows)
    ts = bars.ts

    best: dict[object, tuple[tuple[object, ...], int]] = {}
    for row, (stamp, opening, high, low, close, volume, version, came) in enumerate(rows):
        minute = stamp[:16]
        exact = minute == stamp
        readable = stamp != "NaT" and stamp < "2024-02" and (exact or off_minute == "floor")
        readable = readable and str(ts[row] + bars.timeframe.step) <= came
        prices = (opening, high, low, close)
        sane = all(0 < price < 1e12 for price in prices)  # false for NaN
        if readable and sane and low == min(prices) and high == max(prices) and volume >= 0:
            rank = (exact, came, version, ts[row], row)
            best[minute] = max(best.get(minute, (rank, row)), (rank, row))
    found = inspect(raw, QualityConfig.model_validate({"off_minute": off_minute}))
    assert found.received == len(rows)
    winners = [best[minute][1] for minute in sorted(best, key=str)]
    np.testing.assert_array_equal(found.accepted.close, bars.close[winners])
    np.testing.assert_array_equal(found.accepted.volume, bars.volume[winners])


@settings(deadline=None, max_examples=60)
@given(st.lists(ROW, max_size=12), st.sampled_from(["quarantine", "floor"]))
def test_a_row_is_fit_where_inspection_finds_no_fault_in_it(
    rows: list[tuple[Any, ...]], off_minute: str
) -> None:
    """Judged by itself it is what inspection says of it alone, whatever its month."""
    config = QualityConfig.model_validate({"off_minute": off_minute})
    if not rows:
        assert fit(minutes(0), LATER).shape == (0,)
        return
    bars, raw = bars_of(rows)
    found = fit(bars, raw["received_at"].to_numpy(), config)
    for row, stamp in enumerate(bars.ts):
        month = "2024-01" if np.isnat(stamp) else str(stamp.astype("datetime64[M]"))
        alone = raw.slice(row, 1)
        at = alone.column_names.index("month")
        alone = alone.set_column(at, "month", pa.array([month]))
        assert bool(found[row]) == (len(inspect(alone, config).accepted) == 1)
    assert fit(bars, LATER, config).sum() >= found.sum()
