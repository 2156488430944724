"""What a worker is told: one file of JSON, so that any process can do the work."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from crypto_nn.store.atomic import write_bytes
from crypto_nn.tuning.config import Range
from crypto_nn.tuning.storage import Place

Values = tuple[float, ...]
Direction = Literal["minimize", "maximize"]
MINIMIZE: Direction = "minimize"
MAXIMIZE: Direction = "maximize"


class Sitting(Protocol):
    """A trial, as an objective sees it."""

    @property
    def number(self) -> int: ...

    @property
    def params(self) -> Mapping[str, Any]:
        """The proposed settings, by dotted path."""

    def report(self, step: int, value: float) -> None:
        """Tell how it stands after a step; ends the trial where others stood better by then."""

    def note(self, **facts: Any) -> None:
        """Write facts down with the trial."""

    def twin(self, version: str) -> Values | None:
        """The values of a complete trial that trained this version already."""


class Objective(Protocol):
    """What a trial does: settings in, values out."""

    def __call__(self, sitting: Sitting) -> Values: ...


@dataclass(frozen=True)
class Job:
    """A study, and all that a worker needs to run trials of it.

    Attributes:
        study: its name.
        folder: where its files lie on this machine.
        asked: trials in all.
        seed: of what is proposed.
        sampler, pruner: as in `TuningConfig`.
        num_steps: at most so many values are reported in a trial.
        max_retries: how often a trial whose worker died is run again.
        ranges: what may vary, by dotted path.
        kinds: int, float or object, by dotted path.
        directions: of each value, minimize or maximize.
        objective: `module:name` of a function that makes the objective from this job.
        facts: what the objective needs beside.
        place: where the study is kept.
    """

    study: str
    folder: Path
    asked: int
    seed: int
    sampler: str
    pruner: str
    num_steps: int
    max_retries: int
    ranges: Mapping[str, Range]
    kinds: Mapping[str, str]
    directions: tuple[Direction, ...]
    objective: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    place: Place = field(default_factory=Place)

    @property
    def is_multi(self) -> bool:
        return len(self.directions) > 1

    def make_objective(self) -> Objective:
        """The objective; imports what it needs."""
        module, _, name = self.objective.partition(":")
        make = reduce(getattr, name.split("."), import_module(module))
        made: Objective = make(self)  # type: ignore[operator]
        return made

    def write(self, path: Path) -> Path:
        """Write it down for a worker."""
        ranges = {name: range_.model_dump(mode="json") for name, range_ in self.ranges.items()}
        facts = {**asdict(self), "ranges": ranges, "folder": str(self.folder)}
        write_bytes(path, json.dumps(facts, allow_nan=False).encode())
        return path

    @classmethod
    def read(cls, path: Path) -> "Job":
        """The job that `write` wrote."""
        facts = json.loads(path.read_bytes())
        ranges = {name: Range.model_validate(range_) for name, range_ in facts["ranges"].items()}
        whole = {
            "folder": Path(facts["folder"]),
            "ranges": ranges,
            "directions": tuple(facts["directions"]),
            "place": Place(**facts["place"]),
        }
        return cls(**{**facts, **whole})
