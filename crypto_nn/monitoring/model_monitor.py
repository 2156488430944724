"""Is the champion still as good as it was: day by day, with an error rate that looking keeps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from crypto_nn.bars import Float
from crypto_nn.errors import DriftError
from crypto_nn.metrics import classification
from crypto_nn.metrics.sequential import Evidence, evidence, family_evidence

ALL, LABELS = "all", "labels"
METRICS: Mapping[str, int] = MappingProxyType(
    {
        "log_loss": 1,
        "accuracy": -1,
        "confidence": -1,
        "calibration": 1,
        "latency": 1,
        "served_latency": 1,
    }
)
"""What is watched, and whether more of it is worse (1) or better (−1)."""

OF_LABELS = ("log_loss", "accuracy", "calibration")
PER_HORIZON = (*OF_LABELS, "confidence")
RANKED, TOO_EARLY = "ranked", "too few earlier days"
NO_VALUE, TOO_FEW_ROWS = "no value", "too few rows"


class MonitorConfig(BaseModel):
    """When the champion counts as doing worse than it did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="Chance of a false alarm in a champion's whole time, all metrics together.",
    )
    min_days: int = Field(
        default=10, ge=2, description="With fewer days before it, a day is not ranked."
    )
    stride_minutes: int = Field(
        default=5, ge=1, description="Every so many minutes one prediction is looked at."
    )
    min_rows: int = Field(
        default=30, ge=1, description="Fewest predictions with which a day's value counts."
    )
    min_day_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="A day with a smaller share of the median earlier day's rows does not count.",
    )
    reference_days: int = Field(
        default=60,
        ge=1,
        description="Newest days the champion did not learn from with whose answers drift reports "
        "compare a day's predictions and losses; each of them is answered again for every report.",
    )
    measure_latency: bool = Field(
        default=True,
        description="Time one forward pass for each report. It is the one figure that is not the "
        "same on every run; the latency of served predictions is watched in any case.",
    )


Series = tuple[str, int]
"""A metric and its horizon in minutes; 0 where it has none."""


@dataclass(frozen=True)
class Value:
    """One metric of one day; NaN where there is none.

    Attributes:
        rows: predictions that it comes from; of metrics of labels those with a known outcome.
    """

    value: float
    rows: int


@dataclass(frozen=True)
class DayScores:
    """How a version did on one UTC day, by metric and horizon.

    Attributes:
        day: datetime64[D].
        values: what was measured; what is missing was not.
    """

    day: np.datetime64
    values: Mapping[Series, Value] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        day: np.datetime64 | str,
        horizons: Sequence[int],
        p_RHC: NDArray[np.floating[Any]],
        classes_RH: NDArray[np.integer[Any]],
    ) -> "DayScores":
        """Scores of R answers to H horizons.

        log_loss in nats, accuracy as a share, calibration as confidence − accuracy (above 0 the
        version is too sure of itself) over rows with a known outcome; confidence, the mean
        probability of the likeliest class, over all. Rows in which a probability is no number
        are left out.

        Args:
            p_RHC: probabilities of down, flat and up.
            classes_RH: 0, 1 or 2; −1 where it is not known (yet).

        Raises:
            DriftError: shapes do not fit, or a class is none.
        """
        p_RHC, classes_RH = np.asarray(p_RHC), np.asarray(classes_RH)
        _check_shapes(horizons, p_RHC, classes_RH)
        values: dict[Series, Value] = {}
        for h, horizon in enumerate(horizons):
            told_R = np.isfinite(p_RHC[:, h]).all(axis=1)
            for name, value in _scores(p_RHC[told_R, h], classes_RH[told_R, h]).items():
                values[name, horizon] = value
        return cls(np.datetime64(str(day), "D"), values)

    def timed(self, latency_ms: float = np.nan, served_latency_ms: float = np.nan) -> "DayScores":
        """The same with the median time of an answer, measured and served; NaN is none."""
        told = {"latency": latency_ms, "served_latency": served_latency_ms}
        found = {(name, 0): Value(float(ms), 0) for name, ms in told.items() if np.isfinite(ms)}
        return DayScores(self.day, {**self.values, **found})


@dataclass(frozen=True)
class MonitorRow:
    """One metric of one day beside its past; a row of the table `model_monitor`.

    Attributes:
        value, rows: of the day (`DayScores`).
        baseline: mean over the earlier days that count.
        p_value: share of the days so far, this one included, that are at least as bad.
        e_value: evidence so far that the version does worse (`sequential.evidence`); of "all" and
            "labels" that of the family (`sequential.family_evidence`).
        alarm: the evidence is at its level: chance at most alpha in a version's whole time, all
            rows of all days (and symbols) together.
        verdict: "ranked", "no value" (no predictions, no known outcomes, not measured), "too few
            rows", "too few earlier days"; of a family, where its evidence comes from.
    """

    metric: str
    horizon: int
    value: float
    baseline: float
    p_value: float
    e_value: float
    alarm: bool
    rows: int
    verdict: str


@dataclass(frozen=True)
class Verdict:
    """Whether a version has become worse, as of one day.

    Attributes:
        evidence: of all metrics together, 1 where there is none.
        level: the evidence that is an alarm.
        alarm: evidence ≥ level.
        worst: the metric and horizon that it comes from; None where there is none.
        rows: one per metric and horizon, then the families "labels" and "all".
    """

    day: np.datetime64
    evidence: float
    level: float
    alarm: bool
    worst: Series | None
    rows: tuple[MonitorRow, ...]

    @property
    def reason(self) -> str:
        """One sentence that a person can read."""
        if self.worst is None:
            return f"No metric of {self.day} could be ranked."
        name, horizon = self.worst
        where = f"{name} at {horizon} minutes" if horizon else name
        head = "The champion does worse than it did" if self.alarm else "As good as before"
        evidence = f"evidence {self.evidence:.3g} (an alarm at {self.level:.3g})"
        return f"{head}: {evidence}, most of it from {where}."


class ModelMonitor:
    """Watches one version day by day against the days on which it was known to be good.

    Under the null hypothesis that its days are exchangeable in each metric, an alarm on any day,
    ever, has a chance of at most `alpha`. It keeps nothing but the days it was told of: one that is
    told again replaces the former, and a verdict on a day uses the days before it only, in whatever
    order they came. Made anew from the same days it gives the same verdicts.

    Args:
        config: level, and which days count.
        horizons: of the version, minutes.
        baseline: days that it was not fitted to, before the first that it is judged on.
        num_symbols: how many symbols of the version are watched so; they share the level.
    """

    def __init__(
        self,
        config: MonitorConfig,
        horizons: Sequence[int],
        baseline: Iterable[DayScores] = (),
        num_symbols: int = 1,
    ) -> None:
        self.config = config
        self.level = num_symbols / config.alpha
        self.weights = weights_of(horizons)
        self.baseline = {scores.day: scores for scores in baseline}
        self.days: dict[np.datetime64, DayScores] = {}

    def remember(self, days: Iterable[DayScores]) -> None:
        """Days that were told before, such as those of a table; no verdict is due on them."""
        self.days |= {scores.day: scores for scores in days}

    def update(self, scores: DayScores) -> Verdict:
        """What this day says, after all days before it that were told so far."""
        self.days[scores.day] = scores
        before = [self.baseline[day] for day in sorted(self.baseline) if day < scores.day]
        live = [self.days[day] for day in sorted(self.days) if day <= scores.day]
        rows = [self._row(series, before, live) for series in self.weights]
        families = [_family(ALL, rows, self.weights, self.level)]
        of_labels = [row for row in rows if row.metric in OF_LABELS]
        families.insert(0, _family(LABELS, of_labels, self.weights, self.level))
        evidence_of_all, worst = _joint(rows, self.weights)
        alarm = evidence_of_all >= self.level
        return Verdict(scores.day, evidence_of_all, self.level, alarm, worst, (*rows, *families))

    def _row(
        self, series: Series, before: Sequence[DayScores], live: Sequence[DayScores]
    ) -> MonitorRow:
        """One metric: its days that count, ranked."""
        days = [scores.values.get(series, Value(np.nan, 0)) for scores in (*before, *live)]
        value_T = np.array([day.value for day in days])
        rows_T = np.array([day.rows for day in days])
        kept_T = np.where(self._counts(series, value_T, rows_T), value_T, np.nan)
        sign, num_before = METRICS[series[0]], len(before)
        found = evidence(
            sign * kept_T[:num_before], sign * kept_T[num_before:], self.config.min_days
        )
        e_value = float(found.e_T[-1])
        earlier = kept_T[:-1][~np.isnan(kept_T[:-1])]
        return MonitorRow(
            *series,
            value=float(value_T[-1]),
            baseline=float(earlier.mean()) if len(earlier) else np.nan,
            p_value=float(found.p_T[-1]),
            e_value=e_value,
            alarm=e_value * self.weights[series] >= self.level,
            rows=int(rows_T[-1]),
            verdict=_verdict(value_T[-1], kept_T[-1], found),
        )

    def _counts(
        self, series: Series, value_T: Float, rows_T: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which days have enough rows, each by what was known before it."""
        known_T: NDArray[np.bool_] = ~np.isnan(value_T)
        if series[0] not in PER_HORIZON:
            return known_T
        enough_T = known_T & (rows_T >= self.config.min_rows)
        for t in np.flatnonzero(enough_T):
            if len(earlier := rows_T[:t][enough_T[:t]]):
                enough_T[t] = rows_T[t] >= self.config.min_day_share * np.median(earlier)
        return enough_T


def weights_of(horizons: Sequence[int]) -> dict[Series, float]:
    """Of the level the same share for each metric, spread over its horizons.

    Fixed before anything is seen, so that metrics that are never measured keep theirs.
    """
    share = 1 / len(METRICS)
    weights: dict[Series, float] = {}
    for name in METRICS:
        places = tuple(horizons) if name in PER_HORIZON else (0,)
        weights |= {(name, horizon): share / len(places) for horizon in places}
    return weights


def _scores(
    p_RC: NDArray[np.floating[Any]], classes_R: NDArray[np.integer[Any]]
) -> dict[str, Value]:
    if not len(p_RC):
        return {}
    confidence_R = p_RC.max(axis=1)
    known_R = classes_R >= 0
    found = {"confidence": Value(float(confidence_R.mean()), len(p_RC))}
    if known_R.any():
        p_RC, classes_R, rows = p_RC[known_R], classes_R[known_R], int(known_R.sum())
        accuracy = classification.accuracy(p_RC, classes_R)
        gap = float(confidence_R[known_R].mean()) - accuracy
        found["log_loss"] = Value(classification.log_loss(p_RC, classes_R), rows)
        found["accuracy"] = Value(accuracy, rows)
        found["calibration"] = Value(gap, rows)
    return found


def _check_shapes(
    horizons: Sequence[int],
    p_RHC: NDArray[np.floating[Any]],
    classes_RH: NDArray[np.integer[Any]],
) -> None:
    due = (len(classes_RH), len(horizons), classification.NUM_CLASSES)
    if p_RHC.shape != due or classes_RH.shape != due[:2]:
        raise DriftError(
            f"Probabilities have shape {p_RHC.shape} and classes {classes_RH.shape}; due are (rows,"
            f" {len(horizons)} horizons, 3 classes) and (rows, {len(horizons)} horizons)."
        )
    if classes_RH.size and not -1 <= classes_RH.min() <= classes_RH.max() <= due[2] - 1:
        raise DriftError(
            f"Classes go from {classes_RH.min()} to {classes_RH.max()}; due are 0 (down), 1 (flat),"
            " 2 (up) and −1 (not known yet)."
        )


def _verdict(value: float, kept: float, found: Evidence) -> str:
    if np.isnan(value):
        return NO_VALUE
    if np.isnan(kept):
        return TOO_FEW_ROWS
    return TOO_EARLY if np.isnan(found.p_T[-1]) else RANKED


def _joint(
    rows: Sequence[MonitorRow], weights: Mapping[Series, float]
) -> tuple[float, Series | None]:
    """The evidence of these rows together, and the one it comes from."""
    moved = {f"{row.metric} {row.horizon}": row for row in rows if row.e_value != 1.0}
    together, worst = family_evidence(
        {name: row.e_value for name, row in moved.items()},
        {name: weights[row.metric, row.horizon] for name, row in moved.items()},
    )
    return together, (moved[worst].metric, moved[worst].horizon) if worst else None


def _family(
    name: str, rows: Sequence[MonitorRow], weights: Mapping[Series, float], level: float
) -> MonitorRow:
    together, worst = _joint(rows, weights)
    return MonitorRow(
        metric=name,
        horizon=0,
        value=np.nan,
        baseline=np.nan,
        p_value=np.nan,
        e_value=together,
        alarm=together >= level,
        rows=max(row.rows for row in rows),
        verdict=f"{worst[0]} {worst[1]}" if worst else NO_VALUE,
    )
