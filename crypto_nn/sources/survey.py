"""What a source would give, before anything is fetched: the dry run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from crypto_nn.bars.calendar import TS, month_bounds, months_between
from crypto_nn.errors import CryptoNNError
from crypto_nn.sources.source import BarSource


@dataclass(frozen=True)
class Found:
    """One file, or one symbol of a source that is not made of files.

    Attributes:
        origin: the file, and the member of an archive; or the kind of source.
        layout: how it is written, such as "CSV in zip, no header"; empty where it is not a file.
        symbol: whose bars; None where that could not be told.
        first, last: the opens of the first and the last bar (µs, UTC); None where unknown.
        rows: how many rows there are in all; None where only reading or asking would tell.
        unreadable: how many of them have no readable time.
        unit: how the stamps are written: "ms", "ms, µs", "date-time".
        spacing: how far apart rows stand, such as "60 s".
        months: what would be ingested: how many rows of each month, None where unknown.
        requests: how many requests that would take; None where unknown, or where it takes none.
        refused: why nothing of it would be ingested; empty where it would be.
    """

    origin: str
    layout: str = ""
    symbol: str | None = None
    first: np.datetime64 | None = None
    last: np.datetime64 | None = None
    rows: int | None = None
    unreadable: int = 0
    unit: str = ""
    spacing: str = ""
    months: Mapping[str, int | None] = field(default_factory=dict)
    requests: int | None = None
    refused: str = ""


@runtime_checkable
class Surveyable(Protocol):
    """A source that can tell more of itself than its symbols and their ranges."""

    def survey(self, symbols: Sequence[str] | None = None) -> Iterable[Found]:
        """What there is of these symbols (of all where None), reading as little as possible."""


@runtime_checkable
class CountsRequests(Protocol):
    """A source that asks over a network, and knows how often it would."""

    def num_requests(self, symbol: str, start: np.datetime64, end: np.datetime64) -> int | None:
        """About how many requests the bars of a symbol in [start, end) take."""


def survey(
    source: BarSource,
    symbols: Sequence[str] | None = None,
    first: str | None = None,
    last: str | None = None,
) -> list[Found]:
    """What `ingest` would take from a source, month by month, and what it would refuse and why.

    One file or symbol that is refused does not hide the others. Nothing is written.

    Args:
        source: any source; of one of files each file is told.
        symbols: only these; every symbol of the source where None.
        first, last: only these months ("2024-01"), both included.
    """
    wanted = (first or "0001-01", last or "9999-12")
    if isinstance(source, Surveyable):
        found: Iterable[Found] = source.survey(symbols)
    else:
        found = [_ask(source, symbol, *wanted) for symbol in symbols or source.symbols()]
    return [_within(one, *wanted) for one in found]


def _within(found: Found, first: str, last: str) -> Found:
    months = {month: rows for month, rows in found.months.items() if first <= month <= last}
    return Found(**{**vars(found), "months": months})


def _ask(source: BarSource, symbol: str, first: str, last: str) -> Found:
    """What a source says of a symbol that it has not fetched."""
    try:
        known = source.available(symbol)
        low, high = _bounds(first, last, known.start, known.end)
        months = dict.fromkeys(months_between(low, high))
        requests = None
        if isinstance(source, CountsRequests):
            requests = source.num_requests(symbol, low, high) if months else 0
    except CryptoNNError as error:
        return Found(source.name, symbol=symbol, refused=str(error))
    newest = known.end - np.timedelta64(1, "m")
    return Found(source.name, symbol=symbol, first=known.start, last=newest, months=months,
                 requests=requests)  # fmt: skip


def _bounds(
    first: str, last: str, start: np.datetime64, end: np.datetime64
) -> tuple[np.datetime64, np.datetime64]:
    low, high = np.datetime64(first, "M").astype(TS), month_bounds(last)[1]
    return max(low, start), min(high, end)
