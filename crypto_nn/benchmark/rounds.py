"""The rounds of a benchmark: each fold made ready once, each forecast made once and kept."""

import hashlib
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.forecasts import (
    Contestant,
    Forecast,
    ForecastStore,
    check_forecast,
    data_hash,
    question,
)
from crypto_nn.benchmark.parallel import Made, Task, in_processes, load_panel, shared_panel
from crypto_nn.benchmark.rows import Exam, blinded, refitted
from crypto_nn.benchmark.scores import Answers
from crypto_nn.features.panel import Panel


@dataclass(frozen=True, eq=False)
class Sitting:
    """One fold, ready to be answered: what may be seen, what came, and the data's hash."""

    exam: Exam
    blind: Panel
    answers: Answers
    k_H: tuple[float, ...]
    data: str


@dataclass(frozen=True, eq=False)
class Round:
    """Everyone and every fold of one benchmark, and the forecasts that are there already."""

    panel: Panel
    exams: tuple[Exam, ...]
    contestants: tuple[Contestant, ...]
    config: BenchmarkConfig
    workdir: Path
    window: int
    _last: "dict[int, Sitting]" = field(default_factory=dict)

    def sit(self, number: int) -> Sitting:
        """A fold made ready; the last one is remembered."""
        if number not in self._last:
            self._last.clear()
            self._last[number] = self._sitting(self.exams[number])
        return self._last[number]

    def _sitting(self, exam: Exam) -> Sitting:
        panel, k_H = self.panel, cast(tuple[float, ...], ())
        if self.config.refit_k:
            panel, k_H = refitted(panel, exam.fold, self.window)
        answers = Answers.of_fold(exam.fold.number, panel, exam.rows, exam.known)
        blind = blinded(panel, exam.fold)
        return Sitting(exam, blind, answers, k_H, data_hash(blind, exam.fold.end))

    def answer(self, task: Task) -> tuple[Forecast, bool]:
        """A contestant's forecast of a fold, and whether it was there already."""
        sitting, contestant = self.sit(task.exam), self.contestants[task.contestant]
        exam, store = sitting.exam, ForecastStore(self.workdir)
        key = question(sitting.data, exam.fold, contestant, task.seed, exam.rows)
        known = store.load(key)
        if known is not None:
            return known, True
        folder = self.workdir / "training" / hashlib.sha256(key.encode()).hexdigest()[:16]
        who = f"{contestant.name} (fold {exam.fold.number}, seed {task.seed})"
        started = time.monotonic()
        made = contestant.fit_predict(sitting.blind, exam.fold, task.seed, exam.rows, folder)
        forecast = check_forecast(made, who, len(exam.rows), len(self.panel.horizons))
        spent = {"seconds": time.monotonic() - started, "peak_memory_mb": peak_memory_mb()}
        forecast = replace(forecast, facts={**forecast.facts, **spent})
        store.save(key, forecast)
        shutil.rmtree(folder, ignore_errors=True)
        return forecast, False


def peak_memory_mb() -> float:
    """The most memory that this process ever had (MB, resident).

    Not `ru_maxrss` where Linux says better: a process begins with that of who started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def made(round_: Round, tasks: Sequence[Task]) -> Iterator[Made]:
    """Each task once its forecast is on disk."""
    workers = min(round_.config.workers, len(tasks))
    if workers < 2:
        for task in tasks:
            yield task, round_.answer(task)[1]
        return
    with shared_panel(round_.panel, round_.workdir) as folder:
        arguments = (folder, round_.exams, round_.contestants, round_.config, round_.workdir,
                     round_.window)  # fmt: skip
        yield from in_processes(_begin_worker, arguments, _work, tasks, workers)


_WORKER: "list[Round]" = []


def _begin_worker(folder: Path, *rest: Any) -> None:
    _WORKER[:] = [Round(load_panel(folder), *rest)]


def _work(task: Task) -> Made:
    return task, _WORKER[0].answer(task)[1]
