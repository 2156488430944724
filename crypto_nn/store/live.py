"""Bars as they come in live: committed one by one, read with the clean ones, folded into them.

A live row lies in the lake's table `live_bars` from the commit that recorded it until the
partition of its month holds it. Until then the view `bars_now` shows it.
"""

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import TS, month_of
from crypto_nn.bars.quality import QualityConfig, fit
from crypto_nn.errors import LakeError, SymbolError
from crypto_nn.store.lake import Lake
from crypto_nn.store.quoting import quote
from crypto_nn.store.revisions import KNOWN, NUMBERS, Kept, Said, revise
from crypto_nn.store.tables import BARS, LIVE_BARS


class Received(Protocol):
    """Bars of one symbol as they were received: `crypto_nn.sources.realtime.Delivery`."""

    @property
    def bars(self) -> Bars:
        """Exactly what came, unreadable stamps included."""

    @property
    def received_at(self) -> np.datetime64:
        """When, UTC."""

    @property
    def origin(self) -> str:
        """How: "stream" or "fetch"."""


class LiveBars:
    """The live rows of a lake.

    Args:
        lake: where they are kept.
        quality: what a row must be to be shown as a bar; the same that `bars` is made by.
    """

    def __init__(self, lake: Lake, quality: QualityConfig | None = None) -> None:
        self.lake = lake
        self.quality = quality or QualityConfig()

    def append(self, source: str, deliveries: Sequence[Received]) -> int:
        """Record deliveries in one commit; when it returns they outlive this process.

        Returns:
            How many rows they had. The same rows again are kept again: what is news is decided
            when they are folded.

        Raises:
            LakeError: nothing was written.
        """
        given = [each for each in deliveries if len(each.bars)]
        if not given:
            return 0
        rows = self._rows(source, given)
        self.lake.append(LIVE_BARS.name, rows)
        return int(rows.num_rows)

    def _rows(self, source: str, deliveries: Sequence[Received]) -> pa.Table:
        """All deliveries as one table: built at once, since most hold a single bar."""
        sizes = [len(each.bars) for each in deliveries]
        parts = [each.bars.columns() for each in deliveries]
        times = np.repeat(np.array([each.received_at for each in deliveries], dtype=TS), sizes)
        ts = np.concatenate([part["ts"] for part in parts]).astype(TS)
        numbers = {
            name: np.concatenate(
                [part.get(name, np.full(n, np.nan)) for part, n in zip(parts, sizes)]
            )
            for name in NUMBERS
        }
        notes = [note for part, n in zip(parts, sizes) for note in part.get("note", [None] * n)]
        months = [m for each in deliveries for m in _months(each.bars.ts, each.received_at)]
        of_any_symbol = Bars(deliveries[0].bars.symbol, M1, ts, **numbers)
        return pa.table(
            {
                "symbol": np.repeat([each.bars.symbol for each in deliveries], sizes),
                "month": pa.array(months, pa.string()),
                "ts": ts,
                **{name: pa.array(column, from_pandas=True) for name, column in numbers.items()},
                "note": pa.array(notes, pa.string()),
                "source": pa.repeat(source, len(ts)),
                "origin": np.repeat([each.origin for each in deliveries], sizes),
                "received_at": times,
                "fit": fit(of_any_symbol, times, self.quality),
            }
        )

    def read(
        self, symbol: str | None = None, month: str | None = None, source: str | None = None
    ) -> pa.Table:
        """The live rows of a symbol, month and source, in the order in which they were recorded.

        Beside the columns of `live_bars` each has its `rowid`, by which `Lake.replace` removes it.
        """
        if not self.lake.has_rows(LIVE_BARS.name):
            columns = [(column.name, column.arrow) for column in LIVE_BARS.columns]
            return pa.schema([*columns, ("rowid", pa.int64())]).empty_table()
        asked = {"symbol": symbol, "month": month, "source": source}
        given = {name: value for name, value in asked.items() if value is not None}
        names = ", ".join(column.name for column in LIVE_BARS.columns)
        conditions = " AND ".join(f"{name} = ?" for name in given) or "true"
        return _ask(
            self.lake,
            f"SELECT {names}, rowid FROM lake.main.live_bars WHERE {conditions} ORDER BY rowid",
            list(given.values()),
        )

    def now(self, symbol: str, start: np.datetime64, end: np.datetime64) -> Bars:
        """The bars of a symbol that open in [start, end) as `bars_now` has them this moment."""
        found = _ask(
            self.lake,
            f"SELECT * FROM ({bars_now(self.lake.tables())})"
            " WHERE symbol = ? AND ts >= ? AND ts < ? ORDER BY ts",
            [symbol, *(time.astype(TS).item() for time in (start, end))],
        )
        return Bars.from_arrow(found, symbol)

    def last(self, symbol: str) -> np.datetime64 | None:
        """The open of the newest bar in `bars_now`, or None where there is none."""
        sql = f"SELECT max(ts) AS ts FROM ({bars_now(self.lake.tables())}) WHERE symbol = ?"
        last = _ask(self.lake, sql, [symbol])["ts"][0].as_py()
        return None if last is None else np.datetime64(last).astype(TS)


def check_one_venue(
    lake: Lake, symbol: str, source: str, tables: Sequence[str] = (BARS.name,)
) -> None:
    """Prices of two venues in one table would look like moves of the market.

    Raises:
        SymbolError: bars of this symbol are kept from another source.
    """
    kept: set[str] = set()
    for table in set(tables) & set(lake.tables()):
        asked = f"SELECT DISTINCT source FROM lake.main.{quote(table)} WHERE symbol = ?"
        kept.update(filter(None, _ask(lake, asked, [symbol])["source"].to_pylist()))
    if kept - {source}:
        others = ", ".join(sorted(kept - {source}))
        raise SymbolError(
            f"{symbol} is kept from {others}, and would now come from {source!r}; "
            "venues must not be mixed. Put the former source back under `symbols` in the YAML, or "
            "start another home (CRYPTO_NN_HOME)."
        )


def _ask(lake: Lake, sql: str, values: list[Any]) -> pa.Table:
    cursor = lake.catalogue.cursor()
    try:
        return cursor.execute(sql, values).to_arrow_table()
    except duckdb.Error as error:
        raise LakeError(f"Live bars cannot be read from the lake in {lake.root}: {error}") from None
    finally:
        cursor.close()


def received(live: pa.Table, symbol: str) -> tuple[Bars, NDArray[np.datetime64]]:
    """The rows of `LiveBars.read` as a source gave them, and when each was received."""
    numbers: dict[str, Any] = {name: live[name].to_numpy() for name in NUMBERS}
    noted = live["note"].null_count < live.num_rows
    note = live["note"].to_numpy(zero_copy_only=False) if noted else None
    bars = Bars(symbol, M1, live["ts"].to_numpy().astype(TS), note=note, **numbers)
    return bars, live["received_at"].to_numpy().astype(TS)


def asked_at(now: np.datetime64, *before: pa.Table) -> np.datetime64:
    """The time of receipt of what a source says when it is asked now (µs, UTC).

    It is news to all rows received before. These may have been stamped by the exchange's clock,
    and this machine's may be behind it; then it is a moment after the last of them.
    """
    stamps = [rows["received_at"].to_numpy().astype(TS).max() for rows in before if rows.num_rows]
    latest: np.datetime64 = max(
        [now.astype(TS), *(last + np.timedelta64(1, "us") for last in stamps)]
    )
    return latest


def folded(live: pa.Table, raw: pa.Table) -> NDArray[np.int64]:
    """The `rowid` of the live rows that the raw rows of their month hold, or need not hold.

    These are the rows that `RawStore.append` would call known: what is made of `raw` is made of
    them too. A row that came since is not among them.
    """
    bars, received_at = received(live, "NONE-USD")
    known = revise(Kept.of(raw), Said.of(bars, received_at)) == KNOWN
    rowids: NDArray[np.int64] = live["rowid"].to_numpy()[known]
    return rowids


def bars_now(tables: Collection[str], catalogue: str = "lake") -> str:
    """The query behind the view `bars_now`, for a lake that has these tables.

    It has the columns of `bars`: its rows, but for each minute with fit live rows the newest of
    these (by time of receipt, then by order of arrival).
    """
    names = [column.name for column in BARS.columns]
    listed = ", ".join(names)
    empty = ", ".join(f"NULL::{column.type} AS {column.name}" for column in BARS.columns)
    clean = f"SELECT {listed} FROM {catalogue}.main.bars"
    if LIVE_BARS.name not in tables:
        return clean if BARS.name in tables else f"SELECT {empty} WHERE false"
    newest = _NEWEST.format(catalogue=catalogue)
    if BARS.name not in tables:
        return f"SELECT {listed} FROM ({newest})"
    return (
        f"WITH newest AS ({newest}) {clean} AS clean ANTI JOIN newest USING (symbol, ts)"
        f" UNION ALL SELECT {listed} FROM newest"
    )


# A stamp within its minute is fit only where quality.off_minute is "floor"; a bar that is stamped
# on the minute goes before it, as in crypto_nn.bars.quality.
_NEWEST = """
SELECT symbol, month, date_trunc('minute', ts) AS ts, open, high, low, close, volume,
 CASE WHEN isfinite(vwap) AND vwap > 0 THEN vwap END AS vwap,
 CASE WHEN isfinite(trades) AND trades >= 0 THEN trades END AS trades, source
FROM {catalogue}.main.live_bars AS live WHERE fit
QUALIFY row_number() OVER (
 PARTITION BY live.symbol, date_trunc('minute', live.ts)
 ORDER BY live.ts = date_trunc('minute', live.ts) DESC, received_at DESC, live.ts DESC, rowid DESC
) = 1"""


def _months(ts: NDArray[np.datetime64], received_at: np.datetime64) -> list[str]:
    """The month of each row; without a readable stamp that of the row before it, else after it."""
    known = np.flatnonzero(~np.isnat(ts))
    if not known.size:
        return [month_of(received_at)] * len(ts)
    nearest = np.maximum(np.searchsorted(known, np.arange(len(ts)), side="right") - 1, 0)
    return [str(month) for month in ts[known[nearest]].astype("datetime64[M]")]
