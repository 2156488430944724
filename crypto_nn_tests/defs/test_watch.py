"""The drift report of a live day: answers and losses beside features, and evidence that adds up."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from crypto_nn.bars.calendar import month_slices
from crypto_nn.definitions import defs
from crypto_nn.defs.automation import day_key
from crypto_nn.defs.io_managers import LakeIOManager
from crypto_nn.defs.monitoring import whole
from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.resources import Platform
from crypto_nn.defs.training import recipe_of
from crypto_nn.defs.watch import Watched, baseline_of, watch
from crypto_nn.features.labels import compute_labels
from crypto_nn.features.splits import Fold, Role
from crypto_nn.inference import latency, registry
from crypto_nn.inference.predictor import ModelInference
from crypto_nn.monitoring.days import DayBlocks
from crypto_nn.sources import SyntheticConfig
from crypto_nn.sources.synthetic import generate
from crypto_nn.training.dataset import load_panel
from crypto_nn.training.version import train_version

SYMBOL = "SYN-USDT"
DAY, MINUTE = np.timedelta64(1, "D"), np.timedelta64(1, "m")
TRAINED = np.datetime64("2024-02-03", "us")  # features are there from 2024-01-29
LIVE = "2024-02-15"
SETTINGS = {"drift.min_reference_days": 5, "monitor.min_days": 5, "monitor.stride_minutes": 15}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Bars, features and labels of two months, and a champion of six days that are long past."""
    experiment = EXPERIMENT.changed(SETTINGS)
    made = Platform(home=str(tmp_path_factory.mktemp("watch")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Platform, "experiment", lambda self, overrides=None: experiment)
        _fill(made)
        edges = [TRAINED + days * DAY for days in (0, 5, 8, 12)]
        names = ("train", "validation", "calibration")
        roles = (
            Role(name, lo, hi - 90 * MINUTE * (hi < edges[-1]))
            for name, lo, hi in zip(names, edges, edges[1:])
        )
        fold = Fold(0, "nightly", tuple(roles), 60, 90)
        feature_names = made.feature_set(experiment).names
        panel = load_panel(made.lake, [SYMBOL], feature_names, TRAINED - DAY, edges[-1])
        trained = train_version(panel, fold, recipe_of(experiment, made), with_card=False)
        made.models.save(trained.model, trained.version, trained.files)
        registry.promote(made.lake, made.models, SYMBOL, trained.version, "first", made.now())
        yield made


def _fill(platform: Platform) -> None:
    config = EXPERIMENT.sources["synthetic"]
    assert isinstance(config, SyntheticConfig)
    bars = generate(config, SYMBOL)
    feature_set = platform.feature_set(EXPERIMENT)
    x_NF = feature_set.compute(bars, complete=True)
    columns = {
        name: pa.array(np.ascontiguousarray(x_NF[:, f]), from_pandas=True)
        for f, name in enumerate(feature_set.names)
    }
    features = pa.table({"ts": bars.ts, **columns})
    labels = compute_labels(bars, EXPERIMENT.labels, True).to_arrow()
    tables = {"bars": bars.to_arrow(), "features": features, "labels": labels}
    for month, rows in month_slices(bars.ts):
        part = {name: table[rows.start : rows.stop] for name, table in tables.items()}
        platform.lake.replace(part, {"symbol": SYMBOL, "month": month})


def report(platform: Platform, day: str) -> dict[str, Any]:
    """What the asset tells of a day, as metadata."""
    result = (
        defs()
        .resolve_job_def("watch")
        .execute_in_process(
            partition_key=day_key(SYMBOL, day),
            resources={"platform": platform, "lake": LakeIOManager(platform=platform)},
        )
    )
    (event,) = result.asset_materializations_for_node("drift_report")
    checks = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
    return {name: value.value for name, value in event.metadata.items()} | {"checks": checks}


def monitored(platform: Platform, day: str) -> list[dict[str, Any]]:
    """The rows of a day, without the time at which they were made."""
    rows: list[dict[str, Any]] = platform.lake.read(
        "model_monitor", where={"symbol": SYMBOL, "day": day}
    ).to_pylist()
    return [{name: value for name, value in row.items() if name != "made_at"} for row in rows]


def champion(platform: Platform) -> ModelInference:
    version = registry.resolve(platform.models, f"champion:{SYMBOL}")
    return ModelInference.load(platform.models, version)


def watched(platform: Platform, day: str) -> Watched:
    return watch(platform, platform.experiment(), champion(platform), SYMBOL, day)


def latencies(found: Watched) -> dict[str, float | None]:
    """Milliseconds of a day, measured and served."""
    rows = found.table(SYMBOL, "v1", np.datetime64("2024-03-01")).to_pylist()
    return {row["metric"]: row["value"] for row in rows if "latency" in row["metric"]}


def test_a_live_day_is_compared_in_every_kind(platform: Platform) -> None:
    """Features, answers and losses of the day are told, and its metrics beside their baseline."""
    told = report(platform, LIVE)
    rows = platform.lake.read("drift_report", where={"symbol": SYMBOL, "day": LIVE}).to_pylist()
    names = {row["name"] for row in rows if row["kind"] != "feature"}
    assert {"p_down_5m", "p_up_60m", "confidence_15m", "log_loss_60m"} < names
    assert len([row for row in rows if row["kind"] == "prediction"]) == 9
    clock = {row["name"] for row in rows if row["verdict"] == "clock"}
    assert clock == set(platform.feature_set(EXPERIMENT).groups["clock"]) > {"day_sin", "week_cos"}
    decision = platform.lake.read("drift_decisions", where={"day": LIVE}).to_pylist()[0]
    assert decision["evidence"] == told["evidence"] == 1.0
    assert told["checks"] == {
        "drift_is_below_its_threshold": True,
        "champion_is_as_good_as_before": True,
    }
    ranked = {row["metric"] for row in monitored(platform, LIVE) if row["verdict"] == "ranked"}
    assert ranked == {"log_loss", "accuracy", "confidence", "calibration"}


def test_the_same_day_again_gives_the_same_rows(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of a day changes when it is asked again, its latency neither."""
    before = monitored(platform, LIVE)
    timed = latency.Latency(1, 16, 1, 99.0, 99.0, 99.0, 99.0, 1.0)
    monkeypatch.setattr(latency, "measure_latency", lambda *given, **named: (timed,))
    report(platform, LIVE)
    assert monitored(platform, LIVE) == before
    values = latencies(watched(platform, "2024-02-16"))
    assert values == {"latency": 99.0, "served_latency": None}


def test_predictions_are_compared_with_days_that_were_not_learned(platform: Platform) -> None:
    """Their reference begins with the first validation day; features' are training days."""
    model = champion(platform)
    assert [str(edge)[:10] for edge in baseline_of(model)] == ["2024-02-08", LIVE]
    found = watched(platform, "2024-02-20")
    assert found.answers is not None
    days = np.unique(found.answers.day_R())
    assert (str(days[0]), str(days[-1])) == ("2024-02-08", "2024-02-20")
    stretch = found.answers.between(np.datetime64("2024-02-16"), np.datetime64("2024-02-17"))
    assert len(stretch) == 96  # a quarter of an hour apart, as the setting says


def test_a_day_it_was_chosen_on_has_no_verdict(platform: Platform) -> None:
    """It says so, with evidence 1 and no row; what it trained on is not even compared."""
    found = watched(platform, "2024-02-10")
    assert "one of the days" in found.reason
    assert found.evidence == found.evidence_of_all == 1.0
    assert found.table(SYMBOL, "v1", np.datetime64("2024-03-01")).num_rows == 0
    assert found.check().passed
    found = watched(platform, "2024-02-05")
    assert (found.answers, found.verdict) == (None, None)


def stored(platform: Platform, day: str, **values: float) -> None:
    """A day of the champion as if it had been watched: these metrics at each horizon."""
    version = champion(platform).version
    rows = [
        {"metric": metric, "horizon": horizon, "value": value, "rows": 96}
        for metric, value in values.items()
        for horizon in (5, 15, 60)
    ]
    where = {"symbol": SYMBOL, "day": day, "model_version": version}
    platform.lake.replace({"model_monitor": pa.Table.from_pylist(rows)}, where)


def test_evidence_adds_up_over_stored_days(platform: Platform) -> None:
    """After ten bad days the eleventh is an alarm, told by check, metadata and decision; a day
    before most of them knows nothing of it."""
    bad = [f"2024-02-{number}" for number in range(16, 26)]
    for number, day in enumerate(bad):
        stored(platform, day, log_loss=3 + number / 10, accuracy=0.05, calibration=0.9)
    told = report(platform, "2024-02-26")
    assert told["evidence"] == told["evidence_of_all_metrics"] > 20
    assert not told["checks"]["champion_is_as_good_as_before"]
    rows = {row["metric"]: row for row in monitored(platform, "2024-02-26") if not row["horizon"]}
    assert rows["all"]["alarm"]
    assert rows["labels"]["alarm"]
    decision = platform.lake.read("drift_decisions", where={"day": "2024-02-26"}).to_pylist()[0]
    assert decision["evidence"] == told["evidence"]
    assert watched(platform, "2024-02-17").evidence == 1.0
    for day in bad:
        platform.lake.replace(
            {"model_monitor": pa.table({"metric": pa.array([], pa.string())})},
            {"symbol": SYMBOL, "day": day, "model_version": champion(platform).version},
        )


def test_served_latency_is_that_of_the_day(platform: Platform) -> None:
    """The median of what was served on the day by the version, whatever others served."""
    version, other = champion(platform).version, "another"
    at = [f"2024-02-18T0{hour}:00" for hour in range(5)] + ["2024-02-19T00:00"]
    table = pa.table(
        {
            "ts": np.array([*at, at[0]], dtype="datetime64[us]"),
            "model_version": [version] * 6 + [other],
            "latency_ms": [7.0, 9.0, 8.0, None, 8.5, 500.0, 600.0],
            "horizon": pa.array([5] * 7, pa.int32()),
        }
    )
    platform.lake.replace({"served_predictions": table}, {"symbol": SYMBOL, "month": "2024-02"})
    assert latencies(watched(platform, "2024-02-18"))["served_latency"] == 8.25


def test_a_champion_of_other_features_leaves_features_to_compare(platform: Platform) -> None:
    """It cannot be asked; the report says why, and is made."""
    model = champion(platform)
    model.recipe = replace(model.recipe, fingerprint="another")
    found = watch(platform, platform.experiment(), model, SYMBOL, LIVE)
    assert "cannot be asked: Version" in found.reason
    features = DayBlocks.empty(("a",))
    assert found.beside(features) is features
    assert found.check().passed


def test_a_day_without_bars_changes_no_evidence(platform: Platform) -> None:
    """Its metrics of labels have no value and keep their evidence."""
    found = watched(platform, "2024-03-04")
    assert found.verdict is not None
    told = {row.verdict for row in found.verdict.rows if row.metric == "log_loss"}
    assert told == {"no value"}


@pytest.mark.parametrize(
    ("rows", "accuracy", "passed"), [(10, 0.4, True), (0, np.nan, False), (10, np.inf, False)]
)
def test_metrics_that_were_not_measured_are_said(rows: int, accuracy: float, passed: bool) -> None:
    """Whole is what has rows and finite figures for each symbol and horizon."""
    figures = {"accuracy": accuracy, "majority": 0.4, "log_loss_skill": 0.0, "latency_ms": 1.0}
    result = whole([{"symbol": SYMBOL, "horizon": 5, "rows": rows, **figures}])
    assert result.passed == passed
    assert result.metadata["not_measured"].value == ("none" if passed else f"{SYMBOL} 5m")
