"""Who answers: one version at every moment, whoever is killed when, and whoever else writes."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crypto_nn.errors import ModelError
from crypto_nn.inference import registry
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore
from crypto_nn_tests.store import kill

BTC = "BTC-USDT"
NOW = np.datetime64("2025-03-01", "us")
DAY = np.timedelta64(1, "D")
VERSIONS = ("v1", "v2", "v3")


def stores_in(home: Path) -> tuple[Lake, ModelStore]:
    return Lake(home / "lake"), ModelStore(home / "models")


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Lake, ModelStore]:
    lake, models = stores_in(tmp_path)
    for version in VERSIONS:
        models.save("LSTM", version, {"config.json": version.encode()})
    return lake, models


def table(lake: Lake) -> list[tuple[str, str]]:
    rows = lake.read("champion_history").to_pylist() if lake.has("champion_history") else []
    return [(row["action"], row["version"]) for row in rows]


def told(models: ModelStore) -> list[tuple[str, str]]:
    return [(event["action"], event["version"]) for event in registry.history(models, BTC)]


def test_the_history_says_who_was_live_when(stores: tuple[Lake, ModelStore]) -> None:
    """Before the first promotion nobody; then one version at each moment."""
    registry.promote(*stores, BTC, "v1", "first", NOW)
    registry.keep(*stores, BTC, "v3", "no better", NOW + DAY)
    registry.shadow(*stores, BTC, "v2", "new", NOW + 2 * DAY)
    registry.promote(*stores, BTC, "v2", "better", NOW + 3 * DAY)
    registry.rollback(*stores, BTC, "worse", NOW + 5 * DAY)
    hours = np.timedelta64(1, "h")
    live = [registry.who_was_live(stores[1], BTC, NOW + day * DAY + hours) for day in range(-1, 7)]
    assert live == [None, "v1", "v1", "v1", "v2", "v2", "v1", "v1"]
    assert registry.who_was_live(stores[1], BTC, NOW + 3 * DAY) == "v2"  # from that moment on
    assert table(stores[0]) == told(stores[1])
    assert registry.who_was_live(stores[1], "ETH-USDT", NOW) is None


def test_a_challenger_is_one_until_something_ends_it(stores: tuple[Lake, ModelStore]) -> None:
    """Promotion of anybody, rollback, rejection or expiry; a refused candidate ends nothing."""
    lake, models = stores
    with pytest.raises(ModelError, match="nobody to challenge"):
        registry.shadow(lake, models, BTC, "v2", "new", NOW)
    registry.promote(lake, models, BTC, "v1", "first", NOW)
    with pytest.raises(ModelError, match="nobody to challenge"):
        registry.shadow(lake, models, BTC, "v1", "itself", NOW)
    for end in ("reject", "expire", "promote", "rollback"):
        registry.shadow(lake, models, BTC, "v2", "new", NOW)
        registry.keep(lake, models, BTC, "v3", end, NOW)
        challenger = registry.challenger_of(models, BTC)
        assert challenger is not None
        assert challenger.version == "v2"
        with pytest.raises(ModelError, match="One at a time"):
            registry.shadow(lake, models, BTC, "v2", "again", NOW)
        if end == "promote":
            registry.promote(lake, models, BTC, "v3", "by hand", NOW)
        elif end == "rollback":
            registry.rollback(lake, models, BTC, "by hand", NOW)
        else:
            with pytest.raises(ModelError, match="not the challenger"):
                registry.dismiss(lake, models, BTC, "v3", end, "test", NOW)
            registry.dismiss(lake, models, BTC, "v2", end, "test", NOW)
        assert registry.challenger_of(models, BTC) is None


def test_the_one_before_watches_until_it_is_rolled_back_to(
    stores: tuple[Lake, ModelStore],
) -> None:
    """After a rollback nobody watches, so that two versions do not take turns."""
    _, models = stores
    registry.promote(*stores, BTC, "v1", "first", NOW)
    assert registry.predecessor_of(models, BTC) is None
    registry.promote(*stores, BTC, "v2", "better", NOW + DAY)
    before = registry.predecessor_of(models, BTC)
    assert before is not None
    assert (before.version, before.at[:10]) == ("v1", "2025-03-02")
    registry.rollback(*stores, BTC, "worse", NOW + 2 * DAY)
    assert registry.predecessor_of(models, BTC) is None
    registry.promote(*stores, BTC, "v3", "better", NOW + 3 * DAY)
    after = registry.predecessor_of(models, BTC)
    assert after is not None
    assert after.version == "v1"


def test_promoting_the_champion_changes_nothing(stores: tuple[Lake, ModelStore]) -> None:
    """A command that is given twice leaves one event, and a rollback finds the one before."""
    registry.promote(*stores, BTC, "v1", "first", NOW)
    for _ in range(2):
        champion = registry.promote(*stores, BTC, "v2", "by hand", NOW)
    assert champion.version == "v2"
    assert told(stores[1]) == [("promote", "v1"), ("promote", "v2")]
    assert registry.rollback(*stores, BTC, "no", NOW).version == "v1"


def test_the_same_verdict_is_written_once(stores: tuple[Lake, ModelStore]) -> None:
    """Until something else happens; another reason is another verdict."""
    registry.promote(*stores, BTC, "v1", "first", NOW)
    said = [registry.keep(*stores, BTC, v, reason, NOW)
            for v, reason in (("v2", "a"), ("v3", "a"), ("v2", "a"), ("v2", "b"))]  # fmt: skip
    assert said == [True, True, False, True]


def test_a_verdict_against_another_champion_is_void(stores: tuple[Lake, ModelStore]) -> None:
    """Nothing is changed, and the error says who answers by now."""
    registry.promote(*stores, BTC, "v1", "first", NOW)
    registry.promote(*stores, BTC, "v2", "by hand", NOW)
    with pytest.raises(ModelError, match=r"judged against v1, and v2 answers.*void"):
        registry.promote(*stores, BTC, "v3", "better", NOW, instead_of="v1")
    with pytest.raises(ModelError, match="void"):
        registry.rollback(*stores, BTC, "worse", NOW, instead_of="v1")
    assert len(told(stores[1])) == 2


def test_unknown_versions_are_refused(stores: tuple[Lake, ModelStore]) -> None:
    """And so is a rollback to one whose files are gone."""
    lake, models = stores
    with pytest.raises(ModelError, match="no single version nobody"):
        registry.promote(lake, models, BTC, "nobody", "test", NOW)
    for version in ("v1", "v2"):
        registry.promote(lake, models, BTC, version, "test", NOW)
    models.remove("LSTM", "v1")
    with pytest.raises(ModelError, match="no single version v1"):
        registry.rollback(lake, models, BTC, "test", NOW)
    champion = registry.champion_of(models, BTC)
    assert champion is not None
    assert champion.version == "v2"


def test_a_reason_in_other_bytes_is_kept_readable(stores: tuple[Lake, ModelStore]) -> None:
    """What a Latin-1 terminal gives would leave pointer and table apart."""
    registry.promote(*stores, BTC, "v1", "gepr\udcfcft", NOW)
    assert table(stores[0]) == told(stores[1]) == [("promote", "v1")]
    assert registry.history(stores[1], BTC)[-1]["reason"] == "gepr?ft"


def test_times_rise_even_where_the_clock_is_put_back(stores: tuple[Lake, ModelStore]) -> None:
    """So the table, ordered by time, tells the history in its order."""
    for version, when in (("v3", NOW), ("v2", NOW), ("v1", NOW - 9 * DAY)):
        registry.promote(*stores, BTC, version, "test", when)
    assert table(stores[0]) == [("promote", v) for v in ("v3", "v2", "v1")]
    at = [event["at"] for event in registry.history(stores[1], BTC)]
    assert at == sorted(set(at))


def promotion(home: Path, point: str) -> Any:
    """A promotion of v2 that kills its process at a point."""
    lake, models = stores_in(home)

    def die(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if point == "before the pointer":
        ModelStore.set_pointer = die  # type: ignore[method-assign]
    elif point == "inside the pointer":
        os.replace = die
    elif point == "before the table":
        Lake.replace = die  # type: ignore[method-assign,assignment]
    else:
        replace = Lake.replace

        def replace_then_die(*args: Any, **kwargs: Any) -> None:
            replace(*args, **kwargs)
            die()

        Lake.replace = replace_then_die  # type: ignore[method-assign,assignment]
    return lambda: registry.promote(lake, models, BTC, "v2", "better", NOW)


POINTS = ("before the pointer", "inside the pointer", "before the table", "after the table")


@pytest.mark.kill
@pytest.mark.parametrize("point", POINTS)
def test_one_champion_at_every_moment(stores: tuple[Lake, ModelStore], point: str) -> None:
    """Killed anywhere, the old or the new version answers; the next call mends the table, and
    the lock of the dead process holds up nobody."""
    lake, models = stores
    registry.promote(lake, models, BTC, "v1", "first", NOW)
    lake.close()
    assert not kill.commit_then_kill(promotion, models.root.parent, point, after=None)
    swapped = point in POINTS[2:]
    champion = registry.champion_of(models, BTC)
    assert champion is not None
    assert champion.version == ("v2" if swapped else "v1")
    assert (table(lake) == told(models)) == (point != "before the table")
    assert registry.repair(lake, models, BTC) == (point == "before the table")
    assert table(lake) == told(models)
    assert not registry.repair(lake, models, BTC)
    registry.promote(lake, models, BTC, "v3", "next", NOW)
    assert table(lake)[-1] == ("promote", "v3")


def verdicts(home: Path, who: int) -> Any:
    """Ten verdicts of one process."""
    lake, models = stores_in(home)

    def write() -> None:
        for number in range(10):
            registry.keep(lake, models, BTC, "v2", f"{who}: {number}", NOW)

    return write


@pytest.mark.kill
def test_two_processes_lose_no_event(stores: tuple[Lake, ModelStore]) -> None:
    """Each reads, adds and writes under one lock."""
    lake, models = stores
    registry.promote(lake, models, BTC, "v1", "first", NOW)
    lake.close()
    pipes, children = [], []
    for who in range(2):
        ours, theirs = kill.CONTEXT.Pipe()
        child = kill.CONTEXT.Process(
            target=kill._child, args=(theirs, verdicts, (models.root.parent, who)), daemon=True
        )
        child.start()
        pipes.append(ours)
        children.append(child)
    for ours in pipes:
        assert ours.recv() == "go"
    for ours in pipes:
        assert ours.recv()[0] == "done"
        ours.send("bye")
    for child in children:
        child.join()
    reasons = {event["reason"] for event in registry.history(models, BTC)}
    assert reasons >= {f"{who}: {number}" for who in range(2) for number in range(10)}
    assert len(table(lake)) == 21
    assert table(lake) == told(models)
