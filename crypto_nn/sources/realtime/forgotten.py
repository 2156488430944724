"""A stretch of minutes of which something was dropped, until it has been fetched again."""


class Forgotten:
    """The minutes from the earliest to the latest that were dropped.

    Only the two ends are kept, so that it needs no memory however much is dropped. It is not
    fetched before the source has had time to settle.
    """

    def __init__(self, settle_us: int) -> None:
        """Nothing is forgotten yet; `settle_us` must pass after the last that is."""
        self._settle_us = settle_us
        self._range: tuple[int, int] | None = None
        self._asked: tuple[int, int] | None = None
        self.due_us = 0

    def __bool__(self) -> bool:
        return self._range is not None

    def add(self, first: int, last: int, now_us: int) -> None:
        """Forget the minutes from `first` to `last`, both included."""
        low, high = self._range or (first, last + 1)
        self._range = (min(low, first), max(high, last + 1))
        self.due_us = now_us + self._settle_us
        if self._asked and first < self._asked[1]:
            self._asked = None  # what is being fetched was dropped once more

    def ask(self, now_us: int, most: int) -> tuple[int, int] | None:
        """The next stretch to fetch, of at most so many minutes; None while there is none."""
        if self._range is None or now_us < self.due_us:
            return None
        low, high = self._range
        self._asked = (low, min(high, low + most))
        return self._asked

    def fetched(self) -> None:
        """What was asked for last is here."""
        if self._range and self._asked:
            low, high = self._asked[1], self._range[1]
            self._range = (low, high) if low < high else None
        self._asked = None

    def failed(self) -> None:
        """What was asked for last did not come."""
        self._asked = None
