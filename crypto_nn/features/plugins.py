"""Features of one's own, by import path: nothing is run but the import of their module."""

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

from crypto_nn.errors import FeatureError
from crypto_nn.features import transforms as to
from crypto_nn.features.docstrings import told_by
from crypto_nn.features.feature import Feature, Output
from crypto_nn.indicators import Indicator

_DUE = (
    "a Feature, a tuple or list of Features, an Indicator, or a class of Indicator that needs no "
    "arguments is due"
)


def load_members(paths: Sequence[str], taken: Sequence[str] = ()) -> tuple[Feature, ...]:
    """The features that import paths name, in order.

    Args:
        paths: such as "my_pkg.my_module:MY_FEATURE". What the name stands for may be a `Feature`,
            a tuple or list of them, an `Indicator` (each output becomes a column as it is), or a
            class of `Indicator` (made with its defaults).
        taken: names of columns that there are already.

    Raises:
        FeatureError: a path cannot be read or imported, names something else, or a feature has no
            proper name, no end to its memory, or a name that is taken.
    """
    owner = dict.fromkeys(taken, "the shipped features")
    features = []
    for path in paths:
        for feature in _load(path):
            if feature.name in owner:
                raise FeatureError(
                    f"features.members: {path} has a column {feature.name!r}, and so "
                    f"{'has' if owner[feature.name] in paths else 'have'} {owner[feature.name]}. "
                    "Give yours another name."
                )
            owner[feature.name] = path
            features.append(feature)
    return tuple(features)


@lru_cache(maxsize=256)
def _load(path: str) -> tuple[Feature, ...]:
    features = tuple(_features(path, _named(path)))
    for feature in features:
        _check_form(path, feature)
    return features


def _named(path: str) -> Any:
    """What an import path names."""
    module_name, colon, name = path.partition(":")
    parts = module_name.split(".")
    if not colon or not name.isidentifier() or not all(part.isidentifier() for part in parts):
        raise FeatureError(
            f"features.members: {path!r} is not an import path. Write module and name with a colon "
            "between them, such as my_pkg.my_module:MY_FEATURES."
        )
    try:
        module = import_module(module_name)
    except Exception as error:
        raise FeatureError(
            f"features.members: {module_name} cannot be imported ({type(error).__name__}: {error})."
            " Install your package beside crypto_nn, or put its folder on PYTHONPATH; then "
            f'`python -c "import {module_name}"` must work.'
        ) from error
    if not hasattr(module, name):
        ours = [n for n, it in vars(module).items() if not n.startswith("_") and _is_member(it)]
        raise FeatureError(
            f"features.members: {module_name} has no {name!r}; it has "
            f"{', '.join(ours) or 'no feature and no indicator'}."
        )
    return getattr(module, name)


def _is_member(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return bool(value) and all(isinstance(one, Feature) for one in value)
    is_kind = isinstance(value, type) and issubclass(value, Indicator)
    return is_kind or isinstance(value, Feature | Indicator)


def _features(path: str, value: Any) -> list[Feature]:
    if not _is_member(value):
        raise FeatureError(f"features.members: {path} is {_told(value)}; {_DUE}.")
    if isinstance(value, Feature):
        return [value]
    if isinstance(value, tuple | list):
        return list(value)
    if isinstance(value, Indicator):
        return _columns_of(value)
    try:
        return _columns_of(value())
    except TypeError as error:
        raise FeatureError(
            f"features.members: {path} cannot be made without arguments ({error}). Give its fields "
            "defaults, or name an object of it instead."
        ) from None


def _told(value: Any) -> str:
    if isinstance(value, tuple | list):
        kinds = sorted({type(one).__name__ for one in value})
        return f"a {type(value).__name__} of {', '.join(kinds) or 'nothing'}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"an object of type {type(value).__name__}"


def _columns_of(indicator: Indicator) -> list[Feature]:
    """Each output of an indicator as a column, as it is."""
    meaning = told_by(type(indicator)).meaning
    many = len(indicator.outputs) > 1
    return [
        Feature(name, to.as_is, (Output(indicator, n),), f"{name}: {meaning}" if many else meaning)
        for n, name in enumerate(indicator.outputs)
    ]


def _check_form(path: str, feature: Feature) -> None:
    where = f"features.members: {path}, column {feature.name!r}"
    if not feature.name.isidentifier():
        raise FeatureError(
            f"{where}: a name of letters, digits and _ is due, as it is a column of a table."
        )
    if not feature.outputs:
        raise FeatureError(f"{where}: it is made of nothing; at least one Output is due.")
    for output in feature.outputs:
        found = len(output.indicator.outputs)
        if not 0 <= output.position < found:
            raise FeatureError(
                f"{where}: it asks for output {output.position} of {output.indicator!r}, which has "
                f"{found}, counted from 0."
            )
    if feature.memory is None:
        endless = [repr(one) for one in feature.indicators if one.memory is None]
        raise FeatureError(
            f"{where}: {', '.join(endless)} never forgets (memory is None), so that its value "
            "would depend on where history begins. Use its change over some bars, or a share."
        )
