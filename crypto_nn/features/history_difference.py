"""How far each column is from what unlimited history would give, as it was measured.

`python benchmarks/feature_history.py` measures it on real bars and writes the file beside this one.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from crypto_nn.features.feature import Feature

NAME = "history_difference.json"
LARGEST = 1e-9
"""What a difference may be, in standard deviations of its column, without a reason given."""

_SMA = (
    "TA-Lib's SMA keeps the rounding of a running sum, up to 1e-13 of the price; in the stillest "
    "minutes the average true range, by which the distance is divided, is only 2e-6 of it"
)
REASONS: Mapping[str, str] = {"sma_distance_20": _SMA}
"""Why a column's difference is larger, by column."""


@cache
def measurement() -> dict[str, Any]:
    """What was measured: `command`, `bars`, `measured`, and the `columns`."""
    file = files(__package__) / NAME
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def history_difference(feature: Feature) -> float | None:
    """The largest |canonical - unlimited history| / standard deviation that was seen.

    None where it was not measured, or the feature has been another since.
    """
    found = measurement().get("columns", {}).get(feature.name)
    return found["difference"] if found and found["recipe"] == feature.recipe else None
