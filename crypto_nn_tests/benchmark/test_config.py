"""Settings that cannot be meant are refused, with what is allowed."""

from typing import Any

import pytest
from pydantic import ValidationError

from crypto_nn.benchmark.config import BenchmarkConfig


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"costs_bps": (5.0, 2.0)}, "ascending costs"),
        ({"costs_bps": (-1.0, 10.0)}, "ascending costs"),
        ({"headline_cost_bps": 3.0}, "0, 2, 5, 10, 20"),
        ({"seeds": ()}, "seeds"),
        ({"cost": 1}, "cost"),
        ({"sizing": "all in"}, "sign"),
    ],
)
def test_a_wrong_setting_is_named(setting: dict[str, Any], told: str) -> None:
    """The key, or what is due, stands in the message."""
    with pytest.raises(ValidationError, match=told):
        BenchmarkConfig(**setting)
