"""Numbers as a person reads them: few digits, a true minus, an interval beside the estimate."""

import math

from crypto_nn.metrics.significance import Interval

UNKNOWN = "–"


def number(value: float | Interval, digits: int = 2, sign: bool = False) -> str:
    """A number, or an estimate with its interval where there is one: 0.31 [0.20, 0.42]."""
    if isinstance(value, Interval):
        told = number(value.estimate, digits, sign)
        if math.isnan(value.low) or math.isnan(value.high):
            return told
        return f"{told} [{number(value.low, digits, sign)}, {number(value.high, digits, sign)}]"
    if math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:{'+' if sign else ''},.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = f"{0.0:.{digits}f}"
    return text.replace("-", "−")


def percent(value: float | Interval, digits: int = 1, sign: bool = False) -> str:
    """A share in percent, with its interval where there is one: 36.2 % [35.1, 37.0]."""
    if isinstance(value, Interval):
        inside = Interval(100 * value.estimate, 100 * value.low, 100 * value.high, value.level)
        if math.isnan(inside.low) or math.isnan(inside.high):
            return percent(value.estimate, digits, sign)
        bounds = f"[{number(inside.low, digits, sign)}, {number(inside.high, digits, sign)}]"
        return f"{number(inside.estimate, digits, sign)} % {bounds}"
    return UNKNOWN if math.isnan(value) else f"{number(100 * value, digits, sign)} %"


def p_words(p_value: float) -> str:
    """A p-value behind a figure: ", p = 0.03"; nothing where none was measured."""
    if math.isnan(p_value):
        return ""
    return ", p < 0.001" if p_value < 0.001 else f", p = {p_value:.2g}"


def bps(value: float) -> str:
    """A cost or gain in basis points."""
    text = number(value, 1)
    return text if text == UNKNOWN else f"{text} bp"
