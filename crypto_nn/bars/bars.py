"""Bars: what the market did, one row for each stretch of time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, overload

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from crypto_nn.bars.calendar import TS
from crypto_nn.bars.symbol import check_symbol
from crypto_nn.bars.timeframe import M1, Timeframe
from crypto_nn.errors import BarsError

Float = NDArray[np.float64]
Times = NDArray[np.datetime64]

PRICES = ("open", "high", "low", "close")
REQUIRED = ("ts", *PRICES, "volume")
OPTIONAL = ("vwap", "trades")


class Bar(NamedTuple):
    """One closed bar. `ts` is its open (UTC, µs); it is known only at `ts` + timeframe."""

    ts: np.datetime64
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float = float("nan")
    trades: float = float("nan")
    reference: float = float("nan")


@dataclass(frozen=True, eq=False)
class Bars:
    """The bars of one symbol at one timeframe, as equal-length arrays.

    A bar is stamped with its open and known only at `ts + timeframe.step`. The arrays say what a
    source said: whether they are ordered, on the minute and sane is checked by
    `crypto_nn.bars.quality`, and `check_clean` raises where they are not. Missing bars are
    missing rows; nothing is ever filled in.

    Attributes:
        symbol: base and quote with a hyphen, such as "BTC-USDT".
        timeframe: what one bar covers.
        ts: bar opens, datetime64[us], UTC; NaT where a source's stamp could not be read.
        open, high, low, close: prices in the quote currency, float64.
        volume: traded amount in the base currency, float64.
        vwap: volume-weighted average price of each bar, where the source has it.
        trades: number of trades of each bar, where the source has it.
        reference: the close of another market's bar of the same minute, NaN where that market has
            none; only where `with_reference` has put it there. It is never stored.
        note: what the source wrote where a number or time was due; None where all was readable.
    """

    symbol: str
    timeframe: Timeframe
    ts: Times
    open: Float
    high: Float
    low: Float
    close: Float
    volume: Float
    vwap: Float | None = None
    trades: Float | None = None
    reference: Float | None = None
    note: NDArray[np.object_] | None = None

    def __post_init__(self) -> None:
        check_symbol(self.symbol)
        lengths = {name: len(column) for name, column in self.columns().items()}
        if len(set(lengths.values())) > 1:
            raise BarsError(f"{self.symbol}: columns differ in length: {lengths}.")

    def columns(self) -> dict[str, NDArray[Any]]:
        """Each column that is present, by name, `ts` first."""
        names = [field.name for field in fields(self)[2:]]
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame, symbol: str, timeframe: Timeframe = M1) -> "Bars":
        """Bars from a frame with `ts` (a column or the index) and the price columns.

        `ts` must be UTC: aware of that zone, or naive and then taken as UTC by contract.

        Raises:
            BarsError: a column is missing or not numeric, or `ts` is of another zone.
        """
        if "ts" not in frame.columns and isinstance(frame.index, pd.DatetimeIndex):
            frame = frame.rename_axis("ts").reset_index()
        missing = [name for name in REQUIRED if name not in frame.columns]
        if missing:
            raise BarsError(
                f"{symbol}: column {', '.join(missing)} is missing; found "
                f"{', '.join(map(str, frame.columns))}. Due: {', '.join(REQUIRED)}."
            )
        columns: dict[str, Any] = {
            name: _as_float(frame[name], name, symbol)
            for name in (*REQUIRED[1:], *OPTIONAL)
            if name in frame.columns
        }
        return cls(symbol, timeframe, _as_utc(frame["ts"], symbol), **columns)

    @classmethod
    def from_arrow(cls, table: pa.Table, symbol: str, timeframe: Timeframe = M1) -> "Bars":
        """Bars from an Arrow table with the columns of `from_pandas`; the same errors."""
        wanted = [name for name in table.column_names if name in (*REQUIRED, *OPTIONAL)]
        return cls.from_pandas(table.select(wanted).to_pandas(), symbol, timeframe)

    @classmethod
    def empty(cls, symbol: str, timeframe: Timeframe = M1) -> "Bars":
        """No bars at all."""
        none = np.empty(0)
        return cls(symbol, timeframe, np.empty(0, dtype=TS), none, none, none, none, none)

    @classmethod
    def of(cls, bars: Sequence[Bar], symbol: str, timeframe: Timeframe = M1) -> "Bars":
        """Single bars as arrays; what a source may lack is None where no bar has it.

        The reference is always there: of a market whose reference is silent it is NaN, not None.
        """
        if not bars:
            return cls.empty(symbol, timeframe)
        ts, *columns = zip(*bars)
        arrays: dict[str, Any] = {
            name: np.array(column) for name, column in zip(Bar._fields[1:], columns)
        }
        for name in OPTIONAL:
            if np.isnan(arrays[name]).all():
                arrays[name] = None
        return cls(symbol, timeframe, np.array(ts, dtype=TS), **arrays)

    @classmethod
    def concat(cls, parts: Sequence["Bars"]) -> "Bars":
        """One after the other; optional columns are NaN where a part lacks them."""
        if not parts:
            raise BarsError("There is nothing to concatenate: give at least one piece of bars.")
        first = parts[0]
        if len({(part.symbol, part.timeframe) for part in parts}) > 1:
            raise BarsError("Bars of different symbols or timeframes cannot be concatenated.")
        names = {name for part in parts for name in part.columns()}
        return first._with({n: np.concatenate([part._column(n) for part in parts]) for n in names})

    def _with(self, columns: dict[str, Any]) -> "Bars":
        return replace(self, **columns)

    def _column(self, name: str) -> NDArray[Any]:
        present = getattr(self, name)
        if present is not None:
            return present  # type: ignore[no-any-return]
        blank = None if name == "note" else np.nan
        return np.full(len(self), blank, dtype=object if name == "note" else np.float64)

    def to_pandas(self) -> pd.DataFrame:
        """A frame with `ts` (datetime64[us, UTC]) first, and every column that is present."""
        frame = pd.DataFrame(self.columns())
        frame["ts"] = frame["ts"].dt.tz_localize("UTC")
        return frame

    def to_arrow(self) -> pa.Table:
        """An Arrow table with naive UTC microseconds in `ts`, as the lake stores it."""
        return pa.table({name: pa.array(column) for name, column in self.columns().items()})

    def __len__(self) -> int:
        return len(self.ts)

    @overload
    def __getitem__(self, rows: slice) -> "Bars": ...
    @overload
    def __getitem__(self, rows: int) -> Bar: ...
    def __getitem__(self, rows: slice | int) -> "Bars | Bar":
        if isinstance(rows, slice):
            return self._with({name: column[rows] for name, column in self.columns().items()})
        picked = {name: column[rows] for name, column in self.columns().items() if name != "note"}
        ts = picked.pop("ts")
        return Bar(ts, **{name: float(value) for name, value in picked.items()})

    def take(self, rows: NDArray[Any]) -> "Bars":
        """The bars at these positions, or where this mask is true."""
        return self._with({name: column[rows] for name, column in self.columns().items()})

    def __iter__(self) -> Iterator[Bar]:
        names = [name for name in self.columns() if name not in ("ts", "note")]
        lists = [getattr(self, name).tolist() for name in names]
        for ts, *values in zip(self.ts, *lists):
            yield Bar(ts, **dict(zip(names, values)))

    def between(self, start: np.datetime64, end: np.datetime64) -> "Bars":
        """The bars that open in [start, end); the bars must be ordered."""
        lo, hi = np.searchsorted(self.ts, np.array([start, end], dtype=TS))
        return self[int(lo) : int(hi)]

    def check_clean(self) -> "Bars":
        """Return these bars if they are fit to compute on, else raise `BarsError`.

        Clean is: strictly ascending stamps on the timeframe's grid, finite positive prices with
        low ≤ open, close ≤ high, and finite volume that is not negative; a reference is a finite
        positive price, or NaN.
        """
        problem = self.problem()
        if problem:
            raise BarsError(
                f"{self.symbol}: {problem}. Run the bars through crypto_nn.bars.quality.inspect, "
                "which puts such rows aside with a reason."
            )
        return self

    def problem(self) -> str:
        """Why these bars are not clean, in words; empty where they are."""
        if not len(self):
            return ""
        for name in (*PRICES, "volume"):
            kind = getattr(self, name).dtype
            if kind != np.float64:
                return f"{name} is of type {kind.str}; float64 is due"
        if np.isnat(self.ts).any():
            return "a time stamp could not be read"
        late = np.flatnonzero(self.ts[1:] <= self.ts[:-1])
        if late.size:
            return f"{self.ts[late[0] + 1]} follows {self.ts[late[0]]}; stamps must ascend"
        off = np.flatnonzero(self.ts.astype(np.int64) % self.timeframe.step.astype(np.int64))
        if off.size:
            return f"{self.ts[off[0]]} is not the start of a {self.timeframe} bar"
        # A NaN compares as false, and low ≤ open, close ≤ high bounds all four prices.
        sane = (self.low > 0) & (self.high < np.inf) & (self.volume >= 0) & (self.volume < np.inf)
        for price in (self.open, self.close):
            sane &= (self.low <= price) & (price <= self.high)
        if self.reference is not None:
            sane &= np.isnan(self.reference) | ((self.reference > 0) & (self.reference < np.inf))
        bad = np.flatnonzero(~sane)
        return f"the bar of {self[int(bad[0])]} cannot be" if bad.size else ""


def _as_float(column: pd.Series, name: str, symbol: str) -> Float:
    try:
        return np.ascontiguousarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise BarsError(
            f"{symbol}: column {name} holds {column.dtype} that is not a number ({error}). "
            "Convert it, or read the file through `crypto-nn ingest`, which quarantines such rows."
        ) from None


def _as_utc(column: pd.Series, symbol: str) -> Times:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        zone = str(column.dt.tz)
        if zone not in ("UTC", "Etc/UTC", "UTC+00:00", "+00:00", "datetime.timezone.utc"):
            raise BarsError(
                f"{symbol}: ts is in zone {zone}; UTC is due. "
                "Convert it first: frame['ts'] = frame['ts'].dt.tz_convert('UTC')."
            )
        column = column.dt.tz_localize(None)
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise BarsError(
            f"{symbol}: ts is of type {column.dtype}; a UTC date-time is due. "
            "Convert it first: frame['ts'] = pd.to_datetime(frame['ts'], unit='ms', utc=True)."
        )
    return column.to_numpy().astype(TS)
