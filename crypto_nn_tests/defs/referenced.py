"""Two markets of which one is the reference, through Dagster; a process of its own.

Partition keys are made from the YAML when the definitions are imported, so that another world needs
another process: `python -m crypto_nn_tests.defs.referenced` prints what happened as JSON.
"""

import json
from dataclasses import replace
from typing import Any

import dagster as dg
import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.bars.reference import with_reference
from crypto_nn.defs.automation import month_key
from crypto_nn.defs.lineage import ASSETS
from crypto_nn.defs.outlook import find_stale
from crypto_nn.defs.partitions import symbol_months
from crypto_nn.features import FeatureSet
from crypto_nn.notebook import load_features
from crypto_nn_tests.defs.graph import fresh_graph

BTC, ETH, MONTH = "BTC-USDT", "ETH-USDT", "2024-01"
YAML = """
sources:
  synthetic:
    kind: synthetic
    start: 2024-01-01 00:00:00
    end: 2024-01-04 00:00:00
    symbols: [ETH-USDT, BTC-USDT]
symbols:
  ETH-USDT: {source: synthetic, first_month: 2024-01, last_month: 2024-01}
  BTC-USDT: {source: synthetic, first_month: 2024-01, last_month: 2024-01}
features: {groups: [returns], reference: BTC-USDT}
"""


def main() -> None:
    """Materialise both, revise a bar of the reference, and mend what follows from it."""
    graph = fresh_graph()
    lake, told = graph.platform.lake, dict[str, Any]()
    told["order"] = graph.symbols(None)
    graph.run("refresh_bars", [f"{MONTH}|{BTC}"])
    upstream = graph.definitions.resolve_asset_graph().get(dg.AssetKey("features"))
    mapping = upstream.partition_mappings[dg.AssetKey("bars")]
    subset = symbol_months.subset_with_partition_keys([f"{MONTH}|{ETH}"])
    needed = mapping.get_upstream_mapped_partitions_result_for_partitions(
        subset, symbol_months, symbol_months
    )
    told["needs"] = sorted(needed.partitions_subset.get_partition_keys())
    graph.run("refresh_bars", [f"{MONTH}|{ETH}"])
    told["as_computed"] = as_computed(graph)
    told["as_known"] = bool(
        load_features(ETH, as_of=str(graph.platform.now())).equals(load_features(ETH))
    )
    told["stale"] = stale(graph)

    ts = np.datetime64("2024-01-03T10:00", "us")
    bars = Bars.from_arrow(lake.read("bars", where={"symbol": BTC}), BTC)
    bar = bars.between(ts, ts + np.timedelta64(1, "m"))
    revised = replace(bar, close=bar.close * 1.0001, high=bar.high * 1.01)
    graph.platform.raw.append("synthetic", BTC, MONTH, revised, graph.platform.now())
    told["stale_after"] = stale(graph)
    told["stale_of_one"] = stale(graph, (ETH,))
    computed = spy()
    job = graph.definitions.resolve_job_def("refresh_bars")
    for symbol in (BTC, ETH):
        job.execute_in_process(
            instance=graph.instance,
            asset_selection=[dg.AssetKey(name) for name in ASSETS],  # not asked of the source
            partition_key=month_key(symbol, MONTH),
        )
    told["computed"] = computed
    told["as_computed_after"] = as_computed(graph)
    told["stale_at_last"] = stale(graph)
    print(json.dumps(told))


def stale(graph: Any, symbols: tuple[str, ...] | None = None) -> list[str]:
    """The stale partitions with their reasons."""
    found = find_stale(graph.platform, graph.platform.experiment(), symbols)
    return sorted(f"{one.asset} {one.symbol}: {one.why}" for one in found)


def as_computed(graph: Any) -> list[str]:
    """The symbols whose stored features are those of their bars beside the reference's."""
    lake, features = graph.platform.lake, graph.platform.feature_set(graph.experiment)
    bars = {
        symbol: Bars.from_arrow(lake.read("bars", where={"symbol": symbol}), symbol)
        for symbol in (BTC, ETH)
    }
    same = []
    for symbol, own in bars.items():
        x_NF = features.compute(with_reference(own, bars[BTC]), complete=True)
        stored = lake.read("features", features.names, {"symbol": symbol})
        stored_NF = np.column_stack([column.to_numpy() for column in stored.columns])
        known = np.isfinite(x_NF[:, features.names.index("reference_return_5")]).any()
        if known and np.array_equal(stored_NF, x_NF, equal_nan=True):
            same.append(symbol)
    return same


def spy() -> list[tuple[str, tuple[str, ...]]]:
    """Which columns of which symbol are computed from now on."""
    seen: list[tuple[str, tuple[str, ...]]] = []
    compute = FeatureSet.compute_month

    def spied(self: FeatureSet, bars: Bars, month: str, complete: bool = False) -> Any:
        seen.append((bars.symbol, self.names))
        return compute(self, bars, month, complete)

    FeatureSet.compute_month = spied  # type: ignore[method-assign,assignment]
    return seen


if __name__ == "__main__":
    main()
