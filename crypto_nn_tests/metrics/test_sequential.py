"""Evidence that is looked at every day is fair where nothing changes, and grows where it does."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.metrics import sequential
from crypto_nn.metrics.sequential import evidence, family_evidence


def slow_test(good: Sequence[float], later: Sequence[float], power: float) -> list[float]:
    """One test, place by place: the stake over its mean at all places the next value could fall."""
    past, e, found = sorted(good), 1.0, []

    def stake(below: int) -> float:
        """Of a value with so many of all past ones below it."""
        return (1 + sum(each in good for each in past[below:])) ** -power

    for value in later:
        places = [stake(below) for below in range(len(past) + 1)]
        e *= stake(sum(each < value for each in past)) / (sum(places) / len(places))
        past = sorted([*past, value])
        found.append(e)
    return found


def test_the_evidence_is_that_of_a_slow_bookkeeper() -> None:
    """Tests asleep stand at 1, each awake one is an urn that is counted out; stakes are fixed."""
    x = np.random.default_rng(3).permutation(25).astype(float)
    good, live = x[:6], x[6:]
    expected, asleep = np.zeros(len(live)), np.ones(len(live))
    left, share = 1.0, sequential.FIRST_SHARE
    for start in range(0, len(live), sequential.WAKE_EVERY):
        pool = [*good, *live[:start]]
        each = [slow_test(pool, list(live[start:]), power) for power in sequential.POWERS]
        expected += share * np.concatenate([np.ones(start), np.mean(each, axis=0)])
        asleep -= share
        left -= share
        share = left / sequential.MEAN_WAIT
    np.testing.assert_allclose(evidence(good, live).e_T, expected + asleep, rtol=1e-12)


@pytest.mark.parametrize("num_good", [0, 1, 3])
def test_the_mean_over_all_orders_is_one(num_good: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fair game: over all 720 orders of six values the mean evidence is 1, after each of them."""
    monkeypatch.setattr(sequential, "WAKE_EVERY", 2)
    e_PT = [evidence(order[:num_good], order[num_good:], 0).e_T for order in permutations(range(6))]
    np.testing.assert_allclose(np.mean(e_PT, axis=0), 1.0, rtol=1e-12)


@pytest.mark.parametrize("values", [(0, 0, 0, 1, 1, 1), (0, 0, 0, 0, 0, 1), (0, 1, 1, 2, 2, 2)])
def test_ties_count_against_the_evidence(
    values: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ties the mean over all orders is at most 1 after each value, and less somewhere."""
    monkeypatch.setattr(sequential, "WAKE_EVERY", 2)
    mean_T = np.mean([evidence(order[:2], order[2:], 0).e_T for order in permutations(values)], 0)
    assert (mean_T <= 1 + 1e-12).all()
    assert mean_T.min() < 0.99


def test_looking_every_day_keeps_the_level() -> None:
    """Of 400 calm histories of 100 looks, at most 5 % ever reach 20; 2 is reached by at most half.

    The largest rate that 400 histories cannot tell from 5 % (99 %, one-sided) is 7.8 %.
    """
    rng = np.random.default_rng(0)
    x_RT = rng.standard_t(2, (400, 114))
    highest = np.array([evidence(x_T[:14], x_T[14:]).e_T.max() for x_T in x_RT])
    assert np.mean(highest >= 20) <= 0.05
    assert np.mean(highest >= 2) <= 0.5


@pytest.mark.parametrize("calm", [0, 30, 300])
def test_a_change_is_found_soon_however_long_it_was_calm(calm: int) -> None:
    """Days five standard deviations worse take evidence beyond 360 within nine of them."""
    for seed in range(5):
        x = np.random.default_rng(seed).standard_normal(14 + calm + 9)
        x[14 + calm :] += 5
        e_T = evidence(x[:14], x[14:]).e_T
        assert e_T[-1] > 360
        assert (e_T[:calm] < 20).all()


def test_what_becomes_better_is_no_evidence() -> None:
    """Days that get better and better never speak against anyone."""
    e_T = evidence(np.arange(20.0), -np.arange(100.0)).e_T
    assert (e_T <= 1).all()


def test_values_that_never_differ_are_no_evidence() -> None:
    """Constants are ties, and ties are no alarm, however many there are."""
    found = evidence(np.full(20, 0.5), np.full(300, 0.5))
    assert (found.e_T <= 1).all()
    assert (found.p_T == 1).all()


FLOATS = st.floats(-100, 100, allow_nan=False)


@given(st.lists(FLOATS, max_size=8), st.lists(FLOATS, min_size=2, max_size=20))
@settings(max_examples=60, deadline=None)
def test_one_more_day_continues_what_there_was(good: list[float], live: list[float]) -> None:
    """Begun again from the same days it says the same: nothing is kept in between."""
    short, whole = evidence(good, live[:-1]), evidence(good, live)
    np.testing.assert_allclose(whole.e_T[:-1], short.e_T, rtol=1e-9)
    np.testing.assert_array_equal(whole.p_T[:-1], short.p_T)


@given(st.lists(FLOATS, min_size=3, max_size=8), st.lists(FLOATS, min_size=2, max_size=20))
@settings(max_examples=60, deadline=None)
def test_only_ranks_count(good: list[float], live: list[float]) -> None:
    """Any scale that keeps order gives the same evidence: no distribution is assumed."""
    ranks = {value: float(rank) for rank, value in enumerate(sorted({*good, *live}))}
    changed = evidence([ranks[v] for v in good], [ranks[v] for v in live])
    np.testing.assert_array_equal(changed.e_T, evidence(good, live).e_T)


def test_a_day_without_a_value_changes_nothing() -> None:
    """NaN has no rank, and leaves the evidence as it was; those in the baseline are left out."""
    rng = np.random.default_rng(1)
    good, live = rng.standard_normal(12), rng.standard_normal(30) + 1
    holes = np.insert(live, [0, 5, 5, 30], np.nan)
    found = evidence([*good, np.nan], holes)
    known = ~np.isnan(holes)
    np.testing.assert_array_equal(found.e_T[known], evidence(good, live).e_T)
    np.testing.assert_array_equal(np.isnan(found.p_T), ~known)
    assert found.e_T[0] == 1.0
    assert found.e_T[6] == found.e_T[7] == found.e_T[5]  # live[4] lies at place 5


def test_too_few_days_before_are_no_past() -> None:
    """Until there are enough days, days join the past without being judged."""
    live = np.arange(12.0)
    found = evidence([], live, min_values=10)
    assert np.isnan(found.p_T[:10]).all()
    assert (found.e_T[:10] == 1).all()
    assert found.p_T[10] == pytest.approx(1 / 11)
    np.testing.assert_array_equal(found.e_T[10:], evidence(live[:10], live[10:]).e_T)


def test_nothing_gives_nothing() -> None:
    """No days, no evidence."""
    assert evidence([], []).e_T.shape == (0,)
    assert evidence([1.0], [np.nan]).e_T.tolist() == [1.0]


def test_infinite_values_are_ranked_and_evidence_stays_a_number() -> None:
    """Years of days that are infinitely worse are endless evidence, and still a finite number."""
    found = evidence(np.zeros(400), np.full(1500, np.inf))
    assert np.isfinite(found.e_T).all()
    assert found.e_T[-1] > 1e300


def test_a_family_is_its_largest_share() -> None:
    """Weighted by what was fixed beforehand, never below 1; the largest share is named."""
    weights = {"a": 0.5, "b": 0.25, "c": 0.25}
    assert family_evidence({"a": 10.0, "b": 30.0, "c": 1.0}, weights) == (7.5, "b")
    assert family_evidence({"a": 1.2, "b": 0.1}, weights) == (1.0, "a")
    assert family_evidence({}, weights) == (1.0, "")
