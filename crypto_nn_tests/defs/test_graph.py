"""The whole graph, run through Dagster on a small synthetic market."""

from datetime import datetime
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from crypto_nn.bars import Bars
from crypto_nn.definitions import defs
from crypto_nn.defs.automation import month_key
from crypto_nn.defs.graph import Graph
from crypto_nn.defs.io_managers import LakeIOManager
from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import ConfigError, CryptoNNError, SymbolError
from crypto_nn.features import default_feature_set
from crypto_nn.notebook import load_bars, load_features
from crypto_nn.sources import SyntheticConfig
from crypto_nn.sources.synthetic import generate
from crypto_nn.store.sql import query
from crypto_nn_tests.defs.graph import fresh_graph

SYMBOL = "SYN-USDT"
TABLES = {
    "bars", "quarantined_bars", "bar_gaps", "features", "feature_catalog", "labels", "splits",
    "checkpoints", "training_history", "benchmark_report", "champion_history", "model_metrics",
    "predictions", "drift_report", "drift_decisions",
}  # fmt: skip


@pytest.fixture(scope="module")
def graph() -> Graph:
    """The graph after one run of every box, kept in the tests' home."""
    made = fresh_graph()
    made.everything(None)
    return made


def test_every_table_is_there_and_answers_a_query(graph: Graph) -> None:
    """After one run of the graph each documented table has been written and can be asked."""
    assert set(graph.platform.lake.tables()) >= TABLES
    raw = Path(graph.platform.home) / "raw_bars"
    counted = query(graph.platform.lake, raw, "select count(*) as n from raw_bars")
    assert counted["n"][0].as_py() == 60 * 1440


def test_every_received_row_is_accepted_or_quarantined(graph: Graph) -> None:
    """Nothing is lost between the source and the tables."""
    lake = graph.platform.lake
    assert lake.count("bars") + lake.count("quarantined_bars") == 60 * 1440


def test_stored_features_are_those_of_the_whole_history(graph: Graph) -> None:
    """Months that were computed on their own, each from its anchor, join without a seam."""
    feature_set = default_feature_set(EXPERIMENT.features)
    bars = load_bars(SYMBOL)
    stored = load_features(SYMBOL)
    whole = feature_set.compute(Bars.from_pandas(bars, SYMBOL), complete=True)
    np.testing.assert_array_equal(stored[list(feature_set.names)].to_numpy(), whole)


def test_what_is_known_now_is_what_is_stored(graph: Graph) -> None:
    """Bars and features as of now are those of the tables, bit for bit, in the same columns."""
    for load in (load_bars, load_features):
        known = load(SYMBOL, as_of=pd.Timestamp(graph.platform.now()))
        pd.testing.assert_frame_equal(known, load(SYMBOL), check_exact=True)


def test_all_checks_were_judged_and_blocking_ones_hold(graph: Graph) -> None:
    """Each asset's claims were tested in the run; a warning is allowed, an error is not."""
    seen = {}
    for run in graph.instance.get_runs():
        for entry in graph.instance.all_logs(
            run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ):
            evaluation = entry.get_dagster_event().asset_check_evaluation_data
            seen[evaluation.check_name] = (evaluation.passed, evaluation.severity)
    assert {
        "bars_are_clean", "nothing_was_lost", "features_are_finite", "features_are_causal",
        "features_equal_live", "labels_are_known_in_time",
        "classes_are_balanced", "splits_do_not_overlap", "model_beats_every_baseline",
        "checkpoint_reproduces_its_validation_loss", "predictions_are_probabilities",
        "drift_is_below_its_threshold", "champion_beats_its_baselines",
    } <= set(seen)  # fmt: skip
    failed = [name for name, (passed, severity) in seen.items()
              if not passed and severity == dg.AssetCheckSeverity.ERROR]  # fmt: skip
    assert failed == []


def test_running_everything_again_changes_no_row_and_no_version(graph: Graph) -> None:
    """The same data give the same tables and the same version: a double launch is harmless."""
    lake = graph.platform.lake
    before = {name: lake.count(name) for name in ("bars", "features", "labels", "checkpoints")}
    versions = graph.platform.models.versions("LSTMPricePredictor")
    graph.refresh(None)
    graph.retrain(None)
    assert {name: lake.count(name) for name in before} == before
    assert graph.platform.models.versions("LSTMPricePredictor") == versions


def test_an_override_trains_another_version_with_the_recorded_setting(graph: Graph) -> None:
    """What the launchpad sets is validated like the YAML and part of the version's name."""
    with pytest.raises(CryptoNNError, match=r"There is no setting 'training\.epoch'"):
        graph.retrain(None, {"training.epoch": 2})
    before = set(graph.platform.models.versions("LSTMPricePredictor"))
    graph.retrain(None, {"training.seed": 5})
    (new,) = set(graph.platform.models.versions("LSTMPricePredictor")) - before
    events = graph.platform.lake.read("champion_history").to_pylist()
    assert events[-1]["version"] == new  # judged at the gate, kept or promoted
    assert events[-1]["action"] in ("keep", "promote")


def test_upkeep_keeps_every_row_and_the_snapshots_of_versions(graph: Graph) -> None:
    """Old snapshots go; what a kept version was trained on can still be read."""
    lake = graph.platform.lake
    trained_on = lake.read("checkpoints", ("snapshot",))["snapshot"][0].as_py()
    rows = lake.count("features")
    result = graph.definitions.resolve_job_def("upkeep").execute_in_process(instance=graph.instance)
    assert result.success
    assert lake.count("features") == rows
    assert lake.count("features", snapshot=trained_on) == rows


def test_a_version_is_evaluated_beside_the_baselines(graph: Graph) -> None:
    """Days it has seen are refused with the first day that is allowed."""
    with pytest.raises(ConfigError, match="has seen data until"):
        graph.evaluate(f"champion:{SYMBOL}", "2024-02-20..2024-02-25")


def test_a_version_is_evaluated_on_later_bars_from_a_file(graph: Graph, tmp_path: Path) -> None:
    """Bars that came after training, in a file of one's own: model and baselines side by side."""
    config = EXPERIMENT.sources["synthetic"]
    assert isinstance(config, SyntheticConfig)
    longer = config.model_copy(update={"end": datetime(2024, 3, 4)})
    start, end = np.datetime64("2024-03-01", "us"), np.datetime64("2024-03-04", "us")
    path = tmp_path / "SYN-USDT.parquet"
    generate(longer, SYMBOL).between(start, end).to_pandas().to_parquet(path)
    rows = graph.evaluate(f"champion:{SYMBOL}", str(path))
    models = {row["model"] for row in rows}
    assert {"majority", "persistence", "volatility", "logistic"} < models
    assert all(row["majority"].endswith("%") for row in rows)


def test_predicting_before_training_says_what_to_do_first(tmp_path: Path) -> None:
    """An empty home is a normal state: the error names the command that ends it."""
    platform = Platform(home=str(tmp_path))
    key = dg.MultiPartitionKey({"symbol": SYMBOL, "month": "2024-02"})
    with pytest.raises(CryptoNNError, match=f"crypto-nn train --universe {SYMBOL}"):
        defs().resolve_job_def("predict").execute_in_process(
            partition_key=key,
            resources={"platform": platform, "lake": LakeIOManager(platform=platform)},
        )


def test_a_symbol_cannot_change_its_venue(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices of two venues in one table would look like moves of the market."""
    other = EXPERIMENT.changed(
        {
            "sources.other": EXPERIMENT.sources["synthetic"],
            "symbols.SYN-USDT": EXPERIMENT.symbols[SYMBOL].model_copy(update={"source": "other"}),
        }
    )
    monkeypatch.setattr(Platform, "experiment", lambda self, overrides=None: other)
    with pytest.raises(SymbolError, match="venues must not be mixed"):
        graph.run("refresh_bars", [month_key(SYMBOL, "2024-02")])
