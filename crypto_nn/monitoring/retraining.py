"""Whether a drifted day starts a retraining: once per episode, with a pause and a budget."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from crypto_nn.monitoring.report import DriftReport


class RetrainConfig(BaseModel):
    """How eagerly drift retrains."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="Whether drift starts a retraining at all.")
    cooldown_hours: float = Field(
        default=24.0, ge=0, description="Least time between the starts of two retrainings."
    )
    max_per_year: int = Field(
        default=52, ge=0, description="Most retrainings that drift may start in any 365 days."
    )
    min_drifted_days: int = Field(
        default=1, ge=1, description="How many drifted days of an episode it takes to retrain."
    )


@dataclass(frozen=True)
class DriftedDay:
    """The decision on one day of one symbol: a row of `drift_decisions`."""

    symbol: str
    day: str
    model_version: str
    drifted: bool
    drift_score: float = 0.0

    @classmethod
    def of(cls, report: DriftReport) -> "DriftedDay":
        """The decision of a report."""
        return cls(
            report.symbol, report.day, report.model_version, report.drifted, report.drift_score
        )


@dataclass(frozen=True)
class RetrainingRun:
    """A retraining that drift started.

    Attributes:
        run_key: the episode for which it was started.
        started_at: naive UTC.
        active: whether it is still queued or running.
    """

    run_key: str
    started_at: np.datetime64
    active: bool = False


@dataclass(frozen=True)
class Episode:
    """Drifted days of one symbol under one champion, one after the other.

    A day that was looked at and found calm ends it; a day without a report does not.
    """

    symbol: str
    model_version: str
    first_day: str
    num_days: int

    @property
    def key(self) -> str:
        """The same for each of its days, and for no other episode."""
        return f"drift:{self.symbol}:{self.model_version}:{self.first_day}"


@dataclass(frozen=True)
class RetrainDecision:
    """Whether to retrain, why, and under which run key (empty where the day is calm)."""

    retrain: bool
    reason: str
    run_key: str


def episode_of(day: DriftedDay, history: Sequence[DriftedDay]) -> Episode | None:
    """The episode that a day belongs to; None where the day is calm.

    `history` may hold the day itself, other symbols and other versions; order does not matter,
    and of two decisions on one day the later in the sequence counts.
    """
    known = {each.day: each.drifted for each in history if _same_watch(each, day)}
    known[day.day] = day.drifted
    first_day, num_days = "", 0
    for date in sorted((date for date in known if date <= day.day), reverse=True):
        if not known[date]:
            break
        first_day, num_days = date, num_days + 1
    return Episode(day.symbol, day.model_version, first_day, num_days) if num_days else None


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
        runs: retrainings that drift started for what is trained here (symbol or universe).
        config: pause and budget.
        now: naive UTC.
    """
    episode = episode_of(day, history)
    if episode is None:
        return RetrainDecision(False, f"{day.day} is calm.", "")
    refusal = _refusal(day, episode, history, runs, config, now)
    reason = refusal or (
        f"{day.symbol} drifts since {episode.first_day} from what {day.model_version} learned "
        f"(score {day.drift_score:.2f})."
    )
    return RetrainDecision(not refusal, reason, episode.key)


def _refusal(
    day: DriftedDay,
    episode: Episode,
    history: Sequence[DriftedDay],
    runs: Sequence[RetrainingRun],
    config: RetrainConfig,
    now: np.datetime64,
) -> str:
    """Why not to retrain; empty where nothing speaks against it."""
    if not config.enabled:
        return "Retraining on drift is switched off (enabled: false)."
    newest = max((each.day for each in history if _same_watch(each, day)), default=day.day)
    if newest > day.day:
        return f"{day.day} is not the newest day; {newest} decides."
    if any(run.run_key == episode.key for run in runs):
        return f"The episode since {episode.first_day} has had its retraining."
    if any(run.active for run in runs):
        return "A retraining is queued or running."
    if episode.num_days < config.min_drifted_days:
        return f"{episode.num_days} drifted days; min_drifted_days is {config.min_drifted_days}."
    pause = np.timedelta64(round(config.cooldown_hours * 3600), "s")
    if any(now - run.started_at < pause for run in runs):
        return f"The last retraining began less than {config.cooldown_hours:g} hours ago."
    year = np.timedelta64(365, "D")
    spent = sum(now - run.started_at < year for run in runs)
    if spent >= config.max_per_year:
        return f"{spent} retrainings in 365 days have used up max_per_year."
    return ""


def _same_watch(one: DriftedDay, other: DriftedDay) -> bool:
    return (one.symbol, one.model_version) == (other.symbol, other.model_version)
