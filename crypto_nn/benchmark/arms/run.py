"""Every arm learns in every fold, and the stated learnings are answered from what they said."""

import platform as machine
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from crypto_nn.benchmark.arms.judging import Told, judge, recall_finding
from crypto_nn.benchmark.arms.learning import Learning
from crypto_nn.benchmark.arms.precision import Job, Steps, precision_findings
from crypto_nn.benchmark.arms.result import Answer, ArmsResult, Finding, span
from crypto_nn.benchmark.arms.stated import ARMS, plain, stated
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.contestants import BaselineContestant, NetworkContestant
from crypto_nn.benchmark.forecasts import Contestant, Forecast
from crypto_nn.benchmark.importance import (
    BaselineLearner,
    Importance,
    ImportanceConfig,
    Learner,
    Likeness,
    NetworkLearner,
    feature_groups,
    group_importance,
)
from crypto_nn.benchmark.parallel import Task
from crypto_nn.benchmark.rounds import Round, made
from crypto_nn.benchmark.rows import exams, permuted
from crypto_nn.benchmark.scores import Answers
from crypto_nn.benchmark.walk_forward import Listener, Step
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold
from crypto_nn.training.record import Recipe

RECALLING = "episodic memory"
LEANING = ("logistic", "lightgbm")


@dataclass(frozen=True)
class ArmsScope:
    """What is asked of the arms.

    Attributes:
        keys: short names of the learnings, as in `ARMS`.
        importance: rows and deals of feature-group importance; None leaves it out.
        leaning: baselines whose importances stand beside the network's.
        steps: what is measured of reduced precision; None leaves it out.
    """

    keys: tuple[str, ...] = ARMS
    importance: ImportanceConfig | None = field(default_factory=ImportanceConfig)
    leaning: tuple[str, ...] = LEANING
    steps: Steps | None = field(default_factory=Steps)


EVERYTHING = ArmsScope()


def run_arms(
    panel: Panel,
    folds: Sequence[Fold],
    base: Recipe,
    config: BenchmarkConfig,
    workdir: Path = Path("data/work/benchmark"),
    workers: int | None = None,
    progress: Listener | None = None,
    scope: ArmsScope = EVERYTHING,
) -> ArmsResult:
    """Put every stated learning to the test, on the same rows and days.

    Forecasts are kept as those of the benchmark are, in the same place: a killed run goes on,
    and library models that the benchmark has trained on the same panel are found.

    Args:
        panel: features and labels of all symbols over all folds.
        folds: with a test part each.
        base: how the small LSTM learns; each arm changes one thing of it.
        config: seeds, test rows, intervals; workers where not given.
        workers: processes side by side.
        progress: is told of each forecast, and of each fold of the importances.
        scope: fewer learnings, or less beside them.

    Raises:
        ConfigError: no fold, a fold without test rows, or an unknown learning.
        TrainingError: a worker died.
    """
    changes = {} if workers is None else {"workers": workers}
    config = config.model_copy(update=changes)
    base = base.from_nothing()
    asked = stated(base, panel, scope.keys)
    told = ask(panel, folds, asked.contestants, config, workdir, progress)
    importances, likeness = _leanings(panel, folds, base, config, workdir, scope, progress)
    more = {
        "memory": tuple(_recalls(told)),
        "timeframes": tuple(_gaps(likeness, plain(base))),
    }
    if "amp" in scope.keys and scope.steps is not None:
        job = Job(base, panel.names, panel.horizons, len(panel.symbols), scope.steps.steps)
        more["amp"] = precision_findings(job, scope.steps, config.level)
    return ArmsResult(
        answers=answer(asked.learnings, told, more),
        importances=importances,
        likeness=likeness,
        facts=_facts(told, folds, base),
        seconds=_seconds(told),
        horizons=panel.horizons,
    )


def ask(
    panel: Panel,
    folds: Sequence[Fold],
    contestants: Sequence[Contestant],
    config: BenchmarkConfig,
    workdir: Path,
    progress: Listener | None = None,
) -> Told:
    """What everyone says of the same test rows; found where it was said before."""
    window = max((contestant.window for contestant in contestants), default=1)
    if config.permute_labels:
        panel = permuted(panel, config.bootstrap_seed)
    round_ = Round(
        panel, exams(panel, folds, window, config.test_stride), tuple(contestants), config,
        workdir, window,
    )  # fmt: skip
    seeds = [config.seeds if each.seeded else config.seeds[:1] for each in contestants]
    tasks = [
        Task(exam, number, seed)
        for exam in range(len(folds))
        for number in range(len(contestants))
        for seed in seeds[number]
    ]
    for done, (task, found) in enumerate(made(round_, tasks), start=1):
        name, fold = contestants[task.contestant].name, folds[task.exam].number
        if progress is not None:
            progress(Step(done, len(tasks), name, fold, task.seed, found))
    forecasts: dict[str, dict[int, list[Forecast]]] = {
        each.name: {seed: [] for seed in of} for each, of in zip(contestants, seeds)
    }
    for task in tasks:
        kept = forecasts[contestants[task.contestant].name]
        kept[task.seed].append(round_.answer(task)[0])
    answers = [round_.sit(number).answers for number in range(len(folds))]
    return Told(panel, Answers.concat(answers), forecasts, config)


def answer(
    learnings: Sequence[Learning],
    told: Told,
    more: Mapping[str, tuple[Finding, ...]] | None = None,
) -> tuple[Answer, ...]:
    """Each learning's findings, with those of `more` that were measured in another way."""
    extra = more or {}
    judged = [judge(each, told) for each in learnings]
    return tuple(replace(a, findings=(*a.findings, *extra.get(a.key, ()))) for a in judged)


def _recalls(told: Told) -> Iterator[Finding]:
    if RECALLING in told.forecasts:
        found = recall_finding(RECALLING, told)
        if found is not None:
            yield found


def _gaps(likeness: Sequence[Likeness], model: str) -> Iterator[Finding]:
    """By model, how much less alike horizons are than noise would make them, over all pairs."""
    last = {each.model: each for each in likeness}
    for each in last.values():
        yield Finding(
            "rank correlation lost between horizons",
            None,
            each.model,
            "noise alone",
            each.gap,
            decides=each.model == model,
        )


def _leanings(
    panel: Panel,
    folds: Sequence[Fold],
    base: Recipe,
    config: BenchmarkConfig,
    workdir: Path,
    scope: ArmsScope,
    progress: Listener | None,
) -> tuple[tuple[Importance, ...], tuple[Likeness, ...]]:
    if scope.importance is None or "timeframes" not in scope.keys:
        return (), ()
    learners: list[Learner] = [NetworkLearner(NetworkContestant(plain(base), base))]
    learners += [BaselineLearner(BaselineContestant(name)) for name in scope.leaning]
    groups = feature_groups(panel.names)
    return group_importance(
        panel, folds, learners, groups, config, workdir, scope.importance, progress
    )


def _facts(told: Told, folds: Sequence[Fold], base: Recipe) -> dict[str, str]:
    config, train = told.config, base.train
    days = np.unique(told.answers.days(told.panel))
    return {
        "symbols": ", ".join(told.panel.symbols),
        "horizons": ", ".join(f"{h} minutes" for h in told.panel.horizons),
        "test": span(days, len(folds)),
        "test rows": f"{len(told.answers.rows):,}, one every {config.test_stride} minutes",
        "plain arm": f"{plain(base)}, window {train.window}, up to {train.max_epochs} epochs of "
        f"{train.max_windows:,} windows, learning rate {train.learning_rate:g}",
        "seeds": ", ".join(map(str, config.seeds)),
        "intervals": f"{100 * config.level:g} %, {config.resamples:,} draws of whole days",
        "machine": f"{machine.machine()}, {machine.system()}, CPU",
    }


def _seconds(told: Told) -> dict[str, float]:
    def mean(by_seed: Mapping[int, Sequence[Forecast]]) -> float:
        each = [f.facts.get("seconds", np.nan) for of in by_seed.values() for f in of]
        return round(float(np.mean(each)), 1)

    return {name: mean(by_seed) for name, by_seed in told.forecasts.items()}
