"""Cheap objectives, and jobs that workers run with them."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crypto_nn.errors import TrainingError
from crypto_nn.tuning.config import Range
from crypto_nn.tuning.job import Job, Objective, Sitting, Values
from crypto_nn.tuning.storage import Place

RANGES = {
    "training.learning_rate": Range(low=1e-4, high=1e-1, log=True),
    "training.max_epochs": Range(low=1, high=30),
    "model.settings.hidden": Range(choices=(8, 16, 32)),
}
KINDS = {
    "training.learning_rate": "float",
    "training.max_epochs": "int",
    "model.settings.hidden": "int",
}


def a_job(folder: Path, asked: int, objective: str = "bowl", **changes: Any) -> Job:
    """A study of a cheap objective."""
    facts: dict[str, Any] = {
        "study": "bowl",
        "folder": folder,
        "asked": asked,
        "seed": 7,
        "sampler": "tpe",
        "pruner": "none",
        "num_steps": 5,
        "max_retries": 5,
        "ranges": RANGES,
        "kinds": KINDS,
        "directions": ("minimize",),
        "objective": f"{__name__}:{objective}",
        "place": Place(),
    }
    return Job(**{**facts, **changes})


def depth(params: Mapping[str, Any]) -> float:
    """A bowl whose lowest point is at rate 0.01, 10 epochs and 16 units."""
    import math

    rate = math.log10(params["training.learning_rate"]) + 2
    epochs = (params["training.max_epochs"] - 10) / 10
    return rate**2 + epochs**2 + abs(params["model.settings.hidden"] - 16) / 16


def bowl(job: Job) -> Objective:
    """Says at once how deep the bowl is; `seconds` of `facts` makes it take its time."""

    def objective(sitting: Sitting) -> Values:
        time.sleep(job.facts.get("seconds", 0.0))
        sitting.note(version=f"v{sitting.number}")
        return (depth(sitting.params),)

    return objective


def stairs(job: Job) -> Objective:
    """Reports five steps down to the depth of the bowl, so that it can be pruned."""

    def objective(sitting: Sitting) -> Values:
        value = depth(sitting.params)
        for step in range(1, 6):
            sitting.report(step, value + (5 - step) / 20)
        return (value,)

    return objective


def thorns(job: Job) -> Objective:
    """Fails for settings of one kind."""

    def objective(sitting: Sitting) -> Values:
        if sitting.params["model.settings.hidden"] == 32:
            raise TrainingError("32 units hurt")
        return (depth(sitting.params),)

    return objective


def deadly(job: Job) -> Objective:
    """Kills its own process, always."""

    def objective(sitting: Sitting) -> Values:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
        return (0.0,)

    return objective


def nowhere(job: Job) -> Objective:
    """Falls off the edge."""
    return lambda sitting: (float("nan"),)


def flaky(job: Job) -> Objective:
    """A disk that refuses once."""

    def objective(sitting: Sitting) -> Values:
        mark = job.folder / "refused"
        if not mark.exists():
            mark.touch()
            raise OSError("no space left")
        return (depth(sitting.params),)

    return objective


def unborn(job: Job) -> Objective:
    raise ValueError("this objective cannot be made")


def two_sided(job: Job) -> Objective:
    """A skill that falls and a time that falls with it."""

    def objective(sitting: Sitting) -> Values:
        return (-depth(sitting.params), float(sitting.params["model.settings.hidden"]))

    return objective
