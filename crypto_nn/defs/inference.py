"""What the champion says."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pyarrow as pa

from crypto_nn.bars import Times
from crypto_nn.bars.calendar import month_bounds
from crypto_nn.defs import freshness
from crypto_nn.defs.io_managers import Partitions, TableReader, Tables
from crypto_nn.defs.partitions import by_symbol, months_around, symbol_months
from crypto_nn.defs.resources import Platform
from crypto_nn.defs.window_bars import WindowBars, record
from crypto_nn.errors import ModelError
from crypto_nn.features.labels import MINUTE
from crypto_nn.store.lineage import TABLE, Made, hash_of

if TYPE_CHECKING:
    from crypto_nn.features.panel import Panel
    from crypto_nn.inference.predictor import ModelInference

_PROBABILITIES = ("p_down", "p_flat", "p_up")


@dg.asset(
    partitions_def=symbol_months,
    ins={"features": dg.AssetIn(partition_mapping=months_around(1, 0))},
    deps=[
        dg.AssetDep("champion", partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep("labels", partition_mapping=months_around(1, 0)),
        dg.AssetDep("bars", partition_mapping=months_around(1, 0)),
    ],
    backfill_policy=dg.BackfillPolicy.single_run(),
    io_manager_key="lake",
    group_name="serving",
    kinds={"pytorch", "duckdb"},
    owners=["team:ml"],
    freshness_policy=freshness.policy(daily=True),
    check_specs=[
        dg.AssetCheckSpec("predictions_are_probabilities", asset="predictions", blocking=True),
        dg.AssetCheckSpec("predictions_are_complete", asset="predictions", blocking=True),
    ],
)
def predictions(
    context: dg.AssetExecutionContext, platform: Platform, features: TableReader
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """What the champion says at every minute with an unbroken window, per horizon.

    `in_sample` marks minutes that the champion was fitted to; scores mean something only on the
    others.
    """
    from crypto_nn.inference import registry
    from crypto_nn.inference.predictor import ModelInference

    experiment = platform.experiment()
    feature_set = platform.feature_set(experiment)
    counts = {"rows": 0, "odd": 0, "in_sample": 0}
    used: dict[str, str] = {}
    due: dict[tuple[str, str], _Predicted] = {}

    def compute() -> Iterator[Tables]:
        for symbol, months in by_symbol(context.partition_keys, "month").items():
            universe = experiment.universe_of(symbol)
            version = registry.resolve(platform.models, f"champion:{universe}")
            model = ModelInference.load(platform.models, version, feature_set.fingerprint)
            used[symbol] = version
            for month in months:
                found = _predict_month(platform, model, symbol, month)
                table, made, due[symbol, month] = found.table, found.made, found.without_rows()
                _count(counts, table)
                rows = {"predictions": table, TABLE: made.to_arrow()}
                keys = {"symbol": symbol, "month": month}
                yield Tables(keys, rows, own={TABLE: made.partition})
                _mirror(platform, table, symbol, month)  # the lake has it now

    def describe() -> dict[str, Any]:
        told = {"versions": dg.MetadataValue.json(used), "in_sample_rows": counts["in_sample"]}
        return told | platform.mirror.metadata()

    yield dg.Output(Partitions(compute(), describe))
    yield _oddness(counts)
    yield _completeness(platform, due.values())


def _count(counts: dict[str, int], table: pa.Table) -> None:
    sums = sum(table[name].to_numpy() for name in _PROBABILITIES)
    counts["rows"] += table.num_rows
    counts["odd"] += int((~np.isclose(sums, 1, atol=1e-6)).sum())
    counts["in_sample"] += int(table["in_sample"].to_numpy(zero_copy_only=False).sum())


def _oddness(counts: dict[str, int]) -> dg.AssetCheckResult:
    """`predictions_are_probabilities`: those of a minute and horizon sum to one."""
    return dg.AssetCheckResult(
        check_name="predictions_are_probabilities",
        passed=counts["odd"] == 0,
        metadata={"rows": counts["rows"], "rows_that_do_not_sum_to_one": counts["odd"]},
    )


@dataclass(frozen=True, eq=False)
class _Predicted:
    """The predictions of a symbol's month, what they were made of, and the minutes they are due at.

    Attributes:
        due_N: every minute with an unbroken window.
        horizons: minutes ahead; at each minute all of them are due.
    """

    table: pa.Table
    made: Made
    due_N: Times
    horizons: tuple[int, ...]

    def without_rows(self) -> "_Predicted":
        """What has to be known once they are stored."""
        return replace(self, table=self.table.slice(0, 0))


def _completeness(platform: Platform, due: Iterable[_Predicted]) -> dg.AssetCheckResult:
    """`predictions_are_complete`: the table has each minute with an unbroken window, once."""
    counts = {"windows": 0, "rows": 0, "absent": 0, "not_due_or_doubled": 0}
    for month in due:
        where = {"symbol": month.made.symbol, "month": month.made.month}
        stored = platform.lake.read("predictions", ("ts", "horizon"), where)
        ts_R, horizon_R = stored["ts"].to_numpy(), stored["horizon"].to_numpy()
        counts["windows"] += len(month.due_N)
        counts["rows"] += len(ts_R)
        there = 0
        for horizon in month.horizons:
            found = np.intersect1d(month.due_N, ts_R[horizon_R == horizon])
            counts["absent"] += len(month.due_N) - len(found)
            there += len(found)
        counts["not_due_or_doubled"] += len(ts_R) - there
    return dg.AssetCheckResult(
        check_name="predictions_are_complete",
        passed=not counts["absent"] and not counts["not_due_or_doubled"],
        metadata=counts,
    )


def _mirror(platform: Platform, table: pa.Table, symbol: str, month: str) -> None:
    """Copy predictions to the database, where there is one, with the features it asks for."""
    mirror, features = platform.mirror, None
    if mirror.copies("predictions") and mirror.config.features:
        columns = ("ts", *mirror.config.features)
        where = {"symbol": symbol, "month": month}
        features = platform.lake.read("features", columns, where)
    mirror.predictions(table, features)


def _predict_month(
    platform: Platform, model: "ModelInference", symbol: str, month: str
) -> _Predicted:
    from crypto_nn.training.dataset import load_panel

    snapshot = platform.lake.snapshot()  # features and bars of one moment
    bars = WindowBars(platform, symbol, snapshot)
    start, end = month_bounds(month)
    before = start - model.reach * MINUTE
    panel = load_panel(platform.lake, [symbol], bars.feature_set.names, before, end, snapshot)
    ends = panel.window_ends(model.reach)
    ends = ends[panel.ts_N[ends] >= start]
    if not len(panel):
        raise ModelError(f"There are no features of {symbol} in {month}. Ingest that month first.")
    table = _prediction_table(model, panel, ends, symbol, month)
    content = hash_of(*(table[name].to_numpy() for name in ("ts", "horizon", *_PROBABILITIES)))
    answered = (model.version, model.reach)
    made = record(bars, month, answered, panel.ts_N[-1], content, platform.now())
    return _Predicted(table, made, panel.ts_N[ends], panel.horizons)


def _prediction_table(
    model: "ModelInference", panel: "Panel", ends: np.ndarray[Any, Any], symbol: str, month: str
) -> pa.Table:
    p_RHC = model.predict(panel, ends)
    num_rows, num_horizons = p_RHC.shape[:2]
    flat = p_RHC.reshape(-1, 3)
    learned = panel.ts_N[ends] < model.fold.end
    size = num_rows * num_horizons
    return pa.table(
        {
            "symbol": pa.array([symbol] * size, pa.string()),
            "month": pa.array([month] * size, pa.string()),
            "ts": np.repeat(panel.ts_N[ends], num_horizons),
            "horizon": np.tile(np.array(panel.horizons, dtype=np.int32), num_rows),
            "model_version": pa.array([model.version] * size, pa.string()),
            "p_down": flat[:, 0],
            "p_flat": flat[:, 1],
            "p_up": flat[:, 2],
            "predicted_class": flat.argmax(axis=1).astype(np.int8) if size else
                               np.empty(0, dtype=np.int8),
            "confidence": flat.max(axis=1, initial=0.0),
            "in_sample": np.repeat(learned, num_horizons),
        }
    )  # fmt: skip
