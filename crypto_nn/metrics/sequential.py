"""Whether things have become worse: evidence that may be looked at every day."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from crypto_nn.bars import Float

WAKE_EVERY = 7  # a test for a change from this day on begins every so many values
FIRST_SHARE = 0.25  # of all stakes, that of the first test
MEAN_WAIT = 26  # of the stakes left, each later test takes 1 / MEAN_WAIT
POWERS = (0.25, 0.5, 1.0, 2.0)  # how fast a bet falls with the rank


@dataclass(frozen=True, eq=False)
class Evidence:
    """What T values in order of time say, one after the other.

    Attributes:
        p_T: the share of the values so far, itself included, that are at least as bad: small
            where the value is bad; NaN where there is no value or too few before it.
        e_T: the evidence so far that values have become worse; 1 before there is any.
    """

    p_T: Float
    e_T: Float


def evidence(baseline_B: ArrayLike, live_T: ArrayLike, min_values: int = 2) -> Evidence:
    """Evidence that values in order of time are worse than those before them (larger is worse).

    If the B + T values are exchangeable (each order of them as likely as any other), then

        P(e_t ≥ c for any t, ever) ≤ 1 / c,

    so one may look each day and stop at will (Ville 1939), however the values are distributed;
    nothing is assumed of how a row within a value depends on the next. No random numbers: the same
    values give the same evidence, and T + 1 values continue what T gave.

    How: the rank of each value among those before it is independent of their order (Vovk,
    Nouretdinov and Gammerman 2003), so that any bet on it is fair whose mean over the ranks is 1.
    Every `WAKE_EVERY` values a test wakes up that takes the n values before it for good ones. It
    stakes k^−s on rank k among these (1 is the worst; s in `POWERS`), divided by the mean stake
    over the places where the next value could fall, places between later values included:

        e ← e · k^−s (n + i) / S,  S ← S + k^−s,  at its i-th value,  S = Σ k^−s (k = 1 … n + 1).

    The evidence is the mean of all tests, weighted by stakes fixed beforehand; those asleep stand
    at 1. Change-point detection by such martingales: Vovk, Petej, Nouretdinov, Ahlberg, Carlsson
    and Gammerman, "Retrain or not retrain" (2021), whose bets rank each value also among the
    changed ones; here only those before the change count, which finds it sooner.

    Ties count against the evidence. NaN is no value: it changes nothing. Infinite ones are ranked.

    Args:
        baseline_B: values known before the first that is judged; NaN are left out.
        live_T: values in order of time.
        min_values: with fewer before it, a value is not judged, and only joins the rest.
    """
    baseline = _known(baseline_B)
    live_all = np.asarray(live_T, dtype=np.float64)
    place_K = np.flatnonzero(~np.isnan(live_all))
    live = live_all[place_K]
    first = max(0, min_values - len(baseline))
    log_e_K = _mixture(baseline, live, first)
    p_T = np.full(len(live_all), np.nan)
    p_T[place_K] = _p_values(baseline, live, first)
    seen_T = np.cumsum(~np.isnan(live_all))
    log_e_T = np.concatenate([[0.0], log_e_K])[seen_T]
    return Evidence(p_T, np.exp(np.minimum(log_e_T, 700.0)))


def family_evidence(e_M: Mapping[str, float], weights_M: Mapping[str, float]) -> tuple[float, str]:
    """The evidence of several series together, at least 1, and the series that it comes from.

    The largest weight × evidence. With weights that sum to 1 (or less) and are fixed beforehand,
    it ever reaches c > 1 with a chance of at most 1/c, whatever the dependence of the series, since
    series m would have to reach c / weight. Their *mean* has no such bound: each series is a fair
    game to who sees that series alone, but the order of one can tell where the next value of
    another falls (Choe and Ramdas, "Combining evidence across filtrations", 2024).
    """
    shares = {name: weights_M[name] * value for name, value in e_M.items()}
    worst = max(shares, key=lambda name: shares[name], default="")
    return (max(1.0, shares[worst]), worst) if worst else (1.0, "")


def _known(values: ArrayLike) -> Float:
    array = np.asarray(values, dtype=np.float64)
    return array[~np.isnan(array)]


def _p_values(baseline: Float, live: Float, first: int) -> Float:
    so_far = np.concatenate([baseline, live])
    judged = np.arange(len(baseline) + first, len(so_far))
    worse_KN = so_far >= so_far[judged, None]
    p_K = np.full(len(live), np.nan)
    p_K[first:] = np.tril(worse_KN, judged[0] if len(judged) else 0).sum(axis=1) / (judged + 1)
    return p_K


def _mixture(baseline: Float, live: Float, first: int) -> Float:
    """log of the evidence after each of these values: the weighted mean of all tests."""
    logs_K: list[Float] = []
    asleep = 1.0
    for start in range(first, len(live), WAKE_EVERY):
        stake = asleep / MEAN_WAIT if logs_K else FIRST_SHARE
        asleep -= stake
        good, later = np.concatenate([baseline, live[:start]]), live[start:]
        logs_K.append(math.log(stake) + np.concatenate([np.zeros(start), _test(good, later)]))
    logs_K.append(np.full(len(live), math.log(asleep)))
    return _log_sum(np.array(logs_K))


def _test(good: Float, later: Float) -> Float:
    """log of the evidence that these later values are worse than the good ones: mean over powers.

    The stake uses the rank that ties make less extreme, the sum the other: at every step no more
    than with ties broken at random, which would be fair.
    """
    n, good = len(good), np.sort(good)
    rank_K = 1 + n - np.searchsorted(good, later, side="left")  # 1 + those at least as bad
    least_K = 1 + n - np.searchsorted(good, later, side="right")  # 1 + those worse
    stakes_SR, logs_SR = _stakes(n + 1)
    sums_SK = np.cumsum(stakes_SR[:, least_K - 1], axis=1) - stakes_SR[:, least_K - 1]
    sums_SK += stakes_SR.sum(axis=1, keepdims=True)
    steps_SK = logs_SR[:, rank_K - 1] + np.log((n + 1 + np.arange(len(later))) / sums_SK)
    return _log_sum(np.cumsum(steps_SK, axis=1)) - math.log(len(POWERS))


def _log_sum(logs_JK: Float) -> Float:
    """log of the sum over rows of what these are logs of."""
    highest_K = logs_JK.max(axis=0)
    return np.asarray(highest_K + np.log(np.exp(logs_JK - highest_K).sum(axis=0)))


@lru_cache(maxsize=1024)
def _stakes(ranks: int) -> tuple[Float, Float]:
    """What each power stakes on each rank, and its log."""
    logs_SR: Float = -np.outer(POWERS, np.log(np.arange(1, ranks + 1)))
    stakes_SR: Float = np.exp(logs_SR)
    for shared in (logs_SR, stakes_SR):
        shared.flags.writeable = False
    return stakes_SR, logs_SR
