"""The asset `champion` on real versions: a candidate shadows, days decide, the night repeats."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from crypto_nn.cli import app
from crypto_nn.definitions import defs
from crypto_nn.defs import champion as room
from crypto_nn.defs.automation import RETRAIN, box, month_key
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import ConfigError
from crypto_nn.inference import registry
from crypto_nn.store.tables import TABLES

SYMBOL = "SYN-USDT"
NIGHT = np.datetime64("2024-03-01T03:15", "us")
HOUR = np.timedelta64(1, "h")


@dataclass
class World:
    """A home of its own, in which January was learned from, and February has come since."""

    platform: Platform
    instance: dg.DagsterInstance
    first: str = ""
    second: str = ""

    def run(
        self, job: str, keys: list[Any], only: tuple[str, ...] = (), seed: int | None = None
    ) -> dg.ExecuteInProcessResult:
        config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        if seed is not None:
            config["ops"] = {"checkpoint": {"config": {"set": {"training.seed": seed}}}}
        known = {each.name: each for each in (RETRAIN, room.JUDGE)}
        made = defs()
        if job not in {each.name for each in made.jobs or ()}:
            made = dg.Definitions.merge(made, dg.Definitions(jobs=[known[job]]))
        return made.resolve_job_def(job).execute_in_process(
            run_config=config,
            instance=self.instance,
            partition_key=keys[0] if len(keys) == 1 else None,
            tags=box(keys[0], keys[-1]) if len(keys) > 1 else {},
            asset_selection=[dg.AssetKey(name) for name in only] or None,
        )

    def judge(self) -> dict[str, Any]:
        """One run of the job; its metadata, and whether one champion answers."""
        result = self.run("judge", [SYMBOL])
        (made,) = result.asset_materializations_for_node("champion")
        checks = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
        assert set(checks) == {"champion_beats_its_baselines", "one_champion_answers"}
        found = {name: value.value for name, value in made.metadata.items()}
        return found | {"one_answers": checks["one_champion_answers"]}

    @property
    def scored(self) -> list[dict[str, Any]]:
        lake = self.platform.lake
        rows: list[dict[str, Any]] = (
            lake.read("shadow_scores").to_pylist() if lake.has("shadow_scores") else []
        )
        return rows


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """January, two versions that learned from it, then February; the clock is held."""
    home = tmp_path_factory.mktemp("champion")
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        made = World(Platform(home=str(home)), instance)
        patch.setenv("CRYPTO_NN_HOME", str(home))
        clock = [NIGHT - 2 * HOUR]
        patch.setattr(Platform, "now", lambda self: clock[0])
        patch.setattr(room, "is_live", lambda config, this: True)
        made.run("refresh_bars", [month_key(SYMBOL, "2024-01")])
        schema = pa.schema([(c.name, c.arrow) for c in TABLES["benchmark_report"].columns])
        made.platform.lake.replace({"benchmark_report": schema.empty_table()}, {})
        made.run("retrain", [SYMBOL], ("splits", "checkpoint"))
        made.first = made.judge()["version"]
        clock[0] += HOUR
        made.run("retrain", [SYMBOL], ("checkpoint",), seed=5)
        clock[0] = NIGHT
        made.run("refresh_bars", [month_key(SYMBOL, "2024-01"), month_key(SYMBOL, "2024-02")])
        (made.second,) = {
            row["version"] for row in made.platform.lake.read("checkpoints").to_pylist()
        } - {made.first}
        yield made


def test_a_candidate_shadows_on_the_days_that_came_since(world: World) -> None:
    """Every whole day of February on which both have answers; evidence and picture are told."""
    told = world.judge()
    assert told["one_answers"]
    days = [row["day"] for row in world.scored]
    assert days == sorted(set(days))
    assert days[-1] == "2024-02-28"  # no bar says yet that the 29th is over
    assert 26 <= len(days) <= 29
    assert all(0.5 < row["champion_loss"] < 2 for row in world.scored)
    events = [event["action"] for event in registry.history(world.platform.models, SYMBOL)]
    assert events[:2] == ["promote", "shadow"]
    assert told["timeline"].startswith("![SYN-USDT: who answered when](data:image/")
    if events[2:] == []:
        assert told["challenger"] == world.second
        assert told["challenger_days"] == len(days)
        assert told["challenger_evidence"] == world.scored[-1]["e_better"]


def test_the_same_night_again_changes_nothing(world: World) -> None:
    """No event and no row is doubled by a second run."""
    before = registry.history(world.platform.models, SYMBOL), world.scored
    world.judge()
    assert (registry.history(world.platform.models, SYMBOL), world.scored) == before


def test_the_command_line_tells_who_shadows_and_who_was_live(world: World) -> None:
    """And refuses to promote what cannot answer."""
    run = CliRunner().invoke
    lake, models = world.platform.lake, world.platform.models
    if registry.challenger_of(models, SYMBOL) is None:  # the days of February have decided
        registry.shadow(lake, models, SYMBOL, world.second, "once more", NIGHT)
    listed = run(app, ["models", "list"])
    assert listed.exit_code == 0, listed.output
    assert "shadows" in listed.output
    shadows = run(app, ["models", "shadows", SYMBOL])
    assert shadows.exit_code == 0, shadows.output
    assert world.second[:8] in shadows.output
    history = run(app, ["models", "history", SYMBOL])
    assert history.exit_code == 0, history.output
    assert "shadows" in history.output
    then = run(app, ["models", "history", SYMBOL, "--at", "2030-01-01"])
    assert f"{world.first} answered" in then.output
    assert "Nobody" in run(app, ["models", "history", SYMBOL, "--at", "2020-01-01"]).output
    same = run(app, ["models", "history", SYMBOL, "--at", "2030-01-01T02:00+02:00"])
    assert same.output == then.output
    for odd in ("", "NaT", "soon"):
        refused = run(app, ["models", "history", SYMBOL, "--at", odd])
        assert isinstance(refused.exception, ConfigError)


def test_a_broken_version_is_not_promoted_by_hand(world: World) -> None:
    """Nothing is changed, and the reason is told."""
    models = world.platform.models
    files = models.load(models.find(world.second), world.second)
    models.save("LSTMPricePredictor", "torn00", files | {"model.safetensors": b"no weights"})
    before = registry.history(models, SYMBOL)
    for name, why in (("torn00", "cannot answer for SYN-USDT"), ("zzzz", "none begins so")):
        result = CliRunner().invoke(app, ["models", "promote", name, "--universe", SYMBOL])
        assert result.exit_code != 0
        assert why in str(result.exception)
    assert registry.history(models, SYMBOL) == before


def test_a_champion_that_is_damaged_is_replaced_and_reported(world: World) -> None:
    """The other version answers from now on; while nobody can, the check says so."""
    models = world.platform.models
    weights = models.path("LSTMPricePredictor", world.first) / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    told = world.judge()
    assert told["version"] == world.second
    assert "the champion is broken" in told["verdict"]
    assert told["one_answers"]
    other = models.path("LSTMPricePredictor", world.second) / "model.safetensors"
    other.write_bytes(b"")
    assert not world.judge()["one_answers"]


def test_every_universe_with_a_champion_is_judged_once_a_night(
    world: World, tmp_path: Path
) -> None:
    """One run key per night; nothing is launched where there is nothing to judge."""
    at = datetime(2024, 3, 5, 3, 15, tzinfo=UTC)
    asked = []
    for platform in (world.platform, Platform(home=str(tmp_path))):
        made = dg.build_schedule_context(
            world.instance, scheduled_execution_time=at, resources={"platform": platform}
        )
        with made as context:
            found: Any = room.daily_judgement(context)
            asked.append(list(found))
    (request,) = asked[0]
    assert request.run_key == "judge-2024-03-05-SYN-USDT"
    assert request.partition_key == SYMBOL
    assert isinstance(asked[1][0], dg.SkipReason)
