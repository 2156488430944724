"""Whether the files of one symbol are of one venue: prices of two would look like moves."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.bars.bars import PRICES
from crypto_nn.errors import SourceError
from crypto_nn.sources.formats.index import FileIndex
from crypto_nn.sources.formats.naming import Naming
from crypto_nn.sources.formats.rows import Reader

MAX_SHARE = 0.1
"""Of the minutes that two files share. Corrections are few; two venues agree in next to none."""
MIN_SHARED = 30
"""Fewer shared minutes tell nothing."""
TOLERANCE = 1e-6
"""By how much a price may differ and be the same: float32 and rounded exports."""
SAMPLE = np.timedelta64(3, "D")
"""How much of an overlap is read."""
MAX_PAIRS = 50
"""How many overlaps of a symbol are read, evenly chosen."""

_VENUES = (
    "binance", "binanceus", "bitfinex", "bitget", "bithumb", "bitmex", "bitstamp", "bittrex",
    "bitvavo", "bybit", "cexio", "coinbase", "cryptocom", "deribit", "gateio", "gemini", "htx",
    "huobi", "kraken", "kucoin", "mexc", "okex", "okx", "poloniex", "upbit",
)  # fmt: skip
_NAMES = "|".join(sorted((re.sub(r"us$", "[-_ .]?us", v) for v in _VENUES), key=len, reverse=True))
_VENUE = re.compile(rf"(?<![a-z])({_NAMES})(?![a-z])")


class Conflict(NamedTuple):
    """Two files that are not of one venue, and how that is known."""

    one: FileIndex
    other: FileIndex
    told: str


def check_one_venue(symbol: str, indexes: Sequence[FileIndex], naming: Naming) -> None:
    """Raise `SourceError` where files of a symbol are of different venues, as far as can be told.

    They are where their names say so, or where they tell different prices of more than
    `MAX_SHARE` of the minutes that both have. Files that share no minutes and name no venue
    cannot be told apart.
    """
    found = find_conflict(symbol, indexes, naming)
    if found is not None:
        raise SourceError(
            f"{found.told}. Prices of two venues in one history would look like moves of the "
            "market. Leave one out of `paths`, or make it a source of its own in another home."
        )


def find_conflict(symbol: str, indexes: Sequence[FileIndex], naming: Naming) -> Conflict | None:
    """The first two files of a symbol that are not of one venue; None where none are."""
    named = [(venue, index) for index in indexes if (venue := venue_of(index.file.label))]
    for venue, index in named[1:]:
        if venue != named[0][0]:
            one = named[0][1]
            return Conflict(one, index, f"{symbol} is in {one.file.label} of {named[0][0]} and "
                            f"in {index.file.label} of {venue}, as their names say")  # fmt: skip
    pairs = _overlapping(symbol, indexes)
    chosen = np.unique(np.linspace(0, len(pairs) - 1, MAX_PAIRS).round().astype(int))
    reader = Reader(naming)
    for at in chosen if pairs else ():
        told = _compare(symbol, pairs[at][0], pairs[at][1], reader)
        if told:
            return Conflict(pairs[at][0], pairs[at][1], told)
    return None


def venue_of(label: str) -> str | None:
    """The venue that a path names, the last one where it names several."""
    named = _VENUE.findall(label.lower())
    return re.sub(r"[-_ .]", "", named[-1]) if named else None


def _overlapping(symbol: str, indexes: Sequence[FileIndex]) -> list[tuple[FileIndex, FileIndex]]:
    """Pairs of files with times in common, each file with the longest that began before it."""
    pairs: list[tuple[FileIndex, FileIndex]] = []
    longest: FileIndex | None = None
    for index in sorted(indexes, key=lambda index: (index.low(symbol), index.file.label)):
        if longest is not None and index.low(symbol) <= longest.high(symbol):
            pairs.append((longest, index))
        if longest is None or index.high(symbol) > longest.high(symbol):
            longest = index
    return pairs


def _compare(symbol: str, one: FileIndex, other: FileIndex, reader: Reader) -> str:
    """How two files contradict each other, in words; empty where they do not."""
    start = max(one.low(symbol), other.low(symbol))
    end = min(one.high(symbol), other.high(symbol), start + SAMPLE) + np.timedelta64(1, "us")
    ours, theirs = (
        Bars.concat([Bars.empty(symbol), *reader.rows(index, symbol, start, end)])
        for index in (one, other)
    )
    _, here, there = np.intersect1d(ours.ts, theirs.ts, return_indices=True)
    ours, theirs = ours.take(here), theirs.take(there)
    a, b = (np.stack([getattr(bars, name) for name in PRICES]) for bars in (ours, theirs))
    known = np.isfinite(a).all(axis=0) & np.isfinite(b).all(axis=0) & ~np.isnat(ours.ts)
    differ = known & (np.abs(a - b) > TOLERANCE * np.abs(b)).any(axis=0)
    num, shared = int(differ.sum()), int(known.sum())
    if shared < MIN_SHARED or num <= MAX_SHARE * shared:
        return ""
    row = int(np.flatnonzero(differ)[0])
    return (
        f"{one.file.label} and {other.file.label} tell different prices of {symbol} in {num:,} of "
        f"{shared:,} minutes that both have: at {ours.ts[row].astype('datetime64[m]')} they "
        f"closed at {ours.close[row]:g} and {theirs.close[row]:g}. They are of two venues or "
        "symbols, or one is wrong"
    )
