"""Folds by the calendar: each month or quarter is judged by who learned right before it."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from crypto_nn.benchmark.calendar import calendar_folds
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.errors import BarsError, ConfigError
from crypto_nn.features.splits import CALIBRATION, TEST, TRAIN, VALIDATION, Fold, Reach, SplitConfig

START, END = np.datetime64("2023-01-29", "us"), np.datetime64("2025-07-01", "us")
REACH = Reach(60, 48)
DAY = np.timedelta64(1, "D")


def folds(splits: SplitConfig | None = None, **settings: Any) -> tuple[Fold, ...]:
    config = BenchmarkConfig.model_validate({"refit": "quarterly", **settings})
    return calendar_folds(START, END, config, splits or SplitConfig(), REACH)


def test_six_quarters_are_judged_one_after_the_other() -> None:
    """Tests meet without a day between, and each fold ends with its own quarter."""
    made = folds(first_test="2024-01", last_test="2025-06")
    tests = [fold.role(TEST) for fold in made]
    assert [str(test.start.astype("datetime64[M]")) for test in tests] == [
        "2024-01", "2024-04", "2024-07", "2024-10", "2025-01", "2025-04"
    ]  # fmt: skip
    assert all(a.end == b.start for a, b in pairwise(tests))
    assert tests[-1].end == np.datetime64("2025-07-01", "us")


@pytest.mark.parametrize(("refit", "count"), [("monthly", 5), ("quarterly", 2)])
def test_an_odd_number_of_months_is_covered_to_its_end(refit: str, count: int) -> None:
    """Five months: two quarters, the last of two months."""
    made = folds(refit=refit, first_test="2024-02", last_test="2024-06")
    assert len(made) == count
    assert made[-1].end == np.datetime64("2024-07-01", "us")


def test_parts_are_in_order_with_the_embargo_between_and_history_as_long_as_said() -> None:
    """Train, validation, calibration, test; every gap is horizon + window."""
    for fold in folds(first_test="2024-01", last_test="2024-12", history_days=120):
        assert [role.name for role in fold.roles] == [TRAIN, VALIDATION, CALIBRATION, TEST]
        for earlier, later in pairwise(fold.roles):
            assert later.start - earlier.end == np.timedelta64(108, "m")
        assert fold.role(TEST).start - fold.start == 120 * DAY
        assert fold.role(TEST).start - fold.role(CALIBRATION).start == 7 * DAY


def test_expanding_folds_all_begin_with_the_history() -> None:
    """Later folds have seen more."""
    made = folds(SplitConfig(layout="expanding"), first_test="2024-01", last_test="2024-12")
    assert {fold.start for fold in made} == {START}


def test_without_months_the_test_is_as_long_as_the_history_allows() -> None:
    """From the first month with enough history to the last whole one."""
    made = folds(refit="monthly", history_days=180)
    assert made[0].role(TEST).start == np.datetime64("2023-08-01", "us")
    assert made[-1].end == np.datetime64("2025-07-01", "us")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"first_test": "2023-06", "last_test": "2023-12"}, "Ingest more months"),
        ({"first_test": "2025-01", "last_test": "2025-09"}, "Ingest more months"),
        ({"history_days": 900}, "is empty"),
        ({"first_test": "2024-01", "history_days": 14}, "history_days 14"),
    ],
)
def test_what_cannot_be_cut_is_said(settings: dict[str, Any], told: str) -> None:
    """Months outside the history, and parts shorter than their embargo."""
    with pytest.raises(ConfigError, match=told):
        folds(**settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"refit": "splits", "first_test": "2024-01"}, "refit monthly or quarterly"),
        ({"first_test": "2024-05", "last_test": "2024-01"}, "is before first_test"),
        ({"first_test": "2024-13"}, "YYYY-MM"),
        ({"seeds": [0, 0]}, "different ones"),
        ({"finalist_seeds": [-1]}, "from 0 up"),
        ({"baselines": ["lightgbm", "lightgbm"]}, "twice"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    settings: dict[str, Any], told: str
) -> None:
    """Before anything is trained."""
    with pytest.raises((ValueError, BarsError), match=told):
        BenchmarkConfig.model_validate({"refit": "quarterly", **settings})
