"""What every picture shares: the paper it is drawn on, the colours, and how it is written out."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

# Okabe and Ito's palette (2008): it stays apart for every common kind of colour blindness.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK = "#A6527F", "#56B4E9", "#1F2937"
GREY, PALE, GRID, PAPER = "#6B7280", "#C3C9D2", "#E5E7EB", "#FFFFFF"
SERIES = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, GREY)
DOWN, FLAT, UP = VERMILLION, "#9AA3AF", BLUE
CLASSES = ("down", "flat", "up")
CLASS_COLOURS = (DOWN, FLAT, UP)
DPI = 100
LEGEND_CHARACTER, LEGEND_HANDLE = 6.2, 36  # pixels of a letter, and of what stands before it

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial", "sans-serif"],
    "font.size": 8.5,
    "text.parse_math": False,  # a name with a dollar sign is a name, not a formula
    "text.color": BLACK,
    "axes.edgecolor": PALE,
    "axes.labelcolor": GREY,
    "axes.labelsize": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": PALE,
    "ytick.color": PALE,
    "xtick.labelcolor": GREY,
    "ytick.labelcolor": GREY,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.constrained_layout.h_pad": 0.07,
    "svg.fonttype": "none",
    "svg.hashsalt": "crypto_nn",
    "path.simplify": True,
}


@contextmanager
def _styled() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawing; the same inputs give the same bytes each time it is written.

    It is drawn when it is first looked at: a report in words alone costs no drawing.
    """

    paint: "Callable[[], Figure]"

    @cached_property
    def figure(self) -> "Figure":
        """The finished drawing."""
        with _styled():
            return self.paint()

    def svg(self) -> str:
        """The picture as SVG text, with its words as words, fit to stand inside an HTML page."""
        text = io.StringIO()
        with _styled():
            self.figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        whole = text.getvalue()
        return whole[whole.index("<svg") :]

    def png(self, scale: float = 2.0) -> bytes:
        """The picture as PNG, `scale` image pixels to a screen pixel, in at most 96 colours."""
        from PIL import Image

        full, small = io.BytesIO(), io.BytesIO()
        with _styled():
            self.figure.savefig(full, format="png", dpi=DPI * scale, metadata={"Software": None})
        with Image.open(full) as image:
            few = image.convert("RGB").quantize(96, dither=Image.Dither.NONE)
        few.save(small, format="PNG", optimize=True)
        return small.getvalue()


def drawn(paint: Callable[P, "Figure | None"]) -> Callable[P, Picture]:
    """Make a function that draws a figure return a `Picture`; None becomes one saying "no data"."""

    @wraps(paint)
    def picture(*args: P.args, **kwargs: P.kwargs) -> Picture:
        def finished() -> "Figure":
            figure = paint(*args, **kwargs)
            return _no_data() if figure is None else figure

        return Picture(finished)

    return picture


def figure(width: float, height: float, title: str = "") -> "Figure":
    """An empty sheet, in screen pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sheet = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    FigureCanvasAgg(sheet)
    if title:
        sheet.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    return sheet


def panels(sheet: "Figure", count: int, columns: int) -> list["Axes"]:
    """`count` axes in rows of at most `columns`."""
    columns = min(columns, count)
    rows = -(-count // columns)
    grid = sheet.subplots(rows, columns, squeeze=False)
    flat = [axes for row in grid for axes in row]
    for spare in flat[count:]:
        spare.set_axis_off()
    return flat[:count]


def date_axis(axes: "Axes") -> None:
    """Short, unambiguous dates below, as many as fit."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    short = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(short)


def legend_above(axes: "Axes", columns: int) -> None:
    """The legend over the plot, where it hides nothing, in as many lines as its words need."""
    labels = axes.get_legend_handles_labels()[1]
    longest = max((len(label) for label in labels), default=0)
    room = axes.figure.bbox.width - 80
    columns = max(1, min(columns, int(room / (longest * LEGEND_CHARACTER + LEGEND_HANDLE))))
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=columns,
        handlelength=1.4,
        columnspacing=1.3,
        borderaxespad=0.2,
    )


def shorten(names: Sequence[str], limit: int = 30) -> list[str]:
    """Names that fit beside a bar: the middle of a long one is left out."""
    half = limit // 2
    return [n if len(n) <= limit else f"{n[: half - 1]}…{n[-half:]}" for n in names]


def _no_data() -> "Figure":
    sheet = figure(480, 120)
    axes = sheet.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, "no data", ha="center", va="center", color=GREY, fontsize=12)
    return sheet
