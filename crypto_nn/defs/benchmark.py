"""Model and baselines on the same folds, with intervals and costs."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
import numpy as np

from crypto_nn import pictures
from crypto_nn.benchmark.calendar import calendar_folds
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.ledger import ledger_rows, record
from crypto_nn.benchmark.result import BenchmarkResult, Provenance
from crypto_nn.defs.io_managers import Partitions, TableReader, Tables
from crypto_nn.defs.partitions import EXPERIMENT, universes
from crypto_nn.defs.resources import Overrides, Platform
from crypto_nn.defs.training import recipe_of
from crypto_nn.environment import YAML, yaml_in_force
from crypto_nn.errors import ConfigError
from crypto_nn.experiments import Experiment
from crypto_nn.features.labels import MINUTE
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold, Reach, Splits, lock_box
from crypto_nn.models.baselines import BASELINES
from crypto_nn.store.atomic import write_bytes
from crypto_nn.training.config import TrainConfig

if TYPE_CHECKING:
    from crypto_nn.benchmark.forecasts import Contestant
    from crypto_nn.benchmark.walk_forward import Listener

MOST_PICTURES = 6
log = logging.getLogger(__name__)
RESULT_FILE, ARMS_FILE = "result.json.gz", "arms.json.gz"


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
    folds = _folds(platform, experiment, universe, splits)
    result = _run(context, platform, experiment, folds)
    made_at = platform.now()
    record(platform.lake, ledger_rows(result, universe, made_at))
    table = result.to_arrow(universe, context.run.run_id, made_at)
    folder = platform.reports / "benchmark" / universe
    write_bytes(folder / RESULT_FILE, result.to_bytes())
    yield dg.Output(
        Partitions([Tables({"universe": universe}, {"benchmark_report": table})]),
        metadata=_describe(result, write_report(folder), made_at),
    )
    yield dg.AssetCheckResult(
        check_name="model_beats_every_baseline",
        passed=is_whole(result) and any(verdict.better for verdict in result.verdicts),
        severity=dg.AssetCheckSeverity.WARN,
        description="A warning here is an honest result, not a fault.",
        metadata={"verdicts": dg.MetadataValue.json(_verdicts(result))},
    )


def is_whole(result: BenchmarkResult) -> bool:
    """Whether every baseline ran: "better than all" of a few is no great thing."""
    return all(name in result.kinds for name in (*BASELINES, "DLinear:small"))


def _folds(
    platform: Platform, experiment: Experiment, universe: str, splits: TableReader
) -> tuple[Fold, ...]:
    """The folds of `splits`, or those of the calendar, which may not touch the lock box."""
    from crypto_nn.training.dataset import extent

    if experiment.benchmark.refit == "splits":
        return Splits.from_arrow(splits.read(where={"universe": universe})).folds
    names = platform.feature_set(experiment).names
    there = extent(platform.lake, experiment.members(universe), names)
    reach = Reach(max(experiment.labels.horizons), experiment.reach)
    folds = calendar_folds(there.start, there.end, experiment.benchmark, experiment.splits, reach)
    cut = platform.lake.has("splits") and platform.lake.count("splits", {"universe": universe})
    locked = lock_box(there.end, experiment.splits)
    if cut:
        locked = Splits.from_arrow(splits.read(where={"universe": universe})).locked
    if locked is not None and folds[0].start < locked.end and locked.start < folds[-1].end:
        raise ConfigError(
            f"The benchmark's days, {folds[0].start} to {folds[-1].end}, reach into the lock box "
            f"of {universe}, {locked.start} to {locked.end}, which is kept for one final verdict. "
            "Set benchmark.last_test to a month before it."
        )
    return folds


def _run(
    context: dg.AssetExecutionContext,
    platform: Platform,
    experiment: Experiment,
    folds: tuple[Fold, ...],
) -> BenchmarkResult:
    from crypto_nn.benchmark.speed import measure_all
    from crypto_nn.benchmark.tried import tried
    from crypto_nn.benchmark.walk_forward import run_benchmark

    universe, work = context.partition_key, platform.work / "benchmark"
    snapshot = platform.lake.snapshot()
    panel = _panel(platform, experiment, universe, folds, snapshot)
    everyone = contestants(experiment, platform)
    result = run_benchmark(
        panel,
        folds,
        everyone,
        _settings(experiment),
        lambda step: _say(
            context,
            f"{step.done} of {step.total}: {step.contestant}, fold {step.fold}"
            + (", kept from before" if step.found else ""),
        ),
        work,
        _provenance(platform, experiment, universe, snapshot),
        tried(platform.lake, universe),
    )
    whose = {
        "none": [],
        "all": everyone,
        "networks": [c for c in everyone if c.name not in BASELINES],
    }
    timed = whose[experiment.benchmark.speed]
    shape = panel.names, panel.horizons, panel.symbols
    return result.with_facts(measure_all(timed, *shape, work, say=lambda line: _say(context, line)))


def _say(context: dg.AssetExecutionContext, line: str) -> None:
    """In the run's log, and to whoever listens to this module's, as the command line does."""
    context.log.info(line)
    log.info(line)


def _panel(
    platform: Platform,
    experiment: Experiment,
    universe: str,
    folds: Sequence[Fold],
    snapshot: int,
) -> Panel:
    """All rows of the folds, and those before that the first window needs."""
    from crypto_nn.training.dataset import load_panel

    members, names = experiment.members(universe), platform.feature_set(experiment).names
    before = (experiment.reach + max(experiment.labels.horizons)) * MINUTE
    start = min(fold.start for fold in folds) - before
    return load_panel(platform.lake, members, names, start, folds[-1].end, snapshot)


def _settings(experiment: Experiment) -> BenchmarkConfig:
    """Only volatility labels have a k that can be fitted again."""
    refit_k = experiment.benchmark.refit_k and experiment.labels.kind == "volatility"
    return experiment.benchmark.model_copy(update={"refit_k": refit_k})


def ask_learnings(
    platform: Platform, experiment: Experiment, universe: str, tell: "Listener"
) -> Path:
    """Put the stated learnings to the test on the benchmark's folds; the folder of the report."""
    from crypto_nn.benchmark.arms.run import run_arms

    folds = _folds(platform, experiment, universe, TableReader(platform.lake, "splits"))
    panel = _panel(platform, experiment, universe, folds, platform.lake.snapshot())
    plain = experiment.changed({"model": {"name": "LSTMPricePredictor", "preset": "small"}})
    base = recipe_of(plain, platform)
    asked = run_arms(
        panel, folds, base, _settings(experiment), platform.work / "benchmark", progress=tell
    )
    folder = platform.reports / "benchmark" / universe
    write_bytes(folder / ARMS_FILE, asked.to_bytes())
    if (folder / RESULT_FILE).exists():
        write_report(folder)
    return folder


def write_report(folder: Path) -> Path:
    """The page and its Markdown, from the result and the arms that lie in a folder."""
    from crypto_nn.benchmark.arms.result import ArmsResult
    from crypto_nn.benchmark.report import report_html, report_markdown

    result = BenchmarkResult.from_bytes((folder / RESULT_FILE).read_bytes())
    asked = folder / ARMS_FILE
    arms = ArmsResult.from_bytes(asked.read_bytes()) if asked.exists() else None
    if arms is not None and not arms.is_of(result.days, len(result.folds)):
        arms = None  # of another test
    write_bytes(folder / "report.md", report_markdown(result, arms=arms).encode())
    page = folder / "report.html"
    write_bytes(page, report_html(result, arms=arms).encode())
    return page


def contestants(experiment: Experiment, platform: Platform) -> "list[Contestant]":
    """The configured model, further ones that the YAML names, and the baselines.

    `DLinear` is a network that is always there as a baseline, in its smallest size. Networks
    begin from nothing: a pretrained version may have seen the folds' test rows.
    """
    from crypto_nn.benchmark.contestants import NETWORK_BASELINES, baselines

    chosen = [(experiment.model.name, experiment.model.preset)]
    chosen += [(name, preset or "small") for name, _, preset in
               (text.partition(":") for text in experiment.benchmark.models)]  # fmt: skip
    wanted = experiment.benchmark.baselines
    beside = [name for name in NETWORK_BASELINES if not wanted or name in wanted]
    networks: list[Contestant] = []
    for name, preset in dict.fromkeys(chosen):
        if not (name in beside and preset == "small"):
            networks.append(_network(experiment, platform, name, preset, "model"))
    linear = [_network(experiment, platform, name, "small", "baseline") for name in beside]
    return [*networks, *linear, *baselines(wanted)]


def _network(
    experiment: Experiment,
    platform: Platform,
    name: str,
    preset: str,
    kind: Literal["baseline", "model"],
) -> "Contestant":
    from crypto_nn.benchmark.contestants import NetworkContestant

    configured = (name, preset) == (experiment.model.name, experiment.model.preset)
    own = experiment.model.settings if configured else {}
    choice = experiment.changed({"model": {"name": name, "preset": preset, "settings": own}})
    recipe = recipe_of(choice, platform).from_nothing()
    if kind == "baseline":
        epochs = min(experiment.benchmark.baseline_epochs or np.inf, recipe.train.max_epochs)
        train = recipe.train.model_copy(update={"max_epochs": int(epochs)})
        recipe = replace(recipe, train=train)
    return NetworkContestant(f"{name}:{preset}", recipe, kind, seeded=kind == "model")


def _provenance(
    platform: Platform, experiment: Experiment, universe: str, snapshot: int
) -> Provenance:
    from crypto_nn.benchmark.speed import machine

    members = experiment.members(universe)
    labels, here = experiment.labels, machine()
    return Provenance(
        universe=universe,
        venue=", ".join(sorted({experiment.symbol(name).source for name in members})),
        label=f"{labels.kind}: {labels.rule}".removesuffix(f", k near {labels.k:g}"),
        training=_learning(experiment.training, experiment.benchmark.baseline_epochs),
        snapshot=snapshot,
        code_version=version_of("crypto-nn"),
        command=f"crypto-nn benchmark {_config()}--universe {universe}",
        made_at=platform.now(),
        machine=f"{here['processor'] or here['machine']}, {here['cores']} cores, CPU alone",
    )


def _learning(train: TrainConfig, baseline_epochs: int | None) -> str:
    """How networks learn, in words."""
    fewer = baseline_epochs is not None and baseline_epochs < train.max_epochs
    beside = f" (baselines {baseline_epochs})" if fewer else ""
    epochs = f"{train.max_epochs} epochs{beside}" if train.max_epochs > 1 else "one epoch"
    return (
        f"window of {train.window} minutes, {epochs} of at most {train.max_windows:,} windows, "
        f"AdamW at {train.learning_rate:g}, {train.loss.replace('_', ' ')}"
    )


def _config() -> str:
    """The option that names the YAML in force; of one elsewhere on this machine its name alone."""
    path = yaml_in_force()
    if path is None or path.name == YAML:
        return ""
    below = path.resolve().is_relative_to(Path.cwd())
    return f"--config {path.resolve().relative_to(Path.cwd()) if below else path.name} "


def _verdicts(result: BenchmarkResult) -> list[str]:
    return [f"{v.model}, {v.horizon}m: {v.text}" for v in result.verdicts if v.gains]


def _describe(result: BenchmarkResult, page: Path, made_at: np.datetime64) -> dict[str, Any]:
    """The leaderboard as a table, the report's drawings, and where the page lies."""
    from crypto_nn.benchmark.leaderboard import leaderboard
    from crypto_nn.benchmark.report import compose
    from crypto_nn.pictures.document import Drawing

    document = compose(result, made_at)
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
