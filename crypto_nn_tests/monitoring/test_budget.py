"""A year of alarms: told one by one within the budget, together beyond it."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.monitoring.budget import budget_state, with_budget
from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.retraining import DriftedDay, episode_of
from crypto_nn_tests.monitoring.blocks import blocks, last_day, normal_days

FIRST = np.datetime64("2024-01-01", "D")


def days(
    pattern: str, first: int = 0, symbol: str = "BTC-USDT", version: str = "v1"
) -> list[DriftedDay]:
    """One day for each letter: d drifted, c calm, a blank was not looked at."""
    return [
        DriftedDay(symbol, str(FIRST + first + place), version, letter == "d")
        for place, letter in enumerate(pattern)
        if letter != " "
    ]


def config(budget: int) -> DriftConfig:
    return DriftConfig(alarms_per_year=budget)


def test_an_episode_counts_once_and_a_day_without_report_does_not_end_it() -> None:
    history = days("ccdd dcd")
    state = budget_state(history, history[-1], config(3))
    assert (state.spent, state.budget, state.exhausted) == (2, 3, False)
    assert state.key == "drift:BTC-USDT:v1:2024-01-08"
    calm = budget_state(history, days("c", 8)[0], config(2))
    assert (calm.spent, calm.exhausted, calm.key) == (2, True, "")


def test_beyond_the_budget_the_alarms_of_a_month_share_a_key() -> None:
    history = days("dcdcdcd")
    keys = [budget_state(history, day, config(2)).key for day in history if day.drifted]
    assert keys == [
        "drift:BTC-USDT:v1:2024-01-01",
        "drift:BTC-USDT:v1:2024-01-03",
        "drift:BTC-USDT:beyond-budget:2024-01",
        "drift:BTC-USDT:beyond-budget:2024-01",
    ]
    (later,) = days("d", 40)
    assert budget_state([*history, *days("c", 39)], later, config(2)).key.endswith("2024-02")


def test_each_day_of_an_episode_has_the_same_key() -> None:
    """Also where the budget is spent or freed, or the month ends, while it lasts."""
    history = days("dcdc" + "d" * 400)
    for budget in (0, 1, 2, 3):
        keys = {budget_state(history, day, config(budget)).key for day in history[4:]}
        assert len(keys) == 1


def test_a_year_later_the_budget_is_free_again() -> None:
    history = days("dc")
    for after, spent in ((364, 2), (365, 1)):
        (day,) = days("d", after)
        state = budget_state(history, day, config(1))
        assert (state.spent, state.exhausted) == (spent, spent > 1)


def test_other_symbols_do_not_count_and_other_champions_do() -> None:
    history = days("dcdc", symbol="ETH-USDT") + days("dc", version="v0")
    (day,) = days("d", 5)
    assert budget_state(history, day, config(9)).spent == 2


def test_a_day_decided_again_counts_as_decided_last() -> None:
    history = [*days("dcd"), *days("c", 0)]
    (day,) = days("d", 2)
    assert budget_state(history, day, config(9)).spent == 1


def test_an_old_champion_that_comes_back_spends_another_alarm() -> None:
    history = [*days("dd"), *days("d", 2, version="v2"), *days("dd", 4)]
    state = budget_state(history, history[-1], config(9))
    assert (state.spent, state.key) == (3, "drift:BTC-USDT:v1:2024-01-05")


def test_a_day_under_two_versions_can_begin_an_episode_of_each() -> None:
    """v2 took over within day 1: v1's alarm of day 0 lasts, v2's begins, and v1's of day 2 too."""
    history = [*days("dd"), *days("d", 1, version="v2"), *days("d", 2)]
    assert [budget_state(history, each, config(9)).spent for each in history[::3]] == [1, 3]


@settings(max_examples=60, deadline=None)
@given(st.text("dc ", min_size=1, max_size=500), st.integers(0, 30), st.integers(0, 99))
def test_no_year_has_more_messages_than_the_budget_and_its_months(
    pattern: str, budget: int, seed: int
) -> None:
    history = days(pattern)
    Random(seed).shuffle(history)
    told: dict[str, str] = {}
    for day in sorted((day for day in history if day.drifted), key=lambda each: each.day):
        state = budget_state(history, day, config(budget))
        told.setdefault(state.key, day.day)
        episode = episode_of(day, history)
        assert episode is not None
        assert state.exhausted != (state.key == episode.key)
    own = [np.datetime64(day) for key, day in told.items() if "beyond" not in key]
    for end in own:
        assert sum(end - 365 < day <= end for day in own) <= budget
    assert len(told) - len(own) <= len({day[:7] for day in told.values()})


def test_a_report_says_what_its_level_means_over_a_year() -> None:
    report = last_day(blocks(normal_days(0)))
    assert report.expected_alarms == pytest.approx(18.25)
    history = days("dcdc", 30 - 365)
    assert with_budget(report, history, config(24)).alarms_in_year == 0
    counted = with_budget(report, days("dcdc", 20, version="v0"), config(24))
    assert "2 alarms began in the last 365 days, of 24" in counted.alarm_budget
    row = counted.to_arrow()["drift_decisions"].to_pylist()[0]
    assert (row["alarms_in_year"], row["alarms_per_year"], row["expected_alarms"]) == (2, 24, 18.25)
