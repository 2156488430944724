"""Sheets of features as SVG text: each feature once, well-formed, and small."""

from xml.etree import ElementTree

import numpy as np

from crypto_nn.features import default_feature_set
from crypto_nn.features.statistics import describe, summarise
from crypto_nn.pictures.embed import LIMIT, markdown
from crypto_nn.pictures.feature_strips import feature_strips

FEATURES = default_feature_set().features
NAMES = tuple(feature.name for feature in FEATURES)


def test_each_feature_is_on_one_sheet_of_its_group() -> None:
    """Well-formed, and small enough for an event log; a column without a value says so."""
    x_NF = np.random.default_rng(0).normal(size=(3000, len(NAMES))).astype(np.float32)
    x_NF[:, 0] = np.nan
    months = [f"{2023 + n // 12}-{n % 12 + 1:02d}" for n in range(36)]
    facts = describe([summarise("BTC-USDT", month, NAMES, x_NF) for month in months])
    sheets = feature_strips(FEATURES, facts, "BTC & others")
    words = {
        name: ["".join(part.itertext()) for part in ElementTree.fromstring(svg).iter()]  # noqa: S314 (ours)
        for name, svg in sheets.items()
    }
    for feature in FEATURES:
        (sheet,) = [name for name, told in words.items() if feature.name in told[1:]]
        assert sheet.partition(" ")[0] == feature.group
    assert "no values" in "".join(words["returns"])
    assert all(len(markdown(svg, "sheet")) < 1.2 * LIMIT for svg in sheets.values())


def test_what_has_no_facts_is_left_out() -> None:
    assert feature_strips(FEATURES, {}) == {}
