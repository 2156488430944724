"""Features of one's own, by import path: their module is imported, and each is tried once."""

import re
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from crypto_nn.bars import Bars, Float, Timeframe
from crypto_nn.errors import CryptoNNError, FeatureError
from crypto_nn.features import transforms as to
from crypto_nn.features.docstrings import told_by
from crypto_nn.features.feature import Feature, Output
from crypto_nn.indicators import Indicator
from crypto_nn.indicators.laws import check_has_form

_KEYS = ("ts", "symbol", "month")  # of the table
_DUE = (
    "a Feature, a tuple or list of Features, an Indicator, or a class of Indicator that needs no "
    "arguments is due"
)
_NAME = re.compile("[a-z][a-z0-9_]*")
# What DuckDB and DuckLake call rows and files by themselves; then, from
# `SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'`, what cannot be
# written in a query without quotes.
_WORDS = """
rowid filename file_row_number file_index snapshot_id
all analyse analyze and any array as asc asymmetric both case cast check collate column
constraint create default deferrable desc describe distinct do else end except false fetch for
foreign from group having in initially intersect into lambda lateral leading limit not null
offset on only or order pivot pivot_longer pivot_wider placing primary qualify references
returning select show some summarize symmetric table then to trailing true union unique unpivot
using variadic when where window with
"""
_RESERVED = frozenset(_WORDS.split())
# A member is tried on so many bars after its warm-up: with a turn of the month, minutes that stand
# still and a hole, so many rows before the end. Cuts lie between them.
_TRIED, _TURN, _STILL, _HOLE = 400, 150, (300, 260), (200, 197)
_CUTS = (1, 90, 198, 280, 350)
_MOST_MINUTES = 28 * 1440  # a feature set refuses what remembers for longer


def load_members(paths: Sequence[str], taken: Sequence[str] = ()) -> tuple[Feature, ...]:
    """The features that import paths name, in order.

    Args:
        paths: such as "my_pkg.my_module:MY_FEATURE". What the name stands for may be a `Feature`,
            a tuple or list of them, an `Indicator` (each output becomes a column as it is), or a
            class of `Indicator` (made with its defaults).
        taken: names of columns that there are already.

    Raises:
        FeatureError: a path cannot be read or imported, names something else, or a feature has no
            proper name, no end to its memory, or a name that is taken; or it failed when it was
            tried: history and live bars differ, or it knows the future.
    """
    owner = {name.lower(): "the shipped features" for name in taken}
    features: list[Feature] = []
    for path in paths:
        for feature in _load(path):
            there = owner.setdefault(feature.name.lower(), path)
            if there != path or any(one.name == feature.name for one in features):
                raise FeatureError(
                    f"features.members: {path} has a column {feature.name!r}, and so "
                    f"{'has' if there in paths else 'have'} {there}. Give yours another name."
                )
            features.append(feature)
    return tuple(features)


@lru_cache(maxsize=256)
def _load(path: str) -> tuple[Feature, ...]:
    features = tuple(_features(path, _named(path)))
    for feature in features:
        _check_form(path, feature)
        _check_name(path, feature)
        _check_trial(path, feature)
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
    except CryptoNNError as error:  # its own words say what is due
        raise FeatureError(f"features.members: {module_name} refuses to be made: {error}") from None
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
        return _columns_of(path, value)
    try:
        indicator = value()
    except Exception as error:
        raise FeatureError(
            f"features.members: {path} cannot be made without arguments ({type(error).__name__}: "
            f"{error}). Give its fields defaults, or name an object of it instead."
        ) from error
    return _columns_of(path, indicator)


def _told(value: Any) -> str:
    if isinstance(value, tuple | list):
        kinds = sorted({type(one).__name__ for one in value})
        return f"a {type(value).__name__} of {', '.join(kinds) or 'nothing'}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"an object of type {type(value).__name__}"


def _columns_of(path: str, indicator: Indicator) -> list[Feature]:
    """Each output of an indicator as a column, as it is."""
    if problem := _asked(path, Output(indicator).problem):
        raise FeatureError(f"features.members: {path}: {problem}")
    meaning = told_by(type(indicator)).meaning
    many = len(indicator.outputs) > 1
    return [
        Feature(name, to.as_is, (Output(indicator, n),), f"{name}: {meaning}" if many else meaning)
        for n, name in enumerate(indicator.outputs)
    ]


def _asked(path: str, ask: Callable[[], Any]) -> Any:
    """What a member says of itself; its properties may fail when they are read."""
    try:
        return ask()
    except Exception as error:
        raise FeatureError(
            f"features.members: {path} cannot say what it is ({type(error).__name__}: {error}). "
            f"`crypto-nn check {path}` looks closer."
        ) from error


def _check_name(path: str, feature: Feature) -> None:
    where = f"features.members: {path}, column {feature.name!r}"
    if not _NAME.fullmatch(feature.name):
        raise FeatureError(
            f"{where}: a name of small letters, digits and _ is due, a letter first, as it is a "
            "column of a table, and tables do not tell Rsi from rsi."
        )
    if feature.name in _KEYS:
        raise FeatureError(
            f"{where}: {', '.join(_KEYS)} are the keys of the table. Give yours another name."
        )
    if feature.name in _RESERVED:
        raise FeatureError(f"{where}: that is a word of SQL. Give yours another name.")


def _check_form(path: str, feature: Feature) -> None:
    where = f"features.members: {path}, column {feature.name!r}"
    if problem := _asked(path, feature.problem):
        raise FeatureError(f"{where}: {problem}")
    if _asked(path, lambda: feature.memory) is None:
        endless = [repr(one) for one in feature.indicators if one.memory is None]
        raise FeatureError(
            f"{where}: {', '.join(endless)} never forgets (memory is None), so that its value "
            "would depend on where history begins. Use its change over some bars, or a share."
        )


def _check_trial(path: str, feature: Feature) -> None:
    """Whatever a member does when it is tried, its user is told which it was and what to do."""
    where = f"features.members: {path}, column {feature.name!r}, was tried on made bars"
    then = f"`crypto-nn check {path}` and `crypto-nn leaks --module {path}` look closer."
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            _try(feature)
    except CryptoNNError as error:
        raise FeatureError(f"{where}: {str(error).rstrip('.')}. {then}") from None
    except Exception as error:
        raise FeatureError(
            f"{where}, and fails with {type(error).__name__}: {error}. {then}"
        ) from error


def _try(feature: Feature) -> None:
    """A column has a form, follows from the bars so far, and is the same in history and live."""
    most = _MOST_MINUTES // feature.timeframe.minutes
    bars = _made_bars(min(feature.warm_up, most) + _TRIED, feature.timeframe)
    for indicator in feature.indicators:
        found = indicator.compute(bars)
        if not isinstance(found, tuple):
            raise FeatureError(
                f"{indicator!r}.compute gives a {type(found).__name__}; a tuple of arrays is due, "
                "one for each output"
            )
        check_has_form(indicator, bars)
    if feature.warm_up > most:
        return  # no value to compare; it is for the feature set to say that this is too long
    whole_N = _column(feature, bars)
    if np.isnan(whole_N).all():
        raise FeatureError(
            f"all {len(bars)} rows are NaN; its warm-up is {feature.warm_up}, and after it a value "
            "is due"
        )
    for cut in (len(bars) - back for back in _CUTS):
        part_M = _column(feature, bars[:cut])
        _check_same(part_M, whole_N[:cut], f"if bars end at row {cut}", "if they go on", 0)
    for num_seen in (0, len(bars) - _TRIED // 2):
        live_M = _live_column(feature, bars[:num_seen], bars[num_seen:])
        _check_same(live_M, whole_N[num_seen:], "live, bar by bar", "in history", num_seen)


def _column(feature: Feature, bars: Bars) -> Float:
    """The column in history."""
    outputs = [one.indicator.compute(bars)[one.position] for one in feature.outputs]
    column_N: Any = feature.transform(*outputs)
    if not isinstance(column_N, np.ndarray):
        raise FeatureError(
            f"it is a {type(column_N).__name__} for {len(bars)} bars; an array of as many floats "
            "is due"
        )
    if column_N.dtype.kind != "f" or column_N.shape != (len(bars),):
        raise FeatureError(
            f"it is of {column_N.dtype} {column_N.shape} for {len(bars)} bars; an array of as many "
            "floats is due"
        )
    return column_N.astype(np.float64)


def _live_column(feature: Feature, seen: Bars, bars: Bars) -> Float:
    """The column bar by bar; a transform from elsewhere is given arrays of one row."""
    live = [one.indicator.stream(seen) for one in feature.outputs]
    outputs_NK = [
        [_output(one, each.update(bar)) for one, each in zip(feature.outputs, live)] for bar in bars
    ]
    if to.takes_floats(feature.transform):
        return np.asarray(feature.transform(*np.array(outputs_NK, np.float64).T))
    rows = ([np.array([value]) for value in outputs_K] for outputs_K in outputs_NK)
    return np.array([float(np.ravel(feature.transform(*row))[0]) for row in rows])


def _output(output: Output, found: Any) -> float:
    due = len(output.indicator.outputs)
    if not isinstance(found, tuple | list) or len(found) != due:
        raise FeatureError(
            f"the stream of {output.indicator!r} gives {found!r} for a bar; a tuple of {due} "
            "floats is due, one for each output"
        )
    return float(found[output.position])


def _check_same(one_N: Float, other_N: Float, here: str, there: str, first: int) -> None:
    """Bit for bit, but that 0.0 and -0.0 are one number, and all NaN are one."""
    differ = np.flatnonzero((one_N != other_N) & ~(np.isnan(one_N) & np.isnan(other_N)))
    if differ.size:
        row = int(differ[0])
        raise FeatureError(
            f"row {first + row} is {one_N[row]} {here} and {other_N[row]} {there}; the same bits "
            "are due"
        )


@lru_cache(maxsize=8)
def _made_bars(rows: int, timeframe: Timeframe) -> Bars:
    """A heavy-tailed walk with volume, vwap, trades and a reference; it can only be read."""
    rng = np.random.default_rng(0)
    move_2N = 4e-4 * rng.standard_t(4, (2, rows))
    volume_N = rng.lognormal(0.0, 1.0, rows)
    still = slice(rows - _STILL[0], rows - _STILL[1])
    move_2N[:, still] = volume_N[still] = 0.0
    close_N, reference_N = np.array([[30_000.0], [2_000.0]]) * np.exp(np.cumsum(move_2N, axis=1))
    open_N = np.concatenate([close_N[:1], close_N[:-1]])
    top_N, bottom_N = np.maximum(open_N, close_N), np.minimum(open_N, close_N)
    high_N = top_N + rng.random(rows) * (top_N - bottom_N)
    low_N = bottom_N - rng.random(rows) * (top_N - bottom_N)
    ts_N = np.datetime64("2024-02-01", "us") + np.arange(_TURN - rows, _TURN) * timeframe.step
    vwap_N, trades_N = (high_N + low_N + close_N) / 3, np.round(25 * volume_N)
    numbers = open_N, high_N, low_N, close_N, volume_N, vwap_N, trades_N, reference_N
    keep_N = np.ones(rows, bool)
    keep_N[rows - _HOLE[0] : rows - _HOLE[1]] = False
    bars = Bars("BTC-USDT", timeframe, ts_N, *numbers).take(keep_N)
    for column in bars.columns().values():
        column.flags.writeable = False
    return bars
