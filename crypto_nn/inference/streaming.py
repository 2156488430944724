"""One answer per closed bar of a symbol, the same as history would give."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bar, Bars, Float
from crypto_nn.errors import FeatureError
from crypto_nn.features.feature_set import FeatureSet
from crypto_nn.features.live_windows import LiveWindows, Window
from crypto_nn.inference.answering import Answering
from crypto_nn.inference.conformal import Conformal
from crypto_nn.inference.ensemble import EnsembleInference, as_ensemble, check_fingerprint


class State(StrEnum):
    """Whether a stream can answer: not yet, now, or no longer."""

    WARMING = "warming"
    READY = "ready"
    STALE = "stale"


@dataclass(frozen=True, eq=False)
class Answer:
    """What a version says of a symbol after one bar.

    Attributes:
        symbol, version: whose, and whose answer.
        ts: open of the newest bar (µs, UTC).
        known_at: its close; nothing later was seen.
        horizons: minutes ahead.
        p_HC: probabilities of down, flat and up, float64.
        predicted_H: the likeliest class, 0 down, 1 flat, 2 up.
        confidence_H: its probability.
        epistemic_H: disagreement in nats; None of a single version.
        sets_H: conformal sets (H, 3), True for each class inside; None where none was fitted.
        latency_ms: from the bar's arrival to this answer.
    """

    symbol: str
    ts: np.datetime64
    known_at: np.datetime64
    version: str
    horizons: tuple[int, ...]
    p_HC: Float
    predicted_H: NDArray[np.int64]
    confidence_H: Float
    epistemic_H: Float | None
    sets_H: NDArray[np.bool_] | None
    latency_ms: float


class StreamingInference:
    """A version, or an ensemble, that follows one symbol bar by bar.

    Attributes:
        newest: the last answer while it still holds; None while there is none.
    """

    def __init__(
        self,
        answering: Answering | EnsembleInference,
        features: FeatureSet,
        history: Bars,
        complete: bool = False,
        conformal: Conformal | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Open after `history`, and answer for its last bar where that has a whole window.

        Args:
            answering: who is asked.
            features: what is computed of the bars; must be what the versions learned from.
            history, complete: as for `LiveWindows`.
            conformal: fitted on this version's calibration rows.
            clock: seconds, for `latency_ms`.

        Raises:
            FeatureError: the features are others, or the symbol is not known.
            BarsError: the bars are not clean.
        """
        self._asked, self._conformal, self._clock = as_ensemble(answering), conformal, clock
        check_fingerprint(self._asked, features.fingerprint)
        if history.symbol not in self._asked.symbols:
            raise FeatureError(
                f"Version {self._asked.version} has not learned {history.symbol}; it knows "
                f"{', '.join(self._asked.symbols)}. Train a universe that has it."
            )
        started = clock()
        self._windows = LiveWindows(features, history, self._asked.reach, complete)
        self._last = history.ts[-1] if len(history) else None
        self._was_broken = False
        self.newest = self._answer(self._windows.newest(), started)

    @property
    def symbol(self) -> str:
        """Whom it follows."""
        return self._windows.symbol

    @property
    def state(self) -> State:
        """READY with a whole window; else STALE after a gap or an answer, WARMING before."""
        if self.newest is not None:
            return State.READY
        return State.STALE if self._was_broken else State.WARMING

    def update(self, bar: Bar) -> Answer | None:
        """Take the next closed bar; None while its window is not whole.

        Raises:
            BarsError: the bar is a duplicate, late, off the minute or not possible; all is as
                before. A late or corrected bar is for `revise`.
        """
        started = self._clock()
        window = self._windows.update(bar)
        gap = self._last is not None and bar.ts - self._last > M1.step
        self._was_broken = self._was_broken or gap or (window is None and self.newest is not None)
        self._last = bar.ts
        self.newest = self._answer(window, started)
        return self.newest

    def revise(self, *bars: Bar) -> Answer | None:
        """Fill in or correct bars, as `LiveWindows.revise`; the answer anew, None if unchanged."""
        started = self._clock()
        if self._windows.revise(*bars) is None and self._windows.newest() is not None:
            return None
        kept = self._windows.bars
        self._last = kept.ts[-1] if len(kept) else None
        self.newest = self._answer(self._windows.newest(), started)
        return self.newest

    def _answer(self, window: Window | None, started: float) -> Answer | None:
        if window is None:
            return None
        said = self._asked.opinion((self.symbol,), (window,))
        p_HC = said.p_BHC[0]
        return Answer(
            self.symbol,
            window.ts,
            window.ts + M1.step,
            self._asked.version,
            self._asked.horizons,
            p_HC,
            p_HC.argmax(axis=-1),
            p_HC.max(axis=-1),
            None if said.epistemic_BH is None else said.epistemic_BH[0],
            None if self._conformal is None else self._conformal.sets(said.p_BHC)[0],
            (self._clock() - started) * 1e3,
        )
