"""Frames of anybody's: each oddity has its verdict, and nothing but `DriftError` is raised."""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto_nn.errors import DriftError
from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.detector import DriftDetector
from crypto_nn.monitoring.report import DriftReport
from crypto_nn_tests.monitoring.blocks import QUICK, blocks, normal_days

ROWS, DAYS = 60, 40
NOW = np.datetime64("2024-03-01T00:00:00", "us")


def frame(seed: int, rows: int = ROWS * DAYS) -> pd.DataFrame:
    """A number, a colour and a switch, without times."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "size": rng.standard_normal(rows),
            "colour": rng.choice(["red", "green", "blue"], rows),
            "on": rng.random(rows) < 0.3,
        }
    )


def timed(values: pd.DataFrame, first: str, zone: str | None = None) -> pd.DataFrame:
    """The same rows, sixty a day."""
    return values.set_index(pd.date_range(first, periods=len(values), freq="24min", tz=zone))


def check_is_sound(report: DriftReport) -> None:
    """No figure is missing, and what is no probability is no p-value."""
    assert 0 < report.p_value <= 1
    assert np.isfinite([report.drift_score, report.effect]).all()
    assert (report.drift_score > 1) == (report.p_value <= report.alpha + 1e-12)
    for column in report.columns:
        figures = (column.statistic, column.effect, column.score, column.ks, column.wasserstein)
        assert np.isfinite([*figures, column.psi, column.chi_square, column.cramers_v]).all()
        assert 0 < column.p_value <= 1
    for table in report.to_arrow().values():
        assert all(column.null_count == 0 for column in table.columns)


def verdicts(report: DriftReport) -> dict[str, str]:
    return {column.name: column.verdict for column in report.columns}


def test_calm_frames_are_calm_and_a_move_of_any_column_is_found() -> None:
    detector = DriftDetector(QUICK).fit(frame(0))
    calm = detector.detect(frame(1, ROWS), now=NOW)
    check_is_sound(calm)
    assert not calm.drifted
    assert calm.reference_days == DAYS
    assert "blocks of 60 rows" in calm.reason
    moves: dict[str, Callable[[pd.DataFrame], Any]] = {
        "size": lambda rows: rows["size"] + 1,
        "colour": lambda rows: "red",
        "on": lambda rows: ~rows["on"],
    }
    for name, move in moves.items():
        today = frame(1, ROWS)
        today[name] = move(today)
        report = detector.detect(today, now=NOW)
        check_is_sound(report)
        assert (report.drifted, report.worst_feature) == (True, name)


@pytest.mark.parametrize("place", ["index", "column", "text", "zone"])
def test_rows_with_times_are_compared_by_whole_days(place: str) -> None:
    """However times are written, the last day is compared with those before it."""
    everything = timed(frame(2), "2024-01-01", zone="UTC" if place == "zone" else None)
    everything.iloc[-ROWS:, 0] += 2.0
    if place == "zone":
        everything = everything.tz_convert("Asia/Tokyo")
    if place in ("column", "text"):
        everything = everything.rename_axis("ts").reset_index()
    if place == "text":
        everything["ts"] = everything["ts"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    report = DriftDetector(QUICK).fit(everything).detect(everything.iloc[-ROWS - 5 :])
    check_is_sound(report)
    assert report.day == "2024-02-09"
    assert report.made_at == np.datetime64("2024-02-10", "us")
    assert (report.drifted, report.worst_feature, report.reference_days) == (True, "size", DAYS - 1)
    earlier = DriftDetector(QUICK).fit(everything).detect(everything, day="2024-02-08")
    assert (earlier.day, earlier.reference_days, earlier.drifted) == ("2024-02-08", 38, False)


def test_day_blocks_give_what_compare_gives() -> None:
    everything = blocks(normal_days(3))
    last = everything.day_N() == everything.day_N()[-1]
    report = DriftDetector(QUICK).fit(everything).detect(everything.rows(last))
    assert report.reference_days == 39
    as_frame = pd.DataFrame(everything.x_NF, everything.ts_N, columns=list(everything.names))
    assert DriftDetector(QUICK).fit(as_frame).detect(as_frame) == report


ODD: dict[str, tuple[Any, Any, str]] = {
    # name: what the reference has, what the frame has, the verdict
    "all_nan": (1.5, np.nan, "missing today"),
    "never": (None, 1.5, "not in the reference"),
    "constant": (7.0, 7.0, "constant"),
    "same_text": ("a", "a", "constant"),
    "changed": (7.0, 8.0, "new values"),
    "new_category": ("a", "b", "new values"),
    "infinite": (1.5, np.inf, "missing today"),
    "text_now": (1.5, "1.5", "wrong type"),
    "number_now": ("1.5", 1.5, "wrong type"),
    "time": (pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02"), "wrong type"),
    "day": (date(2024, 1, 1), date(2024, 1, 2), "wrong type"),
    "complex": (1j, 2j, "wrong type"),
    "decimal": (Decimal(1), Decimal(1), "constant"),
    "huge": (10**400, 10**400, "missing today"),
}


def test_each_odd_column_has_its_verdict_and_the_others_are_still_compared() -> None:
    reference, today = frame(4), frame(5, ROWS)
    for name, (before, now, _) in ODD.items():
        reference[name], today[name] = before, now
    reference["lists"] = [[1]] * len(reference)
    today["lists"] = [[1]] * len(today)
    reference["gone"], today["extra"] = 1.0, 1.0
    report = DriftDetector(QUICK).fit(reference).detect(today, now=NOW)
    check_is_sound(report)
    due = {name: verdict for name, (_, _, verdict) in ODD.items()} | {
        "lists": "wrong type",
        "gone": "missing today",
        "extra": "not in the reference",
        **dict.fromkeys(["size", "colour", "on"], "compared"),
    }
    assert verdicts(report) == due
    assert {column.name for column in report.columns if column.drifted} == {
        "changed",
        "new_category",
    }
    assert "left out for their type: text_now" in report.reason


def test_one_row_and_no_row_are_told_and_are_no_drift() -> None:
    detector = DriftDetector(QUICK).fit(timed(frame(6), "2024-01-01"))
    one = detector.detect(timed(frame(7, 1), "2024-02-10"))
    check_is_sound(one)
    assert set(verdicts(one).values()) == {"too few values today"}
    for empty in (timed(frame(7, 1), "2024-02-10").iloc[:0], pd.DataFrame()):
        none = detector.detect(empty)
        check_is_sound(none)
        assert set(verdicts(none).values()) == {"missing today"}
        assert "no feature values on 2024-02-10" in none.reason
    nothing = DriftDetector(QUICK).fit(pd.DataFrame()).detect(pd.DataFrame())
    check_is_sound(nothing)
    assert (nothing.drifted, nothing.columns) == (False, ())
    few = DriftDetector(QUICK).fit(frame(8, 5 * ROWS)).detect(frame(9, ROWS))
    assert (few.drifted, few.reference_days) == (False, 0)
    assert "not enough reference days for feature columns: 5; 30 are due" in few.reason


def test_rare_texts_are_one_category_and_a_column_of_names_alone_is_calm() -> None:
    reference, today = frame(10), frame(11, ROWS)
    reference["name"] = [f"order {j}" for j in range(len(reference))]
    today["name"] = [f"order {j + 10**6}" for j in range(len(today))]
    report = DriftDetector(QUICK).fit(reference).detect(today)
    check_is_sound(report)
    assert not report.drifted


def test_kinds_share_the_level_and_a_loss_drifts_upwards_only() -> None:
    reference = frame(12).assign(loss=np.random.default_rng(0).random(ROWS * DAYS))
    config = QUICK.model_copy(update={"alpha": 0.1})
    detector = DriftDetector(config).fit(reference, kinds={"loss": "performance"})
    for change, drifted in ((0.5, True), (-0.5, False)):
        today = frame(13, ROWS).assign(loss=np.random.default_rng(1).random(ROWS) + change)
        report = detector.detect(today)
        assert report.drifted == drifted
        assert {column.kind for column in report.columns} == {"feature", "performance"}


def test_fit_keeps_a_copy() -> None:
    reference = timed(frame(14), "2024-01-01")
    detector = DriftDetector(QUICK).fit(reference)
    today = timed(frame(15, ROWS), "2024-02-10")
    before = detector.detect(today)
    reference["size"] = 9.0
    assert detector.detect(today) == before


def test_what_cannot_be_read_is_refused_with_what_to_do() -> None:
    calm = frame(16)
    dated = timed(calm, "2024-01-01")
    fitted = DriftDetector(QUICK).fit(dated)
    twice = pd.concat([calm, calm], axis=1)
    with pytest.raises(DriftError, match="fit"):
        DriftDetector().detect(calm)
    with pytest.raises(DriftError, match="list cannot be compared"):
        DriftDetector().fit([1, 2])  # type: ignore[arg-type]
    with pytest.raises(DriftError, match="colour, on, size comes twice"):
        DriftDetector().fit(twice)
    with pytest.raises(DriftError, match="no such column: sise"):
        DriftDetector().fit(calm, kinds={"sise": "performance"})
    with pytest.raises(DriftError, match="kinds size: loss"):
        DriftDetector().fit(calm, kinds={"size": "loss"})  # type: ignore[dict-item]
    with pytest.raises(DriftError, match="Only one of"):
        fitted.detect(calm)
    with pytest.raises(DriftError, match="they are numbers"):
        DriftDetector().fit(calm.assign(ts=1))
    with pytest.raises(DriftError, match="cannot be read"):
        DriftDetector().fit(calm.assign(ts="yesterday"))
    with pytest.raises(DriftError, match="2024-13-01"):
        fitted.detect(dated, day="2024-13-01")
    with pytest.raises(DriftError, match="no moment"):
        fitted.detect(dated, now="soon")  # type: ignore[arg-type]


EXAMPLES = int(os.environ.get("CRYPTO_NN_EXAMPLES", "60"))

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=2),
    st.decimals(),
    st.fractions(),
    st.complex_numbers(),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.tuples(st.integers()),
)
COLUMNS = (
    st.floats(),
    st.floats(width=32),
    st.integers(-(2**62), 2**62),
    st.booleans(),
    st.text(max_size=3),
    st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf, 1e308, 5e-324]),
    SCALARS,
)
DTYPES = ("Int64", "Float64", "boolean", "string", "category", "float32", "str", "object")


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Few rows of any types, under names that often meet those of another such frame."""
    rows = draw(st.integers(0, 12))
    columns: dict[Any, Any] = {}
    for name in draw(st.lists(st.sampled_from(["a", "b", "c", 1, "ts"]), max_size=4, unique=True)):
        elements = (
            st.datetimes()
            if name == "ts" and draw(st.booleans())
            else draw(st.sampled_from(COLUMNS))
        )
        values = draw(st.lists(elements, min_size=rows, max_size=rows))
        column: Any = pd.Series(values, dtype=object)
        wanted = draw(st.sampled_from((None, None, *DTYPES)))
        with np.errstate(all="ignore"), suppress(TypeError, ValueError, ArithmeticError):
            column = column.infer_objects() if wanted is None else column.astype(wanted)
        columns[name] = column
    made = pd.DataFrame(columns, index=range(rows))
    if draw(st.booleans()):
        stamps = st.datetimes(pd.Timestamp(2024, 1, 1), pd.Timestamp(2024, 1, 6))
        made.index = pd.DatetimeIndex(draw(st.lists(stamps, min_size=rows, max_size=rows)))
    return made


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frames(), frames(), st.integers(1, 3))
def test_whatever_the_frames_there_is_a_sound_report_or_a_drift_error(
    reference: pd.DataFrame, today: pd.DataFrame, min_rows: int
) -> None:
    config = DriftConfig(
        alpha=0.4, min_rows=min_rows, min_reference_days=1, min_column_share=0, min_day_share=0
    )
    try:
        report = DriftDetector(config).fit(reference).detect(today)
    except DriftError:
        return
    check_is_sound(report)
