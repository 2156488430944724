"""Drift retrains once per episode, and never storms."""

from itertools import pairwise

import numpy as np
import pytest

from crypto_nn.monitoring.retraining import (
    DriftedDay,
    RetrainConfig,
    RetrainDecision,
    RetrainingRun,
    episode_of,
    should_retrain,
)

START = np.datetime64("2024-01-01", "us")
HOUR = np.timedelta64(1, "h")
EAGER = RetrainConfig(cooldown_hours=0, max_per_year=1000)


def day(number: int, drifted: bool, version: str = "v1", symbol: str = "BTC-USDT") -> DriftedDay:
    date = str((START + number * 24 * HOUR).astype("datetime64[D]"))
    return DriftedDay(symbol, date, version, drifted, 2.0 if drifted else 0.5)


def days(pattern: str) -> list[DriftedDay]:
    """D for a drifted day, c for a calm one, - for a day without a report."""
    return [day(number, mark == "D") for number, mark in enumerate(pattern) if mark != "-"]


def decide(
    history: list[DriftedDay],
    runs: list[RetrainingRun] | None = None,
    config: RetrainConfig = EAGER,
    now: np.datetime64 = START + 1000 * HOUR,
) -> RetrainDecision:
    return should_retrain(history[-1], history, runs or [], config, now)


@pytest.mark.parametrize(
    ("pattern", "first", "length"),
    [("D", 0, 1), ("cDDD", 1, 3), ("DDcD", 3, 1), ("cD-D", 1, 2), ("c--DD", 3, 2)],
)
def test_an_episode_is_drifted_days_until_a_calm_one(pattern: str, first: int, length: int) -> None:
    history = days(pattern)
    episode = episode_of(history[-1], history[::-1])
    assert episode is not None
    assert (episode.first_day, episode.num_days) == (day(first, True).day, length)


def test_a_calm_day_is_in_no_episode_and_does_not_retrain() -> None:
    history = days("DDc")
    assert episode_of(history[-1], history) is None
    assert decide(history) == RetrainDecision(False, "2024-01-03 is calm.", "")


def test_other_symbols_and_versions_do_not_prolong_an_episode() -> None:
    history = [day(0, True, "v0"), day(1, True, "v1", "ETH-USDT"), day(2, True)]
    episode = episode_of(history[-1], history)
    assert episode is not None
    assert episode.first_day == "2024-01-03"


def test_ten_ticks_inside_an_episode_ask_for_one_run_and_the_next_episode_for_a_second() -> None:
    runs: list[RetrainingRun] = []
    history: list[DriftedDay] = []
    for number, mark in enumerate("c" + "D" * 10 + "c" + "D" * 10):
        history.append(day(number, mark == "D"))
        for tick in range(3):
            now = START + (number * 24 + tick) * HOUR
            decision = decide(history, runs, now=now)
            if decision.retrain:
                runs.append(RetrainingRun(decision.run_key, now))
    assert len(runs) == len({run.run_key for run in runs}) == 2


def test_the_same_day_again_gives_the_same_key() -> None:
    history = days("cDD")
    keys = {
        decide(history[:2]).run_key,
        decide(history).run_key,
        decide([*history, history[-1]]).run_key,
    }
    assert len(keys) == 1


@pytest.mark.parametrize("new_champion", [True, False])
@pytest.mark.parametrize("max_per_year", [0, 3, 52])
def test_drift_for_ever_spends_no_more_than_the_budget(
    new_champion: bool, max_per_year: int
) -> None:
    """A tick each hour; each retraining makes a new champion, or none does."""
    config = RetrainConfig(cooldown_hours=48, max_per_year=max_per_year)
    runs: list[RetrainingRun] = []
    history: list[DriftedDay] = []
    for hour in range(1000):
        now = START + hour * HOUR
        version = f"v{len(runs)}" if new_champion else "v1"
        history.append(day(hour // 24, True, version))
        decision = decide(history, runs, config, now)
        if decision.retrain:
            runs.append(RetrainingRun(decision.run_key, now))
    assert len(runs) == min(max_per_year, 1 + 999 // 48 if new_champion else 1)
    starts = [run.started_at for run in runs]
    assert all(later - earlier >= 48 * HOUR for earlier, later in pairwise(starts))


def test_what_the_pause_held_back_is_made_up_for_within_the_same_episode() -> None:
    history = days("cD")
    config = RetrainConfig(cooldown_hours=24)
    runs = [RetrainingRun("earlier", START)]
    early = decide(history, runs, config, START + 23 * HOUR)
    late = decide(history, runs, config, START + 24 * HOUR)
    assert (early.retrain, late.retrain) == (False, True)
    assert early.run_key == late.run_key
    assert "24 hours" in early.reason


def test_a_year_later_the_budget_is_whole_again() -> None:
    config = RetrainConfig(cooldown_hours=0, max_per_year=1)
    runs = [RetrainingRun("earlier", START)]
    assert not decide(days("D"), runs, config, START + 364 * 24 * HOUR).retrain
    assert decide(days("D"), runs, config, START + 365 * 24 * HOUR).retrain


@pytest.mark.parametrize(
    ("config", "runs", "reason"),
    [
        (RetrainConfig(enabled=False), [], "switched off"),
        (EAGER, [RetrainingRun("other", START, active=True)], "queued or running"),
        (RetrainConfig(min_drifted_days=3), [], "min_drifted_days"),
        (RetrainConfig(max_per_year=0), [], "max_per_year"),
    ],
)
def test_each_refusal_says_why(
    config: RetrainConfig, runs: list[RetrainingRun], reason: str
) -> None:
    decision = decide(days("cDD"), runs, config)
    assert not decision.retrain
    assert reason in decision.reason
    assert decision.run_key


def test_an_old_day_that_is_filled_in_later_does_not_retrain() -> None:
    history = days("cDDcc")
    decision = should_retrain(history[1], history, [], EAGER, START + 1000 * HOUR)
    assert not decision.retrain
    assert "not the newest" in decision.reason
