"""The exchange of a scenario, with everything that it does wrong."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from email.utils import formatdate
from random import Random
from typing import Any, NamedTuple

import numpy as np

from crypto_nn.bars.calendar import TS
from crypto_nn_tests.exchange import GARBAGE, Aggregate, FakePolygon, Print, RestFault
from crypto_nn_tests.exchange.faults import RIGHT
from crypto_nn_tests.exchange.rest import Said
from crypto_nn_tests.exchange.virtual import VirtualLoop
from crypto_nn_tests.torture.scenario import ERRORS, START, Scenario, Trouble

_DISORDER_S = 90.0


class Answered(NamedTuple):
    """One answer of REST that can be read.

    Attributes:
        at: elapsed seconds.
        symbol: of which.
        start, end: the minutes that it spoke of, both included (unix ms).
        told: by minute, the place of what it told among the minute's prints; −1 where the minute
            was not over.
        sure: whether a client must believe it: neither empty by mistake nor with broken rows.
    """

    at: float
    symbol: str
    start: int
    end: int
    told: dict[int, int]
    sure: bool


class World:
    """Plays a scenario's market and troubles on a fake exchange, in virtual time.

    Attributes:
        exchange: with which clients talk.
        trace: all that happened, (elapsed seconds, what, …).
        heard: by symbol and minute (unix ms), when the socket told it to someone, and the place
            of what it told among the minute's prints.
        answered: what REST answered rightly.
        unclosed: by symbol and minute, what REST told of it before it was over.
    """

    def __init__(self, scenario: Scenario, loop: VirtualLoop, key: str) -> None:
        self.scenario, self._loop = scenario, loop
        self.start = np.datetime64(START, "us")
        self.start_s = float(np.datetime64(START, "s").astype(np.int64))
        self.market = scenario.market()
        self.trace: list[tuple[Any, ...]] = []
        self.heard: dict[tuple[str, int], list[tuple[float, int]]] = defaultdict(list)
        self.answered: list[Answered] = []
        self.unclosed: dict[tuple[str, int], list[Aggregate]] = defaultdict(list)
        self.exchange = FakePolygon(self.market, key=key, now=self.now, on_event=self.note)
        self.exchange.rest_delay_s = 0.05
        self.exchange.rest.on_answer = self._answered
        self.exchange.rest.page_limit = scenario.page
        self.exchange.rest.plan = self._rest_fault
        self._random = Random(f"world {scenario.seed}")
        self._rest_random = Random(f"rest {scenario.seed}")
        self._first_minute: dict[int, int] = {}  # a connection may begin within it
        self._until: dict[str, float] = {}
        self._seconds: dict[tuple[int, str], dict[int, Aggregate]] = defaultdict(dict)
        self._tasks: set[asyncio.Task[None]] = set()
        self.machine: Callable[[Trouble], None] = lambda trouble: None

    def now(self) -> float:
        """The exchange's time (unix seconds)."""
        return self.start_s + self._loop.time()

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._loop.time()

    def note(self, *event: Any) -> None:
        """Write an event into the trace."""
        self.trace.append((round(self._loop.time(), 6), *event))

    def utc(self) -> np.datetime64:
        """The exchange's time."""
        return np.datetime64(round(self.now() * 1e6), "us").astype(TS)

    def _answered(self, symbol: str, said: Said) -> None:
        """Note which print of each minute an answer holds, where a client can believe it."""
        told = {}
        for bar in said.bars if said.fault in (*RIGHT, "bad_rows") else ():
            prints = self.market.prints_of(symbol, bar.t)
            out = [one.bar for one in prints if one.at <= self.now()]
            told[bar.t] = out.index(bar) if bar in out else -1
            if bar not in out:
                self.unclosed[symbol, bar.t].append(bar)
        if said.fault in (*RIGHT, "empty", "bad_rows"):
            sure = said.fault in RIGHT
            self.answered.append(Answered(self.elapsed(), symbol, said.start, said.end, told, sure))

    async def play(self) -> None:
        """Let everything happen, each at its time, until trading has ended."""
        for begin in sorted([*self.scenario.troubles, *self.scenario.lags], key=lambda t: t.at):
            self._later(begin.at, self._begin, begin)
        for symbol in self.market.symbols:
            for told in self.market.prints[symbol]:
                self._publish(symbol, told)
        await asyncio.sleep(self.scenario.ends - self.elapsed())

    async def stop(self) -> None:
        """End it."""
        for task in self._tasks:
            task.cancel()
        await self.exchange.stop()

    def _later(self, at: float, act: Callable[..., None], *args: Any) -> None:
        self._loop.call_at(max(at, self.elapsed()), act, *args)

    def _publish(self, symbol: str, told: Print) -> None:
        """Tell of a print when it is due; of its seconds as they pass, where these are asked."""
        due = told.at - self.start_s
        self._later(due, self._tell_minute, symbol, told)
        if self.scenario.channel == "XA":
            return
        close = (told.bar.t + 60_000) / 1000
        first = self.market.prints_of(symbol, told.bar.t)[0] is told
        prompt = first and told.at - close <= self.scenario.character.prompt_s
        if not prompt:
            self._later(due, self._tell_seconds, symbol, *told.seconds)
            return
        for second in told.seconds:
            over = (second.t + 1000) / 1000 + 0.3 - self.start_s
            self._later(over, self._tell_seconds, symbol, second)

    def _tell_minute(self, symbol: str, told: Print) -> None:
        delay = 0.0
        if self._is("disorder"):
            delay = self._random.uniform(0, _DISORDER_S)
        self._later(self.elapsed() + delay, self._tell_newest, symbol, told.bar.t)
        if self._is("duplicates"):
            for _ in range(self._random.randint(1, 3)):
                again = self.elapsed() + self._random.uniform(0, 200)
                self._later(again, self._tell_newest, symbol, told.bar.t)

    def _tell_newest(self, symbol: str, t: int) -> None:
        """Tell what is published of a minute by now."""
        prints = [told for told in self.market.prints_of(symbol, t) if told.at <= self.now()]
        if self._is("stall") or not prints:
            return
        if self.exchange.socket.tell(symbol, prints[-1].bar):
            self.heard[symbol, t].append((self.elapsed(), len(prints) - 1))
            self.note("told", symbol, t, len(prints))

    def _tell_seconds(self, symbol: str, *seconds: Aggregate) -> None:
        """Tell seconds; note when that completes a print for who is connected now."""
        socket, t = self.exchange.socket, seconds[0].t // 60_000 * 60_000
        if not socket.tell(symbol, *seconds, channel="XAS"):
            return
        self.note("told", symbol, *(second.t for second in seconds))
        since = self._first_minute.setdefault(socket.connections, t)
        heard = self._seconds[socket.connections, symbol]
        heard.update({second.t: second for second in seconds if t > since})
        for place, told in enumerate(self.market.prints_of(symbol, t)):
            if all(heard.get(one.t) == one for one in told.seconds):
                self.heard[symbol, t].append((self.elapsed(), place))

    def _is(self, kind: str) -> bool:
        return self.elapsed() < self._until.get(kind, -1.0)

    def _begin(self, trouble: Trouble) -> None:
        """Let a trouble begin."""
        self.note("trouble", trouble.kind, round(trouble.lasts, 3), trouble.code)
        socket, kind = self.exchange.socket, trouble.kind
        if kind in ("stall", "duplicates", "disorder"):
            self._until[kind] = self.elapsed() + trouble.lasts
        elif kind == "drop":
            self._run(socket.drop(trouble.code))
        elif kind == "reset":
            self._run(socket.drop(1006))
        elif kind == "half_open":
            socket.half_open()
        elif kind == "broken_frame":
            socket.break_frame()
        elif kind == "garbage":
            socket.tell_text(self._random.choice(GARBAGE))
        elif kind == "lag":
            self.exchange.rest.lag_s = float(trouble.code)
            self._later(trouble.at + trouble.lasts, self._end, trouble)
        elif kind in ("refuse", "silent_greeting", "too_many", "auth_refused"):
            self._refuse(kind, True)
            self._later(trouble.at + trouble.lasts, self._end, trouble)
        else:
            self.machine(trouble)

    def _end(self, trouble: Trouble) -> None:
        self.note("over", trouble.kind)
        if trouble.kind == "lag":
            self.exchange.rest.lag_s = 0.0
        else:
            self._refuse(trouble.kind, False)

    def _refuse(self, kind: str, begins: bool) -> None:
        """Turn clients away, those who are connected too; or let them in again."""
        socket = self.exchange.socket
        if kind == "refuse":
            self._run(self.exchange.refuse() if begins else self.exchange.accept())
            return
        if kind == "silent_greeting":
            socket.greeting_hangs = begins
        elif kind == "too_many":
            socket.too_many = begins
        else:
            self.exchange.refuse_auth = begins
        self._run(socket.drop(1012)) if begins else socket.abort_idle()

    def _run(self, action: Any) -> None:
        task = self._loop.create_task(action)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _rest_fault(self) -> RestFault | None:
        """How the next request is answered badly, if it is."""
        storms = [s for s in self.scenario.storms if 0 <= self.elapsed() - s.at < s.lasts]
        for storm in storms:
            if self._rest_random.random() >= storm.share:
                continue
            kind: Any = self._rest_random.choice(storm.kinds)
            if kind != "status":
                return RestFault(kind)
            status = self._rest_random.choice(ERRORS)
            return RestFault(kind, status, self._retry_after() if status in (429, 503) else None)
        return None

    def _retry_after(self) -> str | None:
        """A Retry-After in one of its forms, or none."""
        wait = self._rest_random.randint(0, 40)
        forms = (None, str(wait), formatdate(self.now() + wait, usegmt=True), "soon")
        return self._rest_random.choice(forms)
