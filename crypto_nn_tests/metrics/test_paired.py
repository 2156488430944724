"""Evidence of daily differences: right in level, right by hand, and not fooled by how it looks."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import binom

from crypto_nn.metrics.paired import PairedTest, e_process

DAYS, HISTORIES, ALPHA = 120, 400, 0.05
Draw = Callable[[np.random.Generator], NDArray[np.float64]]


def volatile(rng: np.random.Generator) -> NDArray[np.float64]:
    """A spread that grows tenfold and falls again, as in GARCH at its worst."""
    spread = np.exp(2.3 * np.sin(np.arange(DAYS) / 15))
    return rng.standard_normal(DAYS) * spread


NULLS: dict[str, Draw] = {
    "normal": lambda rng: rng.standard_normal(DAYS),
    "t3": lambda rng: rng.standard_t(3, DAYS),
    "cauchy": lambda rng: rng.standard_cauchy(DAYS),
    "volatile": volatile,
    "two values": lambda rng: rng.choice([-1.0, 1.0], DAYS),
    "rare": lambda rng: rng.standard_normal(DAYS) * (rng.random(DAYS) < 0.05),
    "worse": lambda rng: rng.standard_t(3, DAYS) - 0.2,
}


@pytest.mark.parametrize("name", NULLS)
def test_nobody_is_promoted_in_vain_more_often_than_stated(name: str) -> None:
    """Of 400 histories that are looked at every day, at most what 5 % allows at 99.9 %.

    "worse" is centred below zero: the level holds there too. Ties of a start without spread
    ("rare") and tails without a mean ("cauchy") do not break it.
    """
    rng = np.random.default_rng(7)
    found = [e_process(NULLS[name](rng)).first(1 / ALPHA) for _ in range(HISTORIES)]
    promoted = sum(each is not None and each[1] for each in found)
    assert promoted <= binom.ppf(0.999, HISTORIES, ALPHA)


def test_an_advantage_is_found() -> None:
    """Half a standard deviation a day: at least 90 % within 120 days, and never the wrong way."""
    rng = np.random.default_rng(3)
    found = [e_process(rng.standard_normal(DAYS) + 0.5).first(1 / ALPHA) for _ in range(200)]
    assert sum(each is not None and each[1] for each in found) >= 180
    assert not any(each is not None and not each[1] for each in found)


def test_the_evidence_is_the_mixture_that_is_stated() -> None:
    """Σ over λ of exp(λS − λ²V/2), integrated numerically over a half-normal λ."""
    gains = np.array([0.3, -0.1, 0.2, 0.4, 0.1, -0.6, 5.0, 0.2])
    test = PairedTest(start_blocks=2, width=0.7, largest=2.0)
    scale = [np.sqrt(np.mean(gains[:t] ** 2)) for t in range(2, 8)]
    x = np.clip(gains[2:] / scale, -2.0, 2.0)
    s, v = x.sum(), (x**2).sum()
    found = e_process(gains, test)
    for total, evidence in ((s, found.better_T), (-s, found.worse_T)):
        due = quad(_mixture, 0, 20, args=(total, v, 0.7))[0]
        assert evidence[-1] == pytest.approx(due, rel=1e-8)
        assert (evidence[:2] == 1.0).all()


def _mixture(u: float, total: float, square: float, width: float) -> float:
    half_normal = 2 * np.exp(-(u**2) / (2 * width**2)) / (width * np.sqrt(2 * np.pi))
    return float(np.exp(u * total - u**2 * square / 2) * half_normal)


@given(st.lists(st.floats(-1e6, 1e6), max_size=30), st.integers(1, 4), st.floats(1e-3, 1e3))
def test_laws(gains: list[float], block_days: int, unit: float) -> None:
    """It only looks back, knows no units, and is the other way round when both change places."""
    test = PairedTest(block_days=block_days)
    whole = e_process(gains, test)
    assert len(whole.better_T) == len(gains)
    assert np.isfinite(whole.better_T).all()
    half = len(gains) // 2
    np.testing.assert_array_equal(e_process(gains[:half], test).better_T, whole.better_T[:half])
    swapped = e_process([-gain for gain in gains], test)
    np.testing.assert_array_equal(swapped.worse_T, whole.better_T)
    if all(abs(gain) > 1e-3 or gain == 0 for gain in gains):
        in_units = e_process([gain * unit for gain in gains], test)
        np.testing.assert_allclose(in_units.better_T, whole.better_T, rtol=1e-6)


def test_two_that_are_the_same_are_never_told_apart() -> None:
    """No difference is no evidence, for ever."""
    found = e_process(np.zeros(1000))
    assert (found.better_T == 1.0).all()
    assert found.first(20) is None


def test_blocks_count_as_one() -> None:
    """Between the ends of blocks the evidence stands still; an unfinished block does not count."""
    gains = np.random.default_rng(0).normal(1, 0.1, 17)
    found = e_process(gains, PairedTest(block_days=5))
    by_block = e_process(gains[:15].reshape(3, 5).sum(axis=1)).better_T
    np.testing.assert_array_equal(found.better_T[[4, 9, 14]], by_block)
    np.testing.assert_array_equal(found.better_T[15:], by_block[[-1, -1]])
    assert (found.better_T[:4] == 1).all()


def test_no_verdict_before_enough_days() -> None:
    """The first day at which the level is reached, or `min_days`."""
    gains = np.full(40, 1.0)
    early = e_process(gains).first(20)
    assert early is not None
    assert early[1]
    late = e_process(gains).first(20, min_days=30)
    assert late == (29, True)
    assert e_process(-gains).first(20) == (early[0], False)
    assert e_process([]).first(20) is None


@pytest.mark.parametrize("gains", [[1.0, np.nan], [np.inf], [[1.0, 2.0]]])
def test_what_is_no_difference_is_refused(gains: list[float]) -> None:
    """No failure returns a number."""
    with pytest.raises(ValueError, match="one finite number a day"):
        e_process(gains)
