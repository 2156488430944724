"""The source `polygon`."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.bars import M1, Bars, Timeframe
from crypto_nn.bars.calendar import TS
from crypto_nn.bars.symbol import check_symbol
from crypto_nn.errors import SourceError, SymbolError
from crypto_nn.sources.clock import Clock
from crypto_nn.sources.polygon.config import PolygonConfig
from crypto_nn.sources.source import Availability, BarSource

if TYPE_CHECKING:
    from crypto_nn.sources.polygon.history import History


class PolygonSource(BarSource):
    """Crypto minute bars of Polygon.io: REST for what was, a WebSocket for what comes.

    Attributes:
        counts: what the streams of this source met: `connections`, `frames`, `odd_frames`,
            `odd_events`, `late_seconds`.
    """

    name = "polygon"

    def __init__(self, config: PolygonConfig, clock: Clock, seed: int | None = None) -> None:
        self.config, self._clock = config, clock
        self._chance = Random(seed)  # noqa: S311 - jitter, no secret
        self.counts: Counter[str] = Counter()

    @cached_property
    def _history(self) -> "History":
        from crypto_nn.sources.polygon.history import History  # the client loads only when used

        return History(self.config, self._clock, self._chance)

    def symbols(self) -> tuple[str, ...]:
        """The configured symbols; where none is, every pair that Polygon lists, asked for once."""
        return tuple(sorted(set(self.config.symbols))) or self._listed

    @cached_property
    def _listed(self) -> tuple[str, ...]:
        found = set()
        for base, quote in self._history.pairs():
            try:
                found.add(check_symbol(f"{base}-{quote}".upper()))
            except SymbolError:
                continue  # a pair that we cannot name, we do not have
        return tuple(sorted(found))

    def check_symbol(self, symbol: str) -> str:
        """Return the symbol if it may be asked for: a configured one, or any where none is."""
        return super().check_symbol(symbol) if self.config.symbols else check_symbol(symbol)

    def available(self, symbol: str) -> Availability:
        """From the first bar (one request, remembered; none with `since`) to the minute just over.

        Raises:
            SourceError: Polygon or the settings know no such symbol.
            SourceUnavailable: Polygon was asked with patience and did not answer.
            SourceRefused: the key or the plan is not good for this.
        """
        self.check_symbol(symbol)
        start = self._history.first(symbol)
        return Availability(start, self._history.now().astype("M8[m]").astype(TS), live=True)

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        """The closed bars that open in [start, end), as Polygon has them.

        Raises:
            SourceError: Polygon or the settings know no such symbol or timeframe.
            SourceUnavailable: Polygon was asked with patience and did not answer; the error names
                what is missing, and all that was yielded before is whole.
            SourceRefused: the key or the plan is not good for this.
        """
        self.check_symbol(symbol)
        if timeframe != M1:
            raise SourceError(
                f"Polygon is asked for {M1} bars only, not {timeframe}: fetch those and resample."
            )
        return self._history.fetch(symbol, start.astype(TS), end.astype(TS))

    def stream(self, symbols: Sequence[str]) -> AsyncIterator[Bars]:
        """Bars as Polygon sends them, for ever: also again, late, and out of order.

        Every break of the connection is mended with growing waits; what was sent meanwhile is not
        seen, and must be fetched. Ends only when it is closed or cancelled.

        Raises:
            SourceError: the settings know no such symbol.
            SourceRefused: there is no key, or (at the first bar) Polygon does not accept it.
        """
        from crypto_nn.sources.polygon.client import read_key
        from crypto_nn.sources.polygon.socket import PolygonStream

        wanted = tuple(dict.fromkeys(self.check_symbol(symbol) for symbol in symbols))
        if not wanted:
            raise SourceError("No symbol was named to stream. Name at least one.")
        key = read_key(self.config)
        return PolygonStream(self.config, wanted, key, self._chance, self.counts).bars()
