"""How a column is computed, as one line that a reader can follow and a test can evaluate.

Each transform has a template: `{0}` is the first output that it is given. Where a formula would
divide by nothing, or the market is dead (an average true range below a billionth of the price), the
column is 0 instead.
"""

from collections.abc import Mapping, Sequence

from crypto_nn.features import transforms as to
from crypto_nn.features.transforms import Transform
from crypto_nn.indicators import Indicator

TEMPLATES: Mapping[Transform, str] = {
    to.as_is: "{0}",
    to.ratio: "{0} / {1}",
    to.log_ratio: "log({0} / {1})",
    to.log_share: "log(1 + {0} / {1})",
    to.log_floor: "log(max({0}, 1e-6))",
    to.log_relative_range: "log(max({0} / {1}, 1e-6))",
    to.percent: "{0} / 100",
    to.centred: "{0} / 50 - 1",
    to.centred_below_zero: "{0} / 50 + 1",
    to.centred_alive: "{0} / 50 - 1",
    to.centred_share: "2 * {0} - 1",
    to.half: "{0} / 2",
    to.hundredth: "{0} / 100",
    to.spread: "({1} - {0}) / 100",
    to.in_ranges: "{0} / max({1}, 1e-5 * {2})",
    to.distance: "({0} - {1}) / max({2}, 1e-5 * {3})",
    to.place: "2 * ({0} - {2}) / ({1} - {2}) - 1",
    to.log_width: "log(max(({0} - {2}) / {1}, 1e-6))",
    to.body: "({3} - {0}) / ({1} - {2})",
    to.wick: "(({1} - max({0}, {3})) - (min({0}, {3}) - {2})) / ({1} - {2})",
    to.spread_alive: "({0} - {1}) / 100",
    to.bulge: "{0} / 25 - 1",
    to.push: "{0} / (max({1}, 1e-5 * {3}) * {2})",
}
"""The text of each transform; one without is written as the call that it is."""


def formula(transform: Transform, inputs: Sequence[str]) -> str:
    """The transform of these inputs, in words of arithmetic: "rsi_14 / 50 - 1"."""
    template = TEMPLATES.get(transform)
    if template is None:
        return f"{transform.__name__}({', '.join(inputs)})"
    return template.format(*inputs)


def output_text(indicator: Indicator, position: int) -> str:
    """An output's name or, where the indicator writes its outputs out, what it says."""
    texts: Sequence[str] = getattr(indicator, "formulas", indicator.outputs)
    return texts[position]
