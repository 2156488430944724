"""What a person has been told of drift, held against what the decisions say now."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crypto_nn.monitoring.alerts import Alert, Alerts
from crypto_nn.monitoring.budget import BudgetState, budget_state
from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.retraining import DriftedDay, last_of_each_day, whole_episode
from crypto_nn.store.lake import Lake

KIND = "drift"
GROUPED = "beyond-budget"


@dataclass
class DriftAlerts:
    """Alerts of drift for the time of a tick.

    Reports come in any order, and so the key of an episode, its first day, may be another once an
    earlier day comes in. An episode has been told where an alert has the key of any of its days.

    Attributes:
        told: keys of all alerts of drift there ever were.
        open: those that are not resolved.
        now: naive UTC.
    """

    alerts: Alerts
    config: DriftConfig
    now: np.datetime64
    told: set[str]
    open: dict[str, Alert]

    @classmethod
    def of(
        cls, alerts: Alerts, lake: Lake, config: DriftConfig, now: np.datetime64
    ) -> "DriftAlerts":
        """As the table `alerts` and the spool have them."""
        told = {key for key, _ in alerts.pending()}
        if lake.has("alerts"):
            told |= set(lake.read("alerts", ("key",), {"kind": KIND})["key"].to_pylist())
        return cls(alerts, config, now, told, {each.key: each for each in alerts.open(KIND)})

    def take(self, days: Sequence[DriftedDay], history: Sequence[DriftedDay]) -> tuple[int, int]:
        """Take in new reports of one symbol; how many episodes were told, and how many resolved.

        At the end the newest day is looked at once more: where an earlier calm day came in late,
        the drifted days behind it are another episode than the one that was told.

        Args:
            days: new reports, in the order in which they came.
            history: decisions on the symbol, of two on one day the later last; these days too.
        """
        history = [*days, *history]  # what was decided again since a report counts
        latest = last_of_each_day(history, days[0].symbol)
        told = over = 0
        for day in days:
            told += self._tell(day, history)
            over += self._resolve(day.symbol, latest)
        known = [date for date, each in latest.items() if not math.isnan(each.drift_score)]
        if known:
            told += self._tell(latest[max(known)], history)
        return told, over

    def _tell(self, day: DriftedDay, history: Sequence[DriftedDay]) -> bool:
        """Tell that an episode has begun; False on a calm day, and where that was told."""
        episode = whole_episode(day, history)
        if episode is None or self.told.intersection(episode.keys):
            return False
        state = budget_state(history, day, self.config)
        if state.key in self.told:
            return False
        title = f"{day.symbol} has drifted on {day.day}"
        alert = Alert(KIND, state.key, title, _message(day, state), self.now)
        self.told.add(state.key)
        self.open[state.key] = alert
        return self.alerts.tell(alert).new

    def _resolve(self, symbol: str, latest: dict[str, DriftedDay]) -> int:
        """Say that what was told of a symbol is over: a calm day, or another version answers."""
        over = 0
        for key in list(self.open):
            of, version, first_day = _parts(key)
            end = _end(version, first_day, latest) if of == symbol else None
            if end is None:
                continue
            why = (
                f"{end.day} is calm (drift score {end.drift_score:.2f})."
                if version in (end.model_version, GROUPED)
                else f"Version {end.model_version} answers now, and {version} does not any more."
            )
            self.alerts.resolve(key, f"{symbol}: drift is over", why, self.now)
            del self.open[key]
            over += 1
        return over


def _end(version: str, first_day: str, latest: dict[str, DriftedDay]) -> DriftedDay | None:
    """The day that ended what was told; of a score that is no number nobody knows whether it does.

    Episodes that were told together are over where the newest day is calm.
    """
    dates = sorted(date for date in latest if date >= first_day)
    after = [latest[date] for date in dates if not math.isnan(latest[date].drift_score)]
    if version == GROUPED:
        return after[-1] if after and not after[-1].drifted else None
    return next((e for e in after if not (e.drifted and e.model_version == version)), None)


def _parts(key: str) -> tuple[str, str, str]:
    """Symbol, version and first day (or month) of an alert's key."""
    _, symbol, version, first_day = (*key.split(":"), "", "", "")[:4]
    return symbol, version, first_day


def _message(day: DriftedDay, state: BudgetState) -> str:
    score = (
        f"Drift score {day.drift_score:.2f} against what version {day.model_version} learned "
        "from. See the asset drift_report of that day."
    )
    if not state.exhausted:
        return score
    return (
        f"{score} {state.spent} episodes began in 365 days, and {state.budget} are told one by one "
        "(drift.alarms_per_year): further ones of this month are not told. See drift_decisions."
    )
