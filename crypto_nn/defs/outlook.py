"""Which partitions would come out differently now, and why; nothing else is stale."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.bars.bars import REQUIRED
from crypto_nn.bars.calendar import month_bounds, months_between
from crypto_nn.bars.quality import inspect
from crypto_nn.bars.reference import with_reference
from crypto_nn.defs.feature_columns import FeatureColumns
from crypto_nn.defs.lineage import (
    ASSETS,
    Ledger,
    Stretch,
    bars_settings,
    beside_of,
    is_complete,
    labels_settings,
    months_made,
)
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import BarsError
from crypto_nn.experiments import Experiment
from crypto_nn.store.lineage import Made, Parts, closes_of, content_of, digest, read_ledger


@dataclass(frozen=True)
class Stale:
    """A partition that would come out differently now.

    Attributes:
        why: the inputs that have changed since it was made, or "not on record".
        inputs: a hash of what they are now; another one if they change again.
    """

    asset: str
    symbol: str
    month: str
    why: str
    inputs: str


def stale(
    platform: Platform, experiment: Experiment, symbols: Collection[str] | None = None
) -> dict[str, list[tuple[str, str]]]:
    """By asset the (symbol, month) that would come out differently now; see `find_stale`."""
    found: dict[str, list[tuple[str, str]]] = {asset: [] for asset in ASSETS}
    for one in find_stale(platform, experiment, symbols):
        found[one.asset].append((one.symbol, one.month))
    return found


def find_stale(
    platform: Platform, experiment: Experiment, symbols: Collection[str] | None = None
) -> list[Stale]:
    """Every partition that would come out differently now, with the reason.

    Where raw rows have changed, the bars that follow from them are worked out, so that features
    and labels are named exactly: those whose own stretch of bars differs. Where nothing has
    changed, no bar is read.

    Args:
        symbols: only these; all of the experiment where left out.
    """
    wanted = [symbol for symbol in experiment.symbols if symbols is None or symbol in symbols]
    reference = experiment.features.reference
    looked_at = {*wanted, *([reference] if reference else [])}
    ledger = read_ledger(platform.lake, looked_at)
    outlooks = {
        symbol: _Outlook(platform, experiment, symbol, ledger) for symbol in sorted(looked_at)
    }
    columns = FeatureColumns(platform.feature_set(experiment))
    beside = outlooks[reference] if reference else None
    return [one for symbol in wanted for one in outlooks[symbol].stale(columns, beside)]


_EXACT: dict[tuple[str, ...], Parts] = {}
_REMEMBERED = 10_000


class _Outlook:
    """One symbol's partitions as they are on record, and as they would come out now."""

    def __init__(
        self, platform: Platform, experiment: Experiment, symbol: str, ledger: Ledger
    ) -> None:
        self._platform, self._experiment, self._symbol = platform, experiment, symbol
        self._ledger = ledger
        config = experiment.symbol(symbol)
        self._first = config.first_month
        last = config.last_month or "9999-12"
        stored = platform.raw.months(symbol, config.source)
        self._months = [month for month in stored if self._first <= month <= last]
        self._would_be: dict[str, Bars] = {}
        self._contents = {
            month: made.content
            for (asset, name, month), made in ledger.items()
            if asset == "bars" and name == symbol
        }

    def stale(self, columns: FeatureColumns, beside: "_Outlook | None") -> list[Stale]:
        """What is stale of the symbol, bars first: the others are judged by what they would be.

        Args:
            columns: those of features.
            beside: the market beside which features see this one.
        """
        if not self._months:
            return []
        found = list(self._stale_bars)
        if beside is not None:
            _ = beside._stale_bars  # so that it knows what its bars would be
        for month in self._months:
            found += self._judge_features(month, columns, beside)
        for month in self._months:
            found += self._judge_labels(month)
        return found

    @cached_property
    def _stale_bars(self) -> list[Stale]:
        return [one for one in map(self._judge_bars, self._months) if one is not None]

    def _judge_bars(self, month: str) -> Stale | None:
        made = self._ledger.get(("bars", self._symbol, month))
        parts = bars_settings(self._platform, self._experiment, self._symbol, month)
        why = _changes(made, parts)
        if not why:
            return None
        found = Stale("bars", self._symbol, month, why, digest(parts))
        try:
            raw = self._platform.raw.read(self._symbol, month, parts["source"])
        except BarsError:  # damaged: making the bars again will say so
            return found
        empty = Bars.empty(self._symbol)
        bars = inspect(raw, self._experiment.quality).accepted if raw.num_rows else empty
        self._would_be[month], self._contents[month] = bars, content_of(bars)
        return found

    def _judge_features(
        self, month: str, columns: FeatureColumns, beside: "_Outlook | None"
    ) -> list[Stale]:
        stretch = columns.feature_set.anchor(month), month_bounds(month)[1]
        resting = self._resting(stretch)
        if beside is not None and beside is not self:
            resting |= beside_of(beside._symbol, beside._resting(stretch))

        def exact() -> Parts:
            bars = self._bars(stretch)
            if beside is not None:
                bars = with_reference(bars, beside._bars(stretch))
            return columns.made_of(bars, month, is_complete(self._made, self._first, stretch))

        made = self._ledger.get(("features", self._symbol, month))
        settings = columns.definitions()
        why = "not on record" if made is None else columns.changes(made.made_of, settings)
        if not why and made is not None and resting != dict(made.rests_on):
            key = ("features", settings["columns"], *map(str, stretch))
            why = columns.changes(made.made_of, self._remembered(key, resting, exact))
        inputs = digest({**settings, **resting})
        return [Stale("features", self._symbol, month, why, inputs)] if why else []

    def _judge_labels(self, month: str) -> list[Stale]:
        stretch = self._experiment.labels.bars_needed(month)
        resting = self._resting(stretch)

        def exact() -> Parts:
            complete = is_complete(self._made, self._first, stretch)
            return {"bars": closes_of(self._bars(stretch)), "complete": str(complete)}

        made, settings = (
            self._ledger.get(("labels", self._symbol, month)),
            labels_settings(self._experiment),
        )
        why = _changes(made, settings)
        if not why and made is not None and resting != dict(made.rests_on):
            why = _changes(made, self._remembered(("labels", *map(str, stretch)), resting, exact))
        inputs = digest({**settings, **resting})
        return [Stale("labels", self._symbol, month, why, inputs)] if why else []

    def _resting(self, stretch: Stretch) -> dict[str, str]:
        """The content of each month of bars in a stretch, as it would be now."""
        return {month: self._contents.get(month, "") for month in months_between(*stretch)}

    def _remembered(
        self, key: tuple[str, ...], resting: Parts, exact: Callable[[], Parts]
    ) -> Parts:
        """What follows from the very bars of a stretch; remembered by the content of months."""
        place = str(self._platform.lake.root), self._symbol, *key
        made = ",".join(sorted(self._made))
        whole = (*place, made, *(text for pair in resting.items() for text in pair))
        if whole not in _EXACT:
            found = exact()
            while len(_EXACT) >= _REMEMBERED:
                del _EXACT[next(iter(_EXACT))]
            _EXACT[whole] = found
        return _EXACT[whole]

    def _bars(self, stretch: Stretch) -> Bars:
        start, end = stretch
        pieces = [self._month(month, start, end) for month in months_between(start, end)]
        return Bars.concat([piece for piece in pieces if len(piece)] or pieces[:1])

    def _month(self, month: str, start: np.datetime64, end: np.datetime64) -> Bars:
        if month in self._would_be:
            return self._would_be[month].between(start, end)
        if not self._contents.get(month):
            return Bars.empty(self._symbol)
        where = {"symbol": self._symbol, "month": month}
        rows = self._platform.lake.read("bars", REQUIRED, where, start, end)
        return Bars.from_arrow(rows, self._symbol)

    @cached_property
    def _made(self) -> set[str]:
        return months_made(self._platform, self._symbol) | set(self._would_be)


def _changes(made: Made | None, parts: Parts) -> str:
    """The names of the inputs that are others than on record; "" where none is."""
    if made is None:
        return "not on record"
    return ", ".join(name for name, value in parts.items() if made.made_of.get(name) != value)


def reference_first(experiment: Experiment, symbols: Sequence[str]) -> list[str]:
    """The symbols in order, but the one first that the features of all others look at."""
    return sorted(symbols, key=lambda symbol: symbol != experiment.features.reference)


def islands(months: Iterable[str]) -> list[list[str]]:
    """Months in order, cut where one is left out: each piece can be one run."""
    pieces: list[list[str]] = []
    for month in sorted(set(months)):
        if pieces and np.datetime64(pieces[-1][-1], "M") + 1 == np.datetime64(month, "M"):
            pieces[-1].append(month)
        else:
            pieces.append([month])
    return pieces
