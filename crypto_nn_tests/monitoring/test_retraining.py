"""Drift retrains once per episode, and never storms."""

from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from crypto_nn.monitoring.retraining import (
    DriftedDay,
    RetrainConfig,
    RetrainDecision,
    RetrainingRun,
    episode_of,
    should_retrain,
    whole_episode,
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


def scored(number: int, score: float, evidence: float) -> DriftedDay:
    return DriftedDay("BTC-USDT", day(number, True).day, "v1", score > 1, score, evidence)


NAN = float("nan")


@pytest.mark.parametrize(
    ("rule", "score", "evidence", "retrain"),
    [
        ("ignore", 1.2, NAN, True),
        ("ignore", 0.9, 1e6, False),
        ("lowers", 1.2, NAN, True),
        ("lowers", 1.2, 1.0, True),
        ("lowers", 0.75, 20.0, True),
        ("lowers", 0.75, 19.99, False),
        ("lowers", 0.74, 1e6, False),
        ("lowers", 0.9, NAN, False),
        ("lowers", 0.9, float("inf"), True),
        ("lowers", NAN, 1e6, False),
        ("required", 1.2, 20.0, True),
        ("required", 1.2, 19.99, False),
        ("required", 1.2, NAN, False),
        ("required", 0.9, 1e6, False),
    ],
)
def test_what_evidence_does(rule: str, score: float, evidence: float, retrain: bool) -> None:
    config = EAGER.model_copy(update={"evidence": rule})
    decision = decide([scored(0, score, evidence)], config=config)
    assert decision.retrain == retrain
    if rule == "required" and score > 1 and not retrain:
        assert "evidence from matured labels is required" in decision.reason


def test_an_episode_that_evidence_began_keeps_its_key_when_drift_crosses_the_threshold() -> None:
    """Score 0.8 with evidence, then 1.3, then 0.9 without: one episode, and its end."""
    days = [scored(0, 0.8, 25), scored(1, 1.3, 30), scored(2, 0.9, 2), scored(3, 0.8, 22)]
    keys = [decide(days[: n + 1]).run_key for n in range(4)]
    assert keys[0] == keys[1] != ""
    assert keys[2] == ""
    assert keys[3] not in keys[:3]


def test_evidence_that_comes_and_goes_is_one_episode_where_it_is_required() -> None:
    """The drifted days are the episode; evidence says only on which of them it retrains."""
    config = EAGER.model_copy(update={"evidence": "required"})
    days = [scored(0, 1.5, 3), scored(1, 1.5, 25), scored(2, 1.5, 4), scored(3, 1.5, 40)]
    runs: list[RetrainingRun] = []
    for number in range(4):
        decision = decide(days[: number + 1], runs, config)
        if decision.retrain:
            runs.append(RetrainingRun(decision.run_key, START))
    assert [run.run_key for run in runs] == ["drift:BTC-USDT:v1:2024-01-01"]


def test_a_failed_run_has_spent_its_part_but_not_the_episode() -> None:
    config = RetrainConfig(cooldown_hours=24, max_per_year=2)
    key = decide(days("D")).run_key
    failed = [RetrainingRun(key, START, failed=True)]
    held = decide(days("D"), failed, config, START + 23 * HOUR)
    assert (held.retrain, held.waits) == (False, True)
    assert decide(days("D"), failed, config, START + 24 * HOUR).retrain
    twice = [*failed, RetrainingRun(key, START + 24 * HOUR, failed=True)]
    spent = decide(days("D"), twice, config, START + 100 * HOUR)
    assert (spent.retrain, spent.waits) == (False, False)
    assert "max_per_year" in spent.reason


def test_an_episode_whose_days_came_in_out_of_order_has_one_run() -> None:
    """The second day was acted on before the first one was known."""
    late = days("DDD")
    run = RetrainingRun(decide(late[1:2]).run_key, START)
    assert run.run_key != decide(late).run_key
    assert "has had its retraining" in decide(late, [run]).reason


def test_a_rollback_begins_a_new_episode() -> None:
    """v1 drifts and is retrained, v2 answers, v1 comes back: its drift has a retraining again."""
    history = [day(0, True), day(5, True, "v2"), day(6, False, "v2"), day(9, True), day(10, True)]
    episode = episode_of(history[-1], history[::-1])
    assert episode is not None
    assert episode.days == (day(9, True).day, day(10, True).day)
    assert whole_episode(history[3], history) == episode
    run = RetrainingRun(decide(history[:1]).run_key, START)
    assert decide(history[:4], [run]).retrain


@pytest.mark.parametrize(("last", "length"), [("v1", 3), ("v2", 1)])
def test_of_a_day_under_two_versions_what_was_decided_last_counts(last: str, length: int) -> None:
    """As in `drift_decisions`, which keeps one row; asked about the day itself, it is its own."""
    versions = ("v2", "v1") if last == "v1" else ("v1", "v2")
    history = [day(0, True), *(day(1, True, version) for version in versions), day(2, True)]
    episode = episode_of(history[-1], history)
    assert episode is not None
    assert episode.num_days == length
    asked = episode_of(day(1, True), history)
    assert asked is not None
    assert asked.num_days == 2


@pytest.mark.parametrize("name", ["cooldown_hours", "evidence_level", "threshold_with_evidence"])
@pytest.mark.parametrize("value", [float("inf"), NAN])
def test_settings_are_numbers(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=name):
        RetrainConfig.model_validate({name: value})


def test_the_longest_pause_can_be_reckoned_with() -> None:
    with pytest.raises(ValidationError, match="cooldown_hours"):
        RetrainConfig(cooldown_hours=1e15)
    config = RetrainConfig(cooldown_hours=876_000)
    assert decide(days("D"), [RetrainingRun("earlier", START)], config).waits
