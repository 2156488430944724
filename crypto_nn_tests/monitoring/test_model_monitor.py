"""A model's days are judged by what came before them, whatever is missing and in whatever order."""

import importlib
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from crypto_nn.errors import DriftError
from crypto_nn.inference.out_of_sample import Answers
from crypto_nn.metrics.sequential import evidence
from crypto_nn.monitoring.answered import (
    from_rows,
    performance_blocks,
    prediction_blocks,
    scores_by_day,
    to_arrow,
)
from crypto_nn.monitoring.error_rates import NULL_STREAMS
from crypto_nn.monitoring.model_monitor import (
    METRICS,
    DayScores,
    ModelMonitor,
    MonitorConfig,
    MonitorRow,
    Verdict,
    weights_of,
)
from crypto_nn_tests.market import ROOT

HORIZONS = (5, 60)
FIRST = np.datetime64("2024-03-01", "D")
CONFIG = MonitorConfig()


def day(number: int, accuracy: float = 0.45, rows: int = 288, latency_ms: float = 1.0) -> DayScores:
    """A day of a model that is right so often; the same number gives the same day."""
    rng = np.random.default_rng(1000 + number)
    p_RHC = rng.dirichlet((2.0, 2.0, 2.0), (rows, len(HORIZONS)))
    right = rng.random((rows, len(HORIZONS))) < accuracy
    classes_RH = np.where(right, p_RHC.argmax(axis=2), (p_RHC.argmax(axis=2) + 1) % 3)
    scores = DayScores.of(FIRST + number, HORIZONS, p_RHC, classes_RH)
    return scores.timed(latency_ms * (1 + 0.1 * rng.random()))


def monitor(config: MonitorConfig = CONFIG, num_symbols: int = 1) -> ModelMonitor:
    """After a baseline of fourteen days."""
    return ModelMonitor(config, HORIZONS, [day(number) for number in range(14)], num_symbols)


def row_of(verdict: Verdict, metric: str, horizon: int = 0) -> MonitorRow:
    (row,) = (row for row in verdict.rows if (row.metric, row.horizon) == (metric, horizon))
    return row


def told(verdict: Verdict) -> list[dict[str, Any]]:
    """The rows of a verdict, in which what is missing equals what is missing."""
    rows: list[dict[str, Any]] = to_arrow(
        verdict, "SYN-USDT", "v1", np.datetime64("2024-03-20")
    ).to_pylist()
    return rows


def test_scores_are_what_they_say() -> None:
    """Log-loss, accuracy, confidence and its excess over accuracy, of rows that are known."""
    p_RHC = np.array([[[0.5, 0.3, 0.2]], [[0.1, 0.8, 0.1]], [[0.2, 0.2, 0.6]], [[np.nan] * 3]])
    scores = DayScores.of("2024-03-01", (5,), p_RHC, np.array([[0], [2], [-1], [1]]))
    value = {name: scores.values[name, 5].value for name in METRICS if (name, 5) in scores.values}
    assert value["log_loss"] == pytest.approx(-(np.log(0.5) + np.log(0.1)) / 2)
    assert value["accuracy"] == 0.5
    assert value["confidence"] == pytest.approx((0.5 + 0.8 + 0.6) / 3)
    assert value["calibration"] == pytest.approx(0.65 - 0.5)
    assert (scores.values["accuracy", 5].rows, scores.values["confidence", 5].rows) == (2, 3)


def test_a_model_that_stays_as_it_was_raises_no_alarm() -> None:
    """Twenty more days like the others: every metric is ranked, none has evidence to speak of."""
    watched = monitor()
    verdicts = [watched.update(day(number)) for number in range(14, 34)]
    assert not any(verdict.alarm for verdict in verdicts)
    assert {row.verdict for row in verdicts[-1].rows if row.metric in METRICS} == {
        "ranked", "no value"
    }  # fmt: skip
    assert "As good as before" in verdicts[-1].reason


def test_a_model_that_becomes_worse_is_found_out_by_its_labels() -> None:
    """Accuracy falls from 45 to 30 %: an alarm within ten days, on labels, not on latency."""
    watched = monitor()
    verdicts = [watched.update(day(number, accuracy=0.30)) for number in range(14, 24)]
    assert verdicts[-1].alarm
    assert row_of(verdicts[-1], "labels").alarm
    assert row_of(verdicts[-1], "accuracy", 5).p_value < 0.5
    assert not row_of(verdicts[-1], "latency").alarm
    assert verdicts[-1].worst is not None
    assert verdicts[-1].worst[0] in ("log_loss", "accuracy", "calibration")
    assert "does worse than it did" in verdicts[-1].reason


def test_latency_alone_is_an_alarm_but_no_evidence_of_labels() -> None:
    """Twice as slow: the family of all alarms, that of the labels stays where it was."""
    watched = monitor()
    for number in range(14, 26):
        verdict = watched.update(day(number, latency_ms=2.0))
    assert verdict.alarm
    assert verdict.worst == ("latency", 0)
    assert not row_of(verdict, "labels").alarm
    assert row_of(verdict, "labels").e_value < 2


def test_the_family_shares_the_level() -> None:
    """Weights sum to one; the evidence is the largest weighted one of the whole run at once."""
    weights = weights_of(HORIZONS)
    assert sum(weights.values()) == pytest.approx(1)
    watched, days = monitor(), [day(number) for number in range(30)]
    for scores in days[14:]:
        verdict = watched.update(replace(scores))
    e_values = {}
    for series in weights:
        if series[0] != "served_latency":
            values = METRICS[series[0]] * np.array([each.values[series].value for each in days])
            e_values[series] = evidence(values[:14], values[14:], CONFIG.min_days).e_T[-1]
            assert row_of(verdict, *series).e_value == pytest.approx(e_values[series], rel=1e-12)
    largest = max(weights[series] * e_value for series, e_value in e_values.items())
    assert verdict.evidence == pytest.approx(max(1.0, largest))
    assert verdict.level == 20


def test_symbols_share_the_level() -> None:
    """Of a version that is watched on four symbols each has a quarter of the level."""
    assert monitor(num_symbols=4).update(day(14)).level == 80


def test_made_again_from_the_same_days_it_says_the_same() -> None:
    """Killed between any two days, it goes on as if it had not been."""
    watched = monitor()
    days = [day(number, 0.42) for number in range(14, 34)]
    verdicts = [watched.update(scores) for scores in days]
    for number, verdict in enumerate(verdicts):
        fresh = monitor()
        fresh.remember(days[:number])
        assert told(fresh.update(days[number])) == told(verdict)


def test_days_may_come_in_any_order_and_twice() -> None:
    """A day is judged by the days before it; one that is told again changes nothing."""
    days = [day(number, 0.42) for number in range(14, 24)]
    straight, mixed = monitor(), monitor()
    for scores in days:
        expected = straight.update(scores)
    mixed.update(days[-1])
    for number in (3, 1, 0, 7, 2, 8, 5, 4, 6, 3, 3):
        mixed.update(days[number])
    assert told(mixed.update(days[-1])) == told(expected)
    early = mixed.update(days[2])
    fresh = monitor()
    fresh.remember(days[:2])
    assert told(early) == told(fresh.update(days[2]))


NONE = np.empty((0, 2, 3)), np.empty((0, 2), dtype=np.int64)
UNIFORM = np.full((288, 2, 3), 1 / 3)


@pytest.mark.parametrize(
    ("p_RHC", "classes_RH", "expected"),
    [
        (*NONE, {"accuracy": "no value", "confidence": "no value"}),
        (UNIFORM, np.full((288, 2), -1), {"accuracy": "no value", "confidence": "ranked"}),
        (UNIFORM * np.nan, np.ones((288, 2), int), {"accuracy": "no value"}),
        (UNIFORM, np.ones((288, 2), int), {"accuracy": "ranked", "log_loss": "ranked"}),
        (UNIFORM[:20], np.ones((20, 2), int), {"accuracy": "too few rows"}),
        (UNIFORM[:100], np.ones((100, 2), int), {"confidence": "too few rows"}),
    ],
    ids=["no predictions", "no outcomes yet", "all NaN", "one class", "few rows", "half a day"],
)
def test_what_is_missing_has_its_verdict(
    p_RHC: np.ndarray[Any, Any], classes_RH: np.ndarray[Any, Any], expected: dict[str, str]
) -> None:
    """The day is told with its reason; what has no value leaves the evidence as it was."""
    watched = monitor()
    before = watched.update(day(14))
    verdict = watched.update(DayScores.of(FIRST + 15, HORIZONS, p_RHC, classes_RH))
    for metric, due in expected.items():
        row = row_of(verdict, metric, 5)
        assert row.verdict == due
        if due != "ranked":
            assert row.e_value == row_of(before, metric, 5).e_value
            assert np.isnan(row.p_value)
    assert len(verdict.rows) == len(before.rows)


def test_without_any_past_there_is_no_verdict() -> None:
    """The first ten days are told, and judged by nothing; evidence is none."""
    watched = ModelMonitor(CONFIG, HORIZONS)
    verdicts = [watched.update(day(number)) for number in range(11)]
    assert {row.verdict for row in verdicts[9].rows if row.metric == "accuracy"} == {
        "too few earlier days"
    }
    assert (verdicts[9].evidence, verdicts[9].worst) == (1.0, None)
    assert "could be ranked" in verdicts[9].reason
    assert row_of(verdicts[10], "accuracy", 5).verdict == "ranked"


@pytest.mark.parametrize(
    ("p_RHC", "classes_RH", "said"),
    [
        (np.ones((4, 1, 3)), np.zeros((4, 2), int), "have shape"),
        (np.ones((4, 2, 3)), np.zeros((5, 2), int), "have shape"),
        (np.ones((4, 2, 3)), np.full((4, 2), 3), "Classes go from 3 to 3"),
        (np.ones((4, 2, 3)), np.full((4, 2), -2), "Classes go from -2"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    p_RHC: np.ndarray[Any, Any], classes_RH: np.ndarray[Any, Any], said: str
) -> None:
    """A wrong shape or class is said before anything is counted."""
    with pytest.raises(DriftError, match=said):
        DayScores.of(FIRST, HORIZONS, p_RHC, classes_RH)


def test_what_is_stored_is_what_was_said() -> None:
    """Rows of the table tell the days again, to the bit; what was missing stays missing."""
    watched = monitor()
    scores = day(14)
    table = to_arrow(watched.update(scores), "SYN-USDT", "v1", np.datetime64("2024-03-20"))
    (again,) = from_rows(table.to_pylist())
    assert again == scores
    assert to_arrow(None, "SYN-USDT", "v1", np.datetime64("2024-03-20")).num_rows == 0


def answers() -> Answers:
    """Two days of answers, one outcome not known yet."""
    rng = np.random.default_rng(0)
    ts_R = np.arange("2024-03-01", "2024-03-03", np.timedelta64(30, "m"), dtype="datetime64[us]")
    classes_RH = rng.integers(0, 3, (len(ts_R), 2))
    classes_RH[-1] = -1
    p_RHC = rng.dirichlet((2.0, 2.0, 2.0), (len(ts_R), 2))
    return Answers("SYN-USDT", "v1", HORIZONS, ts_R, p_RHC, classes_RH)


def test_answers_become_columns_and_days() -> None:
    """Per horizon two probabilities, confidence and loss; a day is what begins on it."""
    asked = answers()
    predicted, lost = prediction_blocks(asked), performance_blocks(asked)
    assert predicted.names[:3] == ("p_down_5m", "p_up_5m", "confidence_5m")
    assert (set(predicted.kinds), set(lost.kinds)) == ({"prediction"}, {"performance"})
    assert np.isnan(lost.x_NF[-1]).all()
    known = asked.classes_RH[0, 1]
    assert lost.x_NF[0, 1] == pytest.approx(-np.log(asked.p_RHC[0, 1, known]), rel=1e-6)
    first, second = scores_by_day(asked)
    assert str(second.day) == "2024-03-02"
    assert (first.values["log_loss", 5].rows, second.values["log_loss", 5].rows) == (48, 47)


def test_the_benchmark_tells_harm_from_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A month of made-up days: no alarm as they are, one on labels where accuracy falls by 20."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    benchmark, days = (importlib.import_module(name) for name in ("monitor", "monitored_days"))
    made = days.made_up(NULL_STREAMS["AR(0.5)"], days.BASELINE + 30, 0)
    assert benchmark.first_alarm(made.scores())[0] == np.inf
    day, metric = benchmark.first_alarm(made.scores(days.Harm(since=10, accuracy=0.2)))
    assert 10 < day <= 25
    assert metric.split()[0] in ("log_loss", "accuracy", "calibration")


def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """It ends in an alarm, as the page has it."""
    text = (ROOT / "docs" / "monitor.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    exec(compile(example, "docs/monitor.md", "exec"), {})  # noqa: S102
    assert "True The champion does worse than it did" in capsys.readouterr().out
