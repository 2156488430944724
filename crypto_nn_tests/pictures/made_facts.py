"""Features with facts of made values, for the tests of their pictures."""

import numpy as np

from crypto_nn.features import transforms
from crypto_nn.features.feature import Feature, Output
from crypto_nn.features.statistics import FeatureFacts, describe, summarise
from crypto_nn.indicators import SMA

ODD_NAME = "feature_$_<&>\"'_"


def made_features(count: int, group: str = "group<&>") -> list[Feature]:
    """Features of a group; their names, words and units need escaping."""
    return [
        Feature(
            f"{ODD_NAME}{number}{'_long' * number}", transforms.as_is, (Output(SMA(number + 2)),),
            f"What is $ <b>told</b> & shown, {number}", unit="<i>unit</i>", group=group,
        )
        for number in range(count)
    ]  # fmt: skip


def made_facts(
    features: list[Feature], months: int = 6, rows: int = 3_000, null: float = 0.02
) -> dict[str, FeatureFacts]:
    """Facts of values that spread, persist and drift; `null` is the share of missing rows."""
    rng = np.random.default_rng(1)
    parts = []
    for month in range(months):
        x_NF = rng.normal(size=(rows, len(features))) + 0.3 * month
        x_NF = np.cumsum(x_NF, axis=0) if month % 2 else x_NF
        x_NF[rng.random(x_NF.shape) < null] = np.nan
        stamp = str(np.datetime64("2024-01") + month)
        names = [feature.name for feature in features]
        parts.append(summarise("BTC-USDT", stamp, names, x_NF.astype(np.float32)))
    return describe(parts)
