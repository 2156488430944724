"""The bars that predictions of a month rest on, and a record of what these were."""

from collections.abc import Mapping

import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.bars.bars import OPTIONAL, REQUIRED
from crypto_nn.bars.calendar import month_bounds, month_of
from crypto_nn.bars.reference import with_reference
from crypto_nn.defs.lineage import Stretch, is_complete, months_made
from crypto_nn.defs.resources import Platform
from crypto_nn.features.labels import MINUTE
from crypto_nn.inference.rests import days_of
from crypto_nn.store.lineage import Made, digest

ASSET = "predictions"
VERSION, UNTIL = "version", "until"


class WindowBars:
    """The bars of a symbol by month, from the month's anchor on, as the asset `features` sees them.

    Args:
        platform: where bars are, and the feature set in force.
        symbol: whose.
        snapshot: bars as they were then; as they are now by default.
    """

    def __init__(self, platform: Platform, symbol: str, snapshot: int | None = None) -> None:
        experiment = platform.experiment()
        self.symbol = symbol
        self.feature_set = platform.feature_set(experiment)
        self._reference = experiment.features.reference
        self._first = experiment.symbol(symbol).first_month
        self._lake, self._snapshot = platform.lake, snapshot
        self._made = months_made(platform, symbol)
        self._read: dict[str, tuple[Bars, bool]] = {}

    def __call__(self, month: str) -> tuple[Bars, bool]:
        """The bars since the month's anchor, and whether no month is missing before them."""
        if month not in self._read:
            stretch = self.stretch(month)
            complete = is_complete(self._made, self._first, stretch)
            self._read[month] = self._history(stretch), complete
        return self._read[month]

    def stretch(self, month: str) -> Stretch:
        """From the anchor of a month to its end."""
        return self.feature_set.anchor(month), month_bounds(month)[1]

    def days(self, month: str, reach: int, until: np.datetime64) -> dict[str, str]:
        """A hash of the bars of each day that windows of a month look at, up to a minute.

        Args:
            reach: minutes that a window looks back on.
            until: the newest minute that counts.
        """
        found: dict[str, str] = {}
        for each in months_of(month, reach):
            found |= days_of(self(each)[0], until)
        return found

    def _history(self, stretch: Stretch) -> Bars:
        bars = self._one(self.symbol, stretch)
        if self._reference is None:
            return bars
        own = self._reference == self.symbol
        return with_reference(bars, bars if own else self._one(self._reference, stretch))

    def _one(self, symbol: str, stretch: Stretch) -> Bars:
        columns, where = (*REQUIRED, *OPTIONAL), {"symbol": symbol}
        return Bars.from_arrow(
            self._lake.read("bars", columns, where, *stretch, self._snapshot), symbol
        )


def months_of(month: str, reach: int) -> tuple[str, ...]:
    """The month before, where windows reach into it, and the month."""
    before = month_of(month_bounds(month)[0] - reach * MINUTE)
    return (month,) if before == month else (before, month)


def record(
    bars: WindowBars,
    month: str,
    answered: tuple[str, int],
    until: np.datetime64,
    content: str,
    now: np.datetime64,
) -> Made:
    """What a month of predictions was made of, for the table `partition_inputs`.

    Args:
        bars: as they were when it was made.
        month: which.
        answered: the version that answered, and the minutes it looks back on.
        until: the newest minute that was there to be predicted.
        content: a hash of the predictions.
        now: when they were made.
    """
    version, reach = answered
    made_of = {VERSION: version, UNTIL: str(until), "features": bars.feature_set.fingerprint}
    return Made(ASSET, bars.symbol, month, made_of, bars.days(month, reach, until), content, now)


def rests_until(made_on: Mapping[str, str], day: str) -> str:
    """One hash of the bars of a day and of all days before it that predictions rest on."""
    return digest({each: found for each, found in made_on.items() if each <= day})[:16]
