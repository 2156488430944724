"""Polygon's words in ours: X:BTCUSD is BTC-USD, `t` a bar's open in milliseconds."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import TS

MINUTE_MS = 60_000
EARLIEST_MS, LATEST_MS = 1_230_768_000_000, 4_102_444_800_000
"""2009, before which no coin was traded, and 2100: a stamp outside is no stamp in milliseconds."""

NAMES = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}
OPTIONAL = {"vw": "vwap", "n": "trades"}
_NUMBERS = {int, float}


def ticker_of(symbol: str) -> str:
    """X:BTCUSD, as Polygon's REST service writes BTC-USD."""
    return "X:" + symbol.replace("-", "")


def to_ms(at: np.datetime64) -> int:
    """The first whole millisecond (since 1970) that is not before a moment."""
    return -(-int(at.astype(TS).astype(np.int64)) // 1000)


def from_ms(ms: int) -> np.datetime64:
    """The moment (µs, UTC) of a count of milliseconds since 1970."""
    return np.datetime64(ms * 1000, "us")


def is_stamp(value: object) -> bool:
    """Whether a value of an answer can be the open of a bar."""
    return type(value) in _NUMBERS and EARLIEST_MS <= value < LATEST_MS and value == int(value)  # type: ignore[operator, call-overload]


def rows_to_bars(symbol: str, rows: Sequence[Any]) -> Bars:
    """The rows of an answer as they stand, whatever is in them.

    Where a number or the time cannot be read there is NaN or NaT, and `note` tells what was
    written. A row without `vw` or `n` has none; other keys are ignored.
    """
    dicts = [row if isinstance(row, dict) else {} for row in rows]
    notes: dict[int, list[str]] = {}
    for at, row in enumerate(rows):
        if not isinstance(row, dict):
            notes[at] = [f"row={_shown(row)}"]
    stamps = [row.get("t") for row in dicts]
    known = np.array([is_stamp(stamp) for stamp in stamps], dtype=bool)
    ts = np.full(len(rows), np.datetime64("NaT"), dtype=TS)
    if known.any():
        readable = [int(stamp) for stamp, ok in zip(stamps, known) if ok]  # type: ignore[arg-type]
        ts[known] = (np.array(readable, dtype=np.int64) * 1000).view(TS)
    for at in np.flatnonzero(~known).tolist():
        if "t" in dicts[at]:
            notes.setdefault(at, []).append(f"ts={_shown(stamps[at])}")
    columns = {
        name: _column([row.get(key) for row in dicts], name, notes)
        for key, name in (NAMES | OPTIONAL).items()
    }
    note = None
    if notes:
        note = np.full(len(rows), None, dtype=object)
        for at, told in notes.items():
            note[at] = ", ".join(told)
    return Bars(symbol, M1, ts, note=note, **columns)


def _column(values: list[Any], name: str, notes: dict[int, list[str]]) -> NDArray[np.float64]:
    if set(map(type, values)) <= _NUMBERS:
        try:
            return np.array(values, dtype=np.float64)
        except OverflowError:
            pass  # a whole number beyond any float: told below
    column = np.full(len(values), np.nan)
    for at, value in enumerate(values):
        if type(value) in _NUMBERS and _fits(value):
            column[at] = value
        elif value is not None:
            notes.setdefault(at, []).append(f"{name}={_shown(value)}")
    return column


def is_number(value: object) -> bool:
    """Whether a value of a message is a finite number, and not a truth or a text that looks so."""
    return type(value) in _NUMBERS and _fits(value) and math.isfinite(value)  # type: ignore[arg-type]


def _fits(value: Any) -> bool:
    return type(value) is float or -(10**300) < value < 10**300


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a huge number"
    return text if len(text) <= 60 else text[:57] + "…"
