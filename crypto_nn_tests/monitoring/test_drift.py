"""The drift report: what it decides, and that it decides something whatever it is given."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crypto_nn.errors import BarsError, DriftError
from crypto_nn.monitoring.drift import DayBlocks, DriftConfig, DriftReport, Reference, compare
from crypto_nn_tests.monitoring.blocks import MADE_AT, QUICK, blocks, last_day, normal_days


def check_is_sound(report: DriftReport) -> None:
    """Every figure is a number, p-values are probabilities, and score and p-value agree."""
    assert 0 < report.p_value <= 1
    assert (report.drift_score > 1) == (report.p_value <= report.alpha + 1e-12)
    assert report.reason
    for column in report.columns:
        figures = [column.statistic, column.effect, column.psi, column.chi_square, column.score]
        figures += [column.ks, column.wasserstein, column.cramers_v]
        assert np.isfinite(figures).all(), column
        assert 0 <= column.ks <= 1
        assert 0 <= column.cramers_v <= 1
        assert 0 < column.p_value <= 1
        assert not column.drifted or report.drifted
    for table in report.to_arrow().values():
        assert all(column.null_count == 0 for column in table.columns)


def test_a_day_that_moved_half_a_sd_in_one_feature_is_drift_and_the_feature_is_named() -> None:
    x_BNF = normal_days(0)
    x_BNF[-1, :, 2] += 0.5
    report = last_day(blocks(x_BNF))
    check_is_sound(report)
    assert report.drifted
    assert report.worst_feature == "column_2"
    assert [column.name for column in report.columns if column.drifted] == ["column_2"]
    assert report.effect == pytest.approx(0.5, abs=0.15)
    assert "column_2" in report.reason


@pytest.mark.parametrize("seed", range(30))
def test_the_score_exceeds_one_exactly_where_p_is_at_most_alpha(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x_BNF = normal_days(seed, days=int(rng.integers(22, 60)), rows=60)
    x_BNF[-1] += rng.choice([0.0, 0.2, 0.4])
    config = DriftConfig(
        power_days=0, alpha=float(rng.choice([0.05, 0.1, 0.2])), min_reference_days=1
    )
    check_is_sound(last_day(blocks(x_BNF), config))


def test_equal_days_tie_and_ties_are_no_alarm() -> None:
    day = np.random.default_rng(0).standard_normal((1, 200, 3))
    report = last_day(blocks(np.repeat(day, 40, axis=0)))
    assert report.p_value == 1
    assert report.drift_score <= 1


def test_the_same_input_gives_the_same_report() -> None:
    everything = blocks(normal_days(3))
    config = DriftConfig()
    assert last_day(everything, config) == last_day(everything, config)


def test_the_order_of_rows_and_of_reference_days_does_not_matter() -> None:
    x_BNF = normal_days(4)
    shuffled = np.concatenate([x_BNF[:-1][::-1, ::-1], x_BNF[-1:]])
    first, second = last_day(blocks(x_BNF)), last_day(blocks(shuffled))
    assert first.p_value == second.p_value
    assert first.drift_score == pytest.approx(second.drift_score, rel=1e-12)


def test_units_of_a_column_do_not_matter() -> None:
    x_BNF = normal_days(5)
    x_BNF[-1, :, 0] += 0.3
    small = x_BNF * np.array([1e-6, 1e-3, 1.0, 1e6])
    first, second = last_day(blocks(x_BNF)), last_day(blocks(small))
    assert first.drift_score == pytest.approx(second.drift_score, rel=1e-12)
    assert first.effect == pytest.approx(second.effect, rel=1e-9)


@pytest.mark.parametrize("rows", [1_000, 30_000])
def test_a_tiny_move_is_no_drift_however_many_rows_show_it(rows: int) -> None:
    """A hundredth of a standard deviation can be significant, but does not matter."""
    wobble_B11 = normal_days(6, days=22, rows=1, columns=1) * 1e-4
    x_BNF = normal_days(7, days=1, rows=rows, columns=1) + wobble_B11
    x_BNF[-1] += 0.01
    config = DriftConfig(
        power_days=0, min_reference_days=20, season="all", max_rows_per_day=100_000
    )
    report = last_day(blocks(x_BNF), config)
    assert report.drift_score > 1
    assert report.effect < config.min_effect
    assert not report.drifted
    assert "too small" in report.reason
    assert last_day(blocks(x_BNF), config.model_copy(update={"min_effect": 0.0})).drifted


def test_a_higher_threshold_asks_for_a_higher_score() -> None:
    x_BNF = normal_days(0)
    x_BNF[-1, :, 2] += 0.5
    score = last_day(blocks(x_BNF)).drift_score
    stricter = QUICK.model_copy(update={"threshold": score * 1.01})
    assert not last_day(blocks(x_BNF), stricter).drifted


def test_infinite_values_count_as_missing() -> None:
    x_BNF = normal_days(8)
    x_BNF[::3, :20, 1] = np.nan
    infinite = np.where(np.isnan(x_BNF), np.inf, x_BNF)
    assert last_day(blocks(x_BNF)) == last_day(blocks(infinite))


def _all_nan_today(x_BNF: np.ndarray) -> None:
    x_BNF[-1, :, 0] = np.nan


def _one_value_today(x_BNF: np.ndarray) -> None:
    x_BNF[-1, 1:, 0] = np.nan


def _never_before(x_BNF: np.ndarray) -> None:
    x_BNF[:-1, :, 0] = np.nan


def _seldom_before(x_BNF: np.ndarray) -> None:
    x_BNF[:-1:2, :, 0] = np.nan


def _constant(x_BNF: np.ndarray) -> None:
    x_BNF[:, :, 0] = 7.0


def _new_category(x_BNF: np.ndarray) -> None:
    x_BNF[:, :, 0] = np.arange(200) % 3
    x_BNF[-1, :100, 0] = 3


def _categories(x_BNF: np.ndarray) -> None:
    x_BNF[:, :, 0] = np.arange(200) % 3


VERDICTS = {
    "missing today": _all_nan_today,
    "too few values today": _one_value_today,
    "not in the reference": _never_before,
    "too few reference days": _seldom_before,
    "constant": _constant,
    "new values": _new_category,
    "compared": _categories,
}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_each_odd_column_has_its_verdict_and_the_others_are_still_compared(verdict: str) -> None:
    x_BNF = normal_days(9)
    VERDICTS[verdict](x_BNF)
    report = last_day(blocks(x_BNF))
    check_is_sound(report)
    assert [column.verdict for column in report.columns] == [verdict] + ["compared"] * 3
    assert report.drifted == (verdict == "new values")


def test_a_column_that_never_varied_and_now_does_is_drift() -> None:
    x_BNF = normal_days(10)
    x_BNF[:-1, :, 0] = 7.0
    report = last_day(blocks(x_BNF))
    check_is_sound(report)
    assert report.worst_feature == "column_0"
    assert report.drifted


def test_columns_on_one_side_only_are_named_and_left_out() -> None:
    x_BNF = normal_days(11)
    old, new = blocks(x_BNF[:-1], prefix="old"), blocks(x_BNF, prefix="new")
    today = new.rows(new.day_N() == new.day_N()[-1])
    day = str(today.day_N()[0])
    report = compare(Reference("BTC-USDT", "v1", old), today, QUICK, day=day, made_at=MADE_AT)
    check_is_sound(report)
    assert {column.verdict for column in report.columns} == {
        "missing today",
        "not in the reference",
    }
    assert not report.drifted


@pytest.mark.parametrize(
    ("num_days", "rows_today", "reason"),
    [(10, 200, "not enough reference days"), (40, 0, "no feature values"), (40, 50, "100 are due")],
)
def test_where_nothing_can_be_compared_the_report_says_why_and_does_not_alarm(
    num_days: int, rows_today: int, reason: str
) -> None:
    all_days = blocks(normal_days(12, days=num_days) + 5)
    day = all_days.day_N()[-1]
    reference = Reference("BTC-USDT", "v1", all_days.rows(all_days.day_N() < day))
    today = all_days.rows(np.flatnonzero(all_days.day_N() == day)[:rows_today])
    report = compare(reference, today, QUICK, day=str(day), made_at=MADE_AT)
    check_is_sound(report)
    assert reason in report.reason
    assert (report.drift_score, report.p_value, report.drifted) == (0, 1, False)
    assert report.reference_days == 0


def test_days_on_or_after_the_day_are_not_looked_at() -> None:
    x_BNF = normal_days(13)
    all_days = blocks(x_BNF)
    day = all_days.day_N()[-1]
    today = all_days.rows(all_days.day_N() == day)
    past = Reference("BTC-USDT", "v1", all_days.rows(all_days.day_N() < day))
    future = blocks(np.concatenate([x_BNF, normal_days(14, days=20) + 9]))
    reports = [
        compare(reference, today, QUICK, day=str(day), made_at=MADE_AT)
        for reference in (past, Reference("BTC-USDT", "v1", future))
    ]
    assert reports[0] == reports[1]


def test_kinds_have_reference_days_of_their_own() -> None:
    """Predictions are known for the last 50 days only; features for all."""
    features = blocks(normal_days(15, days=80))
    predictions = blocks(normal_days(16, days=80, columns=3), "prediction", "p")
    late = predictions.rows(predictions.day_N() >= predictions.day_N()[-1] - 50)
    report = last_day(DayBlocks.join(features, late))
    check_is_sound(report)
    assert report.reference_days == 50
    assert {column.kind for column in report.columns} == {"feature", "prediction"}
    assert all(column.verdict == "compared" for column in report.columns)


@pytest.mark.parametrize("late_days", [30, 5, 1])
def test_a_kind_with_too_few_days_leaves_its_share_of_the_level_to_the_others(
    late_days: int,
) -> None:
    """A new champion has few days of its own predictions and losses; features lose nothing."""
    features = blocks(normal_days(22, days=80))
    config = QUICK.model_copy(update={"min_reference_days": 1})
    alone = last_day(features, config)
    parts = [blocks(normal_days(23, days=80, columns=2), "prediction", "p")]
    parts.append(blocks(normal_days(24, days=80, columns=1), "performance", "loss"))
    last = parts[0].day_N()[-1]
    late = [part.rows(part.day_N() >= last - late_days) for part in parts]
    report = last_day(DayBlocks.join(features, *late), config)
    check_is_sound(report)
    assert (report.drift_score, report.p_value) == (alone.drift_score, alone.p_value)
    assert report.reference_days == 79
    assert report.columns[: len(alone.columns)] == alone.columns
    others = report.columns[len(alone.columns) :]
    assert {column.verdict for column in others} == {"not enough reference days"}
    for kind in ("prediction", "performance"):
        assert f"not enough reference days for {kind} columns: {late_days}" in report.reason


def test_two_kinds_with_enough_days_share_what_a_third_leaves() -> None:
    parts = [
        blocks(normal_days(25, days=80)),
        blocks(normal_days(26, days=80, columns=2), "prediction", "p"),
    ]
    two = last_day(DayBlocks.join(*parts))
    third = blocks(normal_days(27, days=80, columns=1), "performance", "loss")
    late = third.rows(third.day_N() >= third.day_N()[-1] - 40)
    three = last_day(DayBlocks.join(*parts, late))
    check_is_sound(three)
    assert (two.drift_score, two.p_value) == (three.drift_score, three.p_value)
    assert "40; 59 are due" in three.reason


def test_features_give_way_last() -> None:
    """45 days are enough for one kind and too few for three: what the market does is compared."""
    x_BNF = normal_days(30, days=45)
    x_BNF[-1, :, 0] += 3
    parts = [
        blocks(x_BNF),
        blocks(normal_days(31, days=45, columns=2), "prediction", "p"),
        blocks(normal_days(32, days=45, columns=1), "performance", "loss"),
    ]
    report = last_day(DayBlocks.join(*parts))
    check_is_sound(report)
    assert report.drifted
    assert report.worst_feature == "column_0"
    verdicts = {column.kind: column.verdict for column in report.columns}
    assert verdicts["feature"] == "compared"
    assert "not enough reference days" in verdicts.values()


@pytest.mark.parametrize("days", [101, 121, 137])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_a_season_with_too_few_days_for_the_level_is_left(days: int, alpha: float) -> None:
    """All days are enough for either level, the weekdays or weekends among them not always."""
    x_BNF = normal_days(33, days=days)
    x_BNF[-1, :, 0] += 3
    config = DriftConfig(power_days=0, alpha=alpha, reference_days=200)
    for last in range(days - 7, days):  # each weekday once
        x = np.concatenate([x_BNF[:last], x_BNF[-1:]])
        report = last_day(blocks(x), config)
        assert report.drifted == (last >= (99 if alpha == 0.01 else 19)), report.reason


def test_a_kind_of_which_nothing_can_be_compared_leaves_its_share_too() -> None:
    features = blocks(normal_days(28))
    alone = last_day(features)
    same = blocks(np.ones((40, 200, 2)), "prediction", "p")
    report = last_day(DayBlocks.join(features, same))
    check_is_sound(report)
    assert (report.drift_score, report.p_value) == (alone.drift_score, alone.p_value)
    assert "No prediction column can be compared: constant." in report.reason


def test_codes_of_categories_are_compared_by_share_however_many_there_are() -> None:
    """Even codes only is no move of the numbers 0 to 39; half the categories are gone."""
    x_BNF = np.random.default_rng(29).integers(0, 40, (40, 1000, 1)).astype(float)
    x_BNF[-1] -= x_BNF[-1] % 2
    numbers = blocks(x_BNF)
    coded = replace(numbers, categorical=frozenset({"column_0"}))
    assert coded.thinned(50).of_kind("feature").categorical == {"column_0"}
    assert last_day(coded).drift_score > 2 * last_day(numbers).drift_score
    assert last_day(DayBlocks.join(coded, blocks(normal_days(30), prefix="n"))).drifted


@pytest.mark.parametrize(("change", "drifted"), [(0.4, True), (-0.4, False)])
def test_performance_drifts_when_it_gets_worse_only(change: float, drifted: bool) -> None:
    losses = blocks(normal_days(17, columns=1) * 0.3 + 1, "performance", "log_loss")
    worse = replace(losses, x_NF=losses.x_NF.copy())
    worse.x_NF[-200:] += change
    report = last_day(worse)
    check_is_sound(report)
    assert report.drifted == drifted


def test_long_days_are_thinned_evenly() -> None:
    thinned = blocks(normal_days(18, days=2, rows=100)).thinned(30)
    assert len(thinned.ts_N) == 50
    assert np.ptp(thinned.ts_N[:25]) == np.timedelta64(96, "m")


def test_weekends_are_compared_with_weekends_where_there_are_enough() -> None:
    """A market that sleeps on weekends does not alarm each Saturday."""
    x_BNF = normal_days(19, days=132)
    is_weekend = np.arange(132) % 7 >= 5  # 2024-01-01 is a Monday
    x_BNF[is_weekend] *= 0.5
    saturdays = [blocks(x_BNF[: day + 1]) for day in np.flatnonzero(is_weekend)[-6:]]
    matched = [last_day(each, DriftConfig(power_days=0)) for each in saturdays]
    assert all(30 <= report.reference_days <= 36 for report in matched)
    assert not any(report.drifted for report in matched)
    early = last_day(blocks(x_BNF[:34]), DriftConfig(power_days=0))
    assert early.reference_days == 33


def test_a_report_is_the_rows_of_two_tables() -> None:
    report = last_day(blocks(normal_days(20)))
    tables = report.to_arrow()
    assert tables["drift_decisions"].num_rows == 1
    assert tables["drift_report"].num_rows == len(report.columns)
    row = tables["drift_decisions"].to_pylist()[0]
    assert row["drift_score"] == report.drift_score
    assert row["day"] == report.day == "2024-02-09"
    assert json.loads(row["power"]) == dict(report.power)
    assert (row["alpha"], row["evidence"]) == (0.05, 1.0)
    columns = tables["drift_report"].to_pylist()
    assert [each["name"] for each in columns] == [column.name for column in report.columns]
    for each, column in zip(columns, report.columns):
        for figure in ("ks", "wasserstein", "psi", "chi_square", "cramers_v"):
            assert each[figure] == getattr(column, figure) > 0


def test_a_report_states_its_level_its_false_alarms_and_its_power() -> None:
    report = last_day(blocks(normal_days(21, days=80)), DriftConfig(season="all"))
    assert report.alpha == 0.05
    assert report.false_alarm_rate <= 0.05
    assert 0 <= report.forward_alarm_rate <= 0.3
    power = dict(report.power)
    assert power["+0.5 sd"] >= 0.95
    assert power["+0.25 sd"] <= power["+0.5 sd"]


def test_a_day_that_is_no_day_and_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BarsError, match="2024-13-01"):
        compare(
            Reference("BTC-USDT", "v1", DayBlocks.empty()),
            DayBlocks.empty(),
            QUICK,
            day="2024-13-01",
            made_at=MADE_AT,
        )
    with pytest.raises(DriftError, match="shape"):
        DayBlocks.from_rows(np.array([MADE_AT]), np.zeros((2, 1)), ["a"])
    with pytest.raises(DriftError, match="twice"):
        DayBlocks.from_rows(np.array([MADE_AT]), np.zeros((1, 2)), ["a", "a"])


def _with_clock(seed: int, days: int = 60, step: int = 5) -> DayBlocks:
    """Three columns of noise and the sine and cosine of the minute of the day, of whole days."""
    rows = 1440 // step
    ts_N = np.datetime64("2024-01-01", "us") + np.arange(days * rows) * np.timedelta64(step, "m")
    angle_N = 2 * np.pi * (np.arange(days * rows) % rows) / rows
    noise_NF = np.random.default_rng(seed).standard_normal((days * rows, 3))
    x_NF = np.column_stack([noise_NF, np.sin(angle_N), np.cos(angle_N)])
    return DayBlocks.from_rows(ts_N, x_NF, ("a", "b", "c", "day_sin", "day_cos"))


def _without(everything: DayBlocks, first_hour: int, hours: int) -> DayBlocks:
    """Its last day lacks these hours."""
    day_N = everything.day_N()
    hour_N = (everything.ts_N - day_N) / np.timedelta64(1, "h")
    gone_N = (day_N == day_N[-1]) & (hour_N >= first_hour) & (hour_N < first_hour + hours)
    return everything.rows(~gone_N)


@pytest.mark.parametrize("hours", [1, 2, 4, 11])
def test_hours_that_are_missing_do_not_make_drift_of_the_clock(hours: int) -> None:
    report = last_day(_without(_with_clock(31), 10, hours))
    check_is_sound(report)
    scores = {column.name: column.score for column in report.columns}
    assert max(scores["day_sin"], scores["day_cos"]) < 1e-9
    assert f"{100 * hours / 24:.1f} % of the reference's rows of feature" in report.reason
    assert "lacks" not in last_day(_with_clock(31)).reason


def test_a_move_is_seen_on_a_day_that_lacks_hours() -> None:
    broken = _without(_with_clock(32), 10, 8)
    broken.x_NF[broken.day_N() == broken.day_N()[-1], 1] += 0.5
    report = last_day(broken)
    assert (report.drifted, report.worst_feature) == (True, "b")
    assert report.effect == pytest.approx(0.5, abs=0.15)


def test_a_broken_day_is_ranked_as_if_no_day_had_those_hours() -> None:
    """Thinning too takes the same minutes of each day."""
    everything = _with_clock(33)
    kept_N = (everything.ts_N - everything.day_N()) < np.timedelta64(15, "h")
    config = QUICK.model_copy(update={"max_rows_per_day": 100})
    broken, cut = (
        last_day(_without(everything, 15, 9), config),
        last_day(everything.rows(kept_N), config),
    )
    assert broken.columns == cut.columns
    assert broken.reference_days == 59


def test_a_day_that_lacks_most_of_its_rows_is_not_compared() -> None:
    report = last_day(_without(_with_clock(34), 3, 21))
    assert "36 rows of feature values; 144 are due" in report.reason
    assert not report.drifted


def test_columns_that_tell_the_time_and_those_to_ignore_take_no_part() -> None:
    everything = _with_clock(35)
    day_N = everything.day_N()
    everything.x_NF[day_N == day_N[-1], 2:] += 3
    day = day_N[-1]
    reference = Reference("BTC-USDT", "v1", everything.rows(day_N < day))
    config = QUICK.model_copy(update={"ignore": ("c", "nowhere")})
    clock = ("day_sin", "day_cos")
    today = everything.rows(day_N == day)
    report = compare(reference, today, config, day=str(day), made_at=MADE_AT, clock=clock)
    check_is_sound(report)
    assert not report.drifted
    assert {column.name: column.verdict for column in report.columns} == {
        "a": "compared",
        "b": "compared",
        "c": "ignored",
        "day_sin": "clock",
        "day_cos": "clock",
    }
    none = compare(
        reference, today, config, day=str(day), made_at=MADE_AT, clock=("a", "b", *clock)
    )
    check_is_sound(none)
    assert none.reason == "No column can be compared: clock, ignored."


def _tiny_and_large(move: float) -> DayBlocks:
    """One column that hardly varies from day to day moved a little, another by `move`."""
    wobble_B11 = normal_days(36, days=60, rows=1, columns=1) * 1e-4
    same = normal_days(37, days=1, rows=1_000, columns=1) + wobble_B11
    same[-1] += 0.06
    x_BNF = np.concatenate([same, normal_days(38, days=60, rows=1_000, columns=1)], axis=2)
    x_BNF[-1, :, 1] += move
    return blocks(x_BNF)


def test_a_score_above_its_threshold_without_drift_is_explained() -> None:
    """The column named is that of the score, and its effect stands beside the floor."""
    report = last_day(_tiny_and_large(0.0))
    check_is_sound(report)
    assert not report.drifted
    assert report.drift_score > report.threshold
    scores = {column.name: column.score for column in report.columns}
    assert (report.worst_feature, scores["column_0"]) == ("column_0", report.drift_score)
    assert f"score {report.drift_score:.2f} and effect {report.effect:.2f} sd" in report.reason
    assert "too small to matter: 0.1 sd are due" in report.reason


def test_on_a_drifted_day_the_column_named_is_one_that_drifted() -> None:
    """A larger score of a column that moved too little is named beside it."""
    config = QUICK.model_copy(update={"min_effect": 0.2})
    everything = _tiny_and_large(0.25)
    everything.x_NF[-1_000:, 0] += 0.1
    report = last_day(everything, config)
    check_is_sound(report)
    scores = {column.name: column.score for column in report.columns}
    assert scores["column_0"] == report.drift_score > scores["column_1"] > 1
    assert (report.drifted, report.worst_feature) == (True, "column_1")
    assert f"column_1 has score {scores['column_1']:.2f}" in report.reason
    assert f"largest score, {report.drift_score:.2f}, is that of column_0" in report.reason


EXAMPLES = int(os.environ.get("CRYPTO_NN_EXAMPLES", "100"))

any_value = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324]),
    st.floats(allow_nan=True, allow_infinity=True),
)


@st.composite
def odd_days(draw: st.DrawFn) -> DayBlocks:
    """Few days with any number of rows each, in any order, of any values."""
    rows_per_day = draw(st.lists(st.integers(0, 6), min_size=1, max_size=6))
    days = np.repeat(np.arange(len(rows_per_day)), rows_per_day) * np.timedelta64(1, "D")
    ts_N = np.datetime64("2024-01-01", "us") + days
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    values = any_value.map(float) if dtype == np.float64 else st.floats(width=32)
    x_NF = draw(arrays(dtype, (len(ts_N), 3), elements=values))
    kinds = draw(st.tuples(*[st.sampled_from(["feature", "prediction", "performance"])] * 3))
    return DayBlocks(ts_N, x_NF, ("a", "b", "c"), kinds)


@settings(max_examples=EXAMPLES, deadline=None)
@given(odd_days(), odd_days(), st.integers(1, 4), st.sampled_from([0.05, 0.4]))
def test_whatever_the_data_there_is_a_sound_report(
    reference: DayBlocks, today: DayBlocks, min_rows: int, alpha: float
) -> None:
    config = DriftConfig(
        alpha=alpha, min_rows=min_rows, min_reference_days=1, min_column_share=0, min_day_share=0
    )
    today = replace(today, ts_N=today.ts_N + np.timedelta64(3, "D"))
    watched = Reference("BTC-USDT", "v1", reference)
    check_is_sound(compare(watched, today, config, day="2024-01-05", made_at=MADE_AT))
