"""Which settings may vary: checked before the first trial, put into effect in each."""

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice, product
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from crypto_nn.errors import ConfigError
from crypto_nn.models.configs import ModelConfig
from crypto_nn.training.config import TrainConfig
from crypto_nn.tuning.config import Range

MODEL, TRAINING = "model.settings", "training"
FIXED = {
    "training.seed": "choosing a seed is choosing luck",
    "training.device": "it decides no loss",
    "training.threads": "each worker has one",
    "training.processes": "each worker is one",
    "training.processes_timeout_s": "it decides no loss",
    "training.pretrained": "trials begin from nothing",
    "training.freeze": "trials begin from nothing",
    "training.max_validation_windows": "all trials are judged on the same rows",
    "training.checkpoint_steps": "it decides no loss",
    "training.keep_checkpoints": "it decides no loss",
}
SIZES = ("width", "hidden", "channels", "dim")
DEPTHS = ("layers", "blocks")
ENOUGH = 500
"""Of more combinations with other settings, a value is not refused because so many do not fit."""
LEARNING = {
    "training.learning_rate": Range(low=1e-4, high=3e-3, log=True),
    "training.weight_decay": Range(low=1e-4, high=0.1, log=True),
}


@dataclass(frozen=True)
class Settings:
    """What a trial changes: a model's settings and how it learns."""

    model: ModelConfig
    train: TrainConfig


@dataclass(frozen=True)
class SearchSpace:
    """The settings that vary around a base, by dotted path.

    Raises:
        ConfigError: a path is not known, may not vary, or a value is not allowed there.
    """

    base: Settings
    ranges: Mapping[str, Range]

    def __post_init__(self) -> None:
        for path, range_ in self.ranges.items():
            _check(self.base, path, range_)
        for path, range_ in self.ranges.items():
            for value in range_.ends:
                self._check_fits(path, value)

    @classmethod
    def of(cls, base: Settings, ranges: Mapping[str, Range]) -> "SearchSpace":
        """The space that is written out, or the default one of the model where none is."""
        return cls(base, ranges or default_ranges(base))

    def _check_fits(self, path: str, value: Any) -> None:
        """Refuse a value that goes with no other values of the space."""
        plain = SearchSpace(self.base, {})
        reasons = []
        for others in islice(_companions(self, path), ENOUGH):
            try:
                plain.applied({**others, path: value})
            except ConfigError as error:
                reasons.append(error)
            else:
                return
        if len(reasons) < ENOUGH:
            raise ConfigError(f"tuning.space.{path} has {value!r}: {reasons[0]}")

    def kind(self, path: str) -> type:
        """int, float or object: what numbers between the ends of a range are."""
        return _kind(_annotation(self.base, path))

    def applied(self, params: Mapping[str, Any]) -> Settings:
        """The base with these values in place.

        Raises:
            ConfigError: the values do not go together.
        """
        dumps = {MODEL: self.base.model.model_dump(), TRAINING: self.base.train.model_dump()}
        for path, value in sorted(params.items()):  # a whole mapping before its parts
            root, names = _cut(path)
            level = dumps[root]
            for name in names[:-1]:
                level = level[name]
            level[names[-1]] = deepcopy(value)
        try:
            return Settings(
                type(self.base.model).model_validate(dumps[MODEL]),
                type(self.base.train).model_validate(dumps[TRAINING]),
            )
        except ValidationError as error:
            told = "; ".join(problem["msg"] for problem in error.errors())
            raise ConfigError(f"The trial's settings {dict(params)} do not fit: {told}.") from None

    @property
    def current(self) -> dict[str, Any]:
        """The base's own values, of those settings whose range holds them."""
        found = {}
        for path, range_ in self.ranges.items():
            value = _value(self.base, path)
            if range_.holds(value):
                found[path] = value
        return found

    @property
    def reach(self) -> int:
        """How many minutes the farthest-looking corner of the space looks back."""
        farthest: dict[str, Any] = {}
        wholes: list[dict[str, Any]] = [{}]
        for path, range_ in self.ranges.items():
            if path == "training.window" or path.startswith(f"{MODEL}.bars."):
                farthest[path] = max(range_.ends)
            elif path == f"{MODEL}.bars":  # mappings: none of them is the largest
                wholes = [{path: choice} for choice in range_.ends]
        corners = [self.applied({**farthest, **whole}) for whole in wholes]
        return max(corner.model.reach(corner.train.window) for corner in corners)

    def to_dict(self) -> dict[str, Any]:
        """The ranges, as JSON can hold them."""
        return {path: range_.model_dump(exclude_defaults=True) for path, range_ in
                sorted(self.ranges.items())}  # fmt: skip


def _companions(space: SearchSpace, path: str) -> Iterator[dict[str, Any]]:
    """What may stand beside a value: every choice and whole number of the settings it may need."""
    values: dict[str, Sequence[Any]] = {}
    for other, range_ in space.ranges.items():
        if other != path and _cut(other)[0] == _cut(path)[0]:
            if range_.choices is not None:
                values[other] = range_.choices
            elif space.kind(other) is int:
                low, high = (int(end) for end in range_.ends)
                values[other] = range(low, high + 1, int(range_.step or 1))[:ENOUGH]
    yield {}
    yield from (dict(zip(values, chosen)) for chosen in product(*values.values()))


def default_ranges(base: Settings) -> dict[str, Range]:
    """Learning rate, weight decay, and of the model: dropout, depth, and half to double widths.

    A value is left out where it does not go together with every other value of the space.
    """
    found = dict(LEARNING)
    for name in type(base.model).model_fields:
        value = getattr(base.model, name)
        if name == "dropout":
            found[f"{MODEL}.{name}"] = Range(low=0.0, high=0.5)
        elif isinstance(value, int) and (name in SIZES or name in DEPTHS):
            path = f"{MODEL}.{name}"
            wanted = {value // 2, value, 2 * value} if name in SIZES else {1, value, value + 1}
            fitting = [each for each in sorted(wanted) if _fits(base, found, path, each)]
            if len(fitting) > 1:
                found[path] = Range(choices=tuple(fitting))
    return found


def _fits(base: Settings, others: Mapping[str, Range], path: str, value: Any) -> bool:
    space = SearchSpace(base, {})
    pairs = [{}, *({other: end} for other, range_ in others.items() for end in range_.ends)]
    for pair in pairs:
        try:
            space.applied({**pair, path: value})
        except ConfigError:
            return False
    return True


def to_choice(value: Any) -> Any:
    """A choice as a study can hold it: lists and mappings are written out as JSON."""
    plain = value is None or isinstance(value, bool | int | float | str)
    return value if plain else f"json:{json.dumps(value, sort_keys=True)}"


def from_choice(value: Any) -> Any:
    """The choice that `to_choice` wrote."""
    if isinstance(value, str) and value.startswith("json:"):
        return json.loads(value.removeprefix("json:"))
    return value


def _check(base: Settings, path: str, range_: Range) -> None:
    if path in FIXED:
        raise ConfigError(f"tuning.space.{path} may not vary: {FIXED[path]}. Leave it out.")
    annotation = _annotation(base, path)
    for value in range_.ends:
        try:
            TypeAdapter(annotation).validate_python(value)
        except ValidationError as error:
            told = "; ".join(problem["msg"] for problem in error.errors())
            raise ConfigError(f"tuning.space.{path} has {value!r}: {told}.") from None
    if range_.choices is None and _kind(annotation) is object:
        raise ConfigError(f"tuning.space.{path} is no number; list its `choices` instead.")
    if _kind(annotation) is int and not all(
        isinstance(part, int) for part in (*range_.ends, range_.step or 1)
    ):
        raise ConfigError(f"tuning.space.{path} is a whole number; so must low, high and step be.")


def _cut(path: str) -> tuple[str, list[str]]:
    for root in (MODEL, TRAINING):
        if path.startswith(f"{root}."):
            return root, path.removeprefix(f"{root}.").split(".")
    raise ConfigError(
        f"tuning.space.{path} is not what a trial can change; paths begin with {TRAINING}. or "
        f"{MODEL}. Data, features and labels must be the same in all trials of a study."
    )


def _annotation(base: Settings, path: str) -> Any:
    """The type of the setting with its bounds, as pydantic checks them."""
    root, names = _cut(path)
    at: Any = type(base.model) if root == MODEL else type(base.train)
    for depth, name in enumerate(names):
        above = ".".join((root, *names[:depth]))
        if get_origin(at) is dict:
            at = get_args(at)[1]
        elif isinstance(at, type) and issubclass(at, BaseModel):
            if name not in at.model_fields:
                raise ConfigError(f"tuning.space.{path} is not a setting; {above} has "
                                  f"{', '.join(at.model_fields)}.")  # fmt: skip
            last = depth == len(names) - 1
            at = _bounded(at.model_fields[name]) if last else at.model_fields[name].annotation
        else:
            raise ConfigError(f"tuning.space.{path} is not a setting; {above} has no parts.")
    return at


def _bounded(field: FieldInfo) -> Any:
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _kind(annotation: Any) -> type:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    members = set(get_args(annotation) or (annotation,)) - {type(None)}
    return int if members == {int} else float if float in members else object


def _value(base: Settings, path: str) -> Any:
    root, names = _cut(path)
    at: Any = (base.model if root == MODEL else base.train).model_dump()
    for name in names:
        at = at.get(name) if isinstance(at, dict) else None
    return at
