"""The contract of every source of bars."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bars, Timeframe
from crypto_nn.errors import SourceError


@dataclass(frozen=True)
class Availability:
    """From when until when a source has bars of a symbol.

    Attributes:
        start: the open of the first bar (µs, UTC).
        end: the close of the last bar; no bar opens at or after it.
        live: whether the end moves on with the clock; False for a source that is history only.
    """

    start: np.datetime64
    end: np.datetime64
    live: bool


class BarSource(ABC):
    """Gives bars as they are: gaps, doubles and unreadable cells included, nothing invented.

    What is right with them is decided later, by `crypto_nn.bars.quality.inspect`.
    """

    name: str
    """What kind of source it is, for messages."""

    @abstractmethod
    def symbols(self) -> tuple[str, ...]:
        """The symbols of which there are bars, in alphabetical order."""

    @abstractmethod
    def available(self, symbol: str) -> Availability:
        """When there are bars of a symbol. Cheap: no bars are read where that can be helped.

        Raises:
            SourceError: the source does not know the symbol.
        """

    def state(self) -> str | None:
        """A short text that changes whenever there may be other bars; None where only asking tells.

        Cheap: nothing is read or asked over the network.
        """
        return None

    @abstractmethod
    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        """The bars that open in [start, end), in pieces of a few weeks.

        Clean input comes out in order. A row whose time cannot be read has NaT there and comes
        out with the row before it (the first rows with the row after them), once over all
        ranges; `Bars.note` tells what was written.

        Raises:
            SourceError: the source does not know the symbol, or has no such timeframe.
        """

    def stream(self, symbols: Sequence[str]) -> AsyncIterator[Bars]:
        """Bars as they close, one at a time.

        Raises:
            SourceError: the source has no live bars.
        """
        raise SourceError(
            f"Source {self.name} has history only; live bars of {', '.join(symbols)} are not in it."
        )

    def check_symbol(self, symbol: str) -> str:
        """Return the symbol if this source has it, else raise `SourceError`."""
        known = self.symbols()
        if symbol not in known:
            some = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")
            raise SourceError(
                f"Source {self.name} has no bars of {symbol}; it has {some or 'none at all'}. "
                "Ask for one of these, or add what holds the others to the source's configuration."
            )
        return symbol
