"""Which version answers, and what it says."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pyarrow as pa

from crypto_nn.bars.calendar import month_bounds
from crypto_nn.defs.io_managers import Partitions, TableReader, Tables
from crypto_nn.defs.partitions import EXPERIMENT, by_symbol, months_around, symbol_months, universes
from crypto_nn.defs.resources import Overrides, Platform
from crypto_nn.errors import FeatureError, ModelError
from crypto_nn.features.labels import MINUTE
from crypto_nn.features.splits import CALIBRATION, Splits, rows_of

if TYPE_CHECKING:
    from crypto_nn.benchmark.gate import Verdict
    from crypto_nn.experiments import Experiment
    from crypto_nn.features.panel import Panel
    from crypto_nn.inference.predictor import ModelInference


@dg.asset(
    partitions_def=universes,
    io_manager_key="lake",
    group_name="training",
    kinds={"duckdb"},
    owners=["team:ml"],
    deps=["benchmark_report"],
    code_version=EXPERIMENT.digest("gate"),
)
def champion(
    context: dg.AssetExecutionContext,
    platform: Platform,
    config: Overrides,
    checkpoint: TableReader,
    splits: TableReader,
) -> dg.Output[Partitions]:
    """Which version answers for the universe; a new one only through the gate.

    Candidate and champion are compared on the calibration rows of tonight's layout, day by day;
    the champion stays unless the candidate's log-loss is shown to be lower.
    """
    from crypto_nn.inference import registry

    universe = context.partition_key
    experiment = platform.experiment(config)
    rows = TableReader(platform.lake, "checkpoints").read(where={"universe": universe}).to_pylist()
    candidate = max(rows, key=lambda row: row["trained_at"])["version"]
    before = registry.champion_of(platform.models, universe)
    now = platform.now()
    if before is None:
        reason = "the first version of this universe"
        registry.promote(platform.lake, platform.models, universe, candidate, reason, now)
    elif before.version == candidate:
        reason = "the same version as before"
    else:
        layout = Splits.from_arrow(splits.read(where={"universe": universe}))
        verdict = _judge(platform, experiment, universe, candidate, before.version, layout)
        reason = verdict.reason
        act = registry.promote if verdict.promote else registry.keep
        act(platform.lake, platform.models, universe, candidate, reason, now)
    answering = registry.champion_of(platform.models, universe)
    assert answering is not None
    return dg.Output(
        Partitions([]),
        metadata={
            "version": answering.version,
            "since": answering.at,
            "candidate": candidate,
            "verdict": reason,
        },
    )


def _judge(
    platform: Platform,
    experiment: "Experiment",
    universe: str,
    candidate: str,
    champion: str,
    layout: Splits,
) -> "Verdict":
    from crypto_nn.benchmark.gate import Verdict, judge
    from crypto_nn.inference.predictor import ModelInference
    from crypto_nn.training.dataset import load_panel

    role = layout.nightly.role(CALIBRATION)
    feature_set = platform.feature_set(experiment)
    try:
        before = ModelInference.load(platform.models, champion, feature_set.fingerprint)
    except (ModelError, FeatureError) as error:
        return Verdict(True, f"the champion can no longer answer: {error}")
    versions = [ModelInference.load(platform.models, candidate), before]
    window = max(version.window for version in versions)
    panel = load_panel(
        platform.lake,
        experiment.members(universe),
        feature_set.names,
        role.start - window * MINUTE,
        role.end,
    )
    inside = rows_of(layout.nightly, CALIBRATION, panel.ts_N, panel.t1_NH)
    ends = np.array([end for end in panel.window_ends(window) if inside[end]], dtype=np.int64)
    ours, theirs = (version.predict(panel, ends) for version in versions)
    days = panel.ts_N[ends].astype("datetime64[D]")
    return judge(ours, theirs, panel.classes_NH[ends], days, experiment.gate)


@dg.asset(
    partitions_def=symbol_months,
    ins={"features": dg.AssetIn(partition_mapping=months_around(1, 0))},
    deps=[dg.AssetDep("champion", partition_mapping=dg.AllPartitionMapping())],
    backfill_policy=dg.BackfillPolicy.single_run(),
    io_manager_key="lake",
    group_name="serving",
    kinds={"pytorch", "duckdb"},
    owners=["team:ml"],
    check_specs=[
        dg.AssetCheckSpec("predictions_are_probabilities", asset="predictions", blocking=True)
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

    def compute() -> Iterator[Tables]:
        for symbol, months in by_symbol(context.partition_keys, "month").items():
            universe = experiment.universe_of(symbol)
            version = registry.resolve(platform.models, f"champion:{universe}")
            model = ModelInference.load(platform.models, version, feature_set.fingerprint)
            used[symbol] = version
            for month in months:
                table = _predict_month(platform, model, feature_set.names, symbol, month)
                sums = sum(table[f"p_{name}"].to_numpy() for name in ("down", "flat", "up"))
                counts["rows"] += table.num_rows
                counts["odd"] += int((~np.isclose(sums, 1, atol=1e-6)).sum())
                counts["in_sample"] += int(table["in_sample"].to_numpy(zero_copy_only=False).sum())
                yield Tables({"symbol": symbol, "month": month}, {"predictions": table})

    def describe() -> dict[str, Any]:
        return {"versions": dg.MetadataValue.json(used), "in_sample_rows": counts["in_sample"]}

    yield dg.Output(Partitions(compute(), describe))
    yield dg.AssetCheckResult(
        check_name="predictions_are_probabilities",
        passed=counts["odd"] == 0,
        metadata={"rows": counts["rows"], "rows_that_do_not_sum_to_one": counts["odd"]},
    )


def _predict_month(
    platform: Platform, model: "ModelInference", names: tuple[str, ...], symbol: str, month: str
) -> pa.Table:
    from crypto_nn.training.dataset import load_panel

    start, end = month_bounds(month)
    panel = load_panel(platform.lake, [symbol], names, start - model.window * MINUTE, end)
    ends = panel.window_ends(model.window)
    ends = ends[panel.ts_N[ends] >= start]
    if not len(panel):
        raise ModelError(f"There are no features of {symbol} in {month}. Ingest that month first.")
    return _prediction_table(model, panel, ends, symbol, month)


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
