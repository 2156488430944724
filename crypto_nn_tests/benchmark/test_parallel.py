"""Side by side: the same forecasts, whatever dies."""

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.contestants import baselines
from crypto_nn.benchmark.forecasts import Contestant, Forecast, Rows
from crypto_nn.benchmark.parallel import load_panel, save_panel
from crypto_nn.benchmark.walk_forward import Step, run_benchmark
from crypto_nn.errors import ModelError, TrainingError
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold
from crypto_nn_tests.benchmark.worlds import folds_of, world

QUICK = BenchmarkConfig(resamples=100)
BESIDE = QUICK.model_copy(update={"workers": 2})


@dataclass(frozen=True)
class Drawn:
    """A contestant that guesses by its seed; `trouble` is what befalls it in the second fold."""

    name: str = "drawn"
    trouble: Literal["none", "killed", "wrong"] = "none"
    validation_loss: float = 1.0
    kind: Literal["baseline", "model"] = "model"
    seeded: bool = True
    window: int = 1
    fingerprint: str = "drawn"

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        if fold.number == 1 and self.trouble == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        shape = (len(rows), len(panel.horizons), 3)
        p_RHC = np.random.default_rng((seed, fold.number)).dirichlet([5, 5, 5], shape[:2])
        if fold.number == 1 and self.trouble == "wrong":
            p_RHC = p_RHC[:-1]
        return Forecast(p_RHC, {"validation_loss": self.validation_loss})


def said(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "forecasts").iterdir()}


def test_a_panel_comes_back_as_it_was(tmp_path: Path) -> None:
    """Every array to the bit."""
    panel = world(symbols=2)
    save_panel(panel, tmp_path)
    back = load_panel(tmp_path)
    for field in fields(Panel):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(panel, field.name))


def test_two_processes_say_what_one_says(tmp_path: Path) -> None:
    """The same figures and verdicts; each forecast is told of once; the panel on disk is gone."""
    panel = world(edge=0.1)
    everyone: list[Contestant] = [*baselines(("prior", "volatility")), Drawn()]
    steps: list[Step] = []
    alone = run_benchmark(panel, folds_of(panel), everyone, QUICK, workdir=tmp_path / "alone")
    beside = run_benchmark(
        panel, folds_of(panel), everyone, BESIDE, steps.append, tmp_path / "beside"
    )
    spent = {"seconds", "peak_memory_mb"}
    rows = [
        [r for r in result.table().to_pylist() if r["metric"] not in spent]
        for result in (alone, beside)
    ]
    assert rows[0] == rows[1]
    assert [step.done for step in steps] == list(range(1, 7))
    assert not any(step.found for step in steps)
    assert not list((tmp_path / "beside").glob("panel-*"))


def test_what_was_said_before_a_worker_was_killed_is_kept(tmp_path: Path) -> None:
    """The error says what to do; the run after it asks only what is missing."""
    panel = world(edge=0.1)
    unlucky: list[Contestant] = [*baselines(("prior",)), Drawn(trouble="killed")]
    with pytest.raises(TrainingError, match="same command again"):
        run_benchmark(panel, folds_of(panel), unlucky, BESIDE, workdir=tmp_path)
    kept = said(tmp_path)
    assert kept
    steps: list[Step] = []
    lucky: list[Contestant] = [*baselines(("prior",)), Drawn()]
    run_benchmark(panel, folds_of(panel), lucky, BESIDE, steps.append, tmp_path)
    assert sum(step.found for step in steps) == len(kept)
    assert kept.items() <= said(tmp_path).items()


def test_a_mistake_in_a_worker_is_raised_here(tmp_path: Path) -> None:
    """By name of contestant and fold."""
    panel = world(edge=0.1)
    wrong: list[Contestant] = [*baselines(("prior",)), Drawn(trouble="wrong")]
    with pytest.raises(ModelError, match=r"drawn \(fold 1, seed 0\)"):
        run_benchmark(panel, folds_of(panel), wrong, BESIDE, workdir=tmp_path)


def _slow_benchmark(folder: str, started: Any) -> None:
    panel = world(edge=0.1)
    slow: list[Contestant] = [Drawn(f"drawn {n}") for n in range(40)]

    def tell(step: Step) -> None:
        started.put([child.pid for child in multiprocessing.active_children()])

    run_benchmark(panel, folds_of(panel), slow, BESIDE, tell, Path(folder))


def test_workers_end_with_who_started_them(tmp_path: Path) -> None:
    """A run killed by SIGKILL leaves no process behind, and its forecasts are found again."""
    context = multiprocessing.get_context("spawn")
    queue: Any = context.Queue()
    run = context.Process(target=_slow_benchmark, args=(str(tmp_path), queue))
    run.start()
    workers = queue.get(timeout=60)
    assert workers
    run.kill()
    run.join()
    deadline = time.monotonic() + 20
    while any(_alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_alive(pid) for pid in workers)
    assert said(tmp_path)


def _alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_finalists_are_the_best_on_validation_rows(tmp_path: Path) -> None:
    """Not those that did best in the test: further seeds go to the least validation loss."""
    panel = world(edge=0.1)
    everyone: list[Contestant] = [
        *baselines(("prior",)),
        *(Drawn(f"drawn {loss}", validation_loss=loss) for loss in (1.2, 1.0, 1.1)),
    ]
    config = QUICK.model_copy(update={"finalists": 2, "finalist_seeds": (1, 2)})
    steps: list[Step] = []
    result = run_benchmark(panel, folds_of(panel), everyone, config, steps.append, tmp_path)
    seeds = {
        name: {step.seed for step in steps if step.contestant == name}
        for name in ("drawn 1.0", "drawn 1.1", "drawn 1.2")
    }
    assert seeds == {"drawn 1.0": {0, 1, 2}, "drawn 1.1": {0, 1, 2}, "drawn 1.2": {0}}
    assert steps[-1].done == steps[-1].total == len(steps)
    assert "ensemble" in result.kinds


def test_the_ensemble_is_the_mean_of_all_networks(tmp_path: Path) -> None:
    """Three who guess: together they are less wrong than each alone, as convexity has it."""
    panel = world()
    everyone: list[Contestant] = [
        *baselines(("prior",)),
        *(Drawn(f"drawn {n}", fingerprint=str(n)) for n in range(3)),
    ]
    result = run_benchmark(panel, folds_of(panel), everyone, QUICK, workdir=tmp_path)
    losses = {
        s.model: s.value
        for s in result.scores
        if s.metric == "log_loss" and s.horizon == 5 and s.seed is None and s.fold is None
    }
    assert losses["ensemble"] <= max(v for name, v in losses.items() if name.startswith("drawn"))
    alone = QUICK.model_copy(update={"ensemble": False})
    assert (
        "ensemble"
        not in run_benchmark(panel, folds_of(panel), everyone, alone, workdir=tmp_path).kinds
    )
