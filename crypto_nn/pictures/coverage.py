"""Which minutes are there: a calendar of what is missing, was put aside, or was corrected."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Counts = NDArray[np.int64]
MAX_DAYS = 70  # as days × hours; more are drawn as a calendar of months
MAX_MONTHS = 60
MAX_STRIPS = 40
STRIP_CELLS = 240
CROWDED = 80  # columns
HOURS = 24

WHOLE, NOT_DUE = "#CFE2F0", "#F1F3F5"
LEVELS = (0.0, 0.01, 0.1, 0.5, 1.0)
COLOURS = (WHOLE, "#FBDD9B", canvas.ORANGE, canvas.VERMILLION, "#6B2300")
DARK = 4  # the level on which a mark has to be light
WORDS = ("whole", "up to 1 % missing", "up to 10 %", "up to 50 %", "more")


@dataclass(frozen=True, eq=False)
class Hours:
    """What is known of the minutes of one symbol, hour by hour.

    Attributes:
        symbol: base and quote.
        start: the first hour (datetime64[h], UTC).
        due: minutes for which a bar is due, 0 to 60, one number per hour.
        there: minutes that have one.
        quarantined: rows that were put aside.
        revised: minutes that were corrected later.
    """

    symbol: str
    start: np.datetime64
    due: Counts
    there: Counts
    quarantined: Counts
    revised: Counts

    @property
    def layers(self) -> Counts:
        """Due, there, quarantined, revised (4, H)."""
        return np.stack([self.due, self.there, self.quarantined, self.revised])


@canvas.drawn
def coverage(parts: Sequence[Hours], title: str = "") -> "Figure | None":
    """Where minutes are missing, and where rows were put aside or corrected.

    One symbol of a few weeks is drawn as days × hours, of more as a calendar with a row for each
    month; several symbols as one strip each, in which a stretch looks as its worst day does.

    Args:
        parts: one for each symbol.
        title: the symbols and the share of minutes that are there, where left out.
    """
    parts = [part for part in parts if part.due.any()]
    if not parts:
        return None
    if len(parts) > 1:
        return _strips(parts[:MAX_STRIPS], title)
    (part,) = parts
    days = -(-len(part.due) // HOURS)
    return _hours(part, title) if days <= MAX_DAYS else _months(part, title)


def _hours(part: Hours, title: str) -> "Figure":
    first, layers_4DH = _by_day(part)
    days = layers_4DH.shape[1]
    sheet = canvas.figure(max(700, min(900, 130 + 22 * days)), 340, title or _title([part]))
    axes = sheet.subplots()
    _paint(axes, layers_4DH.transpose(0, 2, 1))
    axes.set_yticks(np.arange(0, HOURS, 3) - 0.5, [f"{hour:02d}:00" for hour in range(0, HOURS, 3)])
    shown = np.arange(0, days, max(1, -(-days // 14)))
    axes.set_xticks(shown, [str(first + day)[5:] for day in shown])
    axes.set_xlabel(f"{first} to {first + days - 1}, hours of the day in UTC")
    return _finish(sheet, axes)


def _months(part: Hours, title: str) -> "Figure":
    first, layers_4DH = _by_day(part)
    layers_4D = layers_4DH.sum(axis=2)
    days = first + np.arange(layers_4D.shape[1])
    months = days.astype("datetime64[M]")
    of_month = (days - months.astype("datetime64[D]")).astype(int)
    every = np.unique(months)
    names = every[-MAX_MONTHS:]
    grid = np.zeros((4, len(names), 31), dtype=np.int64)
    kept = months >= names[0]
    grid[:, np.searchsorted(names, months[kept]), of_month[kept]] = layers_4D[:, kept]
    sheet = canvas.figure(760, 110 + 17 * len(names), title or _title([part]))
    axes = sheet.subplots()
    _paint(axes, grid)
    axes.set_yticks(np.arange(len(names)), [str(name) for name in names])
    axes.set_xticks(np.arange(0, 31, 2), [str(day + 1) for day in range(0, 31, 2)])
    cut = f"; the newest {len(names)} of {len(every)} months" if len(every) > len(names) else ""
    axes.set_xlabel(f"day of the month, UTC{cut}")
    return _finish(sheet, axes)


def _strips(parts: Sequence[Hours], title: str) -> "Figure":
    days = [_by_day(part) for part in parts]
    first = min(day for day, _ in days)
    last = max(day + layers.shape[1] for day, layers in days)
    num_days = int((last - first).astype(int))
    width = -(-num_days // STRIP_CELLS)
    grid = np.zeros((4, len(parts), -(-num_days // width)), dtype=np.int64)
    for row, (day, layers_4DH) in enumerate(days):
        padded = np.zeros((4, grid.shape[2] * width), dtype=np.int64)
        begin = int((day - first).astype(int))
        padded[:, begin : begin + layers_4DH.shape[1]] = layers_4DH.sum(axis=2)
        grid[:, row] = _worst(padded.reshape(4, -1, width))
    sheet = canvas.figure(820, 120 + 24 * len(parts), title or _title(parts))
    axes = sheet.subplots()
    _paint(axes, grid)
    axes.set_yticks(np.arange(len(parts)), [part.symbol for part in parts])
    shown = np.unique(np.linspace(0, grid.shape[2] - 1, 7).astype(int))
    axes.set_xticks(shown, [str(first + cell * width) for cell in shown])
    return _finish(sheet, axes)


def _worst(layers_4CD: Counts) -> Counts:
    """Of each cell's days the one with the largest missing share; rows and corrections added up."""
    due, there, quarantined, revised = layers_4CD
    share_CD = (due - there) / np.maximum(due, 1)
    share_CD = np.where(due > 0, share_CD, -1.0)
    day = share_CD.argmax(axis=1)[:, None]
    worst = (np.take_along_axis(layer, day, axis=1)[:, 0] for layer in (due, there))
    return np.stack([*worst, quarantined.sum(axis=1), revised.sum(axis=1)])


def _by_day(part: Hours) -> tuple[np.datetime64, Counts]:
    """The first day, and all layers as days × 24 hours (4, D, 24)."""
    first: np.datetime64 = part.start.astype("datetime64[D]")
    before = int((part.start - first.astype("datetime64[h]")).astype(int))
    after = -(before + len(part.due)) % HOURS
    padded = np.pad(part.layers, ((0, 0), (before, after)))
    return first, padded.reshape(4, -1, HOURS)


def _paint(axes: "Axes", layers_4RC: Counts) -> None:
    """Coloured cells, and a mark in those with rows put aside or corrections."""
    from matplotlib.colors import to_rgb

    due, there, quarantined, revised = layers_4RC
    missing = (due - there) / np.maximum(due, 1)
    level = np.searchsorted(LEVELS, missing, side="left")
    palette = np.array([to_rgb(colour) for colour in (*COLOURS, NOT_DUE)])
    level = np.where(due > 0, level, len(COLOURS))
    axes.imshow(palette[level], aspect="auto", interpolation="nearest")
    rows, columns = due.shape
    for lines, most in ((axes.axhline, rows), (axes.axvline, columns)):
        for at in range(1, most if most <= CROWDED else 0):
            lines(at - 0.5, color=canvas.PAPER, lw=0.8)
    dark = level == DARK
    for marker, counts, colour, aside in (
        ("x", quarantined, canvas.BLACK, -0.2),
        ("o", revised, canvas.BLUE, 0.2),
    ):
        _mark(axes, (counts > 0) & ~dark, marker, colour, aside)
        _mark(axes, (counts > 0) & dark, marker, canvas.PAPER, aside)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _mark(axes: "Axes", where: NDArray[np.bool_], marker: Any, colour: str, aside: float) -> None:
    rows, columns = np.nonzero(where)
    crowded = where.shape[1] > CROWDED
    size = 5 if crowded else 11
    axes.scatter(
        columns + (0 if crowded else aside), rows, s=size, marker=marker, color=colour, lw=0.9
    )


def _finish(sheet: "Figure", axes: "Axes") -> "Figure":
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    cells: list[Any] = [Patch(color=c, label=word) for c, word in zip(COLOURS, WORDS)]
    cells.append(Patch(color=NOT_DUE, label="not due"))
    for marker, colour, word in (("x", canvas.BLACK, "put aside"), ("o", canvas.BLUE, "corrected")):
        cells.append(Line2D([], [], ls="", marker=marker, ms=4, color=colour, label=word))
    sheet.legend(
        handles=cells,
        loc="outside lower left",
        ncols=8,
        handlelength=0.9,
        handleheight=0.9,
        columnspacing=1.0,
        handletextpad=0.4,
    )
    return sheet


def _title(parts: Sequence[Hours]) -> str:
    due = sum(int(part.due.sum()) for part in parts)
    there = sum(int(part.there.sum()) for part in parts)
    names = parts[0].symbol if len(parts) == 1 else f"{len(parts)} symbols"
    share = np.floor(1e6 * there / due) / 1e4  # never rounded up to whole
    return f"{names} · {share:g} % of {due:,} minutes are there · {due - there:,} missing"
