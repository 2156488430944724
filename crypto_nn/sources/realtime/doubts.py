"""Minutes of which two versions have come, until the source has said which one holds."""

from crypto_nn.bars import Bar
from crypto_nn.sources.realtime.forgotten import Forgotten

_TOGETHER = 60  # doubtful minutes so near each other are asked for at once
NEVER_US = 2**62


class Doubts:
    """Each doubtful minute with the bar that is held to be right, and when to ask.

    Of more than `most` the oldest doubt is handed over to what is forgotten.
    """

    def __init__(self, settle_us: int, most: int, forgotten: Forgotten) -> None:
        """No doubt yet; a source is asked `settle_us` after the last change of a minute."""
        self._settle_us, self._most, self._forgotten = settle_us, most, forgotten
        self._of: dict[int, tuple[int, Bar]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def add(self, minute: int, bar: Bar, steady_us: int) -> None:
        """Ask later which version holds: deliveries may have overtaken each other."""
        self._of.pop(minute, None)
        self._of[minute] = (steady_us + self._settle_us, bar)
        if len(self._of) > self._most:
            oldest = next(iter(self._of))
            del self._of[oldest]
            self._forgotten.add(oldest, oldest, steady_us)

    def settle(self, minute: int) -> None:
        """The source has said which one holds."""
        self._of.pop(minute, None)

    def bar(self, minute: int) -> Bar | None:
        """What is held to be right of a doubtful minute; None of any other."""
        return self._of[minute][1] if minute in self._of else None

    def due(self, steady_us: int) -> tuple[int, int] | None:
        """The first stretch to ask for by now."""
        due = sorted(minute for minute, (at_us, _) in self._of.items() if at_us <= steady_us)
        if not due:
            return None
        return due[0], max(minute for minute in due if minute < due[0] + _TOGETHER) + 1

    def next_us(self) -> int:
        """When the first of them is to be asked for."""
        return min((at_us for at_us, _ in self._of.values()), default=NEVER_US)
