"""The graph that Dagster sees."""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from crypto_nn.benchmark.contestants import NetworkContestant
from crypto_nn.definitions import defs
from crypto_nn.defs import automation, sensors
from crypto_nn.defs.io_managers import RefusingIOManager
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import LakeError
from crypto_nn.experiments import Experiment
from crypto_nn.models import MODELS

ASSETS = {
    "raw_bars", "bars", "features", "labels", "splits", "checkpoint", "benchmark_report",
    "controls", "champion", "predictions", "drift_report", "model_metrics", "tuning_study",
}  # fmt: skip


@pytest.fixture(scope="module")
def graph() -> dg.Definitions:
    return defs()


def test_definitions_load(graph: dg.Definitions) -> None:
    """Everything that Dagster would find wrong at start-up, it finds here."""
    dg.Definitions.validate_loadable(graph)


def test_the_graph_is_the_one_that_is_documented(graph: dg.Definitions) -> None:
    """Assets, jobs, schedules and sensors by name: a change here is a change for users."""
    assert {key.to_user_string() for key in graph.resolve_all_asset_keys()} == ASSETS
    assert {job.name for job in automation.JOBS} == {
        "refresh_bars", "retrain", "predict", "watch", "benchmark", "run_controls", "cut_splits",
        "tune", "upkeep", "refill_gaps", "judge", "check_skew",
    }  # fmt: skip
    assert {schedule.name for schedule in automation.SCHEDULES} == {
        "refresh_bars", "nightly_retraining", "daily_watch", "daily_predictions", "weekly_upkeep",
        "weekly_controls", "refill_gaps", "daily_judgement", "daily_skew",
    }  # fmt: skip
    assert {sensor.name for sensor in sensors.SENSORS} == {
        "retrain_on_drift", "alert_on_drift", "alert_on_failure", "fill_missing_partitions",
        "dead_man_switch",
    }  # fmt: skip


def test_every_asset_has_a_group_a_kind_an_owner_and_a_description(graph: dg.Definitions) -> None:
    """What a person sees in the catalogue before opening the code."""
    for spec in graph.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert spec.group_name not in (None, "default"), name
        assert spec.kinds, name
        assert spec.owners, name
        assert len(spec.description or "") > 40, name


def test_schedules_are_in_utc_and_run_from_the_start() -> None:
    """No zone but UTC, so that no night is skipped or doubled when clocks change."""
    for schedule in automation.SCHEDULES:
        assert schedule.execution_timezone == "UTC", schedule.name
        assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING, schedule.name


def _cuts(definition: dg.PartitionsDefinition[Any] | None) -> list[dg.PartitionsDefinition[Any]]:
    """A partitions definition, or those of its dimensions."""
    if isinstance(definition, dg.MultiPartitionsDefinition):
        return [each.partitions_def for each in definition.partitions_defs]
    return [] if definition is None else [definition]


def test_partitions_are_cut_in_utc(graph: dg.Definitions) -> None:
    """Every month and day of every asset, check and job begins at midnight UTC."""
    assets = graph.resolve_asset_graph()
    found = [
        cut for key in assets.get_all_asset_keys() for cut in _cuts(assets.get(key).partitions_def)
    ]
    timed = [cut for cut in found if isinstance(cut, dg.TimeWindowPartitionsDefinition)]
    assert {cut.timezone for cut in timed} == {"UTC"}
    assert {cut.cron_schedule for cut in timed} == {"0 0 1 * *", "0 0 * * *"}
    others = [cut for cut in found if cut not in timed]
    assert all(isinstance(cut, dg.StaticPartitionsDefinition) for cut in others)


def test_every_job_that_a_schedule_or_sensor_launches_is_there(graph: dg.Definitions) -> None:
    """Nothing is asked for that the code location does not have."""
    jobs = {job.name for job in automation.JOBS}
    assert {each.job_name for each in automation.SCHEDULES} <= jobs
    assert {t.job_name for s in sensors.SENSORS for t in s.targets} <= jobs
    for name in jobs:
        assert graph.resolve_job_def(name)


def test_definitions_load_in_an_empty_folder_without_network_or_secrets(tmp_path: Path) -> None:
    """What web server and daemon do first; nothing heavy is imported for it."""
    code = """
import socket, sys
def refuse(*a, **k): raise OSError("no network")
socket.socket.connect = socket.getaddrinfo = refuse
import dagster as dg
from crypto_nn.definitions import defs
dg.Definitions.validate_loadable(defs())
heavy = "torch evidently sklearn apprise prometheus_client lightgbm optuna psycopg2".split()
print(*[name for name in heavy if name in sys.modules])
"""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=kept
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
    assert list(tmp_path.iterdir()) == []


def test_sensors_run_from_the_start() -> None:
    """A sensor that must be switched on first looks broken."""
    for sensor in sensors.SENSORS:
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


def test_an_asset_without_io_manager_is_refused() -> None:
    """Dagster's default would pickle; ours says what is missing."""

    @dg.asset
    def forgetful() -> int:
        return 1

    with pytest.raises(LakeError, match="names no IO manager"):
        dg.materialize([forgetful], resources={"io_manager": RefusingIOManager()})


def _asked(
    schedule: dg.ScheduleDefinition, context: dg.ScheduleEvaluationContext
) -> Sequence[dg.RunRequest]:
    asked: Any = schedule(context)
    return list(asked)


def test_nightly_retraining_runs_each_universe_once_a_night(tmp_path: Path) -> None:
    """One run per active universe, with a run key per night."""
    at = datetime(2024, 3, 5, 2, 30, tzinfo=UTC)
    platform = Platform(home=str(tmp_path))
    with dg.instance_for_test() as instance:
        made = dg.build_schedule_context(
            instance, scheduled_execution_time=at, resources={"platform": platform}
        )
        with made as context:
            requests = _asked(automation.nightly_retraining, context)
    assert [request.run_key for request in requests] == ["nightly-2024-03-05-SYN-USDT"]
    assert requests[0].partition_key == "SYN-USDT"


def test_refresh_asks_for_missing_months_as_one_box(tmp_path: Path) -> None:
    """Historical months that are not there yet are fetched in one run per symbol."""
    at, platform = datetime(2024, 3, 5, 2, 5, tzinfo=UTC), Platform(home=str(tmp_path))
    with dg.instance_for_test() as instance:
        made = dg.build_schedule_context(
            instance, scheduled_execution_time=at, resources={"platform": platform}
        )
        with made as context:
            (request,) = _asked(automation.refresh_bars, context)
    assert request.tags["dagster/asset_partition_range_start"] == "2024-01|SYN-USDT"
    assert request.tags["dagster/asset_partition_range_end"] == "2024-02|SYN-USDT"


def test_the_first_fetch_of_a_symbol_is_left_to_the_schedule(tmp_path: Path) -> None:
    """The sensor that mends what was missed starts nothing in an empty home."""
    platform = Platform(home=str(tmp_path))
    with dg.instance_for_test() as instance:
        made = dg.build_sensor_context(
            instance, definitions=defs(), resources={"platform": platform}
        )
        with made as context:
            result = sensors.fill_missing_partitions(context)
    assert isinstance(result, dg.SensorResult)
    assert not result.run_requests


def test_schedules_wait_for_data_and_a_champion(tmp_path: Path) -> None:
    """In an empty home nothing is launched that could only fail."""
    at = datetime(2024, 3, 5, 2, 5, tzinfo=UTC)
    platform = Platform(home=str(tmp_path))
    for schedule in (automation.daily_watch, automation.daily_predictions):
        with dg.instance_for_test() as instance:
            made = dg.build_schedule_context(
                instance, scheduled_execution_time=at, resources={"platform": platform}
            )
            with made as context:
                (skipped,) = _asked(schedule, context)
        assert isinstance(skipped, dg.SkipReason)


def test_a_benchmark_has_every_baseline_and_each_model_with_its_own_settings() -> None:
    """Where none is named; the configured model's settings are not handed to another model."""
    from crypto_nn.defs.benchmark import contestants

    experiment = Experiment().changed(
        {
            "model": {"name": "LSTMPricePredictor", "preset": "small", "settings": {"hidden": 40}},
            "benchmark.models": ["TCN", "LSTMPricePredictor:full"],
        }
    )
    found = {each.name: each for each in contestants(experiment, Platform())}
    assert {name for name, each in found.items() if each.kind == "model"} == {
        "LSTMPricePredictor:small", "TCN:small", "LSTMPricePredictor:full"
    }  # fmt: skip
    assert {name for name, each in found.items() if each.kind == "baseline"} == {
        "majority", "prior", "persistence", "volatility", "logistic", "lightgbm", "DLinear:small"
    }  # fmt: skip
    settings = {
        name: each.recipe.config.model_dump()
        for name, each in found.items()
        if isinstance(each, NetworkContestant)
    }
    assert settings["LSTMPricePredictor:small"]["hidden"] == 40
    assert settings["LSTMPricePredictor:full"] == (
        MODELS["LSTMPricePredictor"].presets["full"].model_dump()
    )
