"""An arm that helps is found, one that changes nothing is not, and no figure is made up."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crypto_nn.benchmark.arms.judging import Told as Heard
from crypto_nn.benchmark.arms.judging import gain, judge, recall_finding, student
from crypto_nn.benchmark.arms.learning import Comparison, Learning, Side
from crypto_nn.benchmark.arms.recall import EXPECTED, SAME, shares
from crypto_nn.benchmark.arms.result import told
from crypto_nn.benchmark.arms.run import ask
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.day_sums import LOSS, ROWS, WIDTH, ece, log_loss
from crypto_nn.benchmark.forecasts import Forecast, Rows
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold
from crypto_nn.metrics.calibration import soften
from crypto_nn.metrics.significance import Interval, paired_day_block_bootstrap
from crypto_nn_tests.benchmark.worlds import PRIOR, SIGNAL, Told, folds_of, world

QUICK = BenchmarkConfig(resamples=200, test_stride=7)
BLIND = Told("blind", "nothing")
SEES, SEES_NOT = Side("sees", ("signal",)), Side("blind", ("blind",))


def learning(*comparisons: Comparison) -> Learning:
    return Learning("key", "claim", "asked", comparisons)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """A market with an edge, one who sees it, one who does not, and one who hardly differs."""
    panel = world(edge=0.15)
    third = Told("third", "signal", seeded=True)
    folder = tmp_path_factory.mktemp("arms")
    config = QUICK.model_copy(update={"seeds": (0, 1)})
    return ask(panel, folds_of(panel), [PRIOR, SIGNAL, BLIND, third], config, folder)


def test_an_arm_that_helps_holds_and_its_reverse_does_not(heard: Heard) -> None:
    """Where one arm sees the signal and the other nothing, the verdict is certain, both ways."""
    ahead = judge(learning(Comparison(SEES, SEES_NOT)), heard)
    behind = judge(learning(Comparison(SEES_NOT, SEES)), heard)
    for horizon in (None, 5, 15):
        assert ahead.verdict(horizon) == "holds"
        assert behind.verdict(horizon) == "does not hold"
        (finding,) = ahead.at(horizon)
        assert finding.gain.p_value < 0.05


def test_an_arm_that_does_nothing_cannot_be_told(heard: Heard) -> None:
    """Two who know the class shares alone differ in nothing."""
    told_ = judge(learning(Comparison(SEES_NOT, Side("prior", ("prior",)))), heard)
    assert {told_.verdict(h) for h in (None, 5, 15, 60)} == {"cannot be told"}


def test_a_claim_of_two_comparisons_needs_both(heard: Heard) -> None:
    """Better than one and equal to another is not shown; what only stands beside counts not."""
    tie = Comparison(SEES, SEES)
    answer = judge(learning(Comparison(SEES, SEES_NOT), tie), heard)
    assert answer.verdict() == "cannot be told"
    beside = replace(tie, decides=False)
    assert judge(learning(Comparison(SEES, SEES_NOT), beside), heard).verdict() == "holds"


def test_the_gain_is_the_difference_of_the_mean_log_losses(heard: Heard) -> None:
    """The oracle: the two log losses of all rows, subtracted, and a paired bootstrap of rows."""
    (finding,) = judge(learning(Comparison(SEES, SEES_NOT)), heard).at(5)
    rows = heard.answers.classes_RH[:, 0]
    p = {
        name: np.concatenate([f.probabilities_RHC for f in heard.forecasts[name][0]])[:, 0]
        for name in ("signal", "blind")
    }
    loss = {name: -np.log(of[np.arange(len(rows)), rows]) for name, of in p.items()}
    due = 1000 * (loss["blind"].mean() - loss["signal"].mean())
    assert finding.gain.estimate == pytest.approx(due, rel=1e-9)
    days = heard.answers.days(heard.panel)
    simple = paired_day_block_bootstrap(loss["blind"], loss["signal"], days)
    assert finding.gain.low == pytest.approx(1000 * simple.low, rel=0.2)
    assert finding.gain.high == pytest.approx(1000 * simple.high, rel=0.2)


def test_over_all_horizons_every_row_and_horizon_counts_once(heard: Heard) -> None:
    """The gain over all is the mean of those by horizon: each has the same rows."""
    findings = judge(learning(Comparison(SEES, SEES_NOT)), heard).findings
    by_horizon = [f.gain.estimate for f in findings if f.horizon is not None]
    (over_all,) = (f.gain.estimate for f in findings if f.horizon is None)
    assert over_all == pytest.approx(np.mean(by_horizon), rel=1e-9)


def test_arms_may_have_different_numbers_of_seeds() -> None:
    """Each arm's mean over its own seeds: three against one, by hand."""
    sums = np.zeros((4, 12, WIDTH))
    sums[..., ROWS] = 10
    sums[:3, :, LOSS] = np.array([1.0, 2.0, 6.0])[:, None]
    sums[3, :, LOSS] = 5.0
    found = gain(sums[:3], sums[3:], log_loss, QUICK)
    assert found.estimate == pytest.approx(0.5 - 0.3)
    assert (found.low, found.high) == pytest.approx((0.2, 0.2))
    assert gain(sums[3:], sums[:3], log_loss, QUICK).estimate == pytest.approx(-0.2)


def test_arms_that_differ_by_chance_alone_are_rarely_told_apart() -> None:
    """300 pairs of equally good arms over 60 days: no more verdicts than 5 % allow."""
    rng = np.random.default_rng(0)
    told_apart = 0
    for _ in range(300):
        sums = np.zeros((2, 60, WIDTH))
        sums[..., ROWS] = 100
        shared = rng.normal(105.0, 10.0, 60)
        sums[..., LOSS] = shared + rng.standard_t(5, (2, 60))
        found = gain(sums[:1], sums[1:], log_loss, BenchmarkConfig(resamples=200))
        told_apart += found.excludes(0.0)
    assert told_apart <= 26  # binomial, 300 at 5 %: more has a chance of 0.5 %
    assert told_apart >= 4  # and fewer one of 0.1 %: intervals that never tell prove nothing


def test_less_calibration_error_favours_an_arm(heard: Heard) -> None:
    """The gain in calibration error is the difference of the two, in points."""
    overdone = _softened(heard, "blind", 0.3)
    found = judge(learning(Comparison(SEES_NOT, Side("sure", ("sure",)), "ece")), overdone)
    assert found.verdict() == "holds"
    (finding,) = found.at(5)
    by_hand = [ece(overdone.sums(name, 0, False)[0].sum(axis=0)) for name in ("sure", "blind")]
    assert finding.gain.estimate == pytest.approx(100 * float(by_hand[0] - by_hand[1]))


def _softened(heard: Heard, name: str, temperature: float) -> Heard:
    """The same with `sure`: what `name` says, at another temperature, which its facts tell."""
    facts = {f"temperature_{h}m": temperature for h in heard.panel.horizons}
    made = [
        Forecast(
            np.stack(
                [soften(np.log(p), temperature) for p in f.probabilities_RHC.swapaxes(0, 1)], 1
            ),
            facts,
        )
        for f in heard.forecasts[name][0]
    ]
    bare = {f"temperature_{h}m": 1.0 for h in heard.panel.horizons}
    plain = [Forecast(f.probabilities_RHC, bare) for f in heard.forecasts[name][0]]
    return replace(heard, forecasts={**heard.forecasts, "sure": {0: made}, name: {0: plain}})


def test_before_its_temperature_an_answer_is_what_it_was(heard: Heard) -> None:
    """Undoing a known temperature gives the first probabilities back; without one, nothing."""
    sure = _softened(heard, "signal", 0.5)
    for column in range(3):
        undone = sure.sums("sure", column, True)
        np.testing.assert_allclose(undone, heard.sums("signal", column, False), atol=1e-6)
    raw = Comparison(SEES, SEES_NOT, "raw_ece")
    assert judge(learning(raw), heard).verdict() == "not measured"


@pytest.mark.parametrize(
    ("gains", "due"),
    [
        ([], "not measured"),
        ([(0.1, 0.2)], "holds"),
        ([(0.1, 0.2), (0.0, 0.2)], "cannot be told"),
        ([(0.1, 0.2), (-0.3, -0.1)], "does not hold"),
        ([(math.nan, math.nan)], "cannot be told"),
        ([(0.1, 0.2), (math.nan, math.nan)], "cannot be told"),
    ],
)
def test_the_words_follow_from_the_intervals(gains: list[tuple[float, float]], due: str) -> None:
    """Every interval above 0; one below 0; all else."""
    assert told(Interval((a + b) / 2, a, b) for a, b in gains) == due


def test_students_interval_is_that_of_the_book() -> None:
    """Scipy's one-sample test gives the same; two values, or equal ones, give no interval."""
    from scipy.stats import ttest_1samp

    values = [1.0, 2.0, 4.0, 4.5]
    theirs = ttest_1samp(values, 0.0)
    ours = student(values, 0.95)
    bounds = theirs.confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((bounds.low, bounds.high))
    assert ours.p_value == pytest.approx(theirs.pvalue)
    assert math.isnan(student([1.0, 2.0], 0.95).low)
    assert math.isnan(student([1.0, 1.0, 1.0], 0.95).low)


def test_recall_is_measured_against_what_memory_holds() -> None:
    """Six calm and two wild episodes; a calm window recalls three calm, one wild: 0.75 = chance."""
    memory = np.array([0, 0, 0, 0, 0, 0, 2, 2])
    recalled = np.array([[0, 0, 0, 2, -1]])
    even = np.full((1, 5), 0.2)
    assert shares(np.array([0]), recalled, even, memory) == pytest.approx((0.75, 0.75))
    assert shares(np.array([2]), recalled, even, memory) == pytest.approx((0.25, 0.25))
    sure = np.array([[0.0, 0.0, 0.0, 0.9, 0.1]])
    assert shares(np.array([2]), recalled, sure, memory) == pytest.approx((1.0, 0.25))
    assert all(math.isnan(v) for v in shares(np.array([-1]), recalled, even, memory))


class Recalling(Told):
    """Tells that it recalls its own regime more often than chance would."""

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        made = super().fit_predict(panel, fold, seed, rows, folder)
        return Forecast(made.probabilities_RHC, {SAME: 0.5 + 0.1 * fold.number, EXPECTED: 0.3})


def test_recall_is_told_in_points_above_chance(tmp_path: Path) -> None:
    """The mean over folds; two folds are too few for an interval."""
    panel = world(edge=0.1)
    heard = ask(panel, folds_of(panel), [Recalling("recalling")], QUICK, tmp_path)
    found = recall_finding("recalling", heard)
    assert found is not None
    assert found.gain.estimate == pytest.approx(25.0)
    assert math.isnan(found.gain.low)
    plain = ask(panel, folds_of(panel), [SIGNAL], QUICK, tmp_path)
    assert recall_finding("signal", plain) is None
