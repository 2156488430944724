"""Old versions go; the newest, the best and those that ever answered stay."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from crypto_nn.errors import ModelError
from crypto_nn.inference import registry
from crypto_nn.inference.retention import remove_spent, spent_versions
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore

BTC, ETH = "BTC-USDT", "ETH-USDT"
NOW = np.datetime64("2025-03-01", "us")


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Lake, ModelStore]:
    """Six versions of BTC, a day apart, the second one the best; one of ETH, older than all."""
    lake, models = Lake(tmp_path / "lake"), ModelStore(tmp_path / "models")
    losses = [1.09, 1.05, 1.08, 1.07, 1.09, 1.10]
    made = [(BTC, f"b{day}", day, loss) for day, loss in enumerate(losses)] + [(ETH, "e", -9, 1.2)]
    for universe, version, day, loss in made:
        models.save("LSTM", version, {"config.json": version.encode()})
        row = {
            "universe": universe,
            "version": version,
            "model": "LSTM",
            "trained_at": datetime(2025, 2, 1) + timedelta(days=day),
            "validation_loss": loss,
        }
        where = {"universe": universe, "version": version}
        lake.replace({"checkpoints": pa.Table.from_pylist([row])}, where)
    return lake, models


def test_the_newest_and_the_best_stay(stores: tuple[Lake, ModelStore]) -> None:
    """Of each universe for itself; what goes is told, oldest first, and cannot be loaded."""
    lake, models = stores
    assert [each.version for each in spent_versions(lake, models, keep=2)] == ["b0", "b2", "b3"]
    remove_spent(lake, models, keep=2)
    assert models.versions("LSTM") == ("b1", "b4", "b5", "e")
    with pytest.raises(ModelError, match="no version b0"):
        models.load("LSTM", "b0")
    assert lake.count("checkpoints") == 7
    assert spent_versions(lake, models, keep=2) == []


def test_whoever_answered_stays(stores: tuple[Lake, ModelStore]) -> None:
    """Champions of today and of before can be asked and rolled back to; a refused one goes."""
    lake, models = stores
    for version in ("b0", "b2"):
        registry.promote(lake, models, BTC, version, "test", NOW)
    registry.keep(lake, models, BTC, "b3", "no better", NOW)
    assert [each.version for each in remove_spent(lake, models, keep=1)] == ["b3", "b4"]
    assert registry.rollback(lake, models, BTC, "test", NOW).version == "b0"


def test_a_version_that_no_table_knows_is_not_touched(stores: tuple[Lake, ModelStore]) -> None:
    """What somebody put there by hand is theirs."""
    lake, models = stores
    models.save("LSTM", "mine", {"config.json": b"{}"})
    remove_spent(lake, models, keep=1)
    assert models.has("LSTM", "mine")


def test_what_is_not_there_cannot_be_removed(stores: tuple[Lake, ModelStore]) -> None:
    """The error says what there is."""
    with pytest.raises(ModelError, match="no version zzz"):
        stores[1].remove("LSTM", "zzz")
