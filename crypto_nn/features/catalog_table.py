"""The catalogue of a feature set as a table: one row for each column, to be asked in SQL."""

from collections.abc import Iterator, Mapping

import pyarrow as pa

from crypto_nn.features.columns import Column
from crypto_nn.features.docstrings import told_by
from crypto_nn.features.feature import Feature
from crypto_nn.features.feature_set import FeatureSet
from crypto_nn.features.history_difference import history_difference
from crypto_nn.indicators import Indicator

CATALOG_SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("feature_group", pa.string()),
        ("timeframe", pa.string()),
        ("description", pa.string()),
        ("formula", pa.string()),
        ("unit", pa.string()),
        ("indicators", pa.string()),
        ("source", pa.string()),
        ("warm_up_minutes", pa.int32()),
        ("memory_minutes", pa.int32()),
        ("anchor_days", pa.int32()),
        ("history_difference", pa.float64()),
        ("fingerprint", pa.string()),
    ]
)
"""The lake's table `feature_catalog` says what each column means."""


def catalog(features: FeatureSet, fingerprints: Mapping[str, str] | None = None) -> pa.Table:
    """One row for each column of a set, in column order.

    Args:
        features: the set.
        fingerprints: of each column; the set's own if None.
    """
    prints = features.column_fingerprints if fingerprints is None else fingerprints
    rows = [
        {
            "name": one.name,
            "feature_group": one.group,
            "timeframe": str(one.timeframe),
            "description": one.description,
            "formula": one.formula,
            "unit": one.unit,
            "indicators": ", ".join(repr(indicator) for indicator in _engines(one)),
            "source": "; ".join(dict.fromkeys(_sources(one))),
            "warm_up_minutes": one.warm_up_minutes,
            "memory_minutes": one.memory_minutes,
            "anchor_days": features.anchor_days[one.timeframe],
            "history_difference": history_difference(one),
            "fingerprint": prints[one.name],
        }
        for one in features.features
    ]
    return pa.Table.from_pylist(rows, schema=CATALOG_SCHEMA)


def _engines(feature: Feature) -> tuple[Indicator, ...]:
    """Its indicators, each once, without the plain columns of the bars."""
    engines = (one for one in feature.indicators if not isinstance(one, Column))
    return tuple(dict.fromkeys(engines))


def _sources(feature: Feature) -> Iterator[str]:
    for indicator in _engines(feature):
        source = told_by(type(indicator)).source
        if source:
            yield source.rstrip(".")
