"""Bars from the table `bars` of a Supabase project or a Postgres."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import Field

from crypto_nn.bars import M1, Bars, Timeframe
from crypto_nn.bars.calendar import TS
from crypto_nn.errors import DatabaseError, SourceError, SourceRefused, SourceUnavailable
from crypto_nn.sources.clock import Clock, SystemClock
from crypto_nn.sources.patience import OutOfPatience, Patience, Transient, persist
from crypto_nn.sources.source import Availability, BarSource
from crypto_nn.store.database.config import DatabaseAddress
from crypto_nn.store.database.opening import BarTable, open_bars
from crypto_nn.store.database.trouble import Unreachable

CHUNK_ROWS = 31 * 1440

Answer = TypeVar("Answer")


class SupabaseConfig(DatabaseAddress):
    """One-minute bars that lie in a database of yours: the table `bars` of our migrations.

    The address and keys come from the environment; where CRYPTO_NN_DATABASE is set, the table is
    read through Postgres itself, which is faster.
    """

    kind: Literal["supabase"] = "supabase"
    symbols: tuple[str, ...] = Field(
        default=(), description="Which symbols to offer; all that the table has where empty."
    )
    fresh_minutes: int = Field(
        default=10, ge=1, description="A symbol whose newest bar is not older than this is live."
    )
    patience: Patience = Field(
        default=Patience(attempts=6, first_wait_s=0.5, max_wait_s=30.0, give_up_after_s=300.0),
        description="How a request that fails is tried again.",
    )

    def open(self) -> "SupabaseSource":
        """The source that reads the table."""
        return SupabaseSource(self)


class SupabaseSource(BarSource):
    """Reads the table `bars`, page after page by time, so that no limit on rows cuts it short.

    Args:
        config: where the table is.
        table: the reader; made from the environment where it is not given.
        clock: bars that have not closed by it are left out.
        seed: for the jitter of waits.
    """

    name = "supabase"

    def __init__(
        self,
        config: SupabaseConfig,
        table: BarTable | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
    ) -> None:
        self.config = config
        self._table = table
        self._clock = clock or SystemClock()
        self._chance = Random(seed)  # noqa: S311 - jitter, no secret

    def symbols(self) -> tuple[str, ...]:
        """The configured symbols, or all that the table has."""
        if self.config.symbols:
            return tuple(sorted(set(self.config.symbols)))
        found: list[str] = []
        while (following := self._next(found[-1] if found else "")) is not None:
            found.append(following)
        return tuple(found)

    def available(self, symbol: str) -> Availability:
        """From the first bar of the table to the close of the last that has closed."""
        first = self._check(symbol, [])
        last = self._ask(lambda: self._reader().edge(symbol, last=True), symbol, [])
        assert last is not None
        end = min(last, self._last_closed()) + M1.step
        age = self._clock.now() - end
        live = age <= np.timedelta64(self.config.fresh_minutes, "m")
        return Availability(first, max(first, end), live=bool(live))

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        """The bars that open in [start, end), about a month at a time.

        Raises:
            SourceError: there are no bars of the symbol, or the timeframe is not one minute.
            SourceRefused: the key or login may not, or the database is not migrated.
            SourceUnavailable: the database did not answer for long; it names what is missing.
        """
        if timeframe != M1:
            raise SourceError(f"The table bars holds {M1}, not {timeframe}: resample them.")
        start, end = start.astype(TS), end.astype(TS)
        self._check(symbol, [(start, end)])
        return self._pieces(symbol, start, end)

    def _pieces(self, symbol: str, start: np.datetime64, end: np.datetime64) -> Iterator[Bars]:
        end = min(end, self._last_closed() + M1.step)
        parts: list[Bars] = []
        while start < end:
            due = CHUNK_ROWS - sum(map(len, parts))
            page = self._page(symbol, start, end, due)
            if not len(page):
                break
            if page.ts[-1] < start:
                raise SourceError(
                    f"The table bars answered with {page.ts[-1]} where {symbol} from {start} was "
                    "asked for. Look whether something between changes requests."
                )
            parts.append(page)
            start = page.ts[-1] + np.timedelta64(1, "us")
            if len(page) == due:
                yield Bars.concat(parts)
                parts = []
        if parts:
            yield Bars.concat(parts)

    def _page(self, symbol: str, start: np.datetime64, end: np.datetime64, rows: int) -> Bars:
        columns = self._ask(
            lambda: self._reader().page(symbol, start, end, rows), symbol, [(start, end)]
        )
        ts: Any = columns.pop("ts")
        numbers: dict[str, Any] = {
            name: np.array(values, dtype=np.float64) for name, values in columns.items()
        }
        return Bars(symbol, M1, ts, **numbers)

    def _check(
        self, symbol: str, wanted: list[tuple[np.datetime64, np.datetime64]]
    ) -> np.datetime64:
        """The symbol's first bar, or a `SourceError` that names what there is."""
        offered = self.config.symbols
        first = None
        if not offered or symbol in offered:
            first = self._ask(lambda: self._reader().edge(symbol, last=False), symbol, wanted)
        if first is not None:
            return first
        self.check_symbol(symbol)
        raise SourceError(
            f"The table bars has no rows of {symbol}, which `symbols` of the source names. Mirror "
            "or insert its bars first."
        )

    def _last_closed(self) -> np.datetime64:
        """The open of the last minute that has closed."""
        now: np.datetime64 = self._clock.now().astype("datetime64[m]")
        return (now - np.timedelta64(1, "m")).astype(TS)

    def _next(self, after: str) -> str | None:
        return self._ask(lambda: self._reader().next_symbol(after), after, [])

    def _reader(self) -> BarTable:
        if self._table is None:
            self._table = open_bars(self.config)
        return self._table

    def _ask(
        self,
        question: Callable[[], Answer],
        symbol: str,
        missing: list[tuple[np.datetime64, np.datetime64]],
    ) -> Answer:
        """An answer of the database, with patience; its errors as those of a source."""

        def attempt() -> Answer:
            try:
                return question()
            except Unreachable as error:
                raise Transient(str(error)) from None
            except DatabaseError as error:
                raise SourceRefused(str(error)) from None

        try:
            return persist(attempt, self.config.patience, self._clock, self._chance)
        except OutOfPatience as error:
            stretch = "".join(f" from {start} to {end}" for start, end in missing)
            raise SourceUnavailable(
                f"Bars of {symbol or 'any symbol'}{stretch} are missing: {error} Run it again "
                "when the database answers.",
                symbol,
                missing,
            ) from None
