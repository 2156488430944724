"""The graph that Dagster sees."""

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
        "tune", "upkeep", "refill_gaps",
    }  # fmt: skip
    assert {schedule.name for schedule in automation.SCHEDULES} == {
        "refresh_bars", "nightly_retraining", "daily_watch", "daily_predictions", "weekly_upkeep",
        "weekly_controls", "refill_gaps",
    }  # fmt: skip
    assert {sensor.name for sensor in sensors.SENSORS} == {
        "retrain_on_drift", "alert_on_drift", "alert_on_failure", "fill_missing_partitions",
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
        assert schedule.execution_timezone == "UTC"
        assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


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


def test_nightly_retraining_runs_each_universe_once_a_night() -> None:
    """One run per active universe, with a run key per night."""
    at = datetime(2024, 3, 5, 2, 30, tzinfo=UTC)
    with (
        dg.instance_for_test() as instance,
        dg.build_schedule_context(instance, scheduled_execution_time=at) as context,
    ):
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
