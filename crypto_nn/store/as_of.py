"""What was known at a time: the bars that would be there, had nothing been received since."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crypto_nn.bars import Bars
from crypto_nn.bars.bars import OPTIONAL
from crypto_nn.bars.calendar import month_bounds, months_between
from crypto_nn.bars.quality import QualityConfig, inspect
from crypto_nn.errors import LakeError
from crypto_nn.store.lake import Lake
from crypto_nn.store.live import LiveBars, received
from crypto_nn.store.raw import RAW_SCHEMA, RawStore, merged, received_by
from crypto_nn.store.tables import BARS


@dataclass(frozen=True, eq=False)
class AsOf:
    """One symbol as it was known at a time.

    A row counts from when it was received: a history that was fetched yesterday was not known
    before yesterday, however old its bars are. What stands in `live_bars`, not yet folded into the
    raw bars, counts as well.

    Attributes:
        raw, lake: where rows are kept.
        source: from which source the symbol's bars are taken.
        symbol: base and quote.
        time: the time (inclusive, UTC).
        quality: what a row must be to count as a bar.

    Raises:
        LakeError: nothing was ever received of the symbol from this source.
    """

    raw: RawStore
    lake: Lake
    source: str
    symbol: str
    time: np.datetime64
    quality: QualityConfig = field(default_factory=QualityConfig)

    def __post_init__(self) -> None:
        if not self.months:
            raise LakeError(
                f"Nothing was ever received of {self.symbol} from {self.source!r}, so nothing was "
                f"known of it at {self.time}. Ingest it: `crypto-nn ingest --symbol {self.symbol}`."
            )

    @cached_property
    def months(self) -> tuple[str, ...]:
        """The months of which anything is kept, whenever it was received."""
        live = self._live["month"].unique().to_pylist()
        return tuple(sorted({*self.raw.months(self.symbol, self.source), *live}))

    def bars(self, start: np.datetime64, end: np.datetime64) -> Bars:
        """The bars that open in [start, end), as they were known; none where none were."""
        known = [self._month(month)[0] for month in self.months_of(start, end)]
        return Bars.concat([Bars.empty(self.symbol), *known]).between(start, end)

    def table(self, start: np.datetime64, end: np.datetime64) -> pa.Table:
        """The same in the columns of the table `bars`."""
        bars = self.bars(start, end)
        numbers = bars.columns().items()
        columns = {
            **dict.fromkeys(OPTIONAL, pa.nulls(len(bars))),
            **{name: pa.array(column, from_pandas=True) for name, column in numbers},
            "symbol": pa.repeat(self.symbol, len(bars)),
            "source": pa.repeat(self.source, len(bars)),
            "month": pa.array(bars.ts.astype("datetime64[M]").astype(str)),
        }
        schema = pa.schema([(column.name, column.arrow) for column in BARS.columns])
        return pa.table({name: columns[name] for name in schema.names}).cast(schema)

    def months_of(self, start: np.datetime64, end: np.datetime64) -> tuple[str, ...]:
        """The months that reach into [start, end) and of which a bar was known."""
        inside = [month for month in self.months if _overlaps(month, start, end)]
        return tuple(month for month in inside if len(self._month(month)[0]))

    def is_complete(self, first_month: str, start: np.datetime64, end: np.datetime64) -> bool:
        """Whether every month of [start, end) but its last had been ingested.

        Months before the symbol's first one are not missing, nor are those that were ingested and
        in which the source had no row: when that was is not on record.
        """
        needed = [month for month in months_between(start, end)[:-1] if month >= first_month]
        return all(month in self.months and self._month(month)[1] for month in needed)

    def _month(self, month: str) -> tuple[Bars, bool]:
        if month not in self._known:
            rows = self._rows(month)
            known = received_by(rows, self.time)
            found = inspect(known, self.quality).accepted if known.num_rows else None
            bars = Bars.empty(self.symbol) if found is None else found
            self._known[month] = bars, bool(known.num_rows or not rows.num_rows)
        return self._known[month]

    def _rows(self, month: str) -> pa.Table:
        live = self._live.filter(pc.equal(self._live["month"], month))
        has = self.raw.has(self.symbol, month, self.source)
        rows = self.raw.read(self.symbol, month, self.source) if has else RAW_SCHEMA.empty_table()
        if live.num_rows:
            rows = merged(rows, self.source, month, *received(live, self.symbol))
        return rows

    @cached_property
    def _known(self) -> dict[str, tuple[Bars, bool]]:
        return {}

    @cached_property
    def _live(self) -> pa.Table:
        """Read before the raw bars: what is folded meanwhile is then seen twice, and not never."""
        return LiveBars(self.lake).read(self.symbol, source=self.source)


def _overlaps(month: str, start: np.datetime64, end: np.datetime64) -> bool:
    first, after = month_bounds(month)
    return bool(first < end and start < after)
