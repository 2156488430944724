"""Cells to numbers and times. What cannot be read is blank, and kept as it was written."""

from contextlib import suppress

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crypto_nn.bars.bars import Float, Times
from crypto_nn.bars.calendar import TS
from crypto_nn.errors import BarsError

Notes = dict[int, list[str]]
"""By row, what stood where a number or a time was due, such as `close='n/a'`."""

# Instants from 2001-09-09 to 2103 in s, ms, µs and ns: the four do not overlap.
_EARLIEST, _LATEST = 10**9, 42 * 10**8
_PER_SECOND = (1, 10**3, 10**6, 10**9)
_ZONES = ("UTC", "Etc/UTC", "Z", "+00:00", "GMT")
_OFFSET = r"\d{2}:\d{2}\S* ?[+-](0[1-9]|1\d|00:?[1-9]\d)(:?\d{2})?$"
_COUNT = r"\d{9,19}(\.\d+)?|\d(\.\d+)?[eE]\+?(0?9|1[0-8])"
_MAX_NOTE = 200
UNITS = ("s", "ms", "µs", "ns")


def read_numbers(column: pa.ChunkedArray, name: str, label: str, notes: Notes) -> Float:
    """A column as float64, NaN where it is empty or no number.

    Raises:
        BarsError: the column is of a type that holds no numbers.
    """
    kind = column.type
    if _is_numeric(kind) or pa.types.is_null(kind):
        return np.array(column.cast(pa.float64(), safe=False).to_numpy())  # whole ones may be large
    texts = _texts(column, name, label)
    try:
        return np.array(texts.cast(pa.float64()).to_numpy())
    except pa.ArrowInvalid:
        pass
    values = np.full(len(texts), np.nan)
    for row, text in enumerate(texts.to_pylist()):
        with suppress(ValueError):
            values[row] = float(text) if text and "_" not in text else np.nan
        if text and np.isnan(values[row]) and text.lower() != "nan":
            _note(notes, row, name, text)
    return values


def read_times(column: pa.ChunkedArray, label: str, notes: Notes) -> Times:
    """A column as datetime64[us] in UTC, NaT where it is empty or no time.

    Date-times without a zone are UTC by contract. Whole numbers are counts of s, ms, µs or ns
    since 1970, told apart by their size, each on its own, since archives change units midway.

    Raises:
        BarsError: the times are of another zone, or the column is of a type that holds none.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        _check_zone(getattr(kind, "tz", None), label)
        if pa.types.is_timestamp(kind):
            column = column.cast(pa.timestamp(kind.unit))
        times: Times = column.cast(pa.timestamp("us"), safe=False).to_numpy()
        return times.astype(TS)
    if pa.types.is_null(kind):
        return np.full(len(column), np.datetime64("NaT"), dtype=TS)
    if _is_numeric(kind):
        _check_precision(kind, label)
        written = column.to_pandas().to_numpy()
        column = column.cast(pa.float64()) if pa.types.is_decimal(kind) else column
        times = from_epoch(column.fill_null(0).to_numpy())
    else:
        texts = _texts(column, "ts", label)
        written = texts.to_pandas().to_numpy()
        times = _times_of_texts(texts, label)
    for row in np.flatnonzero(np.isnat(times)):
        if not pd.isna(written[row]) and written[row] != "":
            _note(notes, int(row), "ts", written[row])
    return times


def from_epoch(counts: np.ndarray) -> Times:
    """Counts of s, ms, µs or ns since 1970 as times; NaT where a count can be none of them."""
    micros = np.full(len(counts), np.iinfo(np.int64).min)  # NaT
    whole = np.issubdtype(counts.dtype, np.integer)
    for unit, per_second in enumerate(_PER_SECOND):
        fits = (counts >= _EARLIEST * per_second) & (counts < _LATEST * per_second)
        found = counts[fits]
        if unit < 3:
            scaled = found.astype(np.int64 if whole else np.float64) * 10 ** (6 - 3 * unit)
        else:
            scaled = found // 1000
        micros[fits] = np.rint(scaled).astype(np.int64)
    return micros.view("datetime64[us]")


def units_of(column: pa.ChunkedArray, label: str) -> set[str]:
    """How the times of a column are written: `date-time`, or counts in some of `UNITS`."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return {"date-time"}
    if _is_numeric(kind):
        counts = column.cast(pa.float64(), safe=False).to_numpy()  # ns are above 2^53
        others = False
    else:
        texts = _texts(column, "ts", label).to_pandas().astype(object).dropna()
        numeric = texts.str.fullmatch(_COUNT)
        counts = texts[numeric].astype(float).to_numpy()
        others = bool((~numeric & (texts != "")).any())
    with np.errstate(invalid="ignore"):
        found = {
            unit
            for unit, per_second in zip(UNITS, _PER_SECOND)
            if ((counts >= _EARLIEST * per_second) & (counts < _LATEST * per_second)).any()
        }
    return found | ({"date-time"} if others else set())


def _check_precision(kind: pa.DataType, label: str) -> None:
    if pa.types.is_float16(kind) or pa.types.is_float32(kind):
        raise BarsError(
            f"{label}: times are {kind}, which holds them to two minutes only, so that every "
            "stamp may be wrong. Write them again, as whole numbers or float64."
        )


def _times_of_texts(texts: pa.ChunkedArray, label: str) -> Times:
    for kind in (pa.int64(), pa.timestamp("us"), pa.timestamp("us", "UTC")):
        if kind == pa.timestamp("us", "UTC"):
            _check_offsets(texts, label)
        with suppress(pa.ArrowInvalid):
            return _times_of(texts.cast(kind))
    series = texts.to_pandas().astype(object)
    numeric = series.str.fullmatch(_COUNT, na=False).to_numpy(dtype=bool)
    iso = pd.to_datetime(series.mask(numeric), format="ISO8601", errors="coerce", utc=True)
    result: Times = iso.dt.tz_localize(None).to_numpy().astype(TS)
    result[numeric] = from_epoch(series[numeric].astype(float).to_numpy())
    return result


def _times_of(column: pa.ChunkedArray) -> Times:
    if pa.types.is_integer(column.type):
        return from_epoch(column.fill_null(0).to_numpy())
    times: Times = column.cast(pa.timestamp("us")).to_numpy()
    return times.astype(TS)


def _check_offsets(texts: pa.ChunkedArray, label: str) -> None:
    zoned = texts.filter(pc.match_substring_regex(texts, _OFFSET))
    if len(zoned):
        _check_zone(zoned[0].as_py()[-6:], label)


def _check_zone(zone: str | None, label: str) -> None:
    if zone is not None and zone not in _ZONES:
        raise BarsError(
            f"{label}: times are of zone {zone.strip()}; UTC is due, since bars of other zones "
            "would be stamped wrongly where clocks change. Convert the column to UTC."
        )


def _texts(column: pa.ChunkedArray, name: str, label: str) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_string_view(kind):
        column = column.cast(pa.string())
        kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise BarsError(
            f"{label}: column {name} is of type {kind}; numbers, texts or (for ts) times are due. "
            "Convert the column."
        )
    return pc.utf8_trim_whitespace(column)


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _note(notes: Notes, row: int, name: str, written: object) -> None:
    text = str(written)
    short = text if len(text) <= _MAX_NOTE else text[:_MAX_NOTE] + "…"
    notes.setdefault(row, []).append(f"{name}={short!r}")
