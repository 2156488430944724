"""The benchmark: everyone learns in every fold and is judged on the same later rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.forecasts import Contestant, Forecast
from crypto_nn.benchmark.parallel import Task
from crypto_nn.benchmark.result import BenchmarkResult, Evidence, Kind, Provenance
from crypto_nn.benchmark.rounds import Round, made
from crypto_nn.benchmark.rows import exams, permuted
from crypto_nn.benchmark.scores import Answers
from crypto_nn.benchmark.summary import summarise
from crypto_nn.benchmark.tried import Trials
from crypto_nn.benchmark.verdict import BLEND
from crypto_nn.errors import ConfigError
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold

Float = NDArray[np.float64]
ENSEMBLE = "ensemble"
BLENDED = ("logistic", "lightgbm")
Told = dict[str, dict[int, list[Forecast]]]
"""Forecasts by contestant and seed, one for each fold."""


@dataclass(frozen=True)
class Step:
    """One forecast made, or found where an earlier run had left it."""

    done: int
    total: int
    contestant: str
    fold: int
    seed: int
    found: bool


Listener = Callable[[Step], None]
NO_PROVENANCE = Provenance()


def run_benchmark(
    panel: Panel,
    folds: Sequence[Fold],
    contestants: Sequence[Contestant],
    config: BenchmarkConfig,
    progress: bool | Listener = False,
    workdir: Path = Path("data/work/benchmark"),
    provenance: Provenance = NO_PROVENANCE,
    trials: Trials = Trials(),  # noqa: B008 - a frozen record
) -> BenchmarkResult:
    """Let every contestant learn in every fold and judge all on the same test rows.

    Whatever was forecast before under `workdir`, by the same contestant from the same data, is
    taken from there: a run that was killed loses at most the folds it was in, one for each worker,
    and a second run repeats nothing. Contestants never see a label that was known only after their
    test began. Finalists, which are trained with more seeds, are those with the least validation
    loss; of a later fold, validation rows are test rows of the one before.
    Means of answers stand beside those who gave them: `ensemble` of all networks, and the baseline
    `blend` of logistic regression and trees.

    Args:
        panel: features and labels of all symbols over all folds.
        folds: with a test part each, as `features.splits.walk_forward` lays them out.
        contestants: models and baselines; at least one baseline, or there is no verdict.
        config: costs, seeds, test rows, intervals, workers.
        progress: True for a bar on the terminal, or a function that is told of each forecast.
        workdir: where forecasts and unfinished trainings are kept.
        provenance: where data and code come from, for the report.
        trials: everything that was ever tried, for the deflated Sharpe ratio.

    Raises:
        ConfigError: no fold, a fold without test rows, or two contestants of one name.
        ModelError: a contestant's answer is not one probability for each class.
        TrainingError: a worker died.
    """
    _check_names(contestants)
    window = max((contestant.window for contestant in contestants), default=1)
    if config.permute_labels:
        panel = permuted(panel, config.bootstrap_seed)
    chosen = exams(panel, folds, window, config.test_stride)
    round_ = Round(panel, chosen, tuple(contestants), config, workdir, window)
    seeds = {c.name: config.seeds if c.seeded else config.seeds[:1] for c in contestants}
    further = tuple(seed for seed in config.finalist_seeds if seed not in config.seeds)
    extra = min(config.finalists, len(_networks(contestants))) * len(further)
    total = len(chosen) * (sum(len(of) for of in seeds.values()) + extra)
    with _listener(progress, total) as tell:
        told = _asked(round_, seeds, tell, 0, total)
        more = dict.fromkeys(_best(contestants, told, config.finalists), further)
        done = len(chosen) * sum(len(of) for of in seeds.values())
        for name, of in _asked(round_, more, tell, done, total).items():
            told[name] |= of
    kinds: dict[str, Kind] = {contestant.name: contestant.kind for contestant in contestants}
    networks = [contestant.name for contestant in _networks(contestants)]
    kinds |= _add_means(told, networks if config.ensemble else [], config.seeds)
    answers, k_FH = [], []
    for number in range(len(chosen)):
        sitting = round_.sit(number)
        answers.append(sitting.answers)
        k_FH.append(sitting.k_H)
    evidence = Evidence(
        panel=panel,
        folds=tuple(folds),
        k_FH=tuple(k_FH),
        answers=Answers.concat(answers),
        kinds=kinds,
        forecasts=told,
    )
    return summarise(evidence, config, replace(provenance, **_spent(told)), trials)


def _spent(told: Told) -> dict[str, Any]:
    """Hours and memory that the forecasts took, whichever run made them."""
    facts = [f.facts for of in told.values() for fold in of.values() for f in fold]
    seconds = sum(each.get("seconds", 0.0) for each in facts)
    memory = max((each.get("peak_memory_mb", 0.0) for each in facts), default=0.0)
    return {"hours": seconds / 3600, "peak_memory_mb": memory or None}


def _networks(contestants: Sequence[Contestant]) -> list[Contestant]:
    return [c for c in contestants if c.kind == "model" and c.seeded]


def _best(contestants: Sequence[Contestant], told: Told, count: int) -> list[str]:
    """The networks with the least mean validation loss over folds and seeds."""

    def loss(name: str) -> float:
        each = [f.facts.get("validation_loss", np.inf) for of in told[name].values() for f in of]
        return float(np.mean(each))

    names = [contestant.name for contestant in _networks(contestants)]
    return sorted(names, key=lambda name: (loss(name), name))[:count]


def _add_means(told: Told, networks: Sequence[str], seeds: Sequence[int]) -> dict[str, Kind]:
    """Put the means of several contestants' answers beside theirs; returns what they are."""
    kinds: dict[str, Kind] = {}
    if len(networks) > 1:
        told[ENSEMBLE] = {seed: _mean([told[name][seed] for name in networks]) for seed in seeds}
        kinds[ENSEMBLE] = "model"
    if all(name in told for name in BLENDED):
        told[BLEND] = {seeds[0]: _mean([told[name][seeds[0]] for name in BLENDED])}
        kinds[BLEND] = "baseline"
    return kinds


def _mean(forecasts: Sequence[Sequence[Forecast]]) -> list[Forecast]:
    """The mean of several contestants' probabilities, fold by fold."""
    return [
        Forecast(
            np.mean([forecast.probabilities_RHC for forecast in of_fold], axis=0),
            {"parameters": weights} if (weights := _weights(of_fold)) else {},
        )
        for of_fold in zip(*forecasts)
    ]


def _weights(forecasts: Sequence[Forecast]) -> float:
    return sum(forecast.facts.get("parameters", 0.0) for forecast in forecasts)


def _asked(
    round_: Round, seeds: Mapping[str, Sequence[int]], tell: Listener, before: int, total: int
) -> Told:
    """The forecasts of these contestants with these seeds, in every fold."""
    names = [contestant.name for contestant in round_.contestants]
    tasks = [
        Task(exam, names.index(name), seed)
        for exam in range(len(round_.exams))
        for name, of in seeds.items()
        for seed in of
    ]
    for done, (task, found) in enumerate(made(round_, tasks), start=before + 1):
        fold = round_.exams[task.exam].fold.number
        tell(Step(done, total, names[task.contestant], fold, task.seed, found))
    told: Told = {name: {seed: [] for seed in of} for name, of in seeds.items()}
    for task in tasks:
        told[names[task.contestant]][task.seed].append(round_.answer(task)[0])
    return told


def _check_names(contestants: Sequence[Contestant]) -> None:
    names = [contestant.name for contestant in contestants]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise ConfigError(
            f"Contestants are {', '.join(names) or 'none'}; each name must be there once. "
            "Give every contestant a name of its own in benchmark.models."
        )


@contextmanager
def _listener(progress: bool | Listener, total: int) -> Iterator[Listener]:
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda _: None
    else:
        from tqdm import tqdm

        with tqdm(total=total, unit="forecast", dynamic_ncols=True) as bar:

            def draw(step: Step) -> None:
                bar.set_description_str(f"{step.contestant}, fold {step.fold}", refresh=False)
                bar.update(step.done - bar.n)

            yield draw
