"""Predictions for symbols: worked out once for each version and bar, then looked up."""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import numpy as np

from crypto_nn.bars import M1
from crypto_nn.bars.calendar import TS
from crypto_nn.errors import CryptoNNError
from crypto_nn.features.live_windows import Window
from crypto_nn.inference.answering import Answering, Probabilities
from crypto_nn.server.batching import MicroBatcher, Overloaded
from crypto_nn.server.feed import BarFeed
from crypto_nn.server.messages import (
    AnswerMessage,
    BarMessage,
    HorizonAnswer,
    horizon_answer,
    utc,
)
from crypto_nn.server.schemas import Prediction
from crypto_nn.server.versions import Serving, VersionWatcher
from crypto_nn.serving import ServeConfig

_LOG = logging.getLogger(__name__)
AHEAD_S = 30.0
Listener = Callable[[Mapping[str, Any]], None]


class NotWhole(Exception):
    """There is no whole window of features: too few bars yet, or a hole in them."""


class Stale(Exception):
    """The newest bar is too old."""


class Answers:
    """Versions, bars and the batcher together.

    Args:
        watcher: who answers.
        feed: of the universes' bars, made for a number of rows in a window.
        config: limits and staleness.
        now: naive UTC.
    """

    def __init__(
        self,
        watcher: VersionWatcher,
        feed: Callable[[int], BarFeed],
        config: ServeConfig,
        now: Callable[[], np.datetime64],
    ) -> None:
        self.watcher, self.config, self._now = watcher, config, now
        self._feed_of, self._feed = feed, feed(1)
        self.batcher = MicroBatcher(config.max_batch, config.max_wait_ms / 1000, config.queue)
        self.listeners: list[Listener] = []
        self.note: Callable[[Prediction], None] | None = None  # told of every answer that is given
        self._known: dict[tuple[str, str], tuple[Window, Probabilities]] = {}
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._look_on, name="bars", daemon=True)

    @property
    def ready(self) -> bool:
        """Whether there is somebody to answer, and the server is not about to end."""
        return self.watcher.serving.ready and not self._ended.is_set()

    def start(self) -> None:
        """Begin to answer and to look for bars and versions."""
        self.batcher.start()
        self._looking.start()

    def drain(self) -> None:
        """Be unready from now on; what is asked is still answered."""
        self._ended.set()

    def close(self) -> None:
        """End after what waits is answered."""
        self._ended.set()
        if self._looking.ident is not None:
            self._looking.join()
        self.batcher.close()

    def look(self) -> None:
        """Look once for versions and bars, and tell the listeners of new bars."""
        if self.watcher.look():
            serving = self.watcher.serving
            if serving.reach > self._feed.rows:
                self._feed = self._feed_of(serving.reach)
            in_force = {v for one in serving.universes.values() for v in one.versions}
            self._known = {k: known for k, known in self._known.items() if k[0] in in_force}
        for symbol in self.watcher.serving.symbols:
            try:
                bars = self._feed.poll(symbol, self._now())
            except CryptoNNError as error:
                _LOG.warning("%s: %s", symbol, error)
                continue
            for bar in bars:
                told = BarMessage(
                    symbol=symbol, ts=_utc(bar.ts), o=bar.open, h=bar.high, l=bar.low,
                    c=bar.close, v=bar.volume,
                )  # fmt: skip
                self._tell(told.to_dict())
            if bars and self.batcher.running:
                self._answer_ahead(symbol)

    async def of(
        self, serving: Serving, symbol: str, key: str | None, allow_stale: bool
    ) -> Prediction:
        """The prediction for a symbol after its newest bar.

        Args:
            serving: the snapshot that the request began with.
            symbol: asked for.
            key: who asks, for the split; None for the symbol and minute.
            allow_stale: whether an old bar will do.

        Raises:
            SymbolError: nobody answers for it.
            NotWhole: no window is whole.
            Stale: its newest bar is too old.
            Overloaded: too much is asked.
        """
        last = self._feed.last(symbol)
        universe, answering = serving.choose(symbol, key or f"{symbol} {last}")
        window = self._feed.window(symbol, answering.facts.reach)
        if window is None:
            raise NotWhole
        known_at = window.ts + M1.step
        staleness_s = float((self._now().astype(TS) - known_at) / np.timedelta64(1, "s"))
        stale = staleness_s >= self.config.stale_after_bars * 60
        if stale and not allow_stale:
            raise Stale
        p_HC = await self._probabilities(answering, symbol, window)
        said = Prediction(
            symbol=symbol,
            universe=universe,
            model_version=answering.facts.version,
            bar_time=_iso(window.ts),
            known_at=_iso(known_at),
            staleness_s=staleness_s,
            stale=stale,
            horizons=_horizons(answering.facts.horizons, p_HC),
        )
        if self.note is not None:
            self.note(said)
        return said

    def _answer_ahead(self, symbol: str) -> None:
        """Ask every version that may be asked about the newest bar, before anybody does."""
        for one in self.watcher.serving.universes.values():
            champion = max(one.shares, key=lambda version: one.shares[version])
            for version, answering in one.versions.items() if symbol in one.symbols else ():
                window = self._feed.window(symbol, answering.facts.reach)
                if window is None:
                    continue
                try:
                    asked = self.batcher.ask(answering, symbol, window, AHEAD_S)
                    p_HC = _finite(asked.result(AHEAD_S))
                except (CryptoNNError, NotWhole, Overloaded, TimeoutError) as error:
                    _LOG.warning("%s of %s: %r", version, symbol, error)
                    continue
                self._known[version, symbol] = (window, p_HC)
                told = AnswerMessage(
                    symbol=symbol, ts=_utc(window.ts), known_at=_utc(window.ts + M1.step),
                    universe=one.name, model_version=version,
                    role="champion" if version == champion else "challenger",
                    answers=_horizons(answering.facts.horizons, p_HC),
                )  # fmt: skip
                self._tell(told.to_dict())

    async def _probabilities(
        self, answering: Answering, symbol: str, window: Window
    ) -> Probabilities:
        at = (answering.facts.version, symbol)
        known = self._known.get(at)
        if known is not None and known[0] is window:
            return known[1]
        within_s = self.config.deadline_ms / 1000
        asked = self.batcher.ask(answering, symbol, window, within_s)
        try:
            p_HC = _finite(await asyncio.wait_for(asyncio.wrap_future(asked), within_s))
        except TimeoutError:
            raise Overloaded from None
        self._known[at] = (window, p_HC)
        return p_HC

    def _tell(self, message: Mapping[str, Any]) -> None:
        for listener in tuple(self.listeners):
            listener(message)

    def _look_on(self) -> None:
        with ThreadPoolExecutor(1, "look") as looks:
            while not self._ended.is_set():
                error = looks.submit(self.look).exception()  # the thread outlives a look that fails
                if error is not None:
                    _LOG.error("a look for bars and versions failed", exc_info=error)
                self._ended.wait(self.config.poll_seconds)


def _finite(p_HC: Probabilities) -> Probabilities:
    if not np.isfinite(p_HC).all():
        raise NotWhole
    return p_HC


def _horizons(minutes: tuple[int, ...], p_HC: Probabilities) -> tuple[HorizonAnswer, ...]:
    return tuple(
        horizon_answer(horizon, (float(p_C[0]), float(p_C[1]), float(p_C[2])))
        for horizon, p_C in zip(minutes, p_HC, strict=True)
    )


def _utc(time: np.datetime64) -> datetime:
    naive = time.astype(TS).item()
    assert isinstance(naive, datetime)
    return utc(naive)


def _iso(time: np.datetime64) -> str:
    return f"{time.astype('datetime64[s]')}Z"
