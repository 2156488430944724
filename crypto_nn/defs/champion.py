"""Which version answers for a universe, and which one shadows it."""

from collections.abc import Iterator
from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING, Any

import dagster as dg

from crypto_nn import pictures
from crypto_nn.defs.io_managers import Partitions, TableReader
from crypto_nn.defs.partitions import EXPERIMENT, universes
from crypto_nn.defs.repairs import is_live
from crypto_nn.defs.resources import Overrides, Platform
from crypto_nn.errors import ModelError
from crypto_nn.features.labels import MINUTE
from crypto_nn.features.splits import CALIBRATION, VALIDATION, Splits, rows_of

if TYPE_CHECKING:
    from crypto_nn.benchmark.gate import Verdict
    from crypto_nn.benchmark.judgement import Court
    from crypto_nn.experiments import Experiment


@dg.asset(
    partitions_def=universes,
    io_manager_key="lake",
    group_name="training",
    kinds={"duckdb"},
    owners=["team:ml"],
    pool="champion",
    deps=["checkpoint", "benchmark_report"],
    code_version=EXPERIMENT.digest("gate"),
    check_specs=[
        dg.AssetCheckSpec("champion_beats_its_baselines", asset="champion"),
        dg.AssetCheckSpec("one_champion_answers", asset="champion"),
    ],
)
def champion(
    context: dg.AssetExecutionContext,
    platform: Platform,
    config: Overrides,
    splits: TableReader,
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """Which version answers for the universe; a new one shadows it until the days have spoken.

    Both answer on the same rows of days that neither has learned from; evidence that may be looked
    at every day promotes or rejects. Where no new days will come, calibration rows decide at once.
    """
    from crypto_nn.benchmark.judgement import judge_night
    from crypto_nn.inference import registry

    universe = context.partition_key
    candidate = _candidate(platform, universe)
    layout = Splits.from_arrow(splits.read(where={"universe": universe}))
    court = _court(platform, platform.experiment(config), universe, layout)
    said = judge_night(court, candidate)
    answering = registry.champion_of(platform.models, universe)
    assert answering is not None
    yield dg.Output(
        Partitions([]),
        metadata={
            "version": answering.version,
            "since": answering.at,
            "candidate": candidate,
            "verdict": "; ".join(said) or _unchanged(answering.version, candidate),
            **_describe(court),
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
    yield _one_answers(court)


JUDGE = dg.define_asset_job(
    "judge",
    selection=dg.AssetSelection.assets("champion"),
    description="Compare challenger and champion on the days that are over (universe).",
)


@dg.schedule(
    job=JUDGE,
    cron_schedule=EXPERIMENT.automation.judge,
    execution_timezone="UTC",
    default_status=(
        dg.DefaultScheduleStatus.RUNNING
        if EXPERIMENT.automation.enabled
        else dg.DefaultScheduleStatus.STOPPED
    ),
)
def daily_judgement(
    context: dg.ScheduleEvaluationContext, platform: Platform
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Every active universe that has a champion, once a night: what the new days say."""
    from crypto_nn.inference.registry import champion_of

    night = context.scheduled_execution_time.astimezone(UTC).strftime("%Y-%m-%d")
    asked = 0
    for universe in EXPERIMENT.active_universes:
        if champion_of(platform.models, universe) is not None:
            asked += 1
            yield dg.RunRequest(
                run_key=f"judge-{night}-{universe}",
                partition_key=universe,
                tags={"reason": "nightly", "universe": universe},
            )
    if not asked:
        yield dg.SkipReason("No universe has a champion yet.")


def _candidate(platform: Platform, universe: str) -> str:
    """The version that was asked for last; the best ones of searches were not asked for."""
    rows = TableReader(platform.lake, "checkpoints").read(where={"universe": universe}).to_pylist()
    rows = [row for row in rows if row["launched_at"] is not None]
    if not rows:
        raise ModelError(f"{universe} has no trained version. Materialise `checkpoint` first.")
    version: str = max(rows, key=lambda row: row["launched_at"])["version"]
    return version


def _court(platform: Platform, experiment: "Experiment", universe: str, layout: Splits) -> "Court":
    """All that a judgement of this universe needs."""
    from crypto_nn.benchmark.judgement import Court
    from crypto_nn.benchmark.stored_versions import StoredVersions

    now = platform.now()
    month = str(now.astype("datetime64[M]"))
    versions = StoredVersions.of(
        platform.lake, platform.models, platform.feature_set(experiment), experiment.labels.kind,
        experiment.gate.stride_minutes,
    )  # fmt: skip

    @cache
    def compare(candidate: str, before: str) -> "Verdict":
        return _on_calibration_rows(platform, experiment, universe, (candidate, before), layout)

    members = experiment.members(universe)
    live = [symbol for symbol in members if is_live(experiment.symbol(symbol), month)]
    return Court(
        platform.lake, platform.models, universe, live, experiment.gate, versions, compare, now
    )


def _on_calibration_rows(
    platform: Platform,
    experiment: "Experiment",
    universe: str,
    names: tuple[str, str],
    layout: Splits,
) -> "Verdict":
    """Candidate and champion on the calibration rows of tonight's layout, day by day."""
    from crypto_nn.benchmark.gate import Verdict, judge
    from crypto_nn.inference.predictor import ModelInference
    from crypto_nn.training.dataset import load_panel

    role = layout.nightly.role(CALIBRATION)
    feature_set = platform.feature_set(experiment)
    versions = [
        ModelInference.load(platform.models, name, feature_set.fingerprint) for name in names
    ]
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


def _unchanged(champion: str, candidate: str) -> str:
    return "the same version as before" if champion == candidate else "nothing has changed"


def _describe(court: "Court") -> dict[str, Any]:
    """The shadows, their evidence, and the picture of both."""
    from crypto_nn.benchmark.standings import present, timeline

    told: dict[str, Any] = {"level": court.config.evidence_due}
    shadows = present(court.lake, court.models, court.universe, court.versions, court.config)
    for each in shadows:
        told[each.role] = each.shadow
        told[f"{each.role}_days"] = each.standing.days
        told[f"{each.role}_evidence"] = each.standing.e_better
        told[f"{each.role}_standing"] = each.standing.told(court.config)
    spells, marks = timeline(court.models, court.universe, court.now)
    title = f"{court.universe}: who answered when"
    curves = [each.curve for each in shadows]
    picture = pictures.champion_timeline(spells, marks, curves, court.config.evidence_due, title)
    return told | {"timeline": dg.MetadataValue.md(pictures.markdown(picture, title))}


def _one_answers(court: "Court") -> dg.AssetCheckResult:
    """Pointer and table agree on one champion, and it can answer."""
    from crypto_nn.benchmark.judgement import find_broken
    from crypto_nn.inference import registry

    answering = registry.champion_of(court.models, court.universe)
    assert answering is not None
    rows = court.lake.read("champion_history", where={"universe": court.universe}).to_pylist()
    told = [row["version"] for row in rows if row["action"] in registry.ANSWERS]
    broken = find_broken(court, answering.version)
    able = broken is None or broken.answers
    return dg.AssetCheckResult(
        check_name="one_champion_answers",
        passed=told[-1:] == [answering.version] and able,
        severity=dg.AssetCheckSeverity.ERROR,
        description="The pointer and the table name the same version, and it can be loaded.",
        metadata={
            "version": answering.version,
            "in_table": told[-1] if told else "none",
            "broken": broken.why if broken else "no",
        },
    )


def _benchmark_verdicts(platform: Platform, universe: str) -> list[tuple[str, bool]]:
    """What the benchmark says of each model and horizon, and whether it beats every baseline."""
    from crypto_nn.benchmark.leaderboard import standings

    report = TableReader(platform.lake, "benchmark_report").read(where={"universe": universe})
    return [
        (f"{each.model}, {each.horizon}m: {each.verdict.text}", bool(each.verdict.better))
        for each in standings(report)
        if not each.is_baseline
    ]
