"""A lake that has bars, labels and features of one symbol, made up in a moment."""

import numpy as np
import pyarrow as pa

from crypto_nn.bars.calendar import month_slices
from crypto_nn.defs.resources import Platform
from crypto_nn.features.labels import compute_labels
from crypto_nn.sources import SyntheticConfig
from crypto_nn.sources.synthetic import generate


def fill(platform: Platform, symbol: str) -> None:
    """Bars of the synthetic market, their labels, and noise where features are due."""
    experiment = platform.experiment()
    config = experiment.sources["synthetic"]
    assert isinstance(config, SyntheticConfig)
    bars = generate(config, symbol)
    labels = compute_labels(bars, experiment.labels, True).to_arrow()
    random = np.random.default_rng(0)
    noise = {
        name: random.standard_normal(len(bars)).astype(np.float32)
        for name in platform.feature_set(experiment).names
    }
    tables = {
        "bars": bars.to_arrow(),
        "labels": labels,
        "features": pa.table({"ts": pa.array(bars.ts), **noise}),
    }
    for month, rows in month_slices(bars.ts):
        cut = {name: table.slice(rows.start, rows.stop - rows.start)
               for name, table in tables.items()}  # fmt: skip
        platform.lake.replace(cut, {"symbol": symbol, "month": str(month)})
