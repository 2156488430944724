"""Features month by month: the columns that are due are computed, the others taken as stored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crypto_nn.bars import Bars, Times
from crypto_nn.bars.bars import OPTIONAL, REQUIRED
from crypto_nn.bars.calendar import month_bounds
from crypto_nn.bars.reference import with_reference
from crypto_nn.defs.feature_columns import FeatureColumns
from crypto_nn.defs.io_managers import TableReader, Tables
from crypto_nn.defs.lineage import Rebuild, Stretch, beside_of
from crypto_nn.defs.outlook import islands
from crypto_nn.defs.resources import Platform
from crypto_nn.features.catalog_table import catalog
from crypto_nn.features.feature import Feature
from crypto_nn.features.missing import RowsLost, rows_lost
from crypto_nn.store.lineage import Made, Parts, drop_columns, hash_of
from crypto_nn.store.tables import FEATURE_CATALOG, FEATURES

AT_ONCE = 12
"""So many months of bars are read together."""


@dataclass(frozen=True, eq=False)
class FeatureMonth:
    """The features of one symbol and month as they are now.

    Attributes:
        symbol: whose.
        month: such as "2024-01".
        history: the bars since the month's anchor.
        x_FN: the columns in order, NaN where null.
        computed: which of them were computed; the others are as they were stored.
        before: how the month came about before; None where it is new, or all had to be made.
        lost: how many of its rows have a null, and why; None where it has no rows.
    """

    symbol: str
    month: str
    history: Bars
    x_FN: NDArray[np.float32]
    computed: tuple[str, ...]
    before: Made | None
    lost: RowsLost | None

    @cached_property
    def bars(self) -> Bars:
        """The bars of the month itself."""
        return self.history.between(*month_bounds(self.month))

    @cached_property
    def content(self) -> str:
        """SHA-256 of times and values."""
        return hash_of(self.bars.ts, self.x_FN)

    def to_arrow(self, features: Sequence[Feature]) -> pa.Table:
        """One row per bar; NaN becomes null, and each column says what it is."""
        fields = [pa.field("ts", pa.timestamp("us"))]
        columns = [pa.array(self.bars.ts)]
        for feature, x_N in zip(features, self.x_FN):
            told = {"comment": f"{feature.description}; unit: {feature.unit}; = {feature.formula}"}
            fields.append(pa.field(feature.name, pa.float32(), metadata=told))
            columns.append(pa.array(x_N, from_pandas=True))
        return keyed(pa.table(columns, schema=pa.schema(fields)), self.symbol, self.month)


@dataclass(frozen=True)
class _Due:
    """A month that may have columns to compute: what it rests on, and how it came about before."""

    month: str
    complete: bool
    rests_on: Parts
    before: Made | None


class FeatureMonths:
    """What one run does to the table `features` and to its catalogue."""

    def __init__(self, platform: Platform, bars: TableReader, rebuild: Rebuild) -> None:
        experiment = platform.experiment()
        self.columns = FeatureColumns(platform.feature_set(experiment))
        self.feature_set = self.columns.feature_set
        self.reference = experiment.features.reference
        self._lake, self._bars, self._rebuild = platform.lake, bars, rebuild

    def forget_removed(self) -> tuple[str, ...]:
        """Take columns that are not in the set any more out of the table; these were they."""
        keys, lake = set(FEATURES.by_name), self._lake
        gone = tuple(
            name for name in lake.columns("features") if name not in {*keys, *self.columns.names}
        )
        if gone:
            drop_columns(lake, "features", gone, lambda made: self.columns.without(gone, made))
        return gone

    def catalogue(self) -> dict[str, pa.Table]:
        """The table `feature_catalog`, where it says something else than is stored."""
        table, lake = catalog(self.feature_set), self._lake
        if lake.has(FEATURE_CATALOG.name):
            stored = lake.read(FEATURE_CATALOG.name, table.column_names)
            if stored.equals(table.sort_by(FEATURE_CATALOG.order_by[0])):
                return {}
        return {FEATURE_CATALOG.name: table}

    def parts(
        self, wanted: Mapping[str, Sequence[str]]
    ) -> Iterator[tuple[FeatureMonth | None, Tables]]:
        """The months that differ from what is stored, and what to store of each.

        The first brings the catalogue, where that has changed.
        """
        news = self.catalogue()
        for made, tables in self._months(wanted):
            yield made, _beside(tables, news)
            news = {}
        if news:
            yield None, Tables({}, news)

    def history(self, symbol: str, stretch: Stretch) -> Bars:
        """The bars of a symbol, with those of the reference beside them where there is one."""
        bars = read_bars(self._bars, symbol, stretch)
        if self.reference in (None, symbol):
            return bars if self.reference is None else with_reference(bars, bars)
        return with_reference(bars, read_bars(self._bars, str(self.reference), stretch))

    def stretch(self, month: str) -> Stretch:
        """From the anchor of a month to its end."""
        return self.feature_set.anchor(month), month_bounds(month)[1]

    def is_complete(self, symbol: str, month: str) -> bool:
        """Whether no month of bars is missing that a month's features look at."""
        return self._rebuild.behind(symbol, self.stretch(month))[0]

    def _months(self, wanted: Mapping[str, Sequence[str]]) -> Iterator[tuple[FeatureMonth, Tables]]:
        for symbol, months in wanted.items():
            due = {one.month: one for month in months for one in self._judge(symbol, month)}
            for piece in islands(due):
                for first in range(0, len(piece), AT_ONCE):
                    few = [due[month] for month in piece[first : first + AT_ONCE]]
                    yield from self._make(symbol, few)

    def _judge(self, symbol: str, month: str) -> Iterator[_Due]:
        """The month, unless it can be told without its bars that nothing has changed."""
        stretch = self.stretch(month)
        complete, rests_on = self._rebuild.behind(symbol, stretch)
        if self.reference not in (None, symbol):
            _, beside = self._rebuild.behind(str(self.reference), stretch)
            rests_on |= beside_of(str(self.reference), beside)
        before = self._rebuild.before(symbol, month)
        known = {**self.columns.definitions(), "complete": str(complete)}
        rests = before is not None and dict(before.rests_on) == rests_on
        if before is not None and rests and not self.columns.due(before.made_of, known):
            self._rebuild.keep(before)
            return
        yield _Due(month, complete, rests_on, before)

    def _make(self, symbol: str, few: Sequence[_Due]) -> Iterator[tuple[FeatureMonth, Tables]]:
        """Months that follow one another: their bars are read once."""
        stretch = self.stretch(few[0].month)[0], self.stretch(few[-1].month)[1]
        bars = self.history(symbol, stretch)
        lost = {one.month: one for one in rows_lost(self.feature_set, bars, few[0].complete)}
        for due in few:
            history = bars.between(*self.stretch(due.month))
            made_of = self.columns.made_of(history, due.month, due.complete)
            names = self.columns.names
            if due.before is not None:
                names = self.columns.due(due.before.made_of, made_of)
                if not names:
                    self._rebuild.keep(due.before)
                    continue
            x_FN, computed = self._compute(symbol, due, history, names)
            made = FeatureMonth(
                symbol, due.month, history, x_FN, computed, due.before, lost.get(due.month)
            )
            tables = Tables(
                {"symbol": symbol, "month": due.month},
                {"features": made.to_arrow(self.feature_set.features)},
            )
            outcome = f"{len(made.computed)} of {len(self.columns.names)} columns made"
            yield made, self._rebuild.write(tables, made_of, made.content, due.rests_on, outcome)

    def _compute(
        self, symbol: str, due: _Due, history: Bars, names: tuple[str, ...]
    ) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """All columns of a month, shape (F, N), and which of them were computed."""
        everything = self.columns.names
        ts = history.between(*month_bounds(due.month)).ts
        stored = self._stored(symbol, due.month, ts, set(everything) - set(names))
        names = everything if stored is None else names
        part = self.feature_set.only(names)
        found_NK = _canonical(part.compute_month(history, due.month, complete=due.complete))
        if not stored:
            x_FN = found_NK.T
        else:
            fresh = dict(zip(part.names, found_NK.T))
            x_FN = np.stack([{**stored, **fresh}[name] for name in everything])
        return x_FN, part.names

    def _stored(
        self, symbol: str, month: str, ts: Times, names: set[str]
    ) -> dict[str, NDArray[np.float32]] | None:
        """Columns as they are stored; None where the rows are not those of the bars."""
        listed = [name for name in self.columns.names if name in names]
        if not listed:
            return {}
        if not names <= set(self._lake.columns("features")):
            return None
        where = {"symbol": symbol, "month": month}
        rows = self._lake.read("features", ("ts", *listed), where)
        if not np.array_equal(rows["ts"].to_numpy(), ts):
            return None
        return {name: rows[name].to_numpy() for name in listed}


def read_bars(bars: TableReader, symbol: str, stretch: Stretch) -> Bars:
    """The bars of a symbol that open in a stretch of time."""
    start, end = stretch
    columns, where = (*REQUIRED, *OPTIONAL), {"symbol": symbol}
    return Bars.from_arrow(bars.read(columns=columns, where=where, start=start, end=end), symbol)


def keyed(table: pa.Table, symbol: str, month: str) -> pa.Table:
    """The rows with the columns that say whose and of which month they are."""
    for name, value in (("month", month), ("symbol", symbol)):
        table = table.add_column(0, name, pa.repeat(pa.scalar(value, pa.string()), table.num_rows))
    return table


def _beside(tables: Tables, news: Mapping[str, pa.Table]) -> Tables:
    """A partition's tables with others, which are replaced as a whole."""
    whole = {name: dict[str, str]() for name in news}
    return Tables(
        tables.partition, {**tables.tables, **news}, {**tables.own, **whole}, tables.remove
    )


def _canonical(x_NF: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each value written in one way, as the table gives it back: one zero, one NaN."""
    x_NF += np.float32(0.0)
    x_NF[np.isnan(x_NF)] = np.nan
    return x_NF
