"""Which settings may vary: checked before the first trial, put into effect in each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
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

    @classmethod
    def of(cls, base: Settings, ranges: Mapping[str, Range]) -> "SearchSpace":
        """The space that is written out, or the default one of the model where none is."""
        return cls(base, ranges or default_ranges(base))

    def kind(self, path: str) -> type:
        """int, float or object: what numbers between the ends of a range are."""
        return _kind(_annotation(self.base, path))

    def applied(self, params: Mapping[str, Any]) -> Settings:
        """The base with these values in place.

        Raises:
            ConfigError: the values do not go together.
        """
        dumps = {MODEL: self.base.model.model_dump(), TRAINING: self.base.train.model_dump()}
        for path, value in params.items():
            root, names = _cut(path)
            level = dumps[root]
            for name in names[:-1]:
                level = level[name]
            level[names[-1]] = value
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
        farthest = {}
        for path, range_ in self.ranges.items():
            if path == "training.window" or path.startswith(f"{MODEL}.bars."):
                farthest[path] = max(range_.ends)
        settings = self.applied(farthest)
        return settings.model.reach(settings.train.window)

    def to_dict(self) -> dict[str, Any]:
        """The ranges, as JSON can hold them."""
        return {path: range_.model_dump(exclude_defaults=True) for path, range_ in
                sorted(self.ranges.items())}  # fmt: skip


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
