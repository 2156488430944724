"""A new version shadows the champion; days that neither has learned from decide."""

from pathlib import Path

import numpy as np
import pytest

from crypto_nn.benchmark.judgement import judge_night
from crypto_nn.benchmark.shadow import DayScore, over_until, stand
from crypto_nn.benchmark.standings import present, timeline
from crypto_nn.errors import ModelError
from crypto_nn.inference import registry
from crypto_nn_tests.benchmark.shadows import BTC, CONFIG, FIRST, Invented, World, at

SKILL = {"old": 0.40, "good": 0.44, "bad": 0.36, "same": 0.40, "next": 0.44}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """`old` answers; all versions have learned until the first day."""
    made = World(tmp_path, Invented(dict(SKILL)))
    made.night(0, "old")
    return made


def run(world: World, candidate: str, first: int, last: int) -> None:
    for day in range(first, last + 1):
        world.night(day, candidate)


def test_the_first_version_answers_at_once(world: World) -> None:
    """There is nobody to compare it with."""
    assert world.champion == "old"
    assert world.challenger is None
    assert world.scored() == []


def test_a_first_version_that_cannot_answer_is_refused(tmp_path: Path) -> None:
    """Nothing is promoted, and the reason is told."""
    world = World(tmp_path, Invented({"old": 0.4}, broken={"old"}))
    with pytest.raises(ModelError, match="old cannot answer: old is damaged"):
        world.night(0, "old")
    assert world.champion is None


@pytest.mark.parametrize(
    ("candidate", "action", "champion"), [("good", "promote", "good"), ("bad", "reject", "old")]
)
def test_days_decide(world: World, candidate: str, action: str, champion: str) -> None:
    """A better challenger is promoted, a worse one rejected, neither before `min_days`."""
    for day in (1, CONFIG.min_days - 1):
        world.night(day, candidate)
    assert world.challenger == candidate
    assert world.champion == "old"
    world.night(20, candidate)
    assert world.champion == champion
    assert (action, candidate) in world.actions()
    assert world.challenger is None


def test_one_that_is_no_better_is_let_go(tmp_path: Path) -> None:
    """After `max_shadow_days` days of no verdict, and it does not come back by itself."""
    config = CONFIG.model_copy(update={"max_shadow_days": 10})
    world = World(tmp_path, Invented(dict(SKILL)), config)
    world.night(0, "old")
    for day in (1, 9):
        world.night(day, "same")
    assert world.challenger == "same"
    run(world, "same", 10, 11)
    assert world.actions() == [("promote", "old"), ("shadow", "same"), ("expire", "same")]
    assert len(world.scored()) == 10
    assert world.challenger is None


def test_the_same_night_again_changes_nothing(world: World) -> None:
    """Neither an event, nor a row, nor another verdict, whatever happened in that night."""
    for day in (1, 2, 12):
        world.night(day, "good")
        before = registry.history(world.models, BTC), world.scored()
        assert world.night(day, "good") == []
        assert (registry.history(world.models, BTC), world.scored()) == before


def test_missed_nights_are_made_up_for(tmp_path: Path) -> None:
    """After a pause the same days, evidence and verdict stand as if there had been none."""
    config = CONFIG.model_copy(update={"alpha": 0.3})  # so that few nights are enough
    made = []
    for nights in (range(1, 9), (1, 8)):
        world = World(tmp_path / str(len(nights)), Invented(dict(SKILL)), config)
        world.night(0, "old")
        for day in nights:
            world.night(day, "good")
        days = [row for row in world.scored() if row["role"] == "challenger"]
        events = registry.history(world.models, BTC)
        made.append(([(e["action"], e["reason"]) for e in events], days))
    (actions, nightly), (actions_after, at_once) = made
    assert [action for action, _ in actions] == ["promote", "shadow", "promote"]
    assert actions == actions_after  # with the same evidence on the same number of days
    assert at_once[: len(nightly)] == nightly


def test_only_whole_days_that_neither_has_learned_from_count(tmp_path: Path) -> None:
    """After both folds, over, and only rows whose labels end within the day."""
    world = World(tmp_path, Invented(dict(SKILL), learned={"old": 0, "good": 4}))
    world.night(0, "old")
    for day in (1, 5, 8):
        world.night(day, "good")
    rows = world.scored()
    assert [row["day"] for row in rows] == [str(FIRST + day) for day in (4, 5, 6, 7)]
    # every 30 minutes from 00:00 to 22:30 (labels end at 23:31), two horizons
    assert {row["rows"] for row in rows} == {46 * 2}


def test_a_day_without_rows_is_left_out(world: World) -> None:
    """An outage is no day; the days after it count."""
    world.versions.outages = {2}
    run(world, "good", 3, 5)
    assert [row["day"] for row in world.scored()] == [str(FIRST + day) for day in (0, 1, 3, 4)]


def test_a_day_waits_for_the_bars_after_it(world: World) -> None:
    """At most two days: a feed that is down for good does not hold up the others."""
    versions = world.versions
    versions.newest_at = at(3, 12)
    assert over_until(versions, [BTC], at(4)) == FIRST + 3
    assert over_until(versions, [BTC], at(5)) == FIRST + 4
    versions.newest_at = at(9, 1)
    assert over_until(versions, [BTC], at(5)) == FIRST + 5  # never today


def test_losses_are_those_that_were_worked_out_by_hand(world: World) -> None:
    """Mean of −log of the probability given to what happened."""
    world.versions.spread = 0.0
    world.night(1, "good")
    (row,) = world.scored()
    assert row["champion_loss"] == pytest.approx(-np.log(0.40))
    assert row["shadow_loss"] == pytest.approx(-np.log(0.44))


def test_later_candidates_wait(world: World) -> None:
    """A nightly retraining brings a candidate each night: one shadows at a time."""
    world.night(1, "same")
    assert world.night(2, "next") == ["waits: same shadows"]
    assert world.night(3, "next") == []  # said once
    world.night(4, "good")
    assert world.challenger == "same"
    world.config = CONFIG.model_copy(update={"max_shadow_days": 10})
    world.versions.learned["next"] = 11
    world.night(12, "next")
    assert world.actions()[-2:] == [("expire", "same"), ("shadow", "next")]


def test_a_challenger_that_falls_behind_gives_way_to_a_newer_candidate(world: World) -> None:
    """Else what learned the market of today would wait for weeks behind what did not."""
    world.night(1, "same")
    world.night(4, "next")  # too early
    assert world.challenger == "same"
    world.versions.learned["next"] = 9
    world.night(10, "next")
    assert float(str(world.scored()[-1]["e_better"])) < 1
    assert world.actions()[-2:] == [("expire", "same"), ("shadow", "next")]
    assert "gives way to next" in registry.history(world.models, BTC)[-2]["reason"]


def test_a_challenger_that_leads_does_not_give_way(world: World) -> None:
    world.config = CONFIG.model_copy(update={"alpha": 1e-6})
    world.night(1, "good")
    world.night(12, "next")
    assert float(str(world.scored()[-1]["e_better"])) > 1
    assert world.challenger == "good"


def test_a_challenger_that_cannot_answer_makes_room(world: World) -> None:
    """It is rejected, and the candidate of the night takes its place."""
    world.night(1, "same")
    world.versions.broken = {"same"}
    world.night(2, "next")
    assert world.actions()[-2:] == [("reject", "same"), ("shadow", "next")]


def test_whoever_was_rejected_does_not_come_back_by_itself(world: World) -> None:
    """Only by hand; the refusal is written down once."""
    for day in (1, 20, 21):
        world.night(day, "bad")
    events = registry.history(world.models, BTC)
    assert [e["action"] for e in events if e["version"] == "bad"] == ["shadow", "reject", "keep"]
    assert "models promote" in events[-1]["reason"]


@pytest.mark.parametrize("how", ["broken", "mad", "silent"])
def test_a_champion_that_cannot_answer_is_replaced_at_once(world: World, how: str) -> None:
    """Damaged, answers that are no numbers, or none for a week: no day is waited for."""
    getattr(world.versions, how).add("old")
    (said, *_) = world.night(1, "same")
    assert "the champion is broken" in said
    assert world.champion == "same"


def test_a_broken_champion_stays_where_nobody_can_answer(world: World) -> None:
    """One champion at every moment, even a broken one; nothing is promoted blindly."""
    world.versions.broken = {"old", "same"}
    world.night(1, "same")
    assert world.champion == "old"


def test_without_a_sound_candidate_the_challenger_takes_over(world: World) -> None:
    """It has at least been asked."""
    world.night(1, "good")
    world.versions.broken = {"old", "next"}
    world.night(2, "next")
    assert world.champion == "good"


@pytest.mark.parametrize(
    ("better", "comparable", "champion"),
    [(True, True, "same"), (False, True, "old"), (False, False, "same")],
)
def test_the_monitors_alarm_opens_the_gate(
    world: World, better: bool, comparable: bool, champion: str
) -> None:
    """A candidate that is better on calibration rows, or cannot be compared there, takes over."""
    world.better, world.comparable = better, comparable
    world.raise_alarm("other", 1)
    world.raise_alarm("old", 1, alarm=False)
    world.raise_alarm("old", 1, symbol="ETH-USDT")
    world.night(1, "same")
    assert world.champion == "old"
    world.raise_alarm("old", 2)
    world.night(2, "same")
    assert world.champion == champion


def test_a_regression_is_rolled_back(world: World) -> None:
    """The one before watches; where the days show that it is better, it answers again."""
    for day in (1, 15):
        world.night(day, "good")
    assert world.champion == "good"
    world.versions.skill["good"] = 0.36
    world.night(35, "good")
    assert world.champion == "old"
    last = registry.history(world.models, BTC)[-2]
    assert last["action"] == "rollback"
    assert "which answered before, is better" in last["reason"]
    assert {row["role"] for row in world.scored()} == {"challenger", "predecessor"}
    world.night(36, "good")  # and it does not come back
    assert world.champion == "old"


def test_the_watch_ends(world: World) -> None:
    """After `rollback_days` the one before is not asked any more."""
    world.config = CONFIG.model_copy(update={"rollback_days": 5})
    for day in (1, 15, 18, 25):
        world.night(day, "good")
    assert world.champion == "good"
    watched = [row["day"] for row in world.scored() if row["role"] == "predecessor"]
    assert watched == [str(FIRST + day) for day in range(15, 20)]
    world.versions.skill["good"] = 0.2
    world.night(45, "good")
    assert world.champion == "good"


@pytest.mark.parametrize("how", ["broken", "alarm"])
def test_a_broken_new_champion_is_rolled_back_at_once(world: World, how: str) -> None:
    """The one before is known to work; a candidate is not asked first."""
    registry.promote(world.lake, world.models, BTC, "good", "by hand", at(1))
    if how == "broken":
        world.versions.broken = {"good"}
    else:
        world.raise_alarm("good", 2)
    world.night(2, "same")
    assert world.champion == "old"
    assert world.actions()[-2][0] == "rollback"


def test_where_no_new_days_come_calibration_rows_decide_at_once(world: World) -> None:
    """Historical data: as without shadows, and the reason says so."""
    world.symbols = ()
    (said,) = world.night(1, "same")
    assert said == "not shown to be better (judged at once: no new days will come)"
    assert world.challenger is None
    world.better = True
    world.night(1, "same")
    assert world.champion == "same"


def test_shadows_can_be_switched_off(world: World) -> None:
    """`gate.shadow: false` compares once; whoever was rolled back stays away all the same."""
    world.config = CONFIG.model_copy(update={"shadow": False})
    world.better = True
    world.night(1, "same")
    assert world.champion == "same"
    registry.rollback(world.lake, world.models, BTC, "by hand", at(2))
    world.night(3, "same")
    assert world.champion == "old"


def test_a_verdict_is_void_where_the_champion_changed_meanwhile(world: World) -> None:
    """What a person did while the judgement was at work stands."""
    world.night(1, "good")
    court = world.court(at(30))
    answers = world.versions.answers

    def meanwhile(*arguments: object) -> object:
        if world.champion == "old":
            registry.promote(world.lake, world.models, BTC, "next", "by hand", at(30))
        return answers(*arguments)  # type: ignore[arg-type]

    world.versions.broken = {"old"}
    world.versions.newest_at = at(30)
    object.__setattr__(world.versions, "answers", meanwhile)
    with pytest.raises(ModelError, match="the verdict is void"):
        judge_night(court, "same")
    assert world.champion == "next"


def test_what_people_see_is_what_is_decided_on(world: World) -> None:
    """Standing and curve of the present shadows; spells without a hole."""
    for day in (1, 5):
        world.night(day, "good")
    (shadow,) = present(world.lake, world.models, BTC, world.versions, CONFIG)
    last = world.scored()[-1]
    assert shadow.standing.days == 5
    assert shadow.standing.e_better == last["e_better"] == shadow.curve.better_T[-1]
    world.night(40, "good")
    spells, marks = timeline(world.models, BTC, at(40))
    answers = [spell for spell in spells if spell.kind == "answers"]
    assert [spell.version for spell in answers] == ["old", "good"]
    assert answers[0].end == answers[1].start
    assert [mark.action for mark in marks] == ["promote", "promote"]


def test_evidence_decides_on_the_first_day_and_later_days_change_nothing() -> None:
    """A verdict is that of the first day on which the level was reached."""
    days = [DayScore(str(FIRST + n), 10, 1.0 + 0.001 * (n % 3), 0.9) for n in range(40)]
    whole = stand(days, CONFIG)
    assert whole.verdict == "better"
    worse = [DayScore(day.day, 10, 0.5, 0.9) for day in days[whole.days :]]
    assert stand([*days[: whole.days], *worse], CONFIG) == whole
    assert stand(days[: whole.days - 1], CONFIG).verdict == "open"
