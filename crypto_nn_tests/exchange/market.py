"""What happened on a made-up market, and when its exchange told of it."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, NamedTuple

import numpy as np

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import TS

MINUTE_MS = 60_000
_PROMPT_S = 5.0
GRID = 64  # prices and volumes are multiples of 1/64, so that their sums and products are exact


class Aggregate(NamedTuple):
    """A stretch of trading as Polygon tells it; `t` is its start (unix ms), `n` counts trades."""

    t: int
    o: float
    h: float
    l: float  # noqa: E741 - the exchange's own name
    c: float
    v: float
    vw: float
    n: int


@dataclass(frozen=True)
class Print:
    """One minute as the exchange publishes it at one moment; a later print replaces it.

    Attributes:
        at: when it is published (unix seconds of the exchange).
        bar: the whole minute.
        seconds: the seconds of it in which there were trades.
    """

    at: float
    bar: Aggregate
    seconds: tuple[Aggregate, ...] = ()


def compose(parts: Sequence[Aggregate], t: int) -> Aggregate:
    """The aggregate of these shorter ones, which are in order of time."""
    volume = sum(part.v for part in parts)
    return Aggregate(
        t,
        parts[0].o,
        max(part.h for part in parts),
        min(part.l for part in parts),
        parts[-1].c,
        volume,
        sum(part.v * part.vw for part in parts) / volume,
        sum(part.n for part in parts),
    )


@dataclass(frozen=True)
class Character:
    """How a market behaves, as shares of its minutes.

    Attributes:
        missing: minutes in which nobody trades: there is no bar, ever.
        late: bars that are published up to `late_s` after their close instead of at once.
        revised: bars that are published again with other values, up to `revised_s` later.
        prompt_s: the others are published within so many seconds of their close.
    """

    missing: float = 0.03
    late: float = 0.02
    late_s: float = 300.0
    revised: float = 0.03
    revised_s: float = 900.0
    prompt_s: float = 2.0


CALM = Character(missing=0.0, late=0.0, revised=0.0)


@dataclass
class Market:
    """The prints of each symbol ("BTC-USD"), and from them what was known when."""

    prints: Mapping[str, Sequence[Print]]
    _by_minute: dict[str, dict[int, list[Print]]] = field(default_factory=dict, repr=False)
    _minutes: dict[str, list[int]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for symbol, prints in self.prints.items():
            minutes: dict[int, list[Print]] = {}
            for told in sorted(prints, key=lambda told: told.at):
                minutes.setdefault(told.bar.t, []).append(told)
            self._by_minute[symbol] = minutes
            self._minutes[symbol] = sorted(minutes)

    @classmethod
    def of_bars(cls, *histories: Bars, delay_s: float = 0.5) -> "Market":
        """A market whose every bar is published `delay_s` after its close, once."""
        prints = {}
        for bars in histories:
            blank = np.ones(len(bars))
            vwap = bars.close if bars.vwap is None else bars.vwap
            trades = blank if bars.trades is None else bars.trades
            columns = (bars.open, bars.high, bars.low, bars.close, bars.volume, vwap, trades)
            stamps = bars.ts.astype("datetime64[ms]").astype(np.int64).tolist()
            rows = zip(stamps, *(column.tolist() for column in columns))
            told = [Aggregate._make((*row[:-1], int(row[-1]))) for row in rows]
            prints[bars.symbol] = [Print((a.t + MINUTE_MS) / 1000 + delay_s, a, (a,)) for a in told]
        return cls(prints)

    @classmethod
    def random(
        cls,
        seed: int,
        symbols: Iterable[str] = ("BTC-USD",),
        start: str = "2024-05-01T00:00",
        minutes: int = 120,
        character: Character = Character(),
        settled: int = 0,
    ) -> "Market":
        """A random walk of each symbol, told as `character` says.

        In the last `settled` minutes every bar is prompt and final; all that is late or revised is
        out before half of them are over.
        """
        first = int(np.datetime64(start, "ms").astype(np.int64))
        span = (first, minutes, minutes - settled)
        return cls(
            {symbol: list(_walk(Random(f"{seed} {symbol}"), span, character)) for symbol in symbols}
        )

    @property
    def symbols(self) -> tuple[str, ...]:
        """All symbols, in order of the alphabet."""
        return tuple(sorted(self.prints))

    def published(self, symbol: str, t: int, now: float) -> Print | None:
        """The newest print of a minute at a moment."""
        told = self._by_minute[symbol].get(t, [])
        count = bisect_right([one.at for one in told], now)
        return told[count - 1] if count else None

    def history(self, symbol: str, start: int, end: int, now: float) -> Iterator[Aggregate]:
        """What REST knows of the minutes with start ≤ t ≤ end (unix ms), ascending.

        As at Polygon, the minute that is not over yet is there too, as far as it has come.
        """
        minutes = self._minutes.get(symbol, [])
        lo = bisect_right(minutes, start - 1)
        for t in minutes[lo : bisect_right(minutes, end)]:
            if t > now * 1000:
                return
            told = self.published(symbol, t, now)
            if told is not None:
                yield told.bar
            elif now * 1000 < t + MINUTE_MS:
                open_bar = self.unclosed(symbol, t, now)
                if open_bar is not None:
                    yield open_bar

    def unclosed(self, symbol: str, t: int, now: float) -> Aggregate | None:
        """A minute that is not over yet, from the seconds that are; a late one is late here too."""
        first = self._by_minute[symbol][t][0]
        if first.at > (t + MINUTE_MS) / 1000 + _PROMPT_S:
            return None
        over = [part for part in first.seconds if part.t + 1000 <= now * 1000]
        return compose(over, t) if over else None

    def final(self, symbol: str) -> Bars:
        """The oracle: every minute as it was published last."""
        last = [self._by_minute[symbol][t][-1].bar for t in self._minutes[symbol]]
        return to_bars(symbol, last)

    def minutes(self, symbol: str) -> list[int]:
        """The opens of all minutes with trades (unix ms)."""
        return list(self._minutes[symbol])

    def prints_of(self, symbol: str, t: int) -> list[Print]:
        """Every print of a minute, the oldest first; none where nobody traded."""
        return list(self._by_minute[symbol].get(t, []))


def to_bars(symbol: str, told: Sequence[Aggregate]) -> Bars:
    """Aggregates as bars."""
    columns: list[Any] = list(zip(*told)) if told else [()] * 8
    ts = np.array(columns[0], dtype="datetime64[ms]").astype(TS)
    o, h, l, c, v, vw, n = (np.array(column, dtype=np.float64) for column in columns[1:])  # noqa: E741
    return Bars(symbol, M1, ts, o, h, l, c, v, vwap=vw, trades=n)


def _walk(random: Random, span: tuple[int, int, int], character: Character) -> Iterator[Print]:
    first, minutes, wild = span
    price = random.uniform(100, 50_000)
    out_by = first / 1000 + 60.0 * (wild + (minutes - wild) / 2)
    for minute in range(minutes):
        t = first + minute * MINUTE_MS
        seconds = tuple(_seconds(random, t, price))
        price = seconds[-1].c
        if random.random() < character.missing and minute < minutes - 5:
            continue
        delay = random.uniform(0.05, character.prompt_s)
        late, revised = random.random() < character.late, random.random() < character.revised
        if late and minute < wild:
            delay = max(delay, random.uniform(character.prompt_s, character.late_s))
        at = min((t + MINUTE_MS) / 1000 + delay, max(out_by, (t + MINUTE_MS) / 1000 + 0.05))
        told = Print(at, compose(seconds, t), seconds)
        yield told
        if revised and minute < wild:
            for _ in range(random.randint(1, 2)):
                told = _revised(random, told, character, out_by)
                yield told


def _seconds(random: Random, t: int, price: float) -> Iterator[Aggregate]:
    for second in sorted(random.sample(range(60), random.randint(2, 6))):
        around = [_on_grid(price * math.exp(random.gauss(0, 3e-4))) for _ in range(4)]
        volume = random.randint(1, 4096) / GRID
        inside = _on_grid(sum(around) / 4)
        num = random.randint(1, 9)
        yield Aggregate(t + second * 1000, around[0], max(around), min(around), around[3], volume,
                        min(max(inside, min(around)), max(around)), num)  # fmt: skip
        price = around[3]


def _revised(random: Random, told: Print, character: Character, out_by: float) -> Print:
    """The same minute with one second traded otherwise, published later."""
    place = random.randrange(len(told.seconds))
    old = told.seconds[place]
    new = old._replace(v=old.v + random.randint(1, 512) / GRID, h=old.h + 1 / GRID, n=old.n + 1)
    seconds = (*told.seconds[:place], new, *told.seconds[place + 1 :])
    at = max(min(told.at + random.uniform(1.0, character.revised_s), out_by), told.at + 0.01)
    return replace(told, at=at, bar=compose(seconds, told.bar.t), seconds=seconds)


def _on_grid(price: float) -> float:
    return max(round(price * GRID), 1) / GRID
