"""The typical price of a bar."""

from crypto_nn.bars import Bar, Bars, Float


def typical_price(bars: Bars) -> Float:
    """(high + low + close) / 3 of each bar: one price for all that was traded in it."""
    typical_N: Float = (bars.high + bars.low + bars.close) / 3.0
    return typical_N


def typical_price_of(bar: Bar) -> float:
    """The same of one bar, with the same bits."""
    return (bar.high + bar.low + bar.close) / 3.0
