"""What partitions are made of, and which need no work because they would come out the same.

A partition is what its inputs make of it: the raw rows, the settings, the code; for features and
labels the exact stretch of bars that they read. All of that is hashed and written down with the
rows, in one transaction. What would be hashed otherwise now has to be made anew, and nothing else.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import dagster as dg
import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import months_between
from crypto_nn.defs.io_managers import Tables
from crypto_nn.defs.partitions import dimensions
from crypto_nn.defs.resources import Platform
from crypto_nn.experiments import Experiment
from crypto_nn.features.source_code import code_from
from crypto_nn.store.lineage import TABLE, Made, Parts, closes_of, digest, read_ledger
from crypto_nn.store.sealed import claimed

ASSETS = ("bars", "features", "labels")
REBUILD = "rebuild"
"""A run with the tag `rebuild: true` makes its partitions anew, changed or not."""

Ledger = Mapping[tuple[str, str, str], Made]
Stretch = tuple[np.datetime64, np.datetime64]


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

    def before(self, symbol: str, month: str) -> Made | None:
        """How the partition came about; None where it has to be made whatever it is made of."""
        return None if self._forced else self._on_record(symbol).get((self._asset, symbol, month))

    def is_due(self, symbol: str, month: str, made_of: Parts) -> bool:
        """Whether the partition has to be made: it never was, or its inputs are others now."""
        found = self.before(symbol, month)
        if found is not None and dict(found.made_of) == dict(made_of):
            self.keep(found)
            return False
        return True

    def keep(self, made: Made) -> None:
        """Leave a partition as it is."""
        self.unchanged.append((made.symbol, made.month))
        self._tell(made.symbol, made.month, made.content, f"unchanged since {made.made_at}")

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
        self,
        tables: Tables,
        made_of: Parts,
        content: str,
        rests_on: Parts | None = None,
        outcome: str = "made",
    ) -> Tables:
        """The partition's tables and its line in the ledger, to be stored together."""
        symbol, month = tables.partition["symbol"], tables.partition["month"]
        now = self._platform.now()
        made = Made(self._asset, symbol, month, made_of, rests_on or {}, content, now)
        self.rebuilt.append((symbol, month))
        self._tell(symbol, month, content, outcome)
        return replace(
            tables,
            tables={**tables.tables, TABLE: made.to_arrow()},
            own={**tables.own, TABLE: made.partition},
        )

    def last_told(self, symbol: str) -> str:
        """The month whose event comes last of the symbol's, and so stands on the asset's page.

        Dagster keeps the partitions of a run in a set, in no order of time.
        """
        return [month for name, month in self._keys if name == symbol][-1]

    def describe(self) -> dict[str, Any]:
        """How many partitions were made, and how many needed no work."""
        return {"partitions_made": len(self.rebuilt), "partitions_unchanged": len(self.unchanged)}

    def _on_record(self, symbol: str) -> Ledger:
        """The symbol's ledger when it was first asked for in this step."""
        if symbol not in self._ledger:
            self._ledger[symbol] = read_ledger(self._platform.lake, [symbol])
        return self._ledger[symbol]

    def tell(self, symbol: str, month: str, told: Mapping[str, Any]) -> None:
        """Put something on the event of one partition alone."""
        self._context.add_asset_metadata(told, partition_key=self._keys[symbol, month])

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
    return {
        **bars_settings(platform, platform.experiment(), symbol, month),
        "due": f"{start} {end}",
    }


def beside_of(symbol: str, resting: Parts) -> dict[str, str]:
    """The months of another market in what a partition rests on."""
    return {f"{symbol} {month}": content for month, content in resting.items()}


def labels_made_of(platform: Platform, history: Bars, complete: bool) -> dict[str, str]:
    """What the labels of a month follow from: closes since the anchor and over the horizon."""
    parts = labels_settings(platform.experiment())
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


def bars_settings(
    platform: Platform, experiment: Experiment, symbol: str, month: str
) -> dict[str, str]:
    """What the bars of a month follow from beside the time in which they are due."""
    source = experiment.symbol(symbol).source
    path = platform.raw.path(source, symbol, month)
    return {
        "raw": claimed(path) if path.exists() else "",
        "source": source,
        "settings": digest(experiment.quality.model_dump(mode="json")),
        "code": code_from(("crypto_nn.bars.quality", "inspect")),
    }


def labels_settings(experiment: Experiment) -> dict[str, str]:
    """What labels follow from beside the bars."""
    return {
        "settings": digest(experiment.labels.model_dump(mode="json")),
        "code": code_from(("crypto_nn.features.labels", "compute_labels")),
    }
