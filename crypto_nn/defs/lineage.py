"""Which partitions would come out differently now, and which need no work because they would not.

A partition is what its inputs make of it: the raw rows, the settings, the code; for features and
labels the exact stretch of bars that they read. All of that is hashed and written down with the
rows, in one transaction. What would be hashed otherwise now is stale, and nothing else is.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.bars.bars import REQUIRED
from crypto_nn.bars.calendar import month_bounds, months_between
from crypto_nn.bars.quality import inspect
from crypto_nn.defs.io_managers import Tables
from crypto_nn.defs.partitions import dimensions
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import BarsError
from crypto_nn.experiments import Experiment
from crypto_nn.store.lineage import TABLE, Made, closes_of, content_of, digest, read_ledger
from crypto_nn.store.sealed import claimed

ASSETS = ("bars", "features", "labels")
REBUILD = "rebuild"
"""A run with the tag `rebuild: true` makes its partitions anew, changed or not."""

CODE = {
    "bars": ("bars",),
    "features": ("bars", "indicators", "features"),
    "labels": ("bars", "features/labels.py"),
}
"""By asset the rooms and files whose code its rows follow from."""

Parts = Mapping[str, str]
Ledger = Mapping[tuple[str, str, str], Made]
Stretch = tuple[np.datetime64, np.datetime64]


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
    ledger = read_ledger(platform.lake, wanted)
    found: list[Stale] = []
    for symbol in wanted:
        found += _Outlook(platform, experiment, symbol, ledger).stale()
    return found


class Rebuild:
    """What one run of an asset does, partition by partition: make it, or leave it as it is."""

    def __init__(self, context: dg.AssetExecutionContext, platform: Platform) -> None:
        self._context, self._platform = context, platform
        self._asset = context.asset_key.path[-1]
        self._forced = context.run.tags.get(REBUILD, "").lower() == "true"
        self._keys = _keys(context)
        self._ledger: dict[str, Ledger] = {}
        self._made: dict[str, set[str]] = {}
        self.rebuilt: list[tuple[str, str]] = []
        self.unchanged: list[tuple[str, str]] = []

    def is_due(self, symbol: str, month: str, made_of: Parts) -> bool:
        """Whether the partition has to be made: it never was, or its inputs are others now."""
        found = self._on_record(symbol).get((self._asset, symbol, month))
        if found is not None and dict(found.made_of) == dict(made_of) and not self._forced:
            self.unchanged.append((symbol, month))
            self._tell(symbol, month, found.content, f"unchanged since {found.made_at}")
            return False
        self.rebuilt.append((symbol, month))
        return True

    def behind(self, symbol: str, stretch: Stretch) -> tuple[bool, dict[str, str]]:
        """Whether all months of bars that a stretch needs are there, and what they hold on record.

        Where a month has not been ingested yet, what follows it stays null instead of being
        computed from half of its history. Ask before the bars are read: what changes between is
        then found stale.
        """
        first = self._platform.experiment().symbol(symbol).first_month
        if symbol not in self._made:
            self._made[symbol] = months_made(self._platform, symbol)
        on_record = self._on_record(symbol)
        bars = {month: on_record.get(("bars", symbol, month)) for month in months_between(*stretch)}
        resting = {month: made.content if made else "" for month, made in bars.items()}
        return is_complete(self._made[symbol], first, stretch), resting

    def write(
        self, tables: Tables, made_of: Parts, content: str, rests_on: Parts | None = None
    ) -> Tables:
        """The partition's tables and its line in the ledger, to be stored together."""
        symbol, month = tables.partition["symbol"], tables.partition["month"]
        now = self._platform.now()
        made = Made(self._asset, symbol, month, made_of, rests_on or {}, content, now)
        self._tell(symbol, month, content, "made")
        return replace(
            tables,
            tables={**tables.tables, TABLE: made.to_arrow()},
            own={**tables.own, TABLE: made.partition},
        )

    def describe(self) -> dict[str, Any]:
        """How many partitions were made, and how many needed no work."""
        return {"partitions_made": len(self.rebuilt), "partitions_unchanged": len(self.unchanged)}

    def _on_record(self, symbol: str) -> Ledger:
        """The symbol's ledger when it was first asked for in this step."""
        if symbol not in self._ledger:
            self._ledger[symbol] = read_ledger(self._platform.lake, [symbol])
        return self._ledger[symbol]

    def _tell(self, symbol: str, month: str, content: str, what: str) -> None:
        _tell(self._context, self._keys[symbol, month], {"content": content, "outcome": what})


def tell_raw(
    context: dg.AssetExecutionContext, platform: Platform, symbol: str, month: str
) -> None:
    """Put the digest of a raw file on its partition's event, once it is stored."""
    path = platform.raw.path(platform.experiment().symbol(symbol).source, symbol, month)
    _tell(context, _keys(context)[symbol, month], {"content": claimed(path)})


def _keys(context: dg.AssetExecutionContext) -> dict[tuple[str, str], str]:
    """The run's partition keys by symbol and month."""
    cuts = {key: dimensions(key) for key in context.partition_keys}
    return {(cut["symbol"], cut["month"]): key for key, cut in cuts.items()}


def _tell(context: dg.AssetExecutionContext, key: str, told: Mapping[str, str]) -> None:
    """On a partition's own event; as its data version too, where the run is of one partition."""
    context.add_asset_metadata(told, partition_key=key)
    if len(context.partition_keys) == 1:  # one Output stands for all partitions of a run
        context.set_data_version(context.asset_key, dg.DataVersion(told["content"]))


def bars_made_of(platform: Platform, symbol: str, month: str, due: Stretch) -> dict[str, str]:
    """What the bars of a month follow from; `due` is the stretch in which minutes are expected."""
    start, end = (str(bound.astype("datetime64[m]")) for bound in due)
    return {**_of_bars(platform, platform.experiment(), symbol, month), "due": f"{start} {end}"}


def features_made_of(platform: Platform, history: Bars, complete: bool) -> dict[str, str]:
    """What the features of a month follow from: its bars since the anchor."""
    parts = _of_features(platform, platform.experiment())
    return {**parts, "bars": content_of(history), "complete": str(complete)}


def labels_made_of(platform: Platform, history: Bars, complete: bool) -> dict[str, str]:
    """What the labels of a month follow from: closes since the anchor and over the horizon."""
    parts = _of_labels(platform.experiment())
    return {**parts, "bars": closes_of(history), "complete": str(complete)}


def months_made(platform: Platform, symbol: str) -> set[str]:
    """The months whose bars have been made, also those in which there was none."""
    lake = platform.lake
    stored = lake.partitions("bars", ("symbol", "month")) if lake.has("bars") else ()
    recorded = read_ledger(lake, [symbol])
    return {month for name, month in stored if name == symbol} | {
        month for asset, _, month in recorded if asset == "bars"
    }


def is_complete(made: Collection[str], first_month: str, stretch: Stretch) -> bool:
    """Whether all months before the last one of a stretch are there.

    Months before the symbol's first one are not missing.
    """
    return all(month in made for month in months_between(*stretch)[:-1] if month >= first_month)


def _of_bars(platform: Platform, experiment: Experiment, symbol: str, month: str) -> dict[str, str]:
    source = experiment.symbol(symbol).source
    path = platform.raw.path(source, symbol, month)
    return {
        "raw": claimed(path) if path.exists() else "",
        "source": source,
        "settings": digest(experiment.quality.model_dump(mode="json")),
        "code": code_of("bars"),
    }


def _of_features(platform: Platform, experiment: Experiment) -> dict[str, str]:
    return {
        "features": platform.feature_set(experiment).fingerprint,
        "code": code_of("features"),
    }


def _of_labels(experiment: Experiment) -> dict[str, str]:
    return {
        "settings": digest(experiment.labels.model_dump(mode="json")),
        "code": code_of("labels"),
    }


@cache
def code_of(asset: str) -> str:
    """Hash of the source of the rooms and files that decide what an asset holds."""
    root = Path(__file__).parents[1]
    seen = {}
    for name in CODE[asset]:
        path = root / name
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            seen[file.relative_to(root).as_posix()] = file.read_text(encoding="utf-8")
    return digest(seen)


_EXACT: dict[tuple[Any, ...], str] = {}
_REMEMBERED = 10_000


class _Outlook:
    """One symbol's partitions as they are on record, and as they would come out now."""

    def __init__(
        self,
        platform: Platform,
        experiment: Experiment,
        symbol: str,
        ledger: Ledger,
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

    def stale(self) -> list[Stale]:
        """What is stale of the symbol, bars first: the others are judged by what they would be."""
        config = self._experiment.labels
        found = [self._judge_bars(month) for month in self._months]
        if not self._months:
            return []
        features = _of_features(self._platform, self._experiment)
        feature_set = self._platform.feature_set(self._experiment)
        for month in self._months:
            stretch = feature_set.anchor(month), month_bounds(month)[1]
            found.append(self._judge("features", month, stretch, features))
        labels = _of_labels(self._experiment)
        for month in self._months:
            found.append(self._judge("labels", month, config.bars_needed(month), labels))
        return [one for one in found if one is not None]

    def _judge_bars(self, month: str) -> Stale | None:
        made = self._ledger.get(("bars", self._symbol, month))
        parts = _of_bars(self._platform, self._experiment, self._symbol, month)
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

    def _judge(self, asset: str, month: str, stretch: Stretch, parts: Parts) -> Stale | None:
        made = self._ledger.get((asset, self._symbol, month))
        resting = {m: self._contents.get(m, "") for m in months_between(*stretch)}
        why = _changes(made, parts)
        if not why and made is not None:
            if resting == dict(made.rests_on):
                return None
            complete = is_complete(self._made, self._first, stretch)
            exact = self._exact(asset, stretch, resting)
            why = _changes(made, {"bars": exact, "complete": str(complete)})
        inputs = digest({**parts, **resting})
        return Stale(asset, self._symbol, month, why, inputs) if why else None

    def _exact(self, asset: str, stretch: Stretch, resting: Parts) -> str:
        """Hash of the very bars that the asset would read; remembered by the content of months."""
        place = str(self._platform.lake.root), self._symbol, asset, *map(str, stretch)
        key = (*place, *resting.items())
        if key not in _EXACT:
            bars = self._bars(stretch)
            while len(_EXACT) >= _REMEMBERED:
                del _EXACT[next(iter(_EXACT))]
            _EXACT[key] = closes_of(bars) if asset == "labels" else content_of(bars)
        return _EXACT[key]

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


def islands(months: Iterable[str]) -> list[list[str]]:
    """Months in order, cut where one is left out: each piece can be one run."""
    pieces: list[list[str]] = []
    for month in sorted(set(months)):
        if pieces and np.datetime64(pieces[-1][-1], "M") + 1 == np.datetime64(month, "M"):
            pieces[-1].append(month)
        else:
            pieces.append([month])
    return pieces
