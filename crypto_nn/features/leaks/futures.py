"""Other futures: ways in which the bars after a cut could have been others, or not there at all.

Each takes the bars, the first row of the future and a source of chance, and gives bars whose rows
before the cut are the same, to the bit. All but `blank` keep clean bars clean.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from crypto_nn.bars import Bars, Float
from crypto_nn.bars.bars import OPTIONAL, PRICES

Future = Callable[[Bars, int, np.random.Generator], Bars]
NUMBERS = (*PRICES, "volume", *OPTIONAL, "reference")
_IN_PRICE = (*PRICES, "vwap")
_IN_VOLUME = ("volume", "trades")
_LONGEST = 4 * 1440  # bars that go missing, or minutes that the future comes late


def prefix(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Taken away."""
    return bars[:cut]


def perturbation(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Multiplied by numbers between 0.5 and 2."""
    return scaled(bars, slice(cut, None), rng)


def blank(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Replaced by NaN."""
    blank_K = np.full(len(bars) - cut, np.nan)
    return _with_later(bars, cut, dict.fromkeys(NUMBERS, blank_K))


def jump(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Multiplied or divided by 1000 from some bar on."""
    num = len(bars) - cut
    lag = int(np.exp(rng.uniform(0, np.log(num))))
    factor_K = np.ones(num)
    factor_K[num - lag :] = rng.choice([1e-3, 1e3])
    return _with_later(
        bars, cut, {name: _later(bars, name, cut) * factor_K for name in _there(bars)}
    )


def shuffle(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Put in another order."""
    order_K = rng.permutation(len(bars) - cut)
    return _with_later(bars, cut, {name: _later(bars, name, cut)[order_K] for name in _there(bars)})


def hole(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Less the next few, which are missing: a gap lies ahead."""
    num = int(np.exp(rng.uniform(0, np.log(min(len(bars) - cut, _LONGEST)))))
    keep_N = np.ones(len(bars), bool)
    keep_N[cut : cut + num] = False
    return bars.take(keep_N)


def delay(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Delayed by minutes, hours or days: the same bars under later stamps."""
    steps = int(np.exp(rng.uniform(0, np.log(_LONGEST))))
    ts_N = bars.ts.copy()
    ts_N[cut:] += steps * bars.timeframe.step
    return replace(bars, ts=ts_N)


def volume(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Given other volumes, from none to a thousandfold; prices stayed."""
    factor_K = 10.0 ** rng.uniform(-3, 3, len(bars) - cut) * (rng.random(len(bars) - cut) > 0.1)
    changed = {
        name: _later(bars, name, cut) * factor_K for name in _there(bars) if name in _IN_VOLUME
    }
    return _with_later(bars, cut, changed)


def one_bar(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """The same but for the first, which was multiplied by 0.5 to 2."""
    return scaled(bars, slice(cut, cut + 1), rng)


def still(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Made to stand still: no move, no volume."""
    level_K = np.full(len(bars) - cut, bars.close[max(cut - 1, 0)])
    flat: dict[str, Float] = dict.fromkeys((*_IN_PRICE, "reference"), level_K)
    return _with_later(bars, cut, flat | dict.fromkeys(_IN_VOLUME, np.zeros(len(bars) - cut)))


FUTURES: Mapping[str, Future] = {
    "prefix": prefix,
    "perturbation": perturbation,
    "blank": blank,
    "hole": hole,
    "jump": jump,
    "one bar": one_bar,
    "delay": delay,
    "shuffle": shuffle,
    "volume": volume,
    "still": still,
}
"""Every test by its name; its docstring says what later bars were made to be."""


def scaled(bars: Bars, rows: slice | Any, rng: np.random.Generator) -> Bars:
    """The bars with these rows multiplied: prices, amounts and the reference each by its own."""
    columns: dict[str, Any] = {}
    factors: dict[str, Float] = {}
    for name in _there(bars):
        values_N = getattr(bars, name).copy()
        kind = "price" if name in _IN_PRICE else "amount" if name in _IN_VOLUME else name
        if kind not in factors:
            factors[kind] = rng.uniform(0.5, 2.0, len(values_N[rows]))
        values_N[rows] *= factors[kind]
        columns[name] = values_N
    return replace(bars, **columns)


def _there(bars: Bars) -> tuple[str, ...]:
    return tuple(name for name in NUMBERS if getattr(bars, name) is not None)


def _later(bars: Bars, name: str, cut: int) -> Float:
    later_K: Float = getattr(bars, name)[cut:]
    return later_K


def _with_later(bars: Bars, cut: int, later: Mapping[str, Float]) -> Bars:
    """The bars with other columns from the cut on."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(bars, name)[:cut], values_K])
        for name, values_K in later.items()
        if getattr(bars, name) is not None
    }
    return replace(bars, **columns)
