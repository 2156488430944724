"""Whether a day starts a retraining: once per episode, with a pause and a budget."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from crypto_nn.monitoring.report import DriftReport

YEAR = np.timedelta64(365, "D")
LONGEST_PAUSE_HOURS = 100 * 365 * 24.0  # a century; a longer one does not fit in a timedelta64[us]


class RetrainConfig(BaseModel):
    """How eagerly drift retrains."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="Whether drift starts a retraining at all.")
    cooldown_hours: float = Field(
        default=24.0,
        ge=0,
        le=LONGEST_PAUSE_HOURS,
        allow_inf_nan=False,
        description="Least time between the starts of two retrainings.",
    )
    max_per_year: int = Field(
        default=52, ge=0, description="Most retrainings that drift may start in any 365 days."
    )
    min_drifted_days: int = Field(
        default=1, ge=1, description="How many days of an episode it takes to retrain."
    )
    evidence: Literal["ignore", "lowers", "required"] = Field(
        default="lowers",
        description="What matured labels have to say: nothing; that less drift is enough where "
        "they show that the champion does worse; or that drift alone is not enough.",
    )
    evidence_level: float = Field(
        default=20.0,
        gt=1,
        allow_inf_nan=False,
        description="E-value from which evidence counts; 20 is a level of 1/20, whenever looked.",
    )
    threshold_with_evidence: float = Field(
        default=0.75,
        gt=0,
        allow_inf_nan=False,
        description="drift_score that is enough where evidence reaches its level (lowers).",
    )


@dataclass(frozen=True)
class DriftedDay:
    """The decision on one day of one symbol: a row of `drift_decisions`.

    Attributes:
        drifted: whether the report calls the day drifted.
        drift_score: NaN where there is none.
        evidence: running e-value that the champion does worse than it did; NaN where unknown.
    """

    symbol: str
    day: str
    model_version: str
    drifted: bool
    drift_score: float = 0.0
    evidence: float = math.nan

    @classmethod
    def of(cls, report: DriftReport) -> "DriftedDay":
        """The decision of a report."""
        return cls(
            report.symbol,
            report.day,
            report.model_version,
            report.drifted,
            report.drift_score,
            report.evidence,
        )


@dataclass(frozen=True)
class RetrainingRun:
    """A retraining that drift started, or any that is on its way.

    Attributes:
        run_key: the episode for which it was started; empty where it was not for one.
        started_at: naive UTC.
        active: whether it is still queued or running.
        failed: whether it ended without a version. It has spent its part of the budget and of the
            pause, but its episode has not had its retraining.
    """

    run_key: str
    started_at: np.datetime64
    active: bool = False
    failed: bool = False


@dataclass(frozen=True)
class Episode:
    """Drifted days of one symbol under one champion, one after the other.

    A day that was looked at and found calm ends it, and so does one that was looked at under
    another champion; a day without a report does not.

    Attributes:
        days: in order; those without a report are not among them.
    """

    symbol: str
    model_version: str
    days: tuple[str, ...]

    @property
    def first_day(self) -> str:
        return self.days[0]

    @property
    def num_days(self) -> int:
        return len(self.days)

    @property
    def key(self) -> str:
        """The same for each of its days, and for no other episode."""
        return self.keys[0]

    @property
    def keys(self) -> tuple[str, ...]:
        """Its key, and those it had where reports of later days came in before earlier ones."""
        return tuple(f"drift:{self.symbol}:{self.model_version}:{day}" for day in self.days)


@dataclass(frozen=True)
class RetrainDecision:
    """Whether to retrain, why, and under which run key (empty where the day is calm).

    Attributes:
        waits: a refusal that only the pause after the last retraining makes.
    """

    retrain: bool
    reason: str
    run_key: str
    waits: bool = False


def has_evidence(day: DriftedDay, config: RetrainConfig) -> bool:
    """Whether matured labels say that the champion does worse; unknown says nothing."""
    return day.evidence >= config.evidence_level


def due_threshold(day: DriftedDay, config: RetrainConfig, threshold: float) -> float:
    """The drift score that is due on a day: `threshold`, or less where evidence lowers it."""
    if config.evidence == "lowers" and has_evidence(day, config):
        return min(threshold, config.threshold_with_evidence)
    return threshold


def belongs(day: DriftedDay, config: RetrainConfig | None) -> bool:
    """Whether a day is part of an episode: it drifted, or evidence lowered the bar for it."""
    if config is None or config.evidence != "lowers":
        return day.drifted
    lowered = has_evidence(day, config) and day.drift_score >= config.threshold_with_evidence
    return day.drifted or lowered


def episode_of(
    day: DriftedDay, history: Sequence[DriftedDay], config: RetrainConfig | None = None
) -> Episode | None:
    """The episode that a day belongs to; None where the day is calm.

    Args:
        day: of which the episode is asked.
        history: may hold the day itself, other symbols and other versions; order does not matter,
            and of two decisions on one day the later in the sequence counts, whatever its version,
            as in `drift_decisions`, which keeps one row for a day.
        config: with it, days for which evidence lowers the bar belong to an episode too.
    """
    known = last_of_each_day([*history, day], day.symbol)
    found: list[str] = []
    for date in sorted((date for date in known if date <= day.day), reverse=True):
        if not continues(known[date], day, config):
            break
        found.append(date)
    return Episode(day.symbol, day.model_version, tuple(reversed(found))) if found else None


def whole_episode(day: DriftedDay, history: Sequence[DriftedDay]) -> Episode | None:
    """`episode_of`, with the later days of the same episode (alerts: `drifted` alone counts)."""
    known = last_of_each_day([*history, day], day.symbol)
    last = day
    for date in sorted(date for date in known if date > day.day):
        if not continues(known[date], day):
            break
        last = known[date]
    return episode_of(last, [*history, day]) if day.drifted else None


def last_of_each_day(days: Iterable[DriftedDay], symbol: str) -> dict[str, DriftedDay]:
    """What was decided last on each day of a symbol."""
    return {each.day: each for each in days if each.symbol == symbol}


def continues(one: DriftedDay, other: DriftedDay, config: RetrainConfig | None = None) -> bool:
    """Whether a day may be of one episode with `other`: same watch, and it belongs to one."""
    return _same_watch(one, other) and belongs(one, config)


def should_retrain(
    day: DriftedDay,
    history: Sequence[DriftedDay],
    runs: Sequence[RetrainingRun],
    config: RetrainConfig,
    now: np.datetime64,
) -> RetrainDecision:
    """Whether this day starts a retraining.

    Args:
        day: the decision to act on.
        history: decisions on this symbol so far, for the start of the episode.
        runs: retrainings that drift started for what is trained here (symbol or universe), and
            any other that is on its way.
        config: pause and budget.
        now: naive UTC.
    """
    if math.isnan(day.drift_score):
        return RetrainDecision(False, f"{day.day} has no drift score (nan).", "")
    episode = episode_of(day, history, config)
    if episode is None:
        return RetrainDecision(False, f"{day.day} is calm.", "")
    refusal = (
        _refusal(day, episode, history, config)
        or _had(episode, runs)
        or _over_budget(runs, config, now)
    )
    pause = "" if refusal else _pause(runs, config, now)
    reason = refusal or pause or _why(day, episode, config)
    return RetrainDecision(not (refusal or pause), reason, episode.key, waits=bool(pause))


def _why(day: DriftedDay, episode: Episode, config: RetrainConfig) -> str:
    drifts = (
        f"{day.symbol} drifts since {episode.first_day} from what {day.model_version} learned "
        f"(score {day.drift_score:.2f}"
    )
    told = config.evidence != "ignore" and has_evidence(day, config)
    return drifts + (f", evidence {day.evidence:.3g})." if told else ").")


def _refusal(
    day: DriftedDay, episode: Episode, history: Sequence[DriftedDay], config: RetrainConfig
) -> str:
    """What speaks against it whatever was retrained before; empty where nothing does."""
    if not config.enabled:
        return "Retraining on drift is switched off (enabled: false)."
    newest = max((each.day for each in history if _same_watch(each, day)), default=day.day)
    if newest > day.day:
        return f"{day.day} is not the newest day; {newest} decides."
    if config.evidence == "required" and not has_evidence(day, config):
        known = "none" if math.isnan(day.evidence) else f"{day.evidence:.3g}"
        return (
            f"{day.day} drifted, but evidence from matured labels is required: an e-value of "
            f"{config.evidence_level:g} is due, and there is {known}."
        )
    if episode.num_days < config.min_drifted_days:
        return f"{episode.num_days} drifted days; min_drifted_days is {config.min_drifted_days}."
    return ""


def _had(episode: Episode, runs: Sequence[RetrainingRun]) -> str:
    """Whether the episode's retraining, or another that will do, is there or on its way."""
    if any(run.run_key in episode.keys and not run.failed for run in runs):
        return f"The episode since {episode.first_day} has had its retraining."
    if any(run.active for run in runs):
        return "A retraining is queued or running."
    return ""


def _pause(runs: Sequence[RetrainingRun], config: RetrainConfig, now: np.datetime64) -> str:
    pause = np.timedelta64(round(config.cooldown_hours * 3600), "s")
    if any(now - run.started_at < pause for run in runs):
        return f"The last retraining began less than {config.cooldown_hours:g} hours ago."
    return ""


def _over_budget(runs: Sequence[RetrainingRun], config: RetrainConfig, now: np.datetime64) -> str:
    spent = sum(now - run.started_at < YEAR for run in runs)
    if spent >= config.max_per_year:
        return f"{spent} retrainings in 365 days have used up max_per_year."
    return ""


def _same_watch(one: DriftedDay, other: DriftedDay) -> bool:
    return (one.symbol, one.model_version) == (other.symbol, other.model_version)
