"""Model and baselines on the same folds, with intervals and costs."""

import platform as machine
from collections.abc import Iterator
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np

from crypto_nn import pictures
from crypto_nn.benchmark.result import BenchmarkResult, Provenance
from crypto_nn.defs.io_managers import Partitions, TableReader, Tables
from crypto_nn.defs.partitions import EXPERIMENT, universes
from crypto_nn.defs.resources import Overrides, Platform
from crypto_nn.defs.training import recipe_of
from crypto_nn.experiments import Experiment
from crypto_nn.features.labels import MINUTE
from crypto_nn.features.splits import Fold, Splits
from crypto_nn.store.atomic import write_bytes

if TYPE_CHECKING:
    from crypto_nn.benchmark.forecasts import Contestant

MOST_PICTURES = 6


@dg.asset(
    partitions_def=universes,
    io_manager_key="lake",
    group_name="evaluation",
    kinds={"duckdb", "pytorch"},
    owners=["team:ml"],
    code_version=EXPERIMENT.digest("benchmark", "model", "training"),
    deps=["checkpoint"],
    check_specs=[dg.AssetCheckSpec("model_beats_every_baseline", asset="benchmark_report")],
)
def benchmark_report(
    context: dg.AssetExecutionContext, platform: Platform, config: Overrides, splits: TableReader
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """The model and all baselines, walk-forward, on the same test rows, with intervals and costs.

    "No better than the baseline" is a normal verdict. Folds that were computed before are reused.
    """
    universe = context.partition_key
    experiment = platform.experiment(config)
    folds = Splits.from_arrow(splits.read(where={"universe": universe})).folds
    result = _run(context, platform, experiment, folds)
    made_at = platform.now()
    table = result.to_arrow(universe, context.run.run_id, made_at)
    page = platform.reports / "benchmark" / universe / "report.html"
    yield dg.Output(
        Partitions([Tables({"universe": universe}, {"benchmark_report": table})]),
        metadata=_describe(result, page, made_at),
    )
    yield dg.AssetCheckResult(
        check_name="model_beats_every_baseline",
        passed=any(verdict.better for verdict in result.verdicts),
        severity=dg.AssetCheckSeverity.WARN,
        description="A warning here is an honest result, not a fault.",
        metadata={"verdicts": dg.MetadataValue.json(_verdicts(result))},
    )


def _run(
    context: dg.AssetExecutionContext,
    platform: Platform,
    experiment: Experiment,
    folds: tuple[Fold, ...],
) -> BenchmarkResult:
    from crypto_nn.benchmark.tried import num_tried
    from crypto_nn.benchmark.walk_forward import run_benchmark
    from crypto_nn.training.dataset import load_panel

    universe, lake = context.partition_key, platform.lake
    members, names = experiment.members(universe), platform.feature_set(experiment).names
    snapshot = lake.snapshot()
    before = (experiment.reach + max(experiment.labels.horizons)) * MINUTE
    start = min(fold.start for fold in folds) - before
    panel = load_panel(lake, members, names, start, folds[-1].end, snapshot)
    refit_k = experiment.benchmark.refit_k and experiment.labels.kind == "volatility"
    return run_benchmark(
        panel,
        folds,
        contestants(experiment, platform),
        experiment.benchmark.model_copy(update={"refit_k": refit_k}),
        lambda step: context.log.info(
            "%d of %d: %s, fold %d", step.done, step.total, step.contestant, step.fold
        ),
        platform.work / "benchmark",
        _provenance(platform, experiment, universe, snapshot),
        num_tried(lake, universe),
    )


def contestants(experiment: Experiment, platform: Platform) -> "list[Contestant]":
    """The configured model, further ones that the YAML names, and the baselines.

    Networks begin from nothing: a pretrained version may have seen the folds' test rows.
    """
    from crypto_nn.benchmark.contestants import NetworkContestant, baselines

    chosen = [(experiment.model.name, experiment.model.preset)]
    chosen += [(name, preset or "small") for name, _, preset in
               (text.partition(":") for text in experiment.benchmark.models)]  # fmt: skip
    networks = []
    for name, preset in dict.fromkeys(chosen):
        choice = experiment.changed({"model.name": name, "model.preset": preset})
        recipe = recipe_of(choice, platform).from_nothing()
        networks.append(NetworkContestant(f"{name}:{preset}", recipe))
    return [*networks, *baselines(experiment.benchmark.baselines)]


def _provenance(
    platform: Platform, experiment: Experiment, universe: str, snapshot: int
) -> Provenance:
    members = experiment.members(universe)
    labels = experiment.labels
    return Provenance(
        universe=universe,
        venue=", ".join(sorted({experiment.symbol(name).source for name in members})),
        label=f"{labels.kind}: {labels.rule}",
        snapshot=snapshot,
        code_version=version_of("crypto-nn"),
        command=f"crypto-nn train --universe {universe}",
        machine=f"{machine.machine()}, {machine.system()}, CPU",
    )


def _verdicts(result: BenchmarkResult) -> list[str]:
    return [f"{v.model}, {v.horizon}m: {v.text}" for v in result.verdicts if v.gains]


def _describe(result: BenchmarkResult, page: Path, made_at: np.datetime64) -> dict[str, Any]:
    """The leaderboard as a table, the report's drawings, and where the page lies."""
    from crypto_nn.benchmark.leaderboard import leaderboard
    from crypto_nn.benchmark.report import compose
    from crypto_nn.pictures.document import Drawing
    from crypto_nn.pictures.document_html import to_html

    document = compose(result, made_at)
    write_bytes(page, to_html(document).encode())
    drawings = [block for block in document.blocks if isinstance(block, Drawing)][:MOST_PICTURES]
    shown = "\n\n".join(pictures.markdown(each.picture, each.alt) for each in drawings)
    rows = leaderboard(result.table(), result.config.headline_cost_bps)
    return {
        "folds": len(result.folds),
        "leaderboard": dg.MetadataValue.table([dg.TableRecord(row) for row in rows]),
        "verdicts": dg.MetadataValue.md("\n".join(f"- {line}" for line in _verdicts(result))),
        "pictures": dg.MetadataValue.md(shown),
        "report": dg.MetadataValue.path(str(page)),
    }
