"""What the features of a group are like, as SVG text: written in a hundredth of a second a sheet.

Pictures for an event log, to be drawn at each materialisation: one row a feature, with its
distribution, autocorrelation, missing share by month and drift by month.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from textwrap import wrap

import numpy as np

from crypto_nn.features.feature import Feature
from crypto_nn.features.statistics import FeatureFacts
from crypto_nn.pictures.feature_plots import Plot, Shape, feature_plots, percent, short

MOST = 12
_NAMES, _WIDTH, _STEP, _HEIGHT, _ROW, _TOP = 230, 118, 166, 34, 56, 34
_STYLE = (
    "text{font:9px system-ui,sans-serif;fill:#5b6472}.name{font-weight:600;font-size:11px;"
    "fill:#1f2937}.head{font-size:10px;fill:#1f2937}.area{fill:#9cc9e6}.band{fill:#cfe2f0}"
    ".line,.rule{fill:none}.line{stroke:#0072b2;stroke-width:1.1}.rule{stroke:#9aa3ad;"
    "stroke-width:.7}"
)


def feature_strips(
    features: Sequence[Feature], facts: Mapping[str, FeatureFacts], title: str = ""
) -> dict[str, str]:
    """SVG text for each group by its name; a group of more than 12 features gets several.

    Args:
        features: in the order of the columns.
        facts: of each by its name (`statistics.describe`); those without are left out.
        title: of which markets and months the values are.
    """
    groups: dict[str, list[Feature]] = {}
    for feature in features:
        if feature.name in facts:
            groups.setdefault(feature.group, []).append(feature)
    found = {}
    for group, own in groups.items():
        num = -(-len(own) // MOST)
        size = -(-len(own) // num)  # sheets of about the same height
        for number in range(num):
            name = group if num == 1 else f"{group} {number + 1} of {num}"
            rows = own[number * size : (number + 1) * size]
            found[name] = _sheet(rows, facts, f"{name}: {title}" if title else name)
    return found


def _sheet(rows: Sequence[Feature], facts: Mapping[str, FeatureFacts], title: str) -> str:
    width, height = _NAMES + 4 * _STEP + 62, _TOP + _ROW * len(rows)
    body = "".join(
        _row(feature, facts[feature.name], _TOP + _ROW * n) for n, feature in enumerate(rows)
    )
    heads = "".join(
        f'<text class="head" x="{_left(n)}" y="28">{plot.title}</text>'
        for n, plot in enumerate(feature_plots(facts[rows[0].name]))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}"><style>{_STYLE}</style><rect width="{width}" height="{height}" '
        f'fill="#fff"/><text class="name" x="8" y="14">{escape(title)}</text>{heads}{body}</svg>'
    )


def _left(number: int) -> int:
    return _NAMES + _STEP * number


def _row(feature: Feature, facts: FeatureFacts, top: int) -> str:
    lines = wrap(feature.description, 42, max_lines=2, placeholder=" …")
    told = [f'<text class="name" x="8" y="{top + 10}">{escape(feature.name)}</text>']
    told += [
        f'<text x="8" y="{top + 22 + 11 * n}">{escape(line)}</text>' for n, line in enumerate(lines)
    ]
    farthest = facts.farthest
    numbers = [f"std {short(facts.std)}", f"null {percent(facts.missing)}"]
    numbers += [] if farthest is None else [f"drift {farthest[1]:.2f}"]
    told += [
        f'<text x="{_left(4)}" y="{top + 9 + 12 * n}">{escape(line)}</text>'
        for n, line in enumerate(numbers)
    ]
    told += [_plot(plot, _left(n), top) for n, plot in enumerate(feature_plots(facts))]
    return "".join(told)


def _plot(plot: Plot, left: int, top: int) -> str:
    if not plot.shapes:
        return f'<text x="{left + 30}" y="{top + 20}">{escape(plot.words)}</text>'
    paths = "".join(f'<path class="{shape.kind}" d="{_path(shape)}"/>' for shape in plot.shapes)
    beside = left + _WIDTH + 3
    return (
        f'<g transform="translate({left} {top})">{paths}</g>'
        f'<text x="{beside}" y="{top + 7}">{escape(plot.top)}</text>'
        f'<text x="{beside}" y="{top + _HEIGHT}">{escape(plot.bottom)}</text>'
        f'<text x="{left}" y="{top + _HEIGHT + 9}">{escape(plot.left)}</text>'
        f'<text x="{left + _WIDTH}" y="{top + _HEIGHT + 9}" text-anchor="end">'
        f"{escape(plot.right)}</text>"
    )


def _path(shape: Shape) -> str:
    xs = np.round(np.clip(shape.x, 0, 1) * _WIDTH, 1).tolist()
    ys = np.round((1 - np.clip(shape.y, 0, 1)) * _HEIGHT, 1).tolist()
    return f"M{xs[0]:g} {ys[0]:g}" + "".join(_steps(xs, ys))


def _steps(xs: Sequence[float], ys: Sequence[float]) -> Iterator[str]:
    for x, y, before_x, before_y in zip(xs[1:], ys[1:], xs, ys):
        if y == before_y:
            yield f"H{x:g}"
        elif x == before_x:
            yield f"V{y:g}"
        else:
            yield f"L{x:g} {y:g}"
