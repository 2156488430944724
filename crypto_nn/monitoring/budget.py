"""How many drift alarms a year a person is told of one by one: the alarm budget of a symbol."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.retraining import DriftedDay, continues, episode_of

if TYPE_CHECKING:
    from crypto_nn.monitoring.report import DriftReport

YEAR = np.timedelta64(365, "D")


@dataclass(frozen=True)
class BudgetState:
    """What a symbol has spent of its alarms, and under which key its present one is told.

    Attributes:
        spent: episodes of the symbol, under whatever champion, that began in the 365 days that
            end with the day, its own included.
        budget: `drift.alarms_per_year`.
        exhausted: on a drifted day, whether its episode is beyond the budget: as many others or
            more began in the 365 days up to its first day. On a calm day, whether the next one
            would be.
        key: under which the day's alarm is told, the same on each day of an episode: the key of
            the episode within the budget; else one key per symbol and month in which such
            episodes begin; empty on a calm day.
    """

    spent: int
    budget: int
    exhausted: bool
    key: str


def budget_state(
    history: Sequence[DriftedDay], day: DriftedDay, config: DriftConfig
) -> BudgetState:
    """How a day stands to the yearly budget of alarms.

    An alarm is an episode, since that is what a person is told of: drifted days in a row under
    one champion, which days without a report do not end, and days under another one do. So in any
    365 days at most `alarms_per_year` episodes are told one by one, and at most 13 months of others
    in a message each. The verdict of the report is the same in any case.

    Args:
        history: decisions so far, in any order; other symbols, later days and `day` itself may be
            among them, and of two on one day and version the later in the sequence counts.
        day: the decision to tell of.
        config: the budget.
    """
    earlier = [each for each in history if each.symbol == day.symbol and each.day <= day.day]
    starts = _starts([*earlier, day])
    spent = _begun_within_a_year(starts, day.day)
    episode = episode_of(day, earlier)
    budget = config.alarms_per_year
    if episode is None:
        return BudgetState(spent, budget, spent >= budget, "")
    first_day = episode.first_day
    others = [each for each in starts if each != (first_day, day.model_version)]
    exhausted = _begun_within_a_year(others, first_day) >= budget
    grouped = f"drift:{day.symbol}:beyond-budget:{first_day[:7]}"
    return BudgetState(spent, budget, exhausted, grouped if exhausted else episode.key)


def with_budget(
    report: "DriftReport", history: Sequence[DriftedDay], config: DriftConfig
) -> "DriftReport":
    """The report with what the symbol has spent of its alarms (`history`: see `budget_state`)."""
    state = budget_state(history, DriftedDay.of(report), config)
    return replace(report, alarms_in_year=state.spent)


def _starts(days: Sequence[DriftedDay]) -> list[tuple[str, str]]:
    """The first day and the version of each episode of one symbol, as `episode_of` has them.

    A day that was looked at under two versions can begin an episode of each; what was decided on
    it last is what the next day continues.
    """
    decided: dict[str, dict[str, DriftedDay]] = {}
    for each in days:
        versions = decided.setdefault(each.day, {})
        versions.pop(each.model_version, None)
        versions[each.model_version] = each
    found: list[tuple[str, str]] = []
    before: DriftedDay | None = None
    for date in sorted(decided):
        for each in decided[date].values():
            goes_on = before is not None and continues(before, each)
            found += [(date, each.model_version)] if each.drifted and not goes_on else []
        before = each
    return found


def _begun_within_a_year(starts: Sequence[tuple[str, str]], day: str) -> int:
    """How many of these episodes began in the 365 days that end with this one."""
    after = str(np.datetime64(day, "D") - YEAR)
    return sum(after < first_day <= day for first_day, _ in starts)
