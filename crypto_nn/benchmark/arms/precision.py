"""What reduced precision saves: seconds and memory of the same training steps, side by side."""

import math
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from crypto_nn.benchmark.arms.judging import student
from crypto_nn.benchmark.arms.result import Finding
from crypto_nn.metrics.significance import Interval
from crypto_nn.models import MODELS, Inputs, find_slower
from crypto_nn.training.record import Recipe

if TYPE_CHECKING:
    from crypto_nn.training.windows import LearningTask

STATUS = Path("/proc/self/status")
WARM_STEPS = 2
DUE = 2.0  # twice as fast, half the memory


@dataclass(frozen=True)
class Steps:
    """How much is measured.

    Attributes:
        steps: of training, timed together.
        rounds: how often both precisions take turns.
        presets: of the model.
    """

    steps: int = 5
    rounds: int = 4
    presets: tuple[str, ...] = ("small", "full")


@dataclass(frozen=True)
class Cost:
    """What steps of training took: seconds, and memory on top of what was there before (MB)."""

    seconds: float
    memory_mb: float


@dataclass(frozen=True)
class Job:
    """What a measuring process is told: recipe, and the shape of what it learns from."""

    recipe: Recipe
    names: tuple[str, ...]
    horizons: tuple[int, ...]
    symbols: int
    steps: int


def precision_findings(job: Job, wanted: Steps, level: float) -> tuple[Finding, ...]:
    """By how much over twice bf16 is faster and smaller than fp32, in training, by preset.

    Each measurement is a fresh process with one thread that learns from noise: what a step costs
    does not depend on what is learned. The two precisions take turns; the logarithm of the ratio
    of each round counts as one value, with Student's interval over rounds. A gain above 0 is more
    than twice, so that the claim holds only where speed and memory are both above.
    """
    found: list[Finding] = []
    for preset in wanted.presets:
        config = MODELS[job.recipe.model].presets[preset]
        speed, memory = [], []
        for number in range(wanted.rounds):
            order = ("off", "bf16") if number % 2 == 0 else ("bf16", "off")
            cost = {amp: _measured(job, replace(job.recipe, config=config), amp) for amp in order}
            speed.append(math.log(cost["off"].seconds / cost["bf16"].seconds))
            memory.append(math.log(cost["off"].memory_mb / cost["bf16"].memory_mb))
        found += [
            _finding(f"speed by that of fp32, {preset}, less {DUE:g}", speed, level),
            _finding(f"memory of fp32 by bf16's, {preset}, less {DUE:g}", memory, level),
        ]
    return tuple(found)


def _finding(measure: str, logs: Sequence[float], level: float) -> Finding:
    ratio, due = student(logs, level), student([each - math.log(DUE) for each in logs], level)
    estimate, low, high = (math.exp(b) - DUE for b in (ratio.estimate, ratio.low, ratio.high))
    gain = Interval(estimate, low, high, level, due.p_value)
    return Finding(measure, None, "bf16", "fp32", gain)


def _measured(job: Job, recipe: Recipe, amp: str) -> Cost:
    settings = {"amp": amp, "threads": 1, "processes": 1}
    train = recipe.train.model_copy(update=settings)
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(_train, replace(job, recipe=replace(recipe, train=train))).result()


def _train(job: Job) -> Cost:
    """Some steps in this process; the first ones are not counted in its time."""
    import torch

    from crypto_nn.models import build
    from crypto_nn.training.learner import Learner
    from crypto_nn.training.ranks import ALONE

    torch.set_num_threads(1)
    torch.manual_seed(0)
    config, task = job.recipe.train, _noise(job)
    model = build(job.recipe.model, job.recipe.config, task.inputs).train()
    before = _memory_mb("VmRSS")
    learner = Learner(model, task, config, ALONE)
    ends = list(torch.split(task.train_ends, config.batch_size))
    for number in range(WARM_STEPS):
        learner.step([ends[0]], number, config.learning_rate, False)
    started = time.perf_counter()
    for number in range(job.steps):
        learner.step([ends[number % len(ends)]], number, config.learning_rate, False)
    seconds = time.perf_counter() - started
    return Cost(seconds, max(1.0, _memory_mb("VmHWM") - before))


def _noise(job: Job) -> "LearningTask":
    """A task of the right shape with nothing to be learned in it."""
    import torch

    from crypto_nn.training.windows import LearningTask, WindowTensors

    config, model = job.recipe.train, job.recipe.config
    horizons = len(job.horizons)
    inputs = Inputs(
        len(job.names), horizons, job.symbols, config.window, find_slower(model.slower, job.names)
    )
    rows = inputs.reach + 2 * config.batch_size
    windows = WindowTensors(
        torch.randn(rows, len(job.names)),
        torch.arange(rows) * 60_000_000,
        torch.zeros(rows, dtype=torch.int64),
        inputs,
    )
    ends = torch.arange(inputs.reach, rows)
    return LearningTask(
        windows,
        torch.randint(0, 3, (rows, horizons)),
        torch.randn(rows, horizons),
        1e-3 * torch.randn(rows, horizons),
        torch.full((rows,), 1e-3),
        windows.t_N + 3_600_000_000,
        ends,
        ends,
        job.horizons,
    )


def _memory_mb(what: str) -> float:
    """Resident memory of this process in MB: VmRSS now, VmHWM at most; NaN where not on Linux.

    Not `ru_maxrss`: a process that was just started takes over that of its parent.
    """
    if not STATUS.exists():
        return math.nan
    for line in STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == what:
            return float(value.split()[0]) / 1024
    return math.nan
