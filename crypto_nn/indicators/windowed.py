"""Indicators composed here, whose value depends on a fixed number of last bars and on no other."""

from abc import abstractmethod

from crypto_nn.bars import Bars
from crypto_nn.indicators.indicator import Indicator, LiveIndicator


class Windowed(Indicator):
    """An indicator that forgets everything older than its window."""

    @property
    def memory(self) -> int:
        """The window: exact, not only to within a tolerance."""
        return self.warm_up + 1

    @abstractmethod
    def fresh(self) -> LiveIndicator:
        """A live copy that has seen nothing yet."""

    def stream(self, history: Bars) -> LiveIndicator:
        live = self.fresh()
        for bar in history[max(len(history) - self.memory, 0) :]:
            live.update(bar)
        return live
