"""The last minutes as they were told, and what is still to be told of them."""

from typing import Literal

from crypto_nn.bars import Bar
from crypto_nn.sources.realtime.rows import instant
from crypto_nn.sources.realtime.updates import Revised

_NAN = float("nan")
_UNTOLD = Bar(instant(0), _NAN, _NAN, _NAN, _NAN, _NAN)  # agrees with no bar

Kind = Literal["changed", "late", "old"]


class Told:
    """What is known of minutes that have been told, and revisions that wait.

    Attributes:
        kept_from: of earlier minutes nothing is known.
    """

    def __init__(self, symbol: str, most: int, kept_from: int) -> None:
        """Nothing is told; at most so many bars, and so many revisions, are kept."""
        self.kept_from = kept_from
        self._symbol, self._most = symbol, most
        self._bars: dict[int, Bar] = {}
        self._revised: dict[int, Revised] = {}

    def __len__(self) -> int:
        return len(self._bars) + len(self._revised)

    @property
    def num_revised(self) -> int:
        """How many revisions wait."""
        return len(self._revised)

    def bar(self, minute: int) -> Bar | None:
        """The minute's newest bar; None of a gap, and of what is not kept."""
        return self._bars.get(minute)

    def tell(self, minute: int, bar: Bar) -> None:
        """The bar is told now."""
        self._bars[minute] = bar

    def revise(self, minute: int, bar: Bar) -> Kind:
        """The minute is another than was told."""
        kind: Kind = "changed" if minute in self._bars else "late"
        if minute < self.kept_from:
            kind = "old"
        else:
            self._bars[minute] = bar
        earlier = self._revised.pop(minute, None)
        self._revised[minute] = Revised(self._symbol, bar, earlier.kind if earlier else kind)
        return kind

    def overflow(self) -> int | None:
        """Forget the oldest revision if too many wait, and say of which minute it was."""
        if len(self._revised) <= self._most:
            return None
        oldest = next(iter(self._revised))
        del self._revised[oldest]
        if oldest in self._bars:
            self._bars[oldest] = _UNTOLD
        return oldest

    def next_revision(self) -> Revised | None:
        """The revision that has waited longest, which is told now."""
        return self._revised.pop(next(iter(self._revised))) if self._revised else None

    def trim(self, cursor: int) -> None:
        """Forget bars that lie too far before the first minute that is not told."""
        kept_from = max(self.kept_from, cursor - self._most)
        if kept_from - self.kept_from > 2 * self._most:
            self._bars = {m: bar for m, bar in self._bars.items() if m >= kept_from}
        else:
            for minute in range(self.kept_from, kept_from):
                self._bars.pop(minute, None)
        self.kept_from = kept_from
