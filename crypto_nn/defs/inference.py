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
from crypto_nn.features.splits import CALIBRATION, VALIDATION, Splits, rows_of

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
    deps=["checkpoint", "benchmark_report"],
    code_version=EXPERIMENT.digest("gate"),
    check_specs=[dg.AssetCheckSpec("champion_beats_its_baselines", asset="champion")],
)
def champion(
    context: dg.AssetExecutionContext,
    platform: Platform,
    config: Overrides,
    splits: TableReader,
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """Which version answers for the universe; a new one only through the gate.

    Candidate and champion are compared on the calibration rows of tonight's layout, day by day;
    the champion stays unless the candidate's log-loss is shown to be lower.
    """
    from crypto_nn.inference import registry

    universe = context.partition_key
    candidate = _candidate(platform, universe)
    layout = Splits.from_arrow(splits.read(where={"universe": universe}))
    reason = _gate(platform, platform.experiment(config), universe, candidate, layout)
    answering = registry.champion_of(platform.models, universe)
    assert answering is not None
    yield dg.Output(
        Partitions([]),
        metadata={
            "version": answering.version,
            "since": answering.at,
            "candidate": candidate,
            "verdict": reason,
        },
    )
    verdicts = _benchmark_verdicts(platform, universe)
    yield dg.AssetCheckResult(
        check_name="champion_beats_its_baselines",
        passed=any(better for _, better in verdicts),
        severity=dg.AssetCheckSeverity.WARN,
        description="Its kind of model in the benchmark. A warning is an honest result, no fault.",
        metadata={"verdicts": dg.MetadataValue.json([text for text, _ in verdicts])},
    )


def _candidate(platform: Platform, universe: str) -> str:
    """The version that was asked for last; the best ones of searches were not asked for."""
    rows = TableReader(platform.lake, "checkpoints").read(where={"universe": universe}).to_pylist()
    rows = [row for row in rows if row["launched_at"] is not None]
    if not rows:
        raise ModelError(f"{universe} has no trained version. Materialise `checkpoint` first.")
    version: str = max(rows, key=lambda row: row["launched_at"])["version"]
    return version


def _gate(
    platform: Platform, experiment: "Experiment", universe: str, candidate: str, layout: Splits
) -> str:
    """Let the candidate through, or not; write it down, and return why."""
    from crypto_nn.inference import registry

    before, now = registry.champion_of(platform.models, universe), platform.now()
    stores = (platform.lake, platform.models)
    if before is None:
        reason = "the first version of this universe"
        registry.promote(*stores, universe, candidate, reason, now)
    elif before.version == candidate:
        reason = "the same version as before"
    else:
        verdict = _judge(platform, experiment, universe, candidate, before.version, layout)
        reason = verdict.reason
        act = registry.promote if verdict.promote else registry.keep
        act(*stores, universe, candidate, reason, now)
    return reason


def _benchmark_verdicts(platform: Platform, universe: str) -> list[tuple[str, bool]]:
    """What the benchmark says of each model and horizon, and whether it beats every baseline."""
    from crypto_nn.benchmark.leaderboard import standings

    report = TableReader(platform.lake, "benchmark_report").read(where={"universe": universe})
    return [
        (f"{each.model}, {each.horizon}m: {each.verdict.text}", bool(each.verdict.better))
        for each in standings(report)
        if not each.is_baseline
    ]


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
    window = max(version.reach for version in versions)
    panel = load_panel(
        platform.lake,
        experiment.members(universe),
        feature_set.names,
        role.start - window * MINUTE,
        role.end,
    )
    fresh = max(version.fold.role(VALIDATION).end for version in versions)
    fair_N = rows_of(layout.nightly, CALIBRATION, panel.ts_N, panel.t1_NH) & (panel.ts_N >= fresh)
    ends = panel.window_ends(window)
    ends = ends[fair_N[ends]]
    if not len(ends):
        return Verdict(False, "kept: it has learned from the days on which both are compared")
    ours, theirs = (version.predict(panel, ends) for version in versions)
    days = panel.ts_N[ends].astype("datetime64[D]")
    k = versions[0].k if experiment.labels.kind == "volatility" else None
    classes_NH = panel.classes_NH if k is None else panel.classes_at(k)
    return judge(ours, theirs, classes_NH[ends], days, experiment.gate)


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
                _mirror(platform, table, symbol, month)  # the lake has it now

    def describe() -> dict[str, Any]:
        told = {"versions": dg.MetadataValue.json(used), "in_sample_rows": counts["in_sample"]}
        return told | platform.mirror.metadata()

    yield dg.Output(Partitions(compute(), describe))
    yield dg.AssetCheckResult(
        check_name="predictions_are_probabilities",
        passed=counts["odd"] == 0,
        metadata={"rows": counts["rows"], "rows_that_do_not_sum_to_one": counts["odd"]},
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
    platform: Platform, model: "ModelInference", names: tuple[str, ...], symbol: str, month: str
) -> pa.Table:
    from crypto_nn.training.dataset import load_panel

    start, end = month_bounds(month)
    panel = load_panel(platform.lake, [symbol], names, start - model.reach * MINUTE, end)
    ends = panel.window_ends(model.reach)
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
