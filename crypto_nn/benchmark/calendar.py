"""Folds by the calendar: a model is refitted before each month or quarter, and judged on it."""

import numpy as np

from crypto_nn.bars.calendar import TS, month_bounds, month_of, shift_month
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.errors import ConfigError
from crypto_nn.features.splits import (
    CALIBRATION,
    DAY,
    MINUTE,
    TEST,
    TRAIN,
    VALIDATION,
    Fold,
    Reach,
    Role,
    SplitConfig,
    embargo_of,
)

MONTHS = {"monthly": 1, "quarterly": 3}


def calendar_folds(
    start: np.datetime64,
    end: np.datetime64,
    config: BenchmarkConfig,
    splits: SplitConfig,
    reach: Reach,
) -> tuple[Fold, ...]:
    """One fold for each month or quarter of the test, over the history [start, end).

    What is learned from, stopped by and calibrated on are the `history_days` before a test (all
    history where the layout is expanding), with `splits.validation_days` and
    `splits.calibration_days` at their end and an embargo between each and the next.

    Raises:
        ConfigError: months outside the history, or too little history before the first test.
    """
    first = config.first_test or _first_month(start, config.history_days)
    last = config.last_test or shift_month(month_of(end), -1)
    if last < first:
        raise ConfigError(
            f"A test from {first} to {last} is empty: the history is {start} to {end}. Set "
            "benchmark.first_test and benchmark.last_test to months of it, or lower "
            "benchmark.history_days."
        )
    begins, ends = month_bounds(first)[0], month_bounds(last)[1]
    if begins - config.history_days * DAY < start or ends > end:
        raise ConfigError(
            f"The test {first} to {last} needs history from "
            f"{(begins - config.history_days * DAY).astype('datetime64[D]')} to "
            f"{ends.astype('datetime64[D]')}, and features are there from {start} to {end}. Ingest "
            "more months, move benchmark.first_test or last_test, or lower benchmark.history_days."
        )
    step = MONTHS[config.refit]
    folds: list[Fold] = []
    month = first
    while month <= last:
        closing = min(shift_month(month, step - 1), last)
        test = Role(TEST, month_bounds(month)[0], month_bounds(closing)[1])
        folds.append(_fold(len(folds), test, start, config, splits, reach))
        month = shift_month(month, step)
    return tuple(folds)


def _first_month(start: np.datetime64, history_days: int) -> str:
    earliest = (start + history_days * DAY).astype(TS)
    month = month_of(earliest)
    return month if month_bounds(month)[0] >= earliest else shift_month(month, 1)


def _fold(
    number: int,
    test: Role,
    start: np.datetime64,
    config: BenchmarkConfig,
    splits: SplitConfig,
    reach: Reach,
) -> Fold:
    embargo = embargo_of(reach, splits)
    fallow = embargo * MINUTE
    calibration = test.start - splits.calibration_days * DAY
    validation = calibration - splits.validation_days * DAY
    train = start if splits.layout == "expanding" else test.start - config.history_days * DAY
    shortest = min(validation - train, calibration - validation, test.start - calibration)
    if shortest <= fallow:
        raise ConfigError(
            f"benchmark.history_days {config.history_days} with {splits.validation_days} days of "
            f"validation and {splits.calibration_days} of calibration leaves a part no longer than "
            f"the embargo of {embargo} minutes. Raise it, or lower splits.validation_days or "
            "splits.calibration_days."
        )
    roles = (
        Role(TRAIN, train, validation - fallow),
        Role(VALIDATION, validation, calibration - fallow),
        Role(CALIBRATION, calibration, test.start - fallow),
        test,
    )
    return Fold(number, splits.layout, roles, reach.horizon, embargo)
