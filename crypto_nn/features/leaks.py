"""Does a number know the future? Three tests that any function of bars must pass."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Bars
from crypto_nn.bars.bars import OPTIONAL, PRICES
from crypto_nn.errors import CryptoNNError, FeatureError

Compute = Callable[[Bars], NDArray[Any]]
Test = Literal["prefix", "perturbation", "blank"]
_NUMBERS = (*PRICES, "volume", *OPTIONAL)


@dataclass(frozen=True)
class Leak:
    """A column whose past changed when only its future did.

    Attributes:
        column: its position.
        test: how the future was changed: cut off, multiplied by chance, or blanked.
        cut: the first row of the future.
        row: the first earlier row that changed.
        num_rows: how many earlier rows changed.
    """

    column: int
    test: Test
    cut: int
    row: int
    num_rows: int

    def __str__(self) -> str:
        return (
            f"column {self.column}: {self.num_rows} rows before row {self.cut}, the first of them "
            f"{self.row}, changed in the {self.test} test, which changes only later bars"
        )


def find_leaks(
    compute: Compute, bars: Bars, cuts: Sequence[int] | None = None, seed: int = 0
) -> list[Leak]:
    """Look for columns that know the future, at several places in time.

    At each cut the later bars are taken away (prefix), their prices and volumes multiplied by
    numbers between 0.5 and 2 (perturbation), and their values replaced by NaN (blank); not one
    earlier row of the result may then differ in one bit. Every earlier row is compared, because
    some leaks touch one row in 500. A function that refuses NaN with a `CryptoNNError` passes the
    blank test.

    Args:
        compute: from N bars to a matrix (N, F), or to one column (N,).
        bars: bars to try it on; the more holes, extremes and boundaries, the better.
        cuts: rows to cut before; `cuts_of(bars)` if None.
        seed: of the perturbation.

    Returns:
        The first leak found of each column and test; empty if none is.

    Raises:
        FeatureError: the result does not have one row per bar.
    """
    whole_NF = _matrix(compute, bars)
    found: dict[tuple[int, Test], Leak] = {}
    for cut in cuts_of(bars, seed=seed) if cuts is None else cuts:
        for test, changed in _futures(bars, cut, seed):
            try:
                other_NF = _matrix(compute, changed)
            except CryptoNNError:
                if test != "blank":
                    raise
                continue
            for leak in _differences(whole_NF[:cut], other_NF[:cut], test, cut):
                found.setdefault((leak.column, test), leak)
    return sorted(found.values(), key=lambda leak: (leak.column, leak.cut))


def cuts_of(bars: Bars, num_random: int = 10, most: int = 20, seed: int = 0) -> tuple[int, ...]:
    """Rows to cut before: where holes, missing values, hours, days and months begin, and others.

    Args:
        bars: ordered bars.
        num_random: how many rows are drawn at random.
        most: how many rows are drawn of each kind of boundary, if there are more.
        seed: of the draws.
    """
    if len(bars) < 2:
        return ()
    rng = np.random.default_rng(seed)
    kinds = [rng.integers(1, len(bars), num_random)]
    hole_K = np.flatnonzero(np.diff(bars.ts) != bars.timeframe.step) + 1
    blank_N = np.zeros(len(bars), bool)
    for name in _NUMBERS:
        values_N = getattr(bars, name)
        if values_N is not None:
            blank_N |= np.isnan(values_N)
    border_K = np.flatnonzero(np.diff(blank_N)) + 1
    for place_K in (hole_K, hole_K + 1, border_K, border_K + 1):
        kinds.append(_some(place_K, most, rng))
    for unit in ("h", "D", "M"):
        first_K = np.flatnonzero(np.diff(bars.ts.astype(f"datetime64[{unit}]"))) + 1
        kinds.append(_some(first_K, most, rng))
    places = np.unique(np.concatenate(kinds))
    return tuple(int(place) for place in places if 0 < place < len(bars))


def _some(place_K: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return place_K if len(place_K) <= most else rng.choice(place_K, most, replace=False)


def _futures(bars: Bars, cut: int, seed: int) -> Iterator[tuple[Test, Bars]]:
    yield "prefix", bars[:cut]
    rng = np.random.default_rng([seed, cut])
    price_N, volume_N = np.ones(len(bars)), np.ones(len(bars))
    price_N[cut:] = rng.uniform(0.5, 2.0, len(bars) - cut)
    volume_N[cut:] = rng.uniform(0.5, 2.0, len(bars) - cut)
    factors = dict.fromkeys((*PRICES, "vwap"), price_N)
    factors |= {"volume": volume_N, "trades": volume_N}
    yield "perturbation", _scaled(bars, factors)
    blank_N = np.ones(len(bars))
    blank_N[cut:] = np.nan
    yield "blank", _scaled(bars, dict.fromkeys(_NUMBERS, blank_N))


def _scaled(bars: Bars, factors: dict[str, NDArray[np.float64]]) -> Bars:
    present = {name: getattr(bars, name) for name in _NUMBERS}
    columns: dict[str, Any] = {
        name: values * factors[name] for name, values in present.items() if values is not None
    }
    return replace(bars, **columns)


def _matrix(compute: Compute, bars: Bars) -> NDArray[Any]:
    result = np.asarray(compute(bars))
    if result.ndim not in (1, 2) or len(result) != len(bars):
        raise FeatureError(
            f"{len(bars)} bars gave a result of shape {result.shape}; one row per bar is due, with "
            "nulls where there is no value."
        )
    return result.reshape(len(bars), -1)


def _differences(
    before_NF: NDArray[Any], after_NF: NDArray[Any], test: Test, cut: int
) -> Iterator[Leak]:
    same_NF = (before_NF == after_NF) | (np.isnan(before_NF) & np.isnan(after_NF))
    for column in np.flatnonzero(~same_NF.all(axis=0)):
        row_K = np.flatnonzero(~same_NF[:, column])
        yield Leak(int(column), test, cut, int(row_K[0]), len(row_K))
