"""Takes the picture of docs/drift.md: what the alarm sees, by the code that ships; some minutes.

`python docs/drift_pictures.py` writes docs/images/drift_power.png.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.error_rates import NULL_STREAMS, Rate, Window, power_curve
from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGES = Path(__file__).parent / "images"
SHIFTS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
STREAMS = ("i.i.d. normal", "AR(0.5)", "AR(0.9)", "GARCH(1,1)", "rolling volatility")
WINDOW = Window(days=59, rows_per_day=720, columns=5)
CONFIG = DriftConfig(power_days=0, season="all")
NUM_WINDOWS = 60


@canvas.drawn
def power_curves(curves: Mapping[str, Mapping[float, Rate]], level: float) -> "Figure":
    """The chance of an alarm against the size of the shift, with exact 95 % intervals."""
    sheet = canvas.figure(760, 360, "How often a shift of one of five columns is called drift")
    axes = sheet.subplots()
    for place, (name, curve) in enumerate(curves.items()):
        colour = canvas.SERIES[place % len(canvas.SERIES)]
        shifts = np.array(list(curve)) + 0.004 * (place - 2)  # intervals stand side by side
        rates = [100 * rate.value for rate in curve.values()]
        low = [100 * (rate.value - rate.low) for rate in curve.values()]
        high = [100 * (rate.high - rate.value) for rate in curve.values()]
        axes.errorbar(shifts, rates, [low, high], color=colour, marker="o", ms=3.5, lw=1.4,
                      elinewidth=0.8, label=name)  # fmt: skip
    axes.axhline(100 * level, color=canvas.GREY, lw=1.0, ls="--")
    axes.set_ylim(-2, 102)
    axes.set_xlabel("shift in standard deviations of the reference; dashed: the nominal level")
    axes.set_ylabel("% of days called drift")
    canvas.legend_above(axes, 5)
    return sheet


def main() -> None:
    """Measure and draw."""
    curves = {
        name: power_curve(NULL_STREAMS[name], SHIFTS, WINDOW, CONFIG, NUM_WINDOWS)
        for name in STREAMS
    }
    (IMAGES / "drift_power.png").write_bytes(power_curves(curves, CONFIG.alpha).png())


if __name__ == "__main__":
    main()
