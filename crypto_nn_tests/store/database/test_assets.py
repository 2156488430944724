"""Assets copy what they have stored; a dead database fails none of them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from crypto_nn.defs import inference, monitoring
from crypto_nn.defs.io_managers import LakeIOManager
from crypto_nn.defs.partitions import symbol_months
from crypto_nn.defs.resources import Platform
from crypto_nn.experiments import Experiment
from crypto_nn.store.lineage import Made
from crypto_nn_tests.store.database.made import START, minutes, predictions
from crypto_nn_tests.store.database.servers import Cluster, free_port

SYMBOL = "SYN-USDT"
SETTINGS: dict[str, Any] = {"mirror": ["predictions", "model_metrics", "bars"]}


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A home of its own, whose YAML mirrors everything, with one feature beside predictions."""
    settings = {**SETTINGS, "features": ["rsi_14"], "first_wait_s": 0.001}
    experiment = Experiment.parse({"database": settings})
    monkeypatch.setattr(Platform, "experiment", lambda self, overrides=None: experiment)
    platform = Platform(home=str(tmp_path))
    features = pa.table({"ts": minutes(5), "rsi_14": np.arange(5, dtype=np.float32)})
    platform.lake.replace({"features": features}, {"symbol": SYMBOL, "month": "2024-01"})
    return platform


class Model:
    """A version that says what the test says."""

    reach = 1
    version = "v1"
    fold = SimpleNamespace(role=lambda name: SimpleNamespace(start=START))

    @classmethod
    def load(cls, *arguments: object) -> "Model":
        """It needs no files."""
        return cls()


@pytest.fixture(autouse=True)
def version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A champion without training."""
    monkeypatch.setattr("crypto_nn.inference.registry.resolve", lambda *_: "v1")
    monkeypatch.setattr("crypto_nn.inference.predictor.ModelInference", Model)


def predict(platform: Platform, monkeypatch: pytest.MonkeyPatch, rows: int) -> dict[str, Any]:
    """Materialise one month of predictions; the metadata of the run."""
    table = predictions(rows, symbol=SYMBOL)
    made = Made("predictions", SYMBOL, "2024-01", {}, {}, "", START)
    found = inference._Predicted(table, made, table["ts"].to_numpy(), (15,))
    monkeypatch.setattr(inference, "_predict_month", lambda *_: found)
    features = dg.AssetSpec("features", partitions_def=symbol_months)
    result = dg.materialize(
        [inference.predictions, features.with_io_manager_key("lake")],
        selection=[inference.predictions],
        partition_key=dg.MultiPartitionKey({"symbol": SYMBOL, "month": "2024-01"}),
        resources={"platform": platform, "lake": LakeIOManager(platform=platform)},
    )
    (event,) = result.asset_materializations_for_node("predictions")
    assert platform.lake.count("predictions") == rows
    return {name: value.value for name, value in event.metadata.items()}


def test_predictions_reach_the_database_after_it_was_dead(
    platform: Platform,
    supabase_like: Cluster,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """I2: the asset is stored either way; its page says what waits; the next run sends it."""
    dead = f"postgresql://x:c4nary@127.0.0.1:{free_port()}/x"
    monkeypatch.setenv("CRYPTO_NN_DATABASE", dead)
    told = predict(platform, monkeypatch, 3)
    assert (told["mirror_rows"], told["mirror_rows_waiting"]) == (3, 3)
    assert "cannot be reached" in told["mirror_problem"]
    assert "c4nary" not in str(told)
    monkeypatch.setenv("CRYPTO_NN_DATABASE", supabase_like.dsn(database, "owner"))
    (Path(platform.home) / "mirror" / "rest.json").unlink()  # its rest is over
    told = predict(Platform(home=platform.home), monkeypatch, 7)
    assert told["mirror_rows_waiting"] == 0
    found = "select count(*), max((features->>'rsi_14')::float) from predictions"
    assert supabase_like.run(found, database) == [(7, 4.0)]


def test_metrics_reach_the_database(
    platform: Platform,
    supabase_like: Cluster,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is measured, at each measurement; earlier days are not sent again."""
    monkeypatch.setenv("CRYPTO_NN_DATABASE", supabase_like.dsn(database, "owner"))
    score = {"model_version": "v1", "symbol": SYMBOL, "horizon": 15, "accuracy": 0.5,
             "majority": 0.4, "log_loss_skill": 0.0, "drift_score": None, "rows": 9}  # fmt: skip
    for name, value in {
        "crypto_nn.training.dataset.load_panel": None,
        "crypto_nn.training.dataset.extent": SimpleNamespace(end=START),
        "crypto_nn.inference.latency.measure_latency": [SimpleNamespace(p50_ms=1.5)],
    }.items():
        monkeypatch.setattr(name, lambda *_, value=value, **__: value)
    monkeypatch.setattr(monitoring, "_score", lambda *_: [dict(score)])
    for day in (1, 2):
        now = START + np.timedelta64(day, "D")
        monkeypatch.setattr(Platform, "now", lambda self, now=now: now)
        result = dg.materialize(
            [monitoring.model_metrics],
            partition_key=SYMBOL,
            resources={"platform": platform, "lake": LakeIOManager(platform=platform)},
        )
        (event,) = result.asset_materializations_for_node("model_metrics")
        assert event.metadata["mirror_rows"].value == 1
        assert platform.lake.count("model_metrics") == day
    found = "select extract(day from timestamp)::int, accuracy, majority, latency_ms, rows"
    assert supabase_like.run(f"{found} from model_metrics order by 1", database) == [
        (2, 0.5, 0.4, 1.5, 9),
        (3, 0.5, 0.4, 1.5, 9),
    ]
