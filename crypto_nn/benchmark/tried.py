"""How much was ever tried on a universe: what luck had to choose from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from crypto_nn.metrics.trading import expected_best
from crypto_nn.store.lake import Lake

LEDGER = "trial_ledger"
FEWEST = 5  # of fewer trials the spread cannot be told
NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Trials:
    """How many strategies were ever tried, and how far apart their results lay.

    Attributes:
        count: of all, those in `sharpes` with them.
        spread: standard deviation of their daily Sharpe ratios before costs, each in units of its
            own standard error 1 / √(days - 1), so that trials over few days and over many can be
            compared: 1 is what luck alone does. None where fewer than five are known.
        sharpes: these ratios in standard errors, by the key of the trial; NaN where a trial never
            traded.
    """

    count: int = 1
    spread: float | None = None
    sharpes: Mapping[str, float] = field(default_factory=lambda: NOTHING)

    @classmethod
    def of(cls, sharpes: Mapping[str, float], others: int = 0) -> "Trials":
        """These trials, and `others` of which nothing but the number is known."""
        known = [value for value in sharpes.values() if math.isfinite(value)]
        spread = float(np.std(known, ddof=1)) if len(known) >= FEWEST else None
        return cls(len(sharpes) + others, spread, MappingProxyType(dict(sharpes)))

    def joined(self, own: Mapping[str, float]) -> "Trials":
        """With further trials, such as those of the run that is being judged.

        Those that are known already are not counted twice: judged again, a run has the same
        number of trials as when it was judged first.
        """
        return Trials.of({**self.sharpes, **own}, self.count - len(self.sharpes))

    def luck(self, num_days: int) -> float:
        """The best daily Sharpe ratio to expect over so many days if none of them has any skill.

        The expected maximum of `count` normal draws (Bailey and López de Prado 2014) whose spread
        is the measured one, or 1 / √(days - 1), that of a ratio of 0, where none was measured.
        0 for a single trial. The benchmark for `metrics.trading.psr`, which then is the deflated
        Sharpe ratio.
        """
        if num_days < 2:
            return 0.0
        spread = 1.0 if self.spread is None else self.spread
        return expected_best(self.count, spread / math.sqrt(num_days - 1))


def tried(lake: Lake, universe: str) -> Trials:
    """Everything ever tried on a universe: trained versions, searches, and what was benchmarked.

    Each row of the trial ledger is one; a key that two writers added at once counts once.
    """
    sharpes: dict[str, float] = {}
    if lake.has(LEDGER):
        columns = ("key", "days", "gross_daily_sharpe")
        for row in lake.read(LEDGER, columns, {"universe": universe}).to_pylist():
            ratio = row["gross_daily_sharpe"]
            sharpes[row["key"]] = in_errors(math.nan if ratio is None else ratio, row["days"])
    return Trials.of(sharpes, num_tried(lake, universe))


def in_errors(daily_sharpe: float, num_days: int) -> float:
    """A daily Sharpe ratio in standard errors of a ratio of 0 over as many days."""
    return daily_sharpe * math.sqrt(max(num_days - 1, 0))


def num_tried(lake: Lake, universe: str) -> int:
    """Versions that were trained, and trials of searches, of a universe; each training once.

    A trial that was ended early or failed was looked at too. The best trial of a search is also
    a checkpoint: its version is counted once. What was benchmarked is not among them: see `tried`.
    """
    where = {"universe": universe}
    versions: set[str] = set()
    unnamed = 0
    if lake.has("checkpoints"):
        versions |= set(lake.read("checkpoints", ("version",), where)["version"].to_pylist())
    if lake.has("trials"):
        tried = lake.read("trials", ("version",), where)["version"].to_pylist()
        versions |= {version for version in tried if version is not None}
        unnamed = tried.count(None)
    return len(versions) + unnamed
