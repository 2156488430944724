"""What time it is at the exchange, as told by what it sends."""

from collections import deque

from crypto_nn.sources.realtime.rows import MINUTE_US

SECOND_US = 1_000_000
_FAR_US = 10 * MINUTE_US
_NEAR_US = 3 * MINUTE_US
_RECENT = 64
_ENOUGH = 5  # one alone may have been long on its way


class FeedTime:
    """A lower bound of the exchange's clock: the last close it sent, and the time since.

    The machine's own clock is only a guess, and only until something has arrived. A stamp far
    ahead of all that is known is not believed before another minute near it has come too, so that
    one damaged message cannot move the time.
    """

    def __init__(self, guess_us: int, at_s: float) -> None:
        """Begin with the machine's time of day (µs since 1970) at a steady time (s)."""
        self._guess = (guess_us, at_s)
        self._seen: tuple[int, float] | None = None
        self._from_stream = False
        self._strange: int | None = None
        self._leads: deque[int] = deque(maxlen=_RECENT)

    @property
    def is_guess(self) -> bool:
        """Whether the stream has not sent anything yet."""
        return not self._from_stream

    def now_us(self, at_s: float) -> int:
        """The exchange's time (µs since 1970), or what this machine holds it to be."""
        sure = self.sure_us(at_s)
        if self._from_stream and sure is not None:
            return sure
        return max(sure or 0, _advanced(self._guess, at_s))

    def sure_us(self, at_s: float) -> int | None:
        """The time that it is at least, by what was sent; None before anything was."""
        return None if self._seen is None else _advanced(self._seen, at_s)

    def believes(self, close_us: int, at_s: float, machine_us: int) -> bool:
        """Whether a bar can have closed then: not far ahead of all clocks, or not alone in it."""
        latest = max(self.now_us(at_s), machine_us)
        if close_us <= latest + _FAR_US:
            return True
        strange, self._strange = self._strange, close_us
        return strange is not None and 0 < abs(close_us - strange) <= _NEAR_US

    def saw(self, close_us: int, at_s: float, machine_us: int, streamed: bool) -> None:
        """Take the close of a bar that has just arrived."""
        sure = self.sure_us(at_s)
        if sure is None or close_us > sure:
            self._seen = (close_us, at_s)
        if streamed:
            if not self._from_stream or sure is None or close_us > sure - MINUTE_US // 2:
                self._leads.append(machine_us - close_us)
            self._from_stream = True

    @property
    def skew_s(self) -> float | None:
        """How far the machine's clock is ahead (s), the quickest recent delivery included."""
        return min(self._leads) / SECOND_US if len(self._leads) >= _ENOUGH else None


def _advanced(known: tuple[int, float], at_s: float) -> int:
    time_us, since_s = known
    return time_us + round((at_s - since_s) * SECOND_US)
