"""The benchmark: everyone learns in every fold and is judged on the same later rows."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.forecasts import (
    Contestant,
    Forecast,
    ForecastStore,
    check_forecast,
    data_hash,
    question,
)
from crypto_nn.benchmark.result import BenchmarkResult, Evidence, Provenance
from crypto_nn.benchmark.rows import Exam, blinded, exams, permuted, refitted
from crypto_nn.benchmark.scores import Answers
from crypto_nn.benchmark.summary import summarise
from crypto_nn.errors import ConfigError
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold

Float = NDArray[np.float64]


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
    num_trials: int = 1,
) -> BenchmarkResult:
    """Let every contestant learn in every fold and judge all on the same test rows.

    Whatever was forecast before under `workdir`, by the same contestant from the same data, is
    taken from there: a run that was killed loses at most the fold it was in, and a second run
    repeats nothing. Contestants never see a label that was known only after their test began.

    Args:
        panel: features and labels of all symbols over all folds.
        folds: with a test part each, as `features.splits.walk_forward` lays them out.
        contestants: models and baselines; at least one baseline, or there is no verdict.
        config: costs, seeds, test rows, intervals.
        progress: True for a bar on the terminal, or a function that is told of each forecast.
        workdir: where forecasts and unfinished trainings are kept.
        provenance: where data and code come from, for the report.
        num_trials: how many versions were ever trained, for the deflated Sharpe ratio.

    Raises:
        ConfigError: no fold, a fold without test rows, or two contestants of one name.
        ModelError: a contestant's answer is not one probability for each class.
    """
    _check_names(contestants)
    window = max((contestant.window for contestant in contestants), default=1)
    if config.permute_labels:
        panel = permuted(panel, config.bootstrap_seed)
    round_ = _Round(panel, config, ForecastStore(workdir), workdir, window)
    seeds = {c.name: config.seeds if c.seeded else config.seeds[:1] for c in contestants}
    chosen = exams(panel, folds, window, config.test_stride)
    total = len(chosen) * sum(len(of) for of in seeds.values())
    told: dict[str, dict[int, list[Forecast]]] = {
        c.name: {seed: [] for seed in seeds[c.name]} for c in contestants
    }
    answers, k_FH, done = [], [], 0
    with _listener(progress, total) as tell:
        for exam in chosen:
            sitting = round_.sit(exam)
            answers.append(sitting.answers)
            k_FH.append(sitting.k_H)
            for contestant in contestants:
                for seed in seeds[contestant.name]:
                    forecast, found = round_.ask(sitting, contestant, seed)
                    told[contestant.name][seed].append(forecast)
                    done += 1
                    tell(Step(done, total, contestant.name, exam.fold.number, seed, found))
    evidence = Evidence(
        panel=panel,
        folds=tuple(folds),
        k_FH=tuple(k_FH),
        answers=Answers.concat(answers),
        kinds={contestant.name: contestant.kind for contestant in contestants},
        forecasts=told,
    )
    return summarise(evidence, config, replace(provenance, num_trials=num_trials))


@dataclass(frozen=True, eq=False)
class _Sitting:
    """One fold, ready to be answered: what may be seen, what came, and the data's hash."""

    exam: Exam
    blind: Panel
    answers: Answers
    k_H: tuple[float, ...]
    data: str


@dataclass(frozen=True, eq=False)
class _Round:
    panel: Panel
    config: BenchmarkConfig
    store: ForecastStore
    workdir: Path
    window: int

    def sit(self, exam: Exam) -> _Sitting:
        panel, k_H = self._classified(exam)
        answers = Answers.of_fold(exam.fold.number, panel, exam.rows, exam.known)
        blind = blinded(panel, exam.fold)
        return _Sitting(exam, blind, answers, k_H, data_hash(blind, exam.fold.end))

    def _classified(self, exam: Exam) -> tuple[Panel, tuple[float, ...]]:
        if not self.config.refit_k:
            return self.panel, ()
        return refitted(self.panel, exam.fold, self.window)

    def ask(self, sitting: _Sitting, contestant: Contestant, seed: int) -> tuple[Forecast, bool]:
        """A contestant's forecast of a fold, and whether it was there already."""
        exam = sitting.exam
        key = question(sitting.data, exam.fold, contestant, seed, exam.rows)
        known = self.store.load(key)
        if known is not None:
            return known, True
        folder = self.workdir / "training" / hashlib.sha256(key.encode()).hexdigest()[:16]
        who = f"{contestant.name} (fold {exam.fold.number}, seed {seed})"
        made = contestant.fit_predict(sitting.blind, exam.fold, seed, exam.rows, folder)
        forecast = check_forecast(made, who, len(exam.rows), len(self.panel.horizons))
        self.store.save(key, forecast)
        return forecast, False


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
