"""Arms differ in what they say they do, are kept like forecasts, and end in one small file."""

import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from crypto_nn.benchmark.arms.contestants import (
    NarrowContestant,
    RecallingContestant,
    SeparateContestant,
    only_horizon,
    with_features,
)
from crypto_nn.benchmark.arms.precision import Job, _noise, _train
from crypto_nn.benchmark.arms.recall import EXPECTED, SAME, regimes
from crypto_nn.benchmark.arms.report import arms_blocks, forest_drawing, learnings_markdown
from crypto_nn.benchmark.arms.result import ArmsResult
from crypto_nn.benchmark.arms.run import ArmsScope, run_arms
from crypto_nn.benchmark.arms.stated import ARMS, CLAIMS, plain, stated
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.contestants import NetworkContestant
from crypto_nn.benchmark.importance import ImportanceConfig
from crypto_nn.benchmark.rows import exams
from crypto_nn.benchmark.walk_forward import Step
from crypto_nn.errors import BenchmarkError, ConfigError
from crypto_nn.features import default_feature_set
from crypto_nn.models import LSTMConfig
from crypto_nn.models.configs.memory import EpisodicConfig
from crypto_nn.pictures.document import Document
from crypto_nn.pictures.document_html import to_html
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.record import Recipe
from crypto_nn_tests.benchmark.worlds import folds_of, world

TINY = LSTMConfig(width=4, hidden=4, layers=1, attention=2, head=4, dropout=0.0)
MEMORY = EpisodicConfig(
    width=4, hidden=4, layers=1, attention=2, head=4, dropout=0.0,
    episodes=64, neighbours=4, segments=2, key=4,
)  # fmt: skip
TRAIN = TrainConfig(window=8, max_epochs=1, max_windows=256, max_validation_windows=256, threads=1)
BASE = Recipe("LSTMPricePredictor", TINY, TRAIN)
QUICK = BenchmarkConfig(resamples=100, test_stride=30, min_days=2)
SCOPE = ArmsScope(
    keys=("backbone", "smoothing", "timeframes", "drift"),
    importance=ImportanceConfig(stride=60, repeats=1),
    leaning=(),
    steps=None,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[ArmsResult, list[Step], Path]:
    """Three learnings of a tiny network in one fold."""
    panel, steps = world(edge=0.15), list[Step]()
    folder = tmp_path_factory.mktemp("arms")
    (fold,) = folds_of(panel)[:1]
    result = run_arms(panel, [fold], BASE, QUICK, folder, None, steps.append, SCOPE)
    return result, steps, folder


def test_every_claim_has_its_answer(made: tuple[ArmsResult, list[Step], Path]) -> None:
    """The chosen ones in order, each with what was measured, or the page that has it."""
    result, steps, _ = made
    assert [answer.claim for answer in result.answers] == [CLAIMS[key] for key in SCOPE.keys]
    backbone, smoothing, timeframes, drift = result.answers
    assert {f.horizon for f in backbone.findings} == {None, 5, 15, 60}
    assert next(f.decides for f in smoothing.findings if f.horizon is None)
    assert drift.verdict() == "measured elsewhere"
    assert drift.findings == ()
    assert timeframes.findings == ()  # two columns in one group: no ranks to compare
    assert {step.contestant for step in steps if step.total == 3} == {
        "LSTMPricePredictor:own",
        "separate models",
        "smoothing 0.1",
    }


def test_the_plain_arm_learns_once_for_all(made: tuple[ArmsResult, list[Step], Path]) -> None:
    """A second run finds every forecast and every importance, and answers alike."""
    first, _, folder = made
    panel = world(edge=0.15)
    steps: list[Step] = []
    again = run_arms(panel, folds_of(panel)[:1], BASE, QUICK, folder, 1, steps.append, SCOPE)
    assert all(step.found for step in steps)
    assert len(steps) == 3 + 1
    assert again.to_bytes() == first.to_bytes()


def test_a_result_goes_into_one_file_and_comes_back(
    made: tuple[ArmsResult, list[Step], Path],
) -> None:
    """The same bytes each time, NaN and all; other bytes are refused with what to do."""
    result, _, _ = made
    raw = result.to_bytes()
    back = ArmsResult.from_bytes(raw)
    assert back.to_bytes() == raw
    for name in ("facts", "seconds", "horizons"):
        assert getattr(back, name) == getattr(result, name)
    assert [a.verdict(h) for a in back.answers for h in (None, 5, 15, 60)] == [
        a.verdict(h) for a in result.answers for h in (None, 5, 15, 60)
    ]
    unknown = replace(result.answers[0].findings[0].gain, low=math.nan)
    finding = replace(result.answers[0].findings[0], gain=unknown)
    holed = replace(result, answers=(replace(result.answers[0], findings=(finding,)),))
    assert math.isnan(ArmsResult.from_bytes(holed.to_bytes()).answers[0].findings[0].gain.low)
    with pytest.raises(BenchmarkError, match="no result of arms"):
        ArmsResult.from_bytes(b"PK")
    with pytest.raises(BenchmarkError, match="format 9"):
        ArmsResult.from_bytes(replace(result, format=9).to_bytes())


def test_the_page_says_what_the_file_says(made: tuple[ArmsResult, list[Step], Path]) -> None:
    """Report and Markdown have every claim, verdict and figure; a reloaded result the same."""
    result, _, _ = made
    page = learnings_markdown(result)
    assert learnings_markdown(ArmsResult.from_bytes(result.to_bytes())) == page
    for answer in result.answers:
        assert f"| {answer.claim} | {answer.verdict()} |" in page
    assert "docs/drift.md" in page
    assert "images/learnings.png" in page
    html = to_html(Document("t", "s", arms_blocks(result)))
    assert all(answer.claim in html for answer in result.answers)
    picture = forest_drawing(result).picture.svg()
    assert "separate models" in picture
    assert forest_drawing(result).picture.svg() == picture


def test_all_eleven_learnings_are_asked() -> None:
    """Each claim has arms of its own, or a page; every arm changes something."""
    panel = world(edge=0.1)
    names = default_feature_set().names
    wide = replace(panel, names=names, x_NF=np.zeros((len(panel), len(names)), np.float32))
    asked = stated(BASE, wide)
    assert [learning.key for learning in asked.learnings] == list(ARMS)
    assert len(ARMS) == 11
    assert all(learning.comparisons or learning.elsewhere for learning in asked.learnings)
    there = {contestant.name: contestant.fingerprint for contestant in asked.contestants}
    assert {name for learning in asked.learnings for name in learning.names} == set(there)
    assert len(set(there.values())) == len(there)
    small = replace(BASE, config=LSTMConfig.model_validate(_small()))
    assert plain(small) == "LSTMPricePredictor:small"
    with pytest.raises(ConfigError, match="there are hybrids"):
        stated(BASE, panel, ("magic",))


def _small() -> dict[str, object]:
    from crypto_nn.models import MODELS

    return dict(MODELS["LSTMPricePredictor"].presets["small"].model_dump())


def test_models_that_need_slower_bars_are_left_out_without_them() -> None:
    """The mean of hybrids is of those that the features allow."""
    (hybrids,) = stated(BASE, world(edge=0.1), ("hybrids",)).learnings
    assert not any("MultiScale" in name for name in hybrids.names)
    assert any("AdaptiveHybrid" in name for name in hybrids.names)


def test_fewer_features_are_fewer_columns_and_nothing_else() -> None:
    """The order of the panel stays; unknown names are refused."""
    panel = world(edge=0.1)
    narrow = with_features(panel, ("noise",))
    assert narrow.names == ("noise",)
    np.testing.assert_array_equal(narrow.x_NF[:, 0], panel.x_NF[:, 1])
    for field in fields(panel):
        if field.name not in ("names", "x_NF"):
            assert getattr(narrow, field.name) is getattr(panel, field.name)
    with pytest.raises(ConfigError, match="asks for magic"):
        with_features(panel, ("magic",))


def test_an_arm_without_the_signal_sees_nothing_of_it(tmp_path: Path) -> None:
    """Change the hidden column: not a bit of the narrow arm's answers changes."""
    panel = world(edge=0.1)
    (fold,) = folds_of(panel)[:1]
    rows = exams(panel, [fold], 8, 240)[0].rows
    altered = panel.x_NF.copy()
    altered[:, 0] = 7.0
    arm = NarrowContestant("noise alone", BASE, ("noise",))
    one, other = (
        arm.fit_predict(market, fold, 0, rows, tmp_path / name).probabilities_RHC
        for name, market in (("one", panel), ("other", replace(panel, x_NF=altered)))
    )
    np.testing.assert_array_equal(one, other)
    assert arm.fingerprint != replace(arm, features=("signal",)).fingerprint


def test_separate_models_know_nothing_of_other_horizons(tmp_path: Path) -> None:
    """Each horizon's answer is that of a network which has only that horizon's labels."""
    panel = world(edge=0.1)
    (fold,) = folds_of(panel)[:1]
    rows = exams(panel, [fold], 8, 240)[0].rows
    made_ = SeparateContestant("separate", BASE).fit_predict(panel, fold, 0, rows, tmp_path / "all")
    alone = NetworkContestant("alone", BASE)
    own = alone.fit_predict(only_horizon(panel, 15), fold, 0, rows, tmp_path / "15")
    np.testing.assert_array_equal(made_.probabilities_RHC[:, 1], own.probabilities_RHC[:, 0])
    assert made_.probabilities_RHC.shape == (len(rows), 3, 3)


def test_a_memory_that_is_looked_into_answers_as_any_other(tmp_path: Path) -> None:
    """The same bits as the plain contestant's, with two shares beside, both of them shares."""
    panel = world(edge=0.1)
    (fold,) = folds_of(panel)[:1]
    rows = exams(panel, [fold], 8, 240)[0].rows
    recipe = Recipe("EpisodicMemoryNetwork", MEMORY, TRAIN)
    looked = RecallingContestant("memory", recipe).fit_predict(panel, fold, 0, rows, tmp_path / "a")
    other = NetworkContestant("memory", recipe).fit_predict(panel, fold, 0, rows, tmp_path / "b")
    np.testing.assert_array_equal(looked.probabilities_RHC, other.probabilities_RHC)
    assert 0 <= looked.facts[SAME] <= 1
    assert 0.1 < looked.facts[EXPECTED] < 0.9


def test_regimes_are_thirds_of_the_training_days() -> None:
    """A third of the training rows is calm, a third wild; σ that is not known has none."""
    panel = world(edge=0.1)
    (fold,) = folds_of(panel)[:1]
    codes = regimes(panel, fold)
    assert (codes[~np.isfinite(panel.sigma_N)] == -1).all()
    learned = fold.role("train")
    rows = (panel.ts_N >= learned.start) & (panel.ts_N < learned.end) & (codes >= 0)
    np.testing.assert_allclose(np.bincount(codes[rows]) / rows.sum(), 1 / 3, atol=0.01)


def test_steps_of_either_precision_are_measured() -> None:
    """Noise of the right shape is learned from; time and memory are above zero."""
    job = Job(BASE, ("a", "b", "c"), (5, 15), 2, 2)
    task = _noise(job)
    assert task.windows.x_NF.shape[1] == 3
    assert task.classes_NH.shape[1] == 2
    for amp in ("off", "bf16"):
        recipe = replace(BASE, train=TRAIN.model_copy(update={"amp": amp}))
        cost = _train(replace(job, recipe=recipe))
        assert cost.seconds > 0
        assert cost.memory_mb >= 1
