"""The controls hold where the benchmark is honest, and fail where a fault is planted in it."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crypto_nn.benchmark.controls import leaks
from crypto_nn.benchmark.controls.known_edges import JUDGE, BestRule, best_hit, measured
from crypto_nn.benchmark.controls.learners import EagerLogistic, EagerTrees, Learner
from crypto_nn.benchmark.controls.markets import cheap_market, dealt
from crypto_nn.benchmark.controls.nulls import (
    Trial,
    false_verdicts,
    honest_tests,
    judge,
    market_of,
    rejections,
)
from crypto_nn.benchmark.controls.paired import Paired, Told, ask, null_tests
from crypto_nn.benchmark.controls.planted import PLANTED
from crypto_nn.benchmark.forecasts import Forecast, Rows
from crypto_nn.benchmark.rows import permuted
from crypto_nn.features.labels import UNKNOWN
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold
from crypto_nn.metrics.significance import Interval
from crypto_nn.models.baselines import Persistence, Prior
from crypto_nn.sources.synthetic import hit_rate
from crypto_nn_tests.benchmark.worlds import world

RUNS = 16
OFTEN = JUDGE.model_copy(update={"test_stride": 10, "resamples": 200})
CHEAP = (Learner(Prior), Learner(Persistence), Learner(EagerLogistic, "model", most=500))


@cache
def told_of(number: int) -> Told:
    """What cheap contestants say of one market without an edge."""
    return ask(market_of(number)[1], CHEAP, number, config=OFTEN)


def p_values(tolds: list[Told]) -> list[Trial]:
    """Each market judged."""
    found = []
    for number, told in enumerate(tolds):
        tests = null_tests(told, number, OFTEN)
        found.append(Trial(number, {test: each.p_value for test, each in tests.items()}, {}))
    return found


def test_paired_tests_reject_as_often_as_they_say() -> None:
    """The smoke version of `crypto-nn controls`: level and uniformity over cheap markets."""
    found = rejections(p_values([told_of(number) for number in range(RUNS)]))
    control = honest_tests(found)
    assert control.passed, control.details
    rivals = {one.test.rival for one in found}
    assert rivals == {"twin", "mirror", "eager logistic"}
    assert [finding.subject for finding in control.findings] == [
        "tests against eager logistic", "tests against persistence", "tests against prior",
    ]  # fmt: skip


def test_drawing_rows_instead_of_days_is_caught() -> None:
    """A planted fault: overlapping labels taken as independent reject far too often."""
    by_row = [
        replace(told, day_R=np.arange(len(told.day_R)))
        for told in (told_of(number) for number in range(RUNS))
    ]
    found = rejections(p_values(by_row))
    assert not honest_tests(found).passed
    hour = next(one for one in found if one.test == Paired("prior", "twin", 60))
    assert hour.rejected > hour.bound


class Cheat(Learner):
    """Learns from the rows that judge it."""

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        return Forecast(self.make().fit(panel, rows).predict(panel, rows))


@pytest.mark.parametrize("shown", [True, False])
def test_test_rows_in_training_are_caught(shown: bool) -> None:
    """A planted fault: labels of the test are not blanked, and a model learns them by heart.

    With the benchmark's own blinding the same cheat learns nothing.
    """
    cheat = Cheat(EagerTrees, "model")
    how: dict[str, Any] = {"blind": lambda panel, _: panel} if shown else {}
    tolds = [ask(dealt(number), (CHEAP[0], cheat), number, **how) for number in range(6)]
    found = rejections(p_values(tolds))
    assert honest_tests(found).passed is not shown
    verdicts = false_verdicts([judge(told, number) for number, told in enumerate(tolds)])
    assert verdicts.passed is not shown


def test_no_p_value_shows_nothing_and_fails() -> None:
    """Squeezed or missing p-values are found; uniform ones pass."""
    even = (np.arange(200) + 0.5) / 200

    def control(p: NDArray[np.float64]) -> bool:
        return honest_tests(rejections([Trial(i, {Paired("b", "m", 5): x}, {})
                                        for i, x in enumerate(p)])).passed  # fmt: skip

    assert control(even)
    assert not control(even**2)
    assert not control(np.sqrt(even))
    assert not control(np.where(even < 0.9, even, np.nan))
    assert not control(np.full(200, 1.0))


@pytest.mark.parametrize("number", [0, 1])
def test_neither_side_is_better_exactly(number: int) -> None:
    """With up and down changed over in what came, every test says the opposite, to the bit."""
    told = told_of(number)
    turned = replace(told.answers, classes_RH=2 - told.answers.classes_RH)
    here = null_tests(told, 0, OFTEN)
    there = null_tests(replace(told, answers=turned), 0, OFTEN)
    for test, interval in here.items():
        assert interval.estimate != 0
        if test.rival != "twin":  # a twin's lean is only on average as good as its opposite
            assert there[test].estimate == pytest.approx(-interval.estimate, rel=1e-9, abs=1e-15)


def test_flipping_turns_whole_days() -> None:
    """Each day of labels is as it was dealt, or mirrored as a whole, for all symbols alike."""
    panel = world(edge=0.1, symbols=2)
    plain, flipped = permuted(panel, 3), permuted(panel, 3, flip=True)
    same, turned = [], []
    for symbol in panel.symbols:
        rows = panel.slice_of(symbol)
        before = plain.classes_NH[rows].reshape(-1, 1440, 3)
        after = flipped.classes_NH[rows].reshape(-1, 1440, 3)
        mirror = np.where(before == UNKNOWN, UNKNOWN, 2 - before)
        same.append((after == before).all(axis=(1, 2)))
        turned.append((after == mirror).all(axis=(1, 2)))
    np.testing.assert_array_equal(same[0], same[1])
    assert (same[0] | turned[0]).all()
    assert 0 < same[0].sum() < len(same[0])
    np.testing.assert_array_equal(np.abs(flipped.scores_NH), np.abs(plain.scores_NH))


@pytest.mark.parametrize(("edge", "horizon"), [(0.5, 15), (0.52, 5), (0.55, 15), (0.62, 60)])
def test_the_best_hit_is_that_of_the_generators_law(edge: float, horizon: int) -> None:
    """A slower answer: draw momentum and move, and count hits among moves that are not flat."""
    rng = np.random.default_rng(1)
    rho = np.sin(np.pi * (hit_rate(edge, horizon) - 0.5))
    x, own = rng.standard_normal((2, 300_000))
    move = rho * x + np.sqrt(1 - rho**2) * own
    large = np.abs(move) > np.quantile(np.abs(move), 1 / 3)
    hits = (np.sign(x) == np.sign(move))[large]
    assert best_hit(edge, horizon) == pytest.approx(hits.mean(), abs=4 * 0.5 / np.sqrt(len(hits)))


class Ahead(BestRule):
    """The best rule, one minute late in what it leaves out: it sees the next bar."""

    def _momentum(self, panel: Panel) -> NDArray[np.float64]:
        return np.roll(super()._momentum(panel), -1)


def test_a_known_edge_is_measured_and_a_bar_too_many_is_noticed() -> None:
    """The interval holds the generator's own hit rate, and not that of one who looks ahead."""
    result = measured(
        cheap_market(0.6, 1), [BestRule(0.6), Ahead(0.6, name="ahead")]
    )  # fmt: skip
    hits = {s.model: s for s in result.scores if s.horizon == 5 and s.metric == "direction_hit"
            and (s.symbol, s.fold, s.seed, s.period, s.regime) == (None,) * 5}  # fmt: skip
    due = best_hit(0.6, 5)
    assert hits["best rule"].low <= due <= hits["best rule"].high
    assert hits["best rule"].low > 0.5
    assert hits["ahead"].low > due


def test_leaks_that_inflate_are_told_from_those_that_do_not() -> None:
    """An average that looks ahead inflates, scaling by all rows does not; both are found."""
    few = {name: PLANTED[name] for name in ("centred_window", "global_robust")}
    control = leaks.planted_leaks(0, 1, few)
    assert control.passed, control
    told = {one.subject.partition(",")[0]: one.note for one in control.details}
    assert told["centred_window"].startswith("inflates")
    assert told["global_robust"].startswith("does not inflate")


UP, NOTHING = {5: Interval(0.1, 0.05, 0.15)}, {5: Interval(0.0, -0.05, 0.05)}


@pytest.mark.parametrize(
    ("leak", "honest", "passed"),
    [
        (leaks.Planted("one", UP, 3, 3, 3), leaks.Planted("honest", NOTHING, 0, 0, 3), True),
        (leaks.Planted("one", UP, 3, 2, 3), leaks.Planted("honest", NOTHING, 0, 0, 3), False),
        (leaks.Planted("one", UP, 2, 3, 3), leaks.Planted("honest", NOTHING, 0, 0, 3), False),
        (leaks.Planted("one", NOTHING, 3, 3, 3), leaks.Planted("honest", NOTHING, 0, 0, 3), False),
        (leaks.Planted("one", UP, 3, 3, 3), leaks.Planted("honest", NOTHING, 0, 1, 3), False),
    ],
    ids=["caught", "by luck", "by luck too", "nothing inflates", "cries wolf"],
)
def test_what_is_concluded(leak: leaks.Planted, honest: leaks.Planted, passed: bool) -> None:
    """Caught with every seed by both, and nobody honest is flagged; else the control fails."""
    assert leaks.control_of([leak], honest).passed is passed
