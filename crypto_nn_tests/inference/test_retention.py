"""Old versions go; the newest, the best and those that ever answered stay."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from crypto_nn.errors import ModelError
from crypto_nn.inference import registry
from crypto_nn.inference.retention import remove_spent, spent_versions, starts
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore
from crypto_nn.store.runs import recorded

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


@pytest.mark.parametrize("named", ["b0", "champion:BTC-USDT"])
def test_what_trainings_begin_from_stays(stores: tuple[Lake, ModelStore], named: str) -> None:
    """The version that the settings name, and those that running trainings name, are needed."""
    lake, models = stores
    registry.promote(lake, models, BTC, "b0", "test", NOW)
    settings = json.dumps({"training": {"pretrained": "b2"}})
    with recorded(lake, ETH, "r1", {"settings": settings}, lambda: NOW):
        needed = starts(lake, models, named)
        assert needed == {"b0", "b2"}
        assert [e.version for e in spent_versions(lake, models, 1, needed)] == ["b3", "b4"]
    assert starts(lake, models, None) == set()
    assert [e.version for e in remove_spent(lake, models, 1)] == ["b2", "b3", "b4"]


def test_a_champion_outlives_any_number_of_verdicts(
    stores: tuple[Lake, ModelStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only verdicts that changed nothing are forgotten; who answered, and before, is known."""
    monkeypatch.setattr(registry, "KEPT_VERDICTS", 3)
    lake, models = stores
    for version in ("b0", "b2"):
        registry.promote(lake, models, BTC, version, "test", NOW)
    for day in range(5):
        registry.keep(lake, models, BTC, "b3", f"verdict {day}", NOW)
    champion = registry.champion_of(models, BTC)
    assert champion is not None
    assert champion.version == "b2"
    reasons = lake.read("champion_history", ("reason",))["reason"].to_pylist()
    assert sorted(reasons) == ["test", "test", "verdict 2", "verdict 3", "verdict 4"]
    assert registry.rollback(lake, models, BTC, "test", NOW).version == "b0"


def test_a_universe_of_verdicts_only_has_no_champion(stores: tuple[Lake, ModelStore]) -> None:
    """It can have one again."""
    lake, models = stores
    registry.keep(lake, models, BTC, "b3", "no better", NOW)
    assert registry.champion_of(models, BTC) is None
    assert registry.promote(lake, models, BTC, "b1", "test", NOW) == registry.champion_of(
        models, BTC
    )


def test_a_version_is_named_by_its_beginning(stores: tuple[Lake, ModelStore]) -> None:
    """Of four letters or more, where one version alone begins so, or is called so."""
    models = stores[1]
    for version in ("3f9a1c20", "3f9a77b0", "3f9a77b0d1"):
        models.save("LSTM", version, {"config.json": b"{}"})
    assert registry.resolve(models, "3f9a1") == "3f9a1c20"
    assert registry.resolve(models, "3f9a77b0") == "3f9a77b0"
    for name, why in (("3f9a7", "3f9a77b0, 3f9a77b0d1 begin so"), ("zzzz", "none begins so"),
                      ("3f9", "no single version 3f9")):  # fmt: skip
        with pytest.raises(ModelError, match=rf"{why}.*models list"):
            registry.resolve(models, name)


def test_what_a_search_found_stays(stores: tuple[Lake, ModelStore]) -> None:
    """The best version of each study can be loaded as long as the study is kept."""
    lake, models = stores
    row = {"universe": BTC, "study": "s", "model": "LSTM", "best_version": "b3"}
    lake.replace({"tuning_study": pa.Table.from_pylist([row])}, {"universe": BTC, "model": "LSTM"})
    assert "b3" not in {each.version for each in remove_spent(lake, models, keep=1)}
    assert models.has("LSTM", "b3")


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


def test_a_challenger_stays_while_it_shadows(stores: tuple[Lake, ModelStore]) -> None:
    """And may go afterwards: it never answered."""
    lake, models = stores
    registry.promote(lake, models, BTC, "b0", "test", NOW)
    registry.shadow(lake, models, BTC, "b3", "test", NOW)
    assert [each.version for each in spent_versions(lake, models, keep=1)] == ["b2", "b4"]
    registry.dismiss(lake, models, BTC, "b3", "expire", "test", NOW)
    assert [each.version for each in spent_versions(lake, models, keep=1)] == ["b2", "b3", "b4"]
