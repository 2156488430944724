"""Features of a market beside its reference: what they need, and what a revised reference costs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crypto_nn.features import default_feature_set
from crypto_nn.features.config import FeatureConfig
from crypto_nn_tests.defs.referenced import BTC, ETH, MONTH, YAML

CROSS = default_feature_set(FeatureConfig(groups=("returns",), reference=BTC)).groups["cross"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened in a process of its own."""
    home = tmp_path_factory.mktemp("reference")
    (home / "crypto_nn.yaml").write_text(YAML)
    environment = {
        **os.environ,
        "CRYPTO_NN_CONFIG": str(home / "crypto_nn.yaml"),
        "CRYPTO_NN_HOME": str(home / "data"),
        "DAGSTER_HOME": str(home / "dagster_home"),
    }
    command = [sys.executable, "-m", "crypto_nn_tests.defs.referenced"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_graph_says_that_a_market_needs_its_reference(told: dict[str, Any]) -> None:
    """Upstream of a month's features are the bars of both; the reference is refreshed first."""
    months = ("2023-12", MONTH)
    assert {f"{MONTH}|{BTC}", f"{MONTH}|{ETH}"} <= set(told["needs"])
    assert {key.partition("|")[0] for key in told["needs"]} <= set(months)
    assert told["order"] == [BTC, ETH]


def test_features_see_the_reference_of_the_same_minute(told: dict[str, Any]) -> None:
    """What is stored, of the reference itself too, is what one computation over both gives."""
    assert told["as_computed"] == [BTC, ETH]
    assert told["as_known"]
    assert told["stale"] == []


def test_a_revised_reference_recomputes_what_looks_at_it(told: dict[str, Any]) -> None:
    """All of the reference's own columns, and of the other market those of its group alone."""
    theirs = [f"bars {BTC}: raw", f"features {BTC}: bars, reference", f"labels {BTC}: bars"]
    mine = [f"features {ETH}: reference"]
    assert told["stale_after"] == sorted(theirs + mine)
    assert told["stale_of_one"] == mine
    (first, everything), (second, some) = told["computed"]
    assert (first, second) == (BTC, ETH)
    assert set(CROSS) < set(everything)
    assert tuple(some) == CROSS
    assert told["as_computed_after"] == [BTC, ETH]
    assert told["stale_at_last"] == []
