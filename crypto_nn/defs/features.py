"""What a model sees, and which rows teach or test it."""

from collections.abc import Iterator
from itertools import pairwise

import dagster as dg

from crypto_nn.defs import freshness, lineage
from crypto_nn.defs.feature_months import FeatureMonths
from crypto_nn.defs.feature_story import FeatureStory
from crypto_nn.defs.io_managers import Partitions, TableReader, Tables
from crypto_nn.defs.partitions import (
    EXPERIMENT,
    by_symbol,
    months_around,
    symbol_months,
    universes,
)
from crypto_nn.defs.resources import Overrides, Platform
from crypto_nn.features.splits import (
    LOCK_BOX,
    MINUTE,
    Reach,
    Role,
    Splits,
    from_arrow,
    make_splits,
)

TOGETHER = 6
"""So many months are replaced in one transaction."""


@dg.asset(
    partitions_def=symbol_months,
    ins={"bars": dg.AssetIn(partition_mapping=months_around(1, 0, EXPERIMENT.features.reference))},
    backfill_policy=dg.BackfillPolicy.single_run(),
    io_manager_key="lake",
    group_name="features",
    kinds={"duckdb", "talib"},
    owners=["team:ml"],
    freshness_policy=freshness.policy(),
    code_version=EXPERIMENT.digest("features"),
    check_specs=[
        dg.AssetCheckSpec("features_are_finite", asset="features", blocking=True),
        dg.AssetCheckSpec("features_are_causal", asset="features", blocking=True),
        dg.AssetCheckSpec("features_equal_live", asset="features", blocking=True),
    ],
)
def features(
    context: dg.AssetExecutionContext, platform: Platform, bars: TableReader
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """One stationary column per feature, computed only from bars that were closed by then.

    Each month is computed from its canonical anchor, so that months can run in parallel and a
    live stream gives the same bits. Only columns that would come out differently are computed;
    `feature_catalog` says what each is.
    """
    rebuild = lineage.Rebuild(context, platform)
    months = FeatureMonths(platform, bars, rebuild)
    story = FeatureStory(platform, months, rebuild)
    wanted = by_symbol(context.partition_keys, "month")
    for name in months.forget_removed():
        context.log.info("column %s is not in the set any more: it was dropped", name)

    def parts() -> Iterator[Tables]:
        for made, tables in months.parts(wanted):
            if made is not None:
                story.add(made)
            yield tables

    yield dg.Output(Partitions(parts(), lambda: story.describe(wanted), together=TOGETHER))
    yield from story.checks(wanted)


@dg.asset(
    partitions_def=universes,
    ins={
        "features": dg.AssetIn(partition_mapping=dg.AllPartitionMapping()),
        "labels": dg.AssetIn(partition_mapping=dg.AllPartitionMapping()),
    },
    io_manager_key="lake",
    group_name="features",
    kinds={"duckdb"},
    owners=["team:ml"],
    code_version=f"{EXPERIMENT.digest('splits')} {EXPERIMENT.reach}",
    check_specs=[dg.AssetCheckSpec("splits_do_not_overlap", asset="splits", blocking=True)],
)
def splits(
    context: dg.AssetExecutionContext,
    platform: Platform,
    config: Overrides,
    features: TableReader,
    labels: TableReader,
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """Which stretch of time trains, validates, calibrates and tests, fold by fold.

    Rows whose label reaches into a later role are purged; the lock box is kept out of every
    benchmark fold.
    """
    from crypto_nn.training.dataset import extent

    universe = context.partition_key
    experiment = platform.experiment(config)
    names = platform.feature_set(experiment).names
    there = extent(platform.lake, experiment.members(universe), names)
    reach = Reach(max(experiment.labels.horizons), experiment.reach)
    made = make_splits(
        there.start, there.end, experiment.splits, reach, _locked(platform, universe)
    )
    table = made.to_arrow(universe)
    roles = [dg.TableRecord({k: str(v) for k, v in row.items()}) for row in table.to_pylist()]
    told = {"folds": len(made.folds), "roles": dg.MetadataValue.table(roles)}
    parts = [Tables({"universe": universe}, {"splits": table})]
    yield dg.Output(Partitions(parts, lambda: told))
    problems = overlaps(made)
    yield dg.AssetCheckResult(
        check_name="splits_do_not_overlap",
        passed=not problems,
        metadata={"folds": len(made.folds), "problems": dg.MetadataValue.json(problems)},
    )


def _locked(platform: Platform, universe: str) -> Role | None:
    """The lock box as it was fixed by the first materialisation."""
    if not platform.lake.has("splits"):
        return None
    kept = platform.lake.read("splits", where={"universe": universe, "layout": LOCK_BOX})
    return from_arrow(kept)[0].roles[0] if kept.num_rows else None


def overlaps(splits: Splits) -> list[str]:
    """Roles of a fold that come closer than its embargo, or reach into the lock box."""
    found = []
    for fold in (*splits.folds, splits.nightly):
        for before, after in pairwise(fold.roles):
            if after.start - before.end < fold.embargo * MINUTE:
                found.append(f"{fold.layout} {fold.number}: {before.name} runs into {after.name}")
    for fold in splits.folds:
        shut = splits.locked
        if shut is not None and fold.start < shut.end and shut.start < fold.end:
            found.append(f"{fold.layout} {fold.number} reaches into the lock box")
    return found
