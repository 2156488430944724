"""What trading on the predictions would have earned, at several costs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_POINTS = 400
LOST = 1e-4  # what is below a ten-thousandth of the capital is drawn there


@canvas.drawn
def equity_curves(
    ts: NDArray[Any],
    curves: Mapping[str, NDArray[Any]],
    buy_and_hold: NDArray[Any] | None = None,
    title: str = "",
) -> "Figure | None":
    """Growth of one unit of capital, on a logarithmic scale, with buying and holding beside it.

    Args:
        ts: datetime64 of each point; at most 400 are drawn, and nothing below a loss of 99.99 %.
        curves: per line (such as "5 bp") the equity at each point; it starts near 1.
        buy_and_hold: the equity of the one who bought at the start and never sold.
    """
    if not len(ts) or not curves:
        return None
    picked = np.unique(np.linspace(0, len(ts) - 1, MAX_POINTS).astype(np.int64))
    sheet = canvas.figure(760, 330, title or "Equity, net of costs")
    axes = sheet.subplots()
    if buy_and_hold is not None:
        held = np.asarray(buy_and_hold, dtype=np.float64)[picked]
        axes.plot(ts[picked], held, color=canvas.PALE, lw=1.3, label="buy & hold")
    for number, (name, curve) in enumerate(curves.items()):
        values = np.maximum(np.asarray(curve, dtype=np.float64)[picked], LOST)
        colour = canvas.SERIES[number % len(canvas.SERIES)]
        axes.plot(ts[picked], values, color=colour, label=name, lw=1.3)
    axes.set_yscale("log")
    axes.axhline(1.0, color=canvas.GREY, lw=0.8)
    _label_growth(axes)
    canvas.date_axis(axes)
    canvas.legend_above(axes, len(curves) + 1)
    axes.margins(x=0.01)
    return sheet


def _label_growth(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = axes.get_ylim()
    locator = LogLocator(subs=(1.0,)) if high / low > 30 else MaxNLocator(nbins=6)
    axes.yaxis.set_major_locator(locator)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _growth(value)))
    axes.set_ylabel("gain since the start")


def _growth(value: float) -> str:
    gain = 100 * (value - 1)
    if abs(gain) < 0.005:
        return "0 %"
    digits = 2 if gain < -99.5 else 1 if abs(gain) < 10 or gain < -98.5 else 0
    return f"{gain:+,.{digits}f} %".replace("-", "−")
