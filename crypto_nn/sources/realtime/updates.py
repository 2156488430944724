"""What a live stream tells: bars as they close, what became of them later, gaps and states."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from crypto_nn.bars import Bar, Bars

State = Literal["LIVE", "STALE"]


@dataclass(frozen=True)
class Closed:
    """The next bar of a symbol: told once, in order, every minute before it told or explained.

    Attributes:
        symbol: such as "BTC-USD".
        bar: the closed bar.
    """

    symbol: str
    bar: Bar


@dataclass(frozen=True)
class Revised:
    """A bar that says something else of a minute that has been told: what was made of it is stale.

    Attributes:
        symbol: such as "BTC-USD".
        bar: the minute's bar as it is now.
        kind: "changed": another bar had been told; "late": the minute had been told to be a gap;
            "old": the minute lies before the stream's start or memory, so nothing is known of it.
    """

    symbol: str
    bar: Bar
    kind: Literal["changed", "late", "old"]


@dataclass(frozen=True)
class Gap:
    """Minutes without a bar, confirmed: the source was asked, and has none.

    Attributes:
        symbol: such as "BTC-USD".
        start: the open of the first minute without a bar (µs, UTC).
        end: the open of the next minute (exclusive).
    """

    symbol: str
    start: np.datetime64
    end: np.datetime64


@dataclass(frozen=True)
class StateChange:
    """A symbol is up to date again (LIVE), or minutes that are due are missing (STALE).

    Attributes:
        symbol: such as "BTC-USD".
        state: what it is now.
        since: the first minute that is not told yet (µs, UTC).
    """

    symbol: str
    state: State
    since: np.datetime64


Update = Closed | Revised | Gap | StateChange


@dataclass(frozen=True, eq=False)
class Delivery:
    """What a source gave, as it gave it: late, doubled and unfit rows included.

    Attributes:
        bars: the rows.
        received_at: when, by the exchange's time (µs, UTC). It only ever grows, and no fit row
            was received before its bar had closed.
        origin: whether it came by itself or was asked for.
    """

    bars: Bars
    received_at: np.datetime64
    origin: Literal["stream", "fetch"]


@dataclass(frozen=True)
class SymbolStats:
    """How one symbol fares.

    Attributes:
        last: the open of the last bar told (µs, UTC); None before the first.
        state: whether minutes that are due are missing.
        bars, revisions, gap_minutes: how many were told.
        fetches: how often the source was asked for a stretch.
        dropped: rows forgotten because nobody took what was told; they are fetched again.
        unfit: rows received that cannot be bars.
    """

    last: np.datetime64 | None
    state: State
    bars: int = 0
    revisions: int = 0
    gap_minutes: int = 0
    fetches: int = 0
    dropped: int = 0
    unfit: int = 0


@dataclass(frozen=True)
class StreamStats:
    """How a live stream fares.

    Attributes:
        symbols: each symbol's own numbers.
        exchange_time: what time it is at the exchange, as far as its messages tell (µs, UTC).
        skew_s: how far this machine's clock is ahead of the exchange (s), the quickest recent
            delivery included; None before some bars have arrived.
        queued: updates that wait to be taken.
        deliveries_queued: rows that wait to be recorded.
        deliveries_dropped: rows forgotten because the recorder was behind; they are fetched again.
        restarts: how often the source's stream broke off and was begun anew.
        callback_errors: exceptions raised by callbacks.
    """

    symbols: Mapping[str, SymbolStats]
    exchange_time: np.datetime64
    skew_s: float | None
    queued: int
    deliveries_queued: int
    deliveries_dropped: int
    restarts: int
    callback_errors: int
