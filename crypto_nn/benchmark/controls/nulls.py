"""Many markets in which nothing can be known: how often is something found all the same?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.controls.control import Control, Finding
from crypto_nn.benchmark.controls.learners import panel_of_learners
from crypto_nn.benchmark.controls.markets import Market, dealt, zero_edge
from crypto_nn.benchmark.controls.paired import JUDGE, Paired, Told, ask, contests, null_tests
from crypto_nn.benchmark.forecasts import Contestant
from crypto_nn.benchmark.parallel import in_processes
from crypto_nn.metrics.significance import proportion_interval

MARKETS: Mapping[str, Callable[[int], Market]] = {"zero edge": zero_edge, "permuted labels": dealt}
NOMINAL = 0.05
SURE = 0.01
"""The chance that all is well and a control says it is not, over all of its tests."""
Asked = Callable[[int], Told]


@dataclass(frozen=True, eq=False)
class Trial:
    """One market, judged.

    Attributes:
        p: p-values of tests of which neither side is better.
        better: who was called better than a baseline by the benchmark's own comparison.
    """

    number: int
    p: Mapping[Paired, float]
    better: Mapping[Paired, bool]


def market_of(number: int) -> tuple[str, Market]:
    """The market of this number; the kinds take turns."""
    kind = list(MARKETS)[number % len(MARKETS)]
    return kind, MARKETS[kind](number)


def judge(told: Told, number: int) -> Trial:
    """All tests on one market."""
    p = {test: interval.p_value for test, interval in null_tests(told, number, JUDGE).items()}
    better = {test: bool(gain.low > 0) for test, gain in contests(told, JUDGE).items()}
    return Trial(number, p, better)


def trials(numbers: Sequence[int], networks: bool, workers: int) -> list[Trial]:
    """Judge these markets, several processes side by side, in the order of the numbers."""
    if workers < 2:
        _begin(networks)
        return [_trial(number) for number in numbers]
    made = in_processes(_begin, (networks,), _trial, numbers, workers)
    return sorted(made, key=lambda trial: trial.number)


_LEARNERS: list[Contestant] = []


def _begin(networks: bool) -> None:
    _LEARNERS[:] = panel_of_learners(networks)


def _trial(number: int) -> Trial:
    _, market = market_of(number)
    return judge(ask(market, _LEARNERS, number), number)


@dataclass(frozen=True, eq=False)
class Rejections:
    """One test over all markets: how often it rejected, and whether its p-values are uniform.

    Attributes:
        bound: more rejections than this are no chance.
        ks_p: of Kolmogorov's test against the uniform distribution.
    """

    test: Paired
    p_R: NDArray[np.float64]
    rejected: int
    bound: int
    ks_p: float
    needed: float

    @property
    def passed(self) -> bool:
        """Whether it rejects seldom enough, and its p-values are uniform."""
        return self.rejected <= self.bound and self.ks_p >= self.needed


def rejections(done: Sequence[Trial]) -> list[Rejections]:
    """Every test over all markets.

    A test may reject up to the binomial quantile, and its p-values may be as far from uniform, as
    leave honest tests together a chance of `SURE` to fail (Bonferroni).
    """
    from scipy.stats import binom, kstest

    tests = sorted(done[0].p)
    needed = SURE / (2 * len(tests))
    found = []
    for test in tests:
        p_R = np.array([trial.p[test] for trial in done])
        bound = int(binom.ppf(1 - needed, len(p_R), NOMINAL))
        told = not np.isnan(p_R).any()  # where there is no p-value nothing is shown
        ks_p = float(kstest(p_R, "uniform").pvalue) if told else 0.0
        found.append(Rejections(test, p_R, int((p_R < NOMINAL).sum()), bound, ks_p, needed))
    return found


def honest_tests(found: Sequence[Rejections]) -> Control:
    """The paired test against each baseline alone: level, and uniform p-values."""
    baselines = list(dict.fromkeys(each.test.baseline for each in found))
    return Control(
        "paired_tests_reject_as_often_as_they_say",
        "where neither side is better, each paired test rejects at 5 % as chance would have it",
        tuple(_summary(name, [one for one in found if one.test.baseline == name])
              for name in baselines),
        tuple(_detail(one) for one in found),
    )  # fmt: skip


def _summary(baseline: str, found: Sequence[Rejections]) -> Finding:
    """The worst of the tests against one baseline."""
    worst = max(found, key=lambda one: one.rejected)
    odd = min(found, key=lambda one: one.ks_p)
    share = _share(worst.rejected, len(worst.p_R))
    return Finding(
        f"tests against {baseline}",
        f"at most {worst.bound} of {len(worst.p_R)}, uniform",
        *share,
        all(one.passed for one in found),
        f"worst of {len(found)} tests ({worst.test.rival}, {worst.test.horizon}m): "
        f"{worst.rejected}; least p of uniformity {odd.ks_p:.3g}, due {odd.needed:.1g}",
    )


def _detail(one: Rejections) -> Finding:
    share = _share(one.rejected, len(one.p_R))
    due = f"at most {one.bound} of {len(one.p_R)}, uniform"
    return Finding(str(one.test), due, *share, one.passed, f"p of uniformity {one.ks_p:.3g}")


def false_verdicts(done: Sequence[Trial]) -> Control:
    """How often a model was called better than every baseline where no direction can be known.

    A verdict rests on one side of 95 % intervals: each alone says "better" in 2.5 % of markets
    where it is not.
    """
    from scipy.stats import binom

    pairs = sorted({(test.rival, test.horizon) for test in done[0].better})
    bound = int(binom.ppf(1 - SURE / len(pairs), len(done), NOMINAL / 2))
    findings = []
    for model, horizon in pairs:
        of = [test for test in done[0].better if (test.rival, test.horizon) == (model, horizon)]
        count = sum(all(trial.better[test] for test in of) for trial in done)
        findings.append(
            Finding(
                f"{model} better than every baseline, {horizon}m",
                f"at most {bound} of {len(done)}",
                *_share(count, len(done)),
                count <= bound,
            )
        )
    return Control(
        "nothing_is_better_where_nothing_can_be",
        "no model is called better than every baseline more often than by chance",
        tuple(findings),
        tuple(_claimed(done, test) for test in sorted(done[0].better)),
    )


def _claimed(done: Sequence[Trial], test: Paired) -> Finding:
    count = sum(trial.better[test] for trial in done)
    due = "told only: flat can be foretold without an edge"
    return Finding(f"{test}: called better", due, *_share(count, len(done)), True)


def _share(count: int, total: int) -> tuple[float, float, float]:
    found = proportion_interval(count / total, total)
    return found.estimate, found.low, found.high
