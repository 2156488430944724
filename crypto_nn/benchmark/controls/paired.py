"""Paired tests whose true answer is that neither is better, exactly.

Where labels are as likely to be up as down given the past, a forecast and its *mirror* (the
probabilities of up and down changed over) expect the same log loss, whatever was learned: the
test of one against the other must reject as often as its level says. One who says the same of
every row is its own mirror, but for a difference of no interest; its *twins* lean up and down by
the toss of a coin for each day, one always against the other.

Two different forecasters do not expect the same loss: one may tell flat from not flat, which can
be learned without an edge. They are *levelled*: from the loss of each row that moved is taken what
the forecaster would have lost on average over up and down. What is left is luck, so that the test
of a model against a baseline must reject as often as its level says, too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.controls.markets import Market
from crypto_nn.benchmark.day_sums import LOSS, day_sums
from crypto_nn.benchmark.forecasts import Contestant, check_forecast
from crypto_nn.benchmark.rows import blinded, exams, refitted
from crypto_nn.benchmark.scores import Answers
from crypto_nn.benchmark.verdict import compare
from crypto_nn.features.labels import FLAT
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold
from crypto_nn.metrics.classification import row_log_loss
from crypto_nn.metrics.significance import Interval

Float = NDArray[np.float64]
Ints = NDArray[np.int64]
Blind = Callable[[Panel, Fold], Panel]
JUDGE = BenchmarkConfig(test_stride=30, resamples=500)
LEAN = 0.1  # of a twin, in log odds


@dataclass(frozen=True, order=True)
class Paired:
    """Who was compared with which baseline at which horizon; `mirror` and `twin` are of its own."""

    baseline: str
    rival: str
    horizon: int

    def __str__(self) -> str:
        return f"{self.rival} against {self.baseline}, {self.horizon}m"


@dataclass(frozen=True, eq=False)
class Told:
    """What everyone said of the test rows of one market, and what came.

    Attributes:
        kinds: of the contestants, by name.
        said: probabilities (R, H, C) by name.
        answers: what came.
        ts_R: opens of the rows' bars.
        day_R: what is drawn together when chance is measured, from 0: the day of each row.
        horizons: minutes ahead.
    """

    kinds: Mapping[str, Literal["baseline", "model"]]
    said: Mapping[str, Float]
    answers: Answers
    ts_R: NDArray[np.datetime64]
    day_R: Ints
    horizons: tuple[int, ...]


def by_day(ts_R: NDArray[np.datetime64]) -> Ints:
    """Which UTC day each row is of, as the benchmark counts them."""
    return np.unique(ts_R.astype("datetime64[D]"), return_inverse=True)[1]


def ask(
    market: Market,
    contestants: Sequence[Contestant],
    seed: int,
    blind: Blind = blinded,
    config: BenchmarkConfig = JUDGE,
) -> Told:
    """Let everyone learn and answer, by the benchmark's own steps.

    Args:
        blind: what contestants are shown of the panel.
    """
    window = max(contestant.window for contestant in contestants)
    panel, _ = refitted(market.panel, market.fold, window)
    exam = exams(panel, [market.fold], window, config.test_stride)[0]
    shown = blind(panel, market.fold)
    said = {}
    with TemporaryDirectory() as folder:
        for one in contestants:
            made = one.fit_predict(shown, market.fold, seed, exam.rows, Path(folder) / one.name)
            checked = check_forecast(made, one.name, len(exam.rows), len(panel.horizons))
            said[one.name] = checked.probabilities_RHC
    return Told(
        {one.name: one.kind for one in contestants},
        said,
        Answers.of_fold(0, panel, exam.rows, exam.known),
        panel.ts_N[exam.rows],
        by_day(panel.ts_N[exam.rows]),
        panel.horizons,
    )


def null_tests(
    told: Told, seed: int, config: BenchmarkConfig = JUDGE
) -> dict[Paired, Interval]:  # fmt: skip
    """All tests of which it is known that neither side is better.

    Args:
        seed: of the twins' coins.
    """
    tests: dict[Paired, Interval] = {}
    day_R = by_day(told.ts_R)
    coin_R = np.random.default_rng([seed, 1]).choice([-1.0, 1.0], day_R.max() + 1)[day_R]
    for column, horizon in enumerate(told.horizons):
        for name, said_RHC in told.said.items():
            p_RC = said_RHC[:, column]
            rival, ours_RC, theirs_RC = _own(p_RC, coin_R)
            ours, theirs = (_sums(told, column, each) for each in (ours_RC, theirs_RC))
            gains = compare(rival, horizon, ours, {name: theirs}, config).gains
            tests[Paired(name, rival, horizon)] = gains[name]
        fair = {name: _sums(told, column, p[:, column], True) for name, p in told.said.items()}
        for model, gains in _contests(told, fair, horizon, config).items():
            tests |= {Paired(name, model, horizon): gain for name, gain in gains.items()}
    return tests


def contests(told: Told, config: BenchmarkConfig = JUDGE) -> dict[Paired, Interval]:
    """What the benchmark itself measures: each model against each baseline, not levelled."""
    tests: dict[Paired, Interval] = {}
    for column, horizon in enumerate(told.horizons):
        plain = {name: _sums(told, column, p[:, column]) for name, p in told.said.items()}
        for model, gains in _contests(told, plain, horizon, config).items():
            tests |= {Paired(name, model, horizon): gain for name, gain in gains.items()}
    return tests


def _contests(
    told: Told, sums: Mapping[str, Float], horizon: int, config: BenchmarkConfig
) -> dict[str, Mapping[str, Interval]]:
    panel = {name: sums[name] for name, kind in told.kinds.items() if kind == "baseline"}
    models = [name for name, kind in told.kinds.items() if kind == "model"]
    return {model: compare(model, horizon, sums[model], panel, config).gains for model in models}


def _own(p_RC: Float, coin_R: Float) -> tuple[str, Float, Float]:
    """A forecast's rival that is just as good: what it is called, the rival, and the forecast."""
    if np.ptp(p_RC, axis=0).max() > 0:
        return "mirror", mirrored(p_RC), p_RC
    return "twin", leaning(p_RC, coin_R), leaning(p_RC, -coin_R)


def mirrored(p_RC: Float) -> Float:
    """Up and down changed over."""
    return p_RC[:, ::-1]


def leaning(p_RC: Float, side_R: Float) -> Float:
    """The forecast with a little more on one side: up where `side_R` is 1, down where it is -1."""
    leaned_RC = p_RC * np.exp(LEAN * side_R[:, None] * np.array([-1.0, 0.0, 1.0]))
    told_RC: Float = leaned_RC / leaned_RC.sum(axis=1, keepdims=True)
    return told_RC


def _sums(told: Told, column: int, p_RC: Float, levelled: bool = False) -> Float:
    """Day sums of one forecast at one horizon, for one seed (1, D, K)."""
    classes_R, prior_RC = told.answers.classes_RH[:, column], told.answers.prior_RHC[:, column]
    num_days = int(told.day_R.max()) + 1
    sums_DK = day_sums(p_RC, classes_R, prior_RC, told.day_R, num_days)
    if levelled:
        level_R = _level(p_RC, classes_R)
        sums_DK[:, LOSS] -= np.bincount(told.day_R, weights=level_R, minlength=num_days)
    return sums_DK[None]


def _level(p_RC: Float, classes_R: Ints) -> Float:
    """What was to be lost in each row, by one who knows only whether it moved."""
    up_or_down: list[Any] = [np.full(len(p_RC), side) for side in (0, 2)]
    half_R: Float = np.mean([row_log_loss(p_RC, side_R) for side_R in up_or_down], axis=0)
    return np.where(classes_R == FLAT, row_log_loss(p_RC, classes_R), half_R)
