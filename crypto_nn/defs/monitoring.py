"""Is it still true: drift of a day, and how the champion does."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa

from crypto_nn import pictures
from crypto_nn.bars.calendar import TS, day_bounds
from crypto_nn.defs import freshness
from crypto_nn.defs.drift_reports import decided_days
from crypto_nn.defs.io_managers import Partitions, TableReader, Tables
from crypto_nn.defs.partitions import EXPERIMENT, dimensions, symbol_days, universes
from crypto_nn.defs.resources import Platform
from crypto_nn.defs.watch import watch
from crypto_nn.features.labels import MINUTE
from crypto_nn.features.splits import CALIBRATION, TRAIN

if TYPE_CHECKING:
    from crypto_nn.defs.watch import Watched
    from crypto_nn.experiments import Experiment
    from crypto_nn.features.panel import Panel
    from crypto_nn.inference.predictor import ModelInference
    from crypto_nn.monitoring.days import DayBlocks
    from crypto_nn.monitoring.report import DriftReport

DAY = np.timedelta64(1, "D")
SHOWN_COLUMNS = 20


@dg.asset(
    partitions_def=symbol_days,
    deps=[
        dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping())
        for name in ("features", "labels", "champion")
    ],
    io_manager_key="lake",
    group_name="monitoring",
    kinds={"duckdb", "evidently"},
    owners=["team:ml"],
    freshness_policy=freshness.policy(daily=True),
    code_version=EXPERIMENT.digest("drift", "monitor"),
    check_specs=[
        dg.AssetCheckSpec("drift_is_below_its_threshold", asset="drift_report"),
        dg.AssetCheckSpec("champion_is_as_good_as_before", asset="drift_report"),
    ],
)
def drift_report(
    context: dg.AssetExecutionContext, platform: Platform
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """How far the day has moved from what the champion learned from, and whether it does worse.

    `drift_score` is the largest statistic over all features, predictions and losses divided by its
    quantile calibrated on whole days: above 1 is drift at the stated rate of false alarms.
    Evidently's page lies beside. `evidence` is what all days so far say against the champion.
    """
    key = dimensions(context.partition_key)
    symbol, day = key["symbol"], key["day"]
    experiment = platform.experiment()
    names = platform.feature_set(experiment).names
    model = _champion(platform, experiment, symbol)
    version = model.version
    learned = _learned_from(platform, model, symbol, names, experiment.drift.reference_days)
    today = _features_between(platform, symbol, names, *day_bounds(day))
    watched = watch(platform, experiment, model, symbol, day)
    report = _compare(platform, experiment, (symbol, day, version), (learned, today), watched)
    page = platform.reports / "drift" / symbol / f"{day}.html"
    shown = _evidently(learned, today, report, page) if experiment.drift.evidently else {}
    tables = report.to_arrow() | {"model_monitor": watched.table(symbol, version, report.made_at)}
    where = {"symbol": symbol, "day": day}
    own = {"model_monitor": where | {"model_version": version}}
    yield dg.Output(
        Partitions([Tables(where, tables, own)]),
        metadata=_describe(report) | watched.metadata() | shown,
    )
    yield dg.AssetCheckResult(
        check_name="drift_is_below_its_threshold",
        passed=not report.drifted,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"drift_score": report.drift_score, "threshold": report.threshold},
    )
    yield watched.check()


def _champion(platform: Platform, experiment: "Experiment", symbol: str) -> "ModelInference":
    from crypto_nn.inference import registry
    from crypto_nn.inference.predictor import ModelInference

    universe = experiment.universe_of(symbol)
    version = registry.resolve(platform.models, f"champion:{universe}")
    return ModelInference.load(platform.models, version)


def _compare(
    platform: Platform,
    experiment: "Experiment",
    whose: tuple[str, str, str],
    features: tuple["DayBlocks", "DayBlocks"],
    watched: "Watched",
) -> "DriftReport":
    """Features, answers and losses of the day against those before it, with the budget spent."""
    from crypto_nn.monitoring.budget import with_budget
    from crypto_nn.monitoring.drift import Reference, compare

    symbol, day, version = whose
    learned, today = (watched.beside(blocks) for blocks in features)
    reference = Reference(symbol, version, learned)
    report = compare(
        reference,
        today,
        experiment.drift,
        day=day,
        made_at=platform.now(),
        clock=_clock_columns(platform, experiment),
    )
    report = replace(report, evidence=watched.evidence)
    return with_budget(report, decided_days(platform.lake, symbol), experiment.drift)


def _clock_columns(platform: Platform, experiment: "Experiment") -> tuple[str, ...]:
    """The columns that tell the time and nothing else: they say nothing of the market."""
    from crypto_nn.features.columns import Clock

    return tuple(
        feature.name
        for feature in platform.feature_set(experiment).features
        if all(isinstance(output.indicator, Clock) for output in feature.outputs)
    )


def _learned_from(
    platform: Platform, model: "ModelInference", symbol: str, names: tuple[str, ...], num_days: int
) -> "DayBlocks":
    train = model.fold.role(TRAIN)
    start = max(train.start, train.end - num_days * DAY)
    return _features_between(platform, symbol, names, start, train.end)


def _features_between(
    platform: Platform,
    symbol: str,
    names: tuple[str, ...],
    start: np.datetime64,
    end: np.datetime64,
) -> "DayBlocks":
    from crypto_nn.monitoring.days import DayBlocks

    table = TableReader(platform.lake, "features").read(
        columns=("ts", *names), where={"symbol": symbol}, start=start.astype(TS), end=end.astype(TS)
    )
    x_NF = np.column_stack([table[name].to_numpy() for name in names])
    return DayBlocks.from_rows(table["ts"].to_numpy(), x_NF, names)


def _describe(report: "DriftReport") -> dict[str, Any]:
    title = f"{report.symbol} on {report.day}: drift score per column (1 is the alarm level)"
    worst = sorted(report.columns, key=lambda column: column.score, reverse=True)[:SHOWN_COLUMNS]
    picture = pictures.drift_bars(
        [column.name for column in worst],
        [column.score for column in worst],
        report.threshold,
        title,
    )
    return {
        "symbol": report.symbol,
        "day": report.day,
        "model_version": report.model_version,
        "drift_score": report.drift_score,
        "threshold": report.threshold,
        "p_value": report.p_value,
        "drifted": report.drifted,
        "worst_feature": report.worst_feature,
        "effect": report.effect,
        "reference_days": report.reference_days,
        "verdict": report.reason,
        "alarm_budget": report.alarm_budget,
        "nominal_false_alarm_rate": report.alpha,
        "measured_false_alarm_rate": dg.MetadataValue.float(report.false_alarm_rate),
        "forward_alarm_rate": dg.MetadataValue.float(report.forward_alarm_rate),
        "power": dg.MetadataValue.json(dict(report.power)),
        "scores": dg.MetadataValue.md(pictures.markdown(picture, title)),
    }


def _evidently(
    learned: "DayBlocks", today: "DayBlocks", report: "DriftReport", page: Path
) -> dict[str, Any]:
    """Evidently's page for people; the decision above does not depend on it."""
    from crypto_nn.monitoring.evidently_report import write_html

    if not len(learned.ts_N) or not len(today.ts_N):
        return {"evidently": f"no page: {report.reason}"}
    before, now = (pd.DataFrame(each.x_NF, columns=list(each.names)) for each in (learned, today))
    written = write_html(before, now, page)
    return {
        "evidently": dg.MetadataValue.path(str(page)),
        "evidently_json": dg.MetadataValue.path(str(written.json_path)),
    }


@dg.asset(
    partitions_def=universes,
    deps=["champion"],
    io_manager_key="lake",
    group_name="monitoring",
    kinds={"duckdb"},
    owners=["team:ml"],
    check_specs=[dg.AssetCheckSpec("metrics_are_whole", asset="model_metrics")],
)
def model_metrics(
    context: dg.AssetExecutionContext, platform: Platform
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """How the champion does on what it was not trained on: accuracy, skill, latency, drift.

    From the calibration days to the newest label; the majority's accuracy stands beside its own.
    """
    from crypto_nn.inference import registry
    from crypto_nn.inference.latency import measure_latency
    from crypto_nn.inference.predictor import ModelInference
    from crypto_nn.training.dataset import extent, load_panel

    universe = context.partition_key
    experiment = platform.experiment()
    members = experiment.members(universe)
    names = platform.feature_set(experiment).names
    version = registry.resolve(platform.models, f"champion:{universe}")
    model = ModelInference.load(platform.models, version)
    start = model.fold.role(CALIBRATION).start
    end = extent(platform.lake, members, names).end
    panel = load_panel(platform.lake, members, names, start - model.reach * MINUTE, end)
    kind = experiment.labels.kind
    latency_ms = measure_latency(model, batch_sizes=(1,), repeats=30)[0].p50_ms
    rows = [
        row | {"universe": universe, "timestamp": platform.now().item(), "latency_ms": latency_ms}
        for symbol in members
        for row in _score(model, panel, kind, symbol, start, _last_drift(platform, symbol))
    ]
    keys = {"universe": universe, "model_version": version}
    table = pa.Table.from_pylist([*_earlier_days(platform, keys), *rows])

    def store() -> Iterator[Tables]:
        yield Tables(keys, {"model_metrics": table})
        platform.mirror.model_metrics(pa.Table.from_pylist(rows))  # the lake has them now

    shown = ("symbol", "horizon", "accuracy", "majority", "log_loss_skill", "rows")
    records = [dg.TableRecord({name: row[name] for name in shown}) for row in rows]
    yield dg.Output(
        Partitions(store(), platform.mirror.metadata),
        metadata={
            "version": version,
            "latency_ms": latency_ms,
            "scores": dg.MetadataValue.table(records),
        },
    )
    yield whole(rows)


def whole(rows: list[dict[str, Any]]) -> dg.AssetCheckResult:
    """Whether each symbol and horizon was measured, on some rows and with finite figures."""
    figures = ("accuracy", "majority", "log_loss_skill", "latency_ms")
    torn = [
        f"{row['symbol']} {row['horizon']}m"
        for row in rows
        if not row["rows"] or not all(np.isfinite(row[name]) for name in figures)
    ]
    return dg.AssetCheckResult(
        check_name="metrics_are_whole",
        passed=bool(rows) and not torn,
        metadata={"rows": len(rows), "not_measured": ", ".join(torn) or "none"},
    )


def _earlier_days(platform: Platform, keys: dict[str, str]) -> list[dict[str, Any]]:
    """What was measured of a version on other days: the table holds one measurement a day."""
    if not platform.lake.has("model_metrics"):
        return []
    today = str(platform.now().astype("datetime64[D]"))
    kept: list[dict[str, Any]] = platform.lake.read("model_metrics", where=keys).to_pylist()
    return [row for row in kept if f"{row['timestamp']:%Y-%m-%d}" != today]


def _score(
    model: "ModelInference",
    panel: "Panel",
    label_kind: str,
    symbol: str,
    start: np.datetime64,
    drift_score: float | None,
) -> list[dict[str, Any]]:
    from crypto_nn.metrics import classification

    ends = panel.window_ends(model.reach)
    own = panel.slice_of(symbol)
    ends = ends[(ends >= own.start) & (ends < own.stop) & (panel.ts_N[ends] >= start)]
    k = model.k if label_kind == "volatility" else None
    classes_NH = panel.classes_NH if k is None else panel.classes_at(k)
    p_RHC, classes_RH = model.predict(panel, ends), classes_NH[ends].astype(np.int64)
    rows = []
    for h, horizon in enumerate(panel.horizons):
        known = classes_RH[:, h] >= 0
        classes, p_RC = classes_RH[known, h], p_RHC[known, h]
        prior = classification.class_prior(classes)
        rows.append(
            {
                "model_version": model.version,
                "symbol": symbol,
                "horizon": horizon,
                "accuracy": classification.accuracy(p_RC, classes),
                "majority": classification.majority_share(classes),
                "log_loss_skill": classification.log_loss_skill(p_RC, classes, prior),
                "drift_score": drift_score,
                "rows": int(known.sum()),
            }
        )
    return rows


def _last_drift(platform: Platform, symbol: str) -> float | None:
    if not platform.lake.has("drift_decisions"):
        return None
    found = platform.lake.read("drift_decisions", ("day", "drift_score"), {"symbol": symbol})
    return max(found.to_pylist(), key=lambda row: row["day"])["drift_score"] if found else None
