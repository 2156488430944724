"""Baselines and networks compete by the same rules."""

from pathlib import Path

import numpy as np
import pytest

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.contestants import NetworkContestant, baselines
from crypto_nn.benchmark.walk_forward import run_benchmark
from crypto_nn.models import LSTMConfig
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.record import Recipe
from crypto_nn_tests.benchmark.worlds import folds_of, world

TINY = LSTMConfig(width=4, hidden=4, layers=1, attention=2, head=4, dropout=0.0)
TRAIN = TrainConfig(window=8, max_epochs=1, max_windows=512, max_validation_windows=256, threads=1)


@pytest.mark.parametrize("contestant", baselines(), ids=lambda c: c.name)
def test_a_baseline_answers_with_probabilities(contestant: object, tmp_path: Path) -> None:
    """For every row and horizon, from what was known before the test."""
    panel = world(edge=0.1)
    config = BenchmarkConfig(resamples=100)
    (fold,) = folds_of(panel)[:1]
    result = run_benchmark(panel, [fold], [contestant], config, workdir=tmp_path)  # type: ignore[list-item]
    assert {score.horizon for score in result.scores if score.horizon} == {5, 15, 60}
    assert result.verdicts == ()


def test_a_network_is_trained_in_the_fold_once_per_seed(tmp_path: Path) -> None:
    """What it weighs and how it did while learning are reported; a second run trains nothing."""
    panel = world(edge=0.15)
    (fold,) = folds_of(panel)[:1]
    network = NetworkContestant("lstm:tiny", Recipe("LSTMPricePredictor", TINY, TRAIN))
    config = BenchmarkConfig(resamples=100, seeds=(0, 1))
    contestants = [network, *baselines(("majority",))]
    found: list[bool] = []
    first = run_benchmark(
        panel, [fold], contestants, config, lambda step: found.append(step.found), tmp_path
    )
    again = run_benchmark(
        panel, [fold], contestants, config, lambda step: found.append(step.found), tmp_path
    )
    assert found == [False] * 3 + [True] * 3
    assert again.table() == first.table()
    facts = {
        score.metric: score.value
        for score in first.scores
        if score.horizon is None and score.model == "lstm:tiny"
    }
    assert facts["parameters"] > 100
    assert 0 < facts["train_seconds"] < facts["seconds"]
    assert 0.5 < facts["validation_loss"] < 2
    per_seed = {
        score.seed: score.value
        for score in first.scores
        if (score.model, score.metric, score.horizon) == ("lstm:tiny", "log_loss_skill", 5)
    }
    assert per_seed[0] != per_seed[1]
    assert np.isfinite(list(per_seed.values())).all()
