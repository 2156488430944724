"""Indicators that read two markets: the bars' own and their reference."""

from crypto_nn.bars import Bars, Float
from crypto_nn.errors import FeatureError
from crypto_nn.indicators.indicator import LiveIndicator
from crypto_nn.indicators.windowed import Windowed


class Cross(Windowed):
    """An indicator of bars that carry another market's close, `Bars.reference`.

    Where the reference has no bar it is NaN, and so is every value whose window needs that bar;
    the next one is whole again.
    """

    def reference(self, bars: Bars) -> Float:
        """The reference's closes, NaN where it has no bar.

        Raises:
            FeatureError: the bars carry no reference.
        """
        if bars.reference is not None:
            return bars.reference
        if len(bars):
            raise FeatureError(
                f"{self.outputs[0]} compares a market with another one, and these bars of "
                f"{bars.symbol} carry no other. Name it in the YAML (features.reference, such as "
                "BTC-USDT), or join its bars yourself: crypto_nn.bars.reference.with_reference("
                "bars, other)."
            )
        return bars.close

    def stream(self, history: Bars) -> LiveIndicator:
        self.reference(history)
        return super().stream(history)
