"""A split by hash: even, the same everywhere, and stable while a share grows."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare

from crypto_nn.errors import ConfigError
from crypto_nn.inference import registry
from crypto_nn.inference.routing import RoutingConfig, route, shares_in_force
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore

KEYS = [f"client-{number}" for number in range(100_000)]
NOW = np.datetime64("2025-03-01", "us")


@pytest.mark.parametrize("shares", [{"a": 0.9, "b": 0.1}, {"a": 0.5, "b": 0.2, "c": 0.3}])
def test_shares_are_as_asked(shares: dict[str, float]) -> None:
    """Chi-square on 100,000 keys; by chance below 0.001 once in a thousand seeds."""
    asked = [route(key, shares, "salt") for key in KEYS]
    counts = [asked.count(version) for version in shares]
    assert chisquare(counts, [share * len(KEYS) for share in shares.values()]).pvalue > 0.001


def test_whoever_has_the_challenger_keeps_it_as_its_share_grows() -> None:
    """From 0 to 1 in steps, keys move one way only; another salt draws others."""
    before: set[str] = set()
    for share in (0.0, 0.01, 0.1, 0.5, 0.99, 1.0):
        now = {k for k in KEYS[:5000] if route(k, {"old": 1 - share, "new": share}, "s") == "new"}
        assert before <= now
        before = now
    assert len(before) == 5000
    halves = [{k for k in KEYS[:5000] if route(k, {"old": 0.5, "new": 0.5}, salt) == "new"}
              for salt in ("s", "t")]  # fmt: skip
    assert 0.4 < len(halves[0] & halves[1]) / len(halves[0]) < 0.6


def test_the_same_everywhere() -> None:
    """Neither the process, nor its hash seed, nor the order of the shares matters."""
    code = (
        "from crypto_nn.inference.routing import route\n"
        "print(''.join(route(f'client-{n}', {'b': 0.4, 'a': 0.6}, 's') for n in range(500)))"
    )
    here = "".join(route(key, {"a": 0.6, "b": 0.4}, "s") for key in KEYS[:500])
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONHASHSEED": "1", "PATH": ""}, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert said.stdout.strip() == here
    assert here[:12] == PINNED


PINNED = "bbaababaabab"


def test_parts_of_a_key_cannot_be_mistaken() -> None:
    """Salt and key are told apart: "ab" + "c" is not "a" + "bc"."""
    shares = {"a": 0.5, "b": 0.5}
    one = [route(f"c{n}", shares, "ab") for n in range(64)]
    other = [route(f"bc{n}", shares, "a") for n in range(64)]
    assert one != other


@pytest.mark.parametrize(
    "shares", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": float("nan"), "b": 1.0}]
)
def test_shares_that_are_none_are_refused(shares: dict[str, float]) -> None:
    """With what was found."""
    with pytest.raises(ConfigError, match="sum to 1"):
        route("key", shares)


def test_shares_in_force(tmp_path: Path) -> None:
    """The champion has all but what is set for a challenger, while there is one."""
    lake, models = Lake(tmp_path / "lake"), ModelStore(tmp_path / "models")
    for version in ("v1", "v2"):
        models.save("LSTM", version, {"config.json": b"{}"})
    config = RoutingConfig(challenger_share=0.2)
    with pytest.raises(ConfigError, match="no champion yet"):
        shares_in_force(models, "BTC-USDT", config)
    registry.promote(lake, models, "BTC-USDT", "v1", "test", NOW)
    assert shares_in_force(models, "BTC-USDT", config) == {"v1": 1.0}
    registry.shadow(lake, models, "BTC-USDT", "v2", "test", NOW)
    assert shares_in_force(models, "BTC-USDT", config) == {"v1": 0.8, "v2": 0.2}
    assert shares_in_force(models, "BTC-USDT", RoutingConfig()) == {"v1": 1.0}
    registry.dismiss(lake, models, "BTC-USDT", "v2", "expire", "test", NOW)
    assert shares_in_force(models, "BTC-USDT", config) == {"v1": 1.0}
