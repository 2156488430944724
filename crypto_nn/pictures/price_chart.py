"""The price over time, with the volume below and the gaps marked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Span = tuple[np.datetime64, np.datetime64]
MAX_POINTS = 400
MAX_CANDLES = 120
MAX_GAPS = 60


@canvas.drawn
def price_chart(bars: Bars, gaps: Sequence[Span] = (), title: str = "") -> "Figure | None":
    """How the price went: candles where few bars are given, else the range and its closes.

    Many bars are put together in at most 400 equal stretches of bars, each with its first open,
    highest high, lowest low, last close and summed volume. Gaps are shaded, the longest first.

    Args:
        bars: of one symbol, in order.
        gaps: (start, end) of stretches without bars.
        title: the symbol and its number of bars where left out.
    """
    bars = _drawable(bars)
    if not len(bars):
        return None
    candles = len(bars) <= MAX_CANDLES
    few = _merged(bars, MAX_CANDLES if candles else MAX_POINTS)
    sheet = canvas.figure(760, 330, title or f"{bars.symbol} · {len(bars):,} bars")
    price, volume = sheet.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    if candles:
        _paint_candles(price, few)
    else:
        price.fill_between(few.ts, few.low, few.high, color=canvas.SKY, alpha=0.45, lw=0)
        price.plot(few.ts, few.close, color=canvas.BLUE, lw=1.1)
    volume.fill_between(few.ts, few.volume, color=canvas.FLAT, lw=0, step="mid")
    volume.set_ylim(bottom=0)
    volume.set_yticks([])
    volume.set_ylabel("volume")
    _paint_gaps(price, gaps)
    price.yaxis.set_major_formatter("{x:,g}")
    price.margins(x=0.01)
    canvas.date_axis(volume)
    return sheet


def _drawable(bars: Bars) -> Bars:
    """Bars with a time and a close; a price that is missing is drawn at the close."""
    bars = bars.take(np.isfinite(bars.close) & ~np.isnat(bars.ts))
    prices = (bars.open, bars.high, bars.low)
    opens, highs, lows = (np.where(np.isfinite(p), p, bars.close) for p in prices)
    volume = np.nan_to_num(bars.volume)
    return Bars(bars.symbol, bars.timeframe, bars.ts, opens, highs, lows, bars.close, volume)


def _merged(bars: Bars, most: int) -> Bars:
    if len(bars) <= most:
        return bars
    first = np.linspace(0, len(bars), most, endpoint=False).astype(np.int64)
    last = np.append(first[1:], len(bars)) - 1
    return Bars(
        bars.symbol,
        bars.timeframe,
        bars.ts[first],
        bars.open[first],
        np.fmax.reduceat(bars.high, first),
        np.fmin.reduceat(bars.low, first),
        bars.close[last],
        np.add.reduceat(bars.volume, first),
    )


def _paint_candles(axes: "Axes", bars: Bars) -> None:
    width = (
        float(bars.timeframe.step / np.timedelta64(1, "D")) * 0.7
    )  # in days, as matplotlib counts
    for rising, colour in ((True, canvas.UP), (False, canvas.DOWN)):
        some = bars.take((bars.close >= bars.open) == rising)
        x: Any = some.ts
        axes.vlines(x, some.low, some.high, color=colour, lw=0.8)
        bottom = np.minimum(some.open, some.close)
        axes.bar(x, np.abs(some.close - some.open), width, bottom, color=colour, lw=0)
    low, high = float(np.nanmin(bars.low)), float(np.nanmax(bars.high))
    air = 0.0 if low < high else 0.01 * high  # a price that never moved still needs a scale
    axes.set_ylim(low - air, high + air)
    axes.margins(y=0.05)


def _paint_gaps(axes: "Axes", gaps: Sequence[Span]) -> None:
    longest = sorted(gaps, key=lambda gap: gap[1] - gap[0], reverse=True)[:MAX_GAPS]
    for number, (start, end) in enumerate(longest):
        label = f"{len(gaps):,} gaps" if number == 0 else None
        span: Any = (start, end)
        axes.axvspan(*span, color=canvas.ORANGE, alpha=0.35, lw=0.8, label=label)
    if longest:
        canvas.legend_above(axes, 1)
