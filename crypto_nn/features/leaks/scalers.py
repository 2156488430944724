"""Does a scaler, or anything else that is fitted, learn only from the rows that may teach it?

A scaled row may depend on the training rows and on itself. So whatever other rows are, or whether
they are there, neither it nor a fitted number changes by one bit.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.errors import FeatureError
from crypto_nn.features.leaks.leak import Examination, Leak
from crypto_nn.features.leaks.result import REFUSALS, Result, differences
from crypto_nn.features.panel import Panel

Matrix = NDArray[np.floating[Any]]
Scale = Callable[[Matrix, NDArray[np.int64]], Matrix]
_ROUNDS = 2


def examine_scaler(
    scaler: Any, x_NF: Matrix, train: NDArray[Any], seed: int = 0, subject: str = "scaler"
) -> Examination:
    """Look for scaled values that depend on rows that are neither of training nor their own.

    Args:
        scaler: a class or object with `fit` and `transform` (`fit(x, rows)` as ours, or `fit(x)`
            as in scikit-learn, which is then given the training rows alone); or a function of
            (x_NF, training rows) that gives all rows scaled.
        x_NF: features.
        train: the training rows, a mask or positions.
        seed: of the changes.

    Raises:
        FeatureError: it refuses the features as they are.
    """
    rows = np.flatnonzero(train) if np.asarray(train).dtype == bool else np.asarray(train)
    scale = scale_of(scaler)
    try:
        whole, again = _result(scale, x_NF, rows), _result(scale, x_NF, rows)
    except REFUSALS as error:
        raise FeatureError(
            f"{subject} cannot be examined: it raised {type(error).__name__}: {error}"
        ) from error
    unstable = tuple(one.name for one in differences(whole, again, len(whole)))
    found: dict[tuple[str, str], Leak] = {}
    refused: dict[str, tuple[int, str]] = {}
    num_tests = 0
    for test, other_NF, same in _others(x_NF, rows, seed):
        try:
            after = _result(scale, other_NF, rows)
        except REFUSALS as error:
            count, first = refused.get(test, (0, f"{type(error).__name__}: {error}"))
            refused[test] = (count + 1, first)
            continue
        num_tests += 1
        picked = [Result(one.names, one.values_NF[same]) for one in (whole, after)]
        for one in differences(picked[0], picked[1], len(same)):
            if one.name not in unstable:
                leak = Leak(one.column, test, 0, int(same[one.row]), one.num_rows, one.name,
                            size=one.size)  # fmt: skip
                found.setdefault((one.name, test), leak)
    return Examination(subject, whole.names, tuple(found.values()), unstable, refused=refused,
                       num_cuts=num_tests, num_tests=num_tests)  # fmt: skip


def examine_fit(
    fit: Callable[[Panel], Mapping[str, Any]],
    panel: Panel,
    train: NDArray[np.bool_],
    seed: int = 0,
    subject: str = "fitted",
) -> Examination:
    """Look for fitted numbers (a scaler, k, class weights) that depend on other rows than training.

    Args:
        fit: from a panel to whatever is fitted on it, by name.
        panel: features and labels.
        train: which rows may teach (N,).
        seed: of the changes.
    """
    rng = np.random.default_rng(seed)
    whole = _bits(fit(panel))
    found = {}
    for _ in range(_ROUNDS):
        after = _bits(fit(_with_other_rows(panel, ~train, rng)))
        for column, name in enumerate(whole):
            if after.get(name) != whole[name]:
                row = int(np.argmin(train))
                found[name] = Leak(column, "other rows", row, row, int((~train).sum()), name)
    return Examination(subject, tuple(whole), tuple(found.values()), num_cuts=_ROUNDS,
                       num_tests=_ROUNDS * len(whole))  # fmt: skip


def scale_of(scaler: Any) -> Scale:
    """A scaler of any form as a function of features and training rows.

    Raises:
        FeatureError: it is neither a function nor has it `fit` and `transform`.
    """
    if hasattr(scaler, "fit") and hasattr(scaler, "transform"):
        by_rows = "rows" in inspect.signature(scaler.fit).parameters

        def scale(x_NF: Matrix, rows: NDArray[np.int64]) -> Matrix:
            fresh = scaler() if isinstance(scaler, type) and not by_rows else scaler
            fitted = fresh.fit(x_NF, rows=rows) if by_rows else fresh.fit(x_NF[rows])
            return (fitted or fresh).transform(x_NF.copy())  # type: ignore[no-any-return]

        return scale
    if callable(scaler):
        return scaler  # type: ignore[no-any-return]
    raise FeatureError(
        f"{scaler!r} is no scaler: `fit` and `transform` are due, or a function of features and "
        "training rows."
    )


def _result(scale: Scale, x_NF: Matrix, rows: NDArray[np.int64]) -> Result:
    with np.errstate(all="ignore"):
        scaled = np.asarray(scale(x_NF.copy(), rows.copy()))
    if scaled.shape != x_NF.shape:
        raise FeatureError(f"{x_NF.shape} features were scaled to {scaled.shape}.")
    return Result(tuple(f"feature {n}" for n in range(x_NF.shape[1])), scaled)


def _others(
    x_NF: Matrix, rows: NDArray[np.int64], seed: int
) -> Iterator[tuple[str, Matrix, NDArray[np.int64]]]:
    """Other features, and the rows that must come out the same."""
    rng = np.random.default_rng(seed)
    position = np.arange(len(x_NF))
    free = np.setdiff1d(position, rows)
    for _ in range(_ROUNDS):
        for some in (free, free[rng.random(len(free)) < 0.5], free[-1:], free[:1]):
            same = np.setdiff1d(position, some)
            for name, values in _changes(x_NF[some], rng):
                other_NF = x_NF.copy()
                other_NF[some] = values
                yield name, other_NF, same
        end = int(rows.max()) + 1
        yield "rows taken away", x_NF[:end], position[:end]


def _changes(x_KF: Matrix, rng: np.random.Generator) -> Iterator[tuple[str, Matrix]]:
    yield "other rows multiplied", x_KF * rng.uniform(0.5, 2.0, x_KF.shape)
    yield "other rows a thousand times", x_KF * 1e3
    yield "other rows moved", x_KF + rng.normal(size=x_KF.shape) * 10.0
    yield "other rows blank", np.full_like(x_KF, np.nan)
    yield "other rows all alike", np.ones_like(x_KF)
    yield "other rows in another order", x_KF[rng.permutation(len(x_KF))]


def _with_other_rows(panel: Panel, other: NDArray[np.bool_], rng: np.random.Generator) -> Panel:
    """The panel with finite, wild values in these rows; times and windows stay as they are."""
    num = int(other.sum())
    changed: dict[str, Any] = {
        name: getattr(panel, name).copy()
        for name in ("x_NF", "close_N", "sigma_N", "returns_NH", "scores_NH", "classes_NH")
    }
    for name, values in changed.items():
        shape = (num, *values.shape[1:])
        if name == "classes_NH":
            values[other] = rng.integers(0, 3, shape)
            continue
        factor = rng.uniform(2.0, 50.0, shape) * rng.choice([-1.0, 1.0], shape)
        values[other] = np.abs(values[other] * factor) if name == "sigma_N" else (
            values[other] * factor)  # fmt: skip
    return replace(panel, **changed)


def _bits(fitted: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str) else np.asarray(value).tobytes()
        for name, value in fitted.items()
    }
