"""What a model sees, and which rows teach or test it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crypto_nn import pictures
from crypto_nn.bars import Bars, Times
from crypto_nn.bars.calendar import month_bounds
from crypto_nn.defs import lineage
from crypto_nn.defs.io_managers import Partitions, TableReader, Tables
from crypto_nn.defs.partitions import (
    EXPERIMENT,
    by_symbol,
    months_around,
    symbol_months,
    universes,
)
from crypto_nn.defs.resources import Platform
from crypto_nn.features.splits import (
    LOCK_BOX,
    MINUTE,
    Reach,
    Role,
    Splits,
    from_arrow,
    make_splits,
)
from crypto_nn.store.lineage import hash_of

if TYPE_CHECKING:
    from crypto_nn.features import FeatureSet

SAMPLE_CUTS = 5
SAMPLE_BARS = 3 * 1440


def read_bars(bars: TableReader, symbol: str, stretch: lineage.Stretch) -> Bars:
    """The bars of a symbol that open in a stretch of time."""
    start, end = stretch
    return Bars.from_arrow(bars.read(where={"symbol": symbol}, start=start, end=end), symbol)


def keyed(table: pa.Table, symbol: str, month: str) -> pa.Table:
    """The rows with the columns that say whose and of which month they are."""
    for name, value in (("month", month), ("symbol", symbol)):
        table = table.add_column(0, name, pa.array([value] * table.num_rows, pa.string()))
    return table


@dg.asset(
    partitions_def=symbol_months,
    ins={"bars": dg.AssetIn(partition_mapping=months_around(1, 0))},
    backfill_policy=dg.BackfillPolicy.single_run(),
    io_manager_key="lake",
    group_name="features",
    kinds={"duckdb", "talib"},
    owners=["team:ml"],
    code_version=EXPERIMENT.digest("features"),
    check_specs=[
        dg.AssetCheckSpec("features_are_finite", asset="features", blocking=True),
        dg.AssetCheckSpec("features_are_causal", asset="features", blocking=True),
    ],
)
def features(
    context: dg.AssetExecutionContext, platform: Platform, bars: TableReader
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """One stationary column per feature, computed only from bars that were closed by then.

    Each month is computed from its canonical anchor, so that months can run in parallel and a
    live stream gives the same bits.
    """
    rebuild = lineage.Rebuild(context, platform)
    story = _FeatureStory(platform.feature_set(platform.experiment()), rebuild)
    wanted = by_symbol(context.partition_keys, "month")
    yield dg.Output(Partitions(_feature_months(platform, bars, wanted, story), story.describe))
    story.recount(platform)
    yield dg.AssetCheckResult(
        check_name="features_are_finite",
        passed=story.infinite == 0,
        metadata={"infinite_values": story.infinite, "rows": story.rows},
    )
    leaks = story.leaks()
    yield dg.AssetCheckResult(
        check_name="features_are_causal",
        passed=not leaks,
        metadata={"cuts": SAMPLE_CUTS, "leaks": dg.MetadataValue.json(leaks)},
    )


@dataclass
class _FeatureStory:
    """What was computed, for the asset's page and its checks."""

    feature_set: "FeatureSet"
    rebuild: lineage.Rebuild
    rows: int = 0
    null: int = 0
    infinite: int = 0
    title: str = ""
    history: Bars | None = None
    x_NF: NDArray[np.float32] | None = None

    def add(self, symbol: str, month: str, x_NF: NDArray[np.float32]) -> None:
        self.rows += len(x_NF)
        self.null += int(np.isnan(x_NF).any(axis=1).sum())
        self.infinite += int(np.isinf(x_NF).sum())
        self.title = f"{symbol}, {month}: each feature's distribution"
        self.x_NF = x_NF

    def describe(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            **self.rebuild.describe(),
            "rows_with_a_null": self.null,
            "null_share": self.null / self.rows if self.rows else 0.0,
            "fingerprint": self.feature_set.fingerprint,
            "columns": len(self.feature_set.names),
        }
        if self.x_NF is not None:
            columns = dict(zip(self.feature_set.names, self.x_NF.T))
            picture = pictures.feature_histograms(columns, title=self.title)
            told["distributions"] = dg.MetadataValue.md(pictures.markdown(picture, self.title))
        return told

    def recount(self, platform: Platform) -> None:
        """Judge what was left as it is by its stored rows: its checks may never have run."""
        for symbol, month in self.rebuild.unchanged:
            where = {"symbol": symbol, "month": month}
            stored = platform.lake.read("features", self.feature_set.names, where)
            self.rows += stored.num_rows
            self.infinite += sum(
                int(np.isinf(column.to_numpy()).sum()) for column in stored.columns
            )

    def leaks(self) -> list[str]:
        """What prefix and perturbation tests find on a sample of the last month's bars."""
        from crypto_nn.features.leaks import find_leaks

        if self.history is None or len(self.history) < SAMPLE_BARS // 10:
            return []

        def compute(bars: Bars) -> NDArray[Any]:
            return self.feature_set.compute(bars, complete=True)

        sample = self.history[-SAMPLE_BARS:]
        cuts = np.linspace(len(sample) // 2, len(sample) - 2, SAMPLE_CUTS).astype(int).tolist()
        return [str(leak) for leak in find_leaks(compute, sample, cuts)]


def _feature_months(
    platform: Platform, bars: TableReader, wanted: dict[str, list[str]], story: _FeatureStory
) -> Iterator[Tables]:
    feature_set = story.feature_set
    for symbol, months in wanted.items():
        for month in months:
            start, end = month_bounds(month)
            stretch = feature_set.anchor(month), end
            complete, resting = story.rebuild.behind(symbol, stretch)
            history = read_bars(bars, symbol, stretch)
            made_of = lineage.features_made_of(platform, history, complete)
            story.history = history
            if not story.rebuild.is_due(symbol, month, made_of):
                continue
            x_NF = feature_set.compute_month(history, month, complete=complete)
            story.add(symbol, month, x_NF)
            ts = history.between(start, end).ts
            table = keyed(_feature_table(feature_set, ts, x_NF), symbol, month)
            tables = Tables({"symbol": symbol, "month": month}, {"features": table})
            yield story.rebuild.write(tables, made_of, hash_of(ts, x_NF), resting)


def _feature_table(feature_set: "FeatureSet", ts: Times, x_NF: NDArray[np.float32]) -> pa.Table:
    """One row per bar; NaN becomes null, and each column carries its description."""
    fields = [pa.field("ts", pa.timestamp("us"))]
    columns = [pa.array(ts)]
    for i, name in enumerate(feature_set.names):
        about = {"comment": feature_set.descriptions[name]}
        fields.append(pa.field(name, pa.float32(), metadata=about))
        columns.append(pa.array(np.ascontiguousarray(x_NF[:, i]), from_pandas=True))
    return pa.table(columns, schema=pa.schema(fields))


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
    code_version=EXPERIMENT.digest("splits"),
    check_specs=[dg.AssetCheckSpec("splits_do_not_overlap", asset="splits", blocking=True)],
)
def splits(
    context: dg.AssetExecutionContext,
    platform: Platform,
    features: TableReader,
    labels: TableReader,
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """Which stretch of time trains, validates, calibrates and tests, fold by fold.

    Rows whose label reaches into a later role are purged; the lock box is kept out of every
    benchmark fold.
    """
    from crypto_nn.training.dataset import extent

    universe = context.partition_key
    experiment = platform.experiment()
    names = platform.feature_set(experiment).names
    there = extent(platform.lake, experiment.members(universe), names)
    reach = Reach(max(experiment.labels.horizons), experiment.training.window)
    made = make_splits(
        there.start, there.end, experiment.splits, reach, _locked(platform, universe)
    )
    table = made.to_arrow(universe)
    yield dg.Output(
        Partitions(
            [Tables({"universe": universe}, {"splits": table})],
            lambda: {
                "folds": len(made.folds),
                "roles": dg.MetadataValue.table(
                    [
                        dg.TableRecord({k: str(v) for k, v in row.items()})
                        for row in table.to_pylist()
                    ]
                ),
            },
        )
    )
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
