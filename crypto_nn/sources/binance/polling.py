"""Live bars by asking, shortly after each minute, for all that closed since the last one."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from typing import TypeVar

import numpy as np

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import TS
from crypto_nn.errors import CryptoNNError, SourceError
from crypto_nn.sources.binance.config import BinanceConfig
from crypto_nn.sources.binance.klines import Klines
from crypto_nn.sources.binance.web import Web
from crypto_nn.sources.patience import OutOfPatience, Transient

T = TypeVar("T")

AT_ONCE = 3
"""Requests under way together: half a minute is time enough for all, even over slow lines."""
AGAIN_S = (10.0, 30.0)
"""After a first answer without the bar that is due, and after each further one."""
_SPREAD = 0.75
_S = np.timedelta64(1, "s")
_log = logging.getLogger(__name__)


class Polling:
    """Asks for each symbol once a minute, in its own place within the minute.

    A bar that was missed, for whatever reason, comes with the next answer: what is asked for is
    always everything since the symbol's last bar. While the consumer does not take what has come,
    nothing more is asked for, so that memory stays what it is.

    Args:
        config: how long after a minute, and the budget.
        url: where REST is.
        chance: for the jitter.
    """

    def __init__(self, config: BinanceConfig, url: str, chance: Random) -> None:
        self._config, self._url, self._chance = config, url, chance

    def check_room(self, symbols: Sequence[str]) -> None:
        """Raise `SourceError` where the budget has no room for two requests a symbol a minute."""
        room = max(self._config.requests_per_minute // 2, 1)
        if len(set(symbols)) > room:
            raise SourceError(
                f"{len(set(symbols))} symbols cannot be followed live with "
                f"{self._config.requests_per_minute} requests a minute, only {room}: two a symbol "
                "are kept free. Raise `requests_per_minute`, or follow fewer."
            )

    async def run(self, open_web: Callable[[], Web], symbols: Sequence[str]) -> AsyncIterator[Bars]:
        """The bars that close from now on, of each symbol in order, a page at most at a time.

        Raises:
            SourceRefused: Binance does not serve where we are.
            SourceError: it does not know a symbol.
        """
        with open_web() as web:
            desk = _Desk(asyncio.Semaphore(AT_ONCE))
            ready: asyncio.Queue[Bars | CryptoNNError] = asyncio.Queue(len(symbols) or 1)
            tasks = [
                asyncio.create_task(self._follow(web, desk, ready, symbol, place))
                for place, symbol in enumerate(symbols)
            ]
            try:
                while True:
                    found = await ready.get()
                    if isinstance(found, CryptoNNError):
                        raise found
                    yield found
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await desk.finished()

    async def _follow(
        self,
        web: Web,
        desk: "_Desk",
        ready: "asyncio.Queue[Bars | CryptoNNError]",
        symbol: str,
        place: int,
    ) -> None:
        """One symbol for ever, or until Binance refuses for good."""
        klines = Klines(web, self._url)
        began, failures = asyncio.get_running_loop().time(), 0
        due: np.datetime64 = np.datetime64("NaT", "us")
        empty = 0
        late = self._config.poll_delay_s + place * _SPREAD * 60 / self._config.requests_per_minute
        while True:
            try:
                if np.isnat(due):  # the first answer tells what time it is
                    await desk.ask(lambda: klines.newest(symbol))
                    waited = asyncio.get_running_loop().time() - began
                    due = _minute(web.now() - np.timedelta64(int(waited * 1e6), "us"))
                jitter = self._chance.uniform(0.0, self._config.poll_jitter_s)
                wait = (due + M1.step - web.now()) / _S + late + jitter
                await asyncio.sleep(max(wait, 0.0))
                start, end = due, web.now() + M1.step
                found = await desk.ask(lambda: next(klines.pages(symbol, start, end), None))  # noqa: B023
            except OutOfPatience as error:
                failures += 1
                if failures == 1:
                    _log.warning("Live bars of %s are waiting: %s", symbol, error)
                own = self._config.patience.steady_wait(failures, self._chance)
                desk.leave_alone(error, own)
                await asyncio.sleep(own)
                continue
            except CryptoNNError as error:
                await ready.put(error)
                return
            if failures:
                _log.warning("Live bars of %s go on after %d failures", symbol, failures)
            failures = 0
            if found is None:
                await asyncio.sleep(AGAIN_S[min(empty, 1)] + jitter)
                empty += 1
                continue
            empty = 0
            await ready.put(found)
            due = _minute(found.ts[-1]) + M1.step


def _minute(at: np.datetime64) -> np.datetime64:
    start: np.datetime64 = at.astype("datetime64[m]").astype(TS)
    return start


class _Desk:
    """Runs blocking requests in threads, a few at a time, and sees each to its end."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free = free
        self._quiet_until = 0.0
        self._under_way: set[asyncio.Task[object]] = set()

    async def ask(self, call: Callable[[], T]) -> T:
        """What `call` returns."""
        async with self._free:
            while (left := self._quiet_until - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(left)
            task: asyncio.Task[T] = asyncio.ensure_future(asyncio.to_thread(call))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            return await asyncio.shield(task)

    def leave_alone(self, error: OutOfPatience, own_s: float) -> None:
        """Ask nothing, for no symbol, for as long as Binance asked to be left alone."""
        asked = error.__cause__.after_s if isinstance(error.__cause__, Transient) else None
        if asked is not None:
            now = asyncio.get_running_loop().time()
            self._quiet_until = max(self._quiet_until, now + asked + min(own_s, 1.0))

    async def finished(self) -> None:
        """Wait for the requests that are still under way: their connections are about to close."""
        await asyncio.gather(*self._under_way, return_exceptions=True)
