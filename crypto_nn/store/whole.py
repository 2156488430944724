"""Whether a month of raw bars is as the raw store writes it: whole, in order, and not edited."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from crypto_nn.bars.calendar import TS, month_bounds
from crypto_nn.errors import BarsError, LakeError
from crypto_nn.store.raw import RawStore


def problems_of(raw: RawStore, source: str, symbol: str, month: str) -> list[str]:
    """What is wrong with a month's file, in words; nothing where it is whole.

    The file's SHA-256 is verified over all its bytes. Its rows must be of this source, symbol and
    month, each with its time of receipt, ordered by time and revision, and of each minute there
    must be every revision from 0 up: a row that was taken out or put in by hand breaks one of these
    where whoever did it wrote a hash that fits.
    """
    try:
        rows = raw.read(symbol, month, source)
    except (BarsError, LakeError) as error:
        return [str(error)]
    return [*_strangers(rows, source, symbol, month), *_disorder(rows)]


def _strangers(rows: pa.Table, source: str, symbol: str, month: str) -> Iterator[str]:
    for name, due in (("source", source), ("symbol", symbol), ("month", month)):
        odd = sorted({str(value) for value in rows[name].unique().to_pylist()} - {due})
        if odd:
            yield f"{name} is {', '.join(odd[:3])} in some rows; {due} is due"
    start, end = month_bounds(month)
    ts = rows["ts"].to_numpy().astype(TS)
    outside = ts[(ts < start) | (ts >= end)]  # a time that cannot be read is neither
    if len(outside):
        yield f"{len(outside)} rows lie outside {month}, the first at {outside[0]}"
    if rows["received_at"].null_count:
        yield f"{rows['received_at'].null_count} rows have no time of receipt"


def _disorder(rows: pa.Table) -> Iterator[str]:
    ts, revision = rows["ts"].to_numpy().astype(TS), rows["revision"].to_numpy()
    if not np.array_equal(np.lexsort((revision, ts)), np.arange(len(ts))):
        yield "rows are not in the order of time and revision"
        return
    readable = ~np.isnat(ts)
    ts, revision = ts[readable], revision[readable].astype(np.int64)
    begins = np.ones(len(ts), dtype=np.bool_)
    begins[1:] = ts[1:] != ts[:-1]
    steps = np.diff(revision, prepend=0)
    odd = np.where(begins, revision != 0, (steps != 0) & (steps != 1))
    if odd.any():
        at = ts[odd][0]
        yield f"{int(odd.sum())} revisions do not follow the one before, the first at {at}"
