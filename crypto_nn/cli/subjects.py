"""What `crypto-nn check` and `crypto-nn leaks` examine: bars, and own things by import path."""

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crypto_nn.errors import ConfigError, CryptoNNError

if TYPE_CHECKING:
    from crypto_nn.bars import Bars
    from crypto_nn.experiments import Experiment
    from crypto_nn.features import FeatureSet
    from crypto_nn.features.leaks import Examination
    from crypto_nn.indicators import Indicator

MADE = "made bars"


def named(path: str) -> Any:
    """What an import path such as my_pkg.my_module:my_function names; the folder one is in counts.

    Raises:
        ConfigError: it cannot be imported, or is not there.
    """
    module_name, colon, name = path.partition(":")
    if not colon or not module_name or not name:
        raise ConfigError(
            f"{path!r} is no import path. Write module and name with a colon between them, such "
            "as my_pkg.my_module:my_function."
        )
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        raise ConfigError(
            f"{module_name} cannot be imported ({type(error).__name__}: {error}). Run from its "
            "folder, or install it beside crypto_nn."
        ) from error
    for part in name.split("."):
        if not hasattr(found, part):
            there = ", ".join(n for n in vars(found) if not n.startswith("_"))
            raise ConfigError(f"{module_name} has no {name!r}; it has {there}.")
        found = getattr(found, part)
    return found


def indicators_of(path: str) -> "tuple[Indicator, ...]":
    """The indicators that an import path names, or that its features are made of.

    Raises:
        ConfigError: it names neither indicators nor features.
    """
    from crypto_nn.features.columns import Column
    from crypto_nn.indicators import Indicator

    thing = named(path)
    found = list(thing) if isinstance(thing, tuple | list) else [thing]
    made = [_object_of(one) for one in found]
    if made and all(isinstance(one, Indicator) for one in made):
        return tuple(made)
    features = feature_set_of(thing)
    if features is None:
        raise ConfigError(
            f"{path} is a {type(thing).__name__}; an Indicator, a class of Indicator that needs no "
            "arguments, a Feature, several of one kind, or a FeatureSet is due."
        )
    each = [indicator for feature in features.features for indicator in feature.indicators]
    return tuple(dict.fromkeys(one for one in each if not isinstance(one, Column)))


def without_blanks(bars: "Bars") -> "Bars":
    """The bars beside a reference without holes, so that NaN is an indicator's own doing."""
    bars = with_any_reference(bars)
    assert bars.reference is not None
    known = np.isfinite(bars.reference)
    row = np.maximum.accumulate(np.where(known, np.arange(len(bars)), np.argmax(known)))
    return replace(bars, reference=bars.reference[row])


def bars_of_files(paths: Sequence[Path], experiment: "Experiment") -> "dict[str, Bars]":
    """The clean bars of these files, by symbol; rows that `ingest` would put aside are left out."""
    from crypto_nn.bars import M1, Bars
    from crypto_nn.bars.calendar import month_slices
    from crypto_nn.bars.quality import inspect
    from crypto_nn.sources import FilesConfig
    from crypto_nn.store.raw import raw_rows

    source = FilesConfig(paths=tuple(map(str, paths))).open()
    found = {}
    for symbol in source.symbols():
        there = source.available(symbol)
        bars = Bars.concat(list(source.fetch(symbol, M1, there.start, there.end)))
        bars = bars.take(np.argsort(bars.ts, kind="stable"))
        bars = bars[: int(np.count_nonzero(~np.isnat(bars.ts)))]
        now = bars.ts[-1] + np.timedelta64(1, "D")
        months = [
            inspect(raw_rows(source.name, month, bars[rows], now), experiment.quality).accepted
            for month, rows in month_slices(bars.ts)
        ]
        found[symbol] = Bars.concat(months)
    return found


def bars_of_lake(symbols: Sequence[str] | None, experiment: "Experiment") -> "dict[str, Bars]":
    """The bars of these symbols (the first one if none is named) beside their reference."""
    from crypto_nn.bars import Bars
    from crypto_nn.bars.reference import with_reference
    from crypto_nn.cli.shared import lake

    try:
        there = lake()
        if not there.has("bars"):
            raise ConfigError("There is no table `bars` yet.")
    except CryptoNNError:
        if symbols:
            raise
        return {}

    def read(symbol: str) -> Bars:
        experiment.symbol(symbol)
        return Bars.from_arrow(there.read("bars", where={"symbol": symbol}), symbol)

    found = {}
    for symbol in symbols or list(experiment.symbols)[:1]:
        bars, beside = read(symbol), experiment.features.reference
        if len(bars):
            found[symbol] = with_reference(bars, read(beside) if beside else bars)
        elif symbols:
            raise ConfigError(f"The lake has no bars of {symbol}. Ingest them first.")
    return found


def with_any_reference(bars: "Bars") -> "Bars":
    """Bars beside themselves where they have no other market beside them."""
    from crypto_nn.bars.reference import with_reference

    return bars if bars.reference is not None else with_reference(bars, bars)


def own(path: str, bars: "Mapping[str, Bars]", seconds: float, seed: int
        ) -> "Iterator[tuple[str, Examination]]":  # fmt: skip
    """What an import path names, on each of these bars.

    Raises:
        ConfigError: it is nothing that can be examined.
    """
    thing = named(path)
    if isinstance(thing, Mapping | tuple | list) and not thing:
        raise ConfigError(
            f"{path} is an empty {type(thing).__name__}: there is nothing in it to examine."
        )
    things = {path.partition(":")[2]: thing}
    if isinstance(thing, Mapping):
        things = {str(name): one for name, one in thing.items()}
    share = seconds / (6 * len(things) * len(bars))
    for name, one in things.items():
        for told, some in bars.items():
            yield told, _examined(one, name, with_any_reference(some), share, seed)


def _object_of(thing: Any) -> Any:
    """An indicator made of its class with the defaults; anything else as it is.

    Raises:
        ConfigError: the class cannot be made so.
    """
    from crypto_nn.indicators import Indicator

    if not (isinstance(thing, type) and issubclass(thing, Indicator)):
        return thing
    try:
        return thing()
    except TypeError as error:
        raise ConfigError(
            f"{thing.__name__} cannot be made: {error}. Write every method that an Indicator "
            "needs, and give its fields defaults, or name an object of it instead."
        ) from error


def _examined(thing: Any, name: str, bars: "Bars", seconds: float, seed: int) -> "Examination":
    from crypto_nn.features.leaks import (
        AreLabelsError,
        examine,
        examine_features,
        examine_labels,
        examine_scaler,
    )
    from crypto_nn.indicators import Indicator

    thing = _object_of(thing)
    if isinstance(thing, Indicator):
        one = thing

        def outputs(some: "Bars") -> Any:
            return np.column_stack(one.compute(some.check_clean()))

        return examine(outputs, bars, None, seed, seconds, one.outputs, name)
    feature_set = feature_set_of(thing)
    if feature_set is not None:
        return replace(examine_features(feature_set, bars, seconds, seed, far=True), subject=name)
    if hasattr(thing, "split"):
        return _row_splits(thing, name, bars)
    if _is_scaler(thing):
        x_NF = np.column_stack([bars.close, bars.volume, bars.high - bars.low])[:4000]
        return examine_scaler(thing, x_NF, np.arange(500, 2500), seed, name)
    if not callable(thing):
        raise ConfigError(
            f"{name} is a {type(thing).__name__}; a function of bars, Feature(s), an Indicator, a "
            "function of labels, a scaler or a splitter is due, or a dict of such."
        )
    try:
        return examine(thing, bars, None, seed, seconds, None, name)
    except AreLabelsError:
        return examine_labels(thing, bars, None, seed, seconds, name)


def feature_set_of(thing: Any) -> "FeatureSet | None":
    """A Feature, several, or a FeatureSet as a FeatureSet; None for anything else."""
    from crypto_nn.features import FeatureSet
    from crypto_nn.features.feature import Feature

    if isinstance(thing, Feature):
        return FeatureSet((thing,))
    if isinstance(thing, tuple | list) and thing and all(isinstance(f, Feature) for f in thing):
        return FeatureSet(tuple(thing))
    return thing if isinstance(thing, FeatureSet) else None


def _is_scaler(thing: Any) -> bool:
    """Whether it has `fit` and `transform`, or is a function of two arguments."""
    if hasattr(thing, "fit") and hasattr(thing, "transform"):
        return True
    if not callable(thing) or isinstance(thing, type):
        return False
    plain = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    arguments = signature(thing).parameters.values()
    due = [one for one in arguments if one.default is Parameter.empty and one.kind in plain]
    return len(due) == 2


def _row_splits(splitter: Any, name: str, bars: "Bars") -> "Examination":
    """A splitter as scikit-learn has them, on labels of an hour and windows of 48 bars."""
    from crypto_nn.features import labels, splits
    from crypto_nn.features.leaks import examine_row_splits

    found = labels.compute_labels(bars, labels.LabelConfig(horizons=(60,)), complete=True)
    folds = list(splitter.split(np.zeros((len(bars), 1))))
    return examine_row_splits(folds, bars.ts, found.t1_NH, splits.Reach(60, 48), name)
