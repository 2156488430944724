"""How the champion answers on a day, beside its other days that it did not learn from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pyarrow as pa

from crypto_nn.bars.calendar import TS, day_bounds, month_of
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import FeatureError
from crypto_nn.features.splits import CALIBRATION, VALIDATION

if TYPE_CHECKING:
    from crypto_nn.experiments import Experiment
    from crypto_nn.inference.out_of_sample import Answers
    from crypto_nn.inference.predictor import ModelInference
    from crypto_nn.monitoring.days import DayBlocks
    from crypto_nn.monitoring.model_monitor import DayScores, Verdict

DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Watched:
    """What the champion did on a day, and before it on days that it was not fitted to.

    Attributes:
        answers: of those days (as `monitor.reference_days` limits them) and of the day itself;
            None where there can be none.
        verdict: whether it does worse than it did; None on days before the first it is judged on.
        reason: why one of them is missing, or the verdict in words.
    """

    answers: "Answers | None"
    verdict: "Verdict | None"
    reason: str

    @property
    def evidence(self) -> float:
        """The evidence of known outcomes that the champion does worse; 1 where there is none."""
        return self._family("labels")

    @property
    def evidence_of_all(self) -> float:
        """The same with confidence and latency among it."""
        return self._family("all")

    def _family(self, name: str) -> float:
        rows = self.verdict.rows if self.verdict else ()
        return next((row.e_value for row in rows if row.metric == name), 1.0)

    def beside(self, features: "DayBlocks") -> "DayBlocks":
        """These columns and those of predictions and losses."""
        from crypto_nn.monitoring.answered import performance_blocks, prediction_blocks
        from crypto_nn.monitoring.days import DayBlocks

        if self.answers is None or not len(self.answers):
            return features
        return DayBlocks.join(
            features, prediction_blocks(self.answers), performance_blocks(self.answers)
        )

    def table(self, symbol: str, version: str, made_at: np.datetime64) -> pa.Table:
        """The rows of `model_monitor` for the day."""
        from crypto_nn.monitoring.answered import to_arrow

        return to_arrow(self.verdict, symbol, version, made_at)

    def metadata(self) -> dict[str, Any]:
        """What a person wants to see of it."""
        told: dict[str, Any] = {
            "evidence": self.evidence,
            "evidence_of_all_metrics": self.evidence_of_all,
            "monitor": self.reason,
        }
        if self.verdict:
            told["monitored"] = dg.MetadataValue.table(
                [
                    dg.TableRecord({name: _shown(value) for name, value in vars(row).items()})
                    for row in self.verdict.rows
                ]
            )
        return told

    def check(self) -> dg.AssetCheckResult:
        """The claim that the champion is as good as before."""
        return dg.AssetCheckResult(
            check_name="champion_is_as_good_as_before",
            passed=self.verdict is None or not self.verdict.alarm,
            severity=dg.AssetCheckSeverity.WARN,
            description=self.reason,
            metadata={
                "evidence_of_all_metrics": self.evidence_of_all,
                "evidence": self.evidence,
                **({"level": self.verdict.level} if self.verdict else {}),
            },
        )


def watch(
    platform: Platform, experiment: "Experiment", model: "ModelInference", symbol: str, day: str
) -> Watched:
    """Ask the champion on the day and on days it was not fitted to, and judge the day.

    Those days are the validation and calibration days of its fold (the former chose its epoch, the
    latter fitted its temperatures, neither its weights), the `baseline`, and all days since. It is
    judged on days since; on earlier ones there is no verdict, and none of its answers on days that
    it trained on are compared.
    """
    start, end = day_bounds(day)
    first, live = baseline_of(model)
    if end <= first:
        return Watched(None, None, f"{day} is before the days that {model.version} was chosen on.")
    try:
        model.check_fingerprint(platform.feature_set(experiment).fingerprint)
        answers = _answers(platform, experiment, model, symbol, (first, live), (start, end))
    except FeatureError as error:
        return Watched(None, None, f"The champion cannot be asked: {error}")
    if start < live:
        reason = f"{day} is one of the days that {model.version} was chosen on: no verdict."
        return Watched(answers, None, reason)
    verdict = _judge(platform, experiment, model, answers, day)
    return Watched(answers, verdict, verdict.reason)


def baseline_of(model: "ModelInference") -> tuple[np.datetime64, np.datetime64]:
    """From the first whole day of validation up to the first day after calibration.

    Training rows end one embargo (longest horizon + window) before the former.
    """
    edges = (model.fold.role(VALIDATION).start, model.fold.role(CALIBRATION).end)
    first, live = (-(-edge.astype(TS).astype(np.int64) // 86_400_000_000) for edge in edges)
    return np.datetime64(int(first), "D").astype(TS), np.datetime64(int(live), "D").astype(TS)


def _answers(
    platform: Platform,
    experiment: "Experiment",
    model: "ModelInference",
    symbol: str,
    baseline: tuple[np.datetime64, np.datetime64],
    today: tuple[np.datetime64, np.datetime64],
) -> "Answers":
    """The baseline, the newest days since, and the day: in one stretch, or two if long apart."""
    from crypto_nn.inference.out_of_sample import Answers, answers_between

    (first, live), (start, end) = baseline, today
    newest = max(first, start - experiment.monitor.reference_days * DAY)
    stretches = [(first, end)] if newest <= live else [(first, live), (newest, end)]
    names = platform.feature_set(experiment).names
    monitor, kind = experiment.monitor, experiment.labels.kind
    return Answers.join(
        answers_between(platform.lake, model, symbol, names, lo, hi, monitor.stride_minutes, kind)
        for lo, hi in stretches
    )


def _judge(
    platform: Platform,
    experiment: "Experiment",
    model: "ModelInference",
    answers: "Answers",
    day: str,
) -> "Verdict":
    from crypto_nn.monitoring.answered import scores_by_day
    from crypto_nn.monitoring.model_monitor import DayScores, ModelMonitor

    date, (first, live) = np.datetime64(day, "D"), baseline_of(model)
    told = _told(platform, model.version, answers.symbol)
    first_live = live.astype("datetime64[D]")
    baseline = scores_by_day(answers.between(first, live))
    watched = experiment.members(experiment.universe_of(answers.symbol))
    monitor = ModelMonitor(experiment.monitor, model.horizons, baseline, len(watched))
    monitor.remember(scores for scores in told if first_live <= scores.day < date)
    latencies = _latencies(platform, experiment, model, answers.symbol, told, date)
    today = scores_by_day(answers.between(*day_bounds(day)))
    scores = today[0] if today else DayScores(date)
    return monitor.update(scores.timed(*latencies))


def _told(platform: Platform, version: str, symbol: str) -> "list[DayScores]":
    """The days of a version that the table has."""
    from crypto_nn.monitoring.answered import from_rows

    if not platform.lake.has("model_monitor"):
        return []
    where = {"symbol": symbol, "model_version": version}
    columns = ("day", "metric", "horizon", "value", "rows")
    return from_rows(platform.lake.read("model_monitor", columns, where).to_pylist())


def _latencies(
    platform: Platform,
    experiment: "Experiment",
    model: "ModelInference",
    symbol: str,
    told: "list[DayScores]",
    date: np.datetime64,
) -> tuple[float, float]:
    """Milliseconds of one forward pass, and of the median answer that was served that day.

    A day's forward pass is timed once: asked again, the table's figure stands, so that the same
    day gives the same rows. NaN where there is none.
    """
    from crypto_nn.inference.latency import measure_latency

    before = [s.values["latency", 0] for s in told if s.day == date and ("latency", 0) in s.values]
    measured = before[0].value if before else np.nan
    if not before and experiment.monitor.measure_latency:
        measured = measure_latency(model, batch_sizes=(1,), repeats=30)[0].p50_ms
    return measured, _served_latency(platform, model.version, symbol, date)


def _served_latency(platform: Platform, version: str, symbol: str, date: np.datetime64) -> float:
    if not platform.lake.has("served_predictions"):
        return np.nan
    start, end = day_bounds(str(date))
    where = {"symbol": symbol, "month": month_of(start), "model_version": version}
    served = platform.lake.read("served_predictions", ("latency_ms",), where, start, end)
    latency_ms = served["latency_ms"].drop_null().to_numpy()
    return float(np.median(latency_ms)) if len(latency_ms) else np.nan


def _shown(value: Any) -> Any:
    """A cell that JSON can hold."""
    return "" if isinstance(value, float) and not np.isfinite(value) else value
