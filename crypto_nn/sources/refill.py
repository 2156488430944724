"""Asking a source again for minutes that it did not have: exactly those, ever more rarely."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from crypto_nn.bars import M1, Bars
from crypto_nn.errors import SourceError, SourceRefused
from crypto_nn.sources.source import BarSource
from crypto_nn.store.gap_repairs import (
    Ask,
    Gap,
    History,
    Outcome,
    histories,
    open_gaps,
    read_asks,
    write_asks,
)
from crypto_nn.store.lake import Lake
from crypto_nn.store.raw import RawStore


class RefillConfig(BaseModel):
    """How often a source is asked again for minutes that are missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after_hours: tuple[float, ...] = Field(
        default=(1, 24, 168, 720),
        min_length=1,
        description="How long after a gap was first seen its source is asked for it again, in "
        "ascending order; then it is confirmed. Sources that know when they have changed, such as "
        "files, are asked once after each change instead.",
    )
    max_gaps: int = Field(
        default=50, ge=1, description="At most so many gaps of a symbol are asked for in one run."
    )

    @field_validator("after_hours")
    @classmethod
    def _ascending(cls, hours: tuple[float, ...]) -> tuple[float, ...]:
        if hours[0] <= 0 or list(hours) != sorted(set(hours)):
            raise ValueError(f"hours are {list(hours)}; ascending ones are due, such as [1, 24]")
        return hours

    @property
    def after(self) -> tuple[np.timedelta64, ...]:
        """`after_hours` as times."""
        return tuple(np.timedelta64(round(hours * 3.6e9), "us") for hours in self.after_hours)


@dataclass(frozen=True)
class Refill:
    """Where gaps are known, what is received goes, and who is asked.

    Attributes:
        lake: has `bar_gaps`, and takes the ledger.
        raw: takes what the source gives.
        name: the source's name in the YAML.
        source: who is asked.
        now: the time (µs, UTC).
    """

    lake: Lake
    raw: RawStore
    name: str
    source: BarSource
    now: Callable[[], np.datetime64]
    config: RefillConfig = field(default_factory=RefillConfig)

    def due(self, symbol: str) -> list[Gap]:
        """The gaps of a symbol for which the source is to be asked now, longest unasked first."""
        state, now = self.source.state(), self.now()
        found = [
            history
            for history in self._histories(symbol)
            if history.is_due(now, self.config.after, state)
        ]
        found.sort(key=lambda history: (history.last_asked or np.datetime64(0, "us"), history.gap))
        return [history.gap for history in found]

    def see(self, symbol: str) -> list[Gap]:
        """Write down the gaps of a symbol that are new; from now on their time runs."""
        new = [history.gap for history in self._histories(symbol) if not history.asks]
        write_asks(self.lake, [Ask(gap, self.now(), self.name, "seen") for gap in new])
        return new

    def refill(self, symbol: str) -> list[Ask]:
        """Ask for the gaps that are due, and store what comes; a line in the ledger for each.

        What comes makes its month's raw rows others, and so the partitions that follow from them
        stale: they are made anew by whoever looks after those. When the source gives up, its
        answer so far is stored, the ledger says so, and the other gaps wait for the next time.

        Raises:
            SourceRefused: the source refuses for good; the ledger has that too.
        """
        self.see(symbol)
        asks: list[Ask] = []
        state = self.source.state()
        for gap in self.due(symbol)[: self.config.max_gaps]:
            pieces: list[Bars] = []
            error: SourceError | None = None
            asked_at = self.now()
            try:
                pieces.extend(self.source.fetch(symbol, M1, gap.start, gap.end))
            except SourceError as raised:
                error = raised
            found = self._store(gap, pieces)
            outcome: Outcome = "failed" if error is not None else _outcome(gap, found)
            detail = None if error is None else f"{type(error).__name__}: {error}"
            ask = Ask(gap, asked_at, self.name, outcome, found, state, detail)
            write_asks(self.lake, [ask])
            asks.append(ask)
            if isinstance(error, SourceRefused):
                raise error
            if error is not None:
                break
        return asks

    def _store(self, gap: Gap, pieces: Sequence[Bars]) -> int:
        """Keep what came, and count the minutes of the gap of which something new is known."""
        if not pieces:
            return 0
        bars = Bars.concat(pieces)
        done = self.raw.append(self.name, gap.symbol, gap.month, bars, self.now())
        inside = bars.ts[(bars.ts >= gap.start) & (bars.ts < gap.end)]
        return len(np.unique(inside.astype("datetime64[m]"))) if done.rows_new else 0

    def _histories(self, symbol: str) -> list[History]:
        return histories(open_gaps(self.lake, [symbol]), read_asks(self.lake, [symbol]))


def _outcome(gap: Gap, found: int) -> Outcome:
    if not found:
        return "nothing"
    return "whole" if found >= gap.minutes else "part"
