"""What the model should have said: where the price went after each bar."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from crypto_nn import pictures
from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import month_bounds
from crypto_nn.defs import lineage
from crypto_nn.defs.feature_months import keyed, read_bars
from crypto_nn.defs.io_managers import Partitions, TableReader, Tables
from crypto_nn.defs.partitions import EXPERIMENT, by_symbol, months_around, symbol_months
from crypto_nn.defs.resources import Platform
from crypto_nn.features.labels import CLASSES, MINUTE, LabelConfig, Labels, compute_labels
from crypto_nn.features.labels_in_time import untimely
from crypto_nn.store.lineage import hash_of

LARGEST_SHARE = 0.6
LEAST_ROWS = 1440  # a share of fewer labels says nothing about the settings


@dg.asset(
    partitions_def=symbol_months,
    ins={"bars": dg.AssetIn(partition_mapping=months_around(1, 1))},
    backfill_policy=dg.BackfillPolicy.single_run(),
    io_manager_key="lake",
    group_name="features",
    kinds={"duckdb"},
    owners=["team:ml"],
    code_version=EXPERIMENT.digest("labels"),
    check_specs=[
        dg.AssetCheckSpec("classes_are_balanced", asset="labels"),
        dg.AssetCheckSpec("labels_are_known_in_time", asset="labels", blocking=True),
    ],
)
def labels(
    context: dg.AssetExecutionContext, platform: Platform, bars: TableReader
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """Where the price went: down, flat or up, per horizon, with the time the answer was known.

    What counts as a move is set by `labels.kind`; by default one that exceeds k times the
    volatility expected over the horizon. Labels are null until they can be known.
    """
    rebuild = lineage.Rebuild(context, platform)
    wanted = by_symbol(context.partition_keys, "month")
    story = _LabelStory(platform.experiment().labels)

    def describe() -> dict[str, Any]:
        story.read(platform, wanted)
        picture = story.picture() if rebuild.rebuilt else {}
        return {**rebuild.describe(), **story.describe(), **picture}

    made = _label_months(platform, bars, wanted, rebuild, story)
    yield dg.Output(Partitions(made, describe))
    yield story.balanced()
    yield story.in_time()


def _label_months(
    platform: Platform,
    bars: TableReader,
    wanted: dict[str, list[str]],
    rebuild: lineage.Rebuild,
    story: "_LabelStory",
) -> Iterator[Tables]:
    config = platform.experiment().labels
    for symbol, months in wanted.items():
        for month in months:
            stretch = config.bars_needed(month)
            complete, resting = rebuild.behind(symbol, stretch)
            history = read_bars(bars, symbol, stretch)
            made_of = lineage.labels_made_of(platform, history, complete)
            if not rebuild.is_due(symbol, month, made_of):
                continue
            whole = compute_labels(history, config, complete)
            story.test(month, history, complete, whole)
            found = whole.between(*month_bounds(month))
            content = hash_of(
                found.ts, found.sigma, found.returns_NH, found.t1_NH, found.classes_NH
            )
            tables = Tables(
                {"symbol": symbol, "month": month},
                {"labels": keyed(found.to_arrow(), symbol, month)},
            )
            yield rebuild.write(tables, made_of, content, resting)


@dataclass
class _LabelStory:
    """How often each class came in the months of a run, as they are stored, and known when.

    Attributes:
        counts: by symbol, month and horizon, how many are down, flat, up.
        nulls: the same for labels that are not known.
        cuts: by symbol and month, the instant at which its labels were tested.
        late: of these the ones at which a label was known too early, or changed.
    """

    config: LabelConfig
    counts: dict[tuple[str, str, int], NDArray[np.int64]] = field(default_factory=dict)
    nulls: dict[tuple[str, str, int], int] = field(default_factory=dict)
    cuts: dict[str, str] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)

    def test(self, month: str, history: Bars, complete: bool, whole: Labels) -> None:
        """End the world at a minute of the month, the same at each run, and look at all labels."""
        rows = history.between(*month_bounds(month))
        if not len(rows):
            return
        key = f"{history.symbol} {month}"
        cut = rows.ts[zlib.crc32(key.encode()) % len(rows)] + MINUTE
        wrong_NH = untimely(
            lambda bars: compute_labels(bars, self.config, complete), history, cut, whole
        )
        self.cuts[key] = str(cut)
        if wrong_NH.any():
            self.late[key] = int(wrong_NH.sum())

    def read(self, platform: Platform, wanted: dict[str, list[str]]) -> None:
        """Count the classes of all months asked for, made now or unchanged."""
        names = {horizon: f"class_{horizon}m" for horizon in self.config.horizons}
        for symbol, months in wanted.items():
            where = {"symbol": symbol, "month": months}
            rows = platform.lake.read("labels", ["month", *names.values()], where)
            for horizon, name in names.items():
                for row in (
                    rows.group_by(["month", name]).aggregate([([], "count_all")]).to_pylist()
                ):
                    key = symbol, row["month"], horizon
                    counts = self.counts.setdefault(key, np.zeros(3, dtype=np.int64))
                    if row[name] is None:
                        self.nulls[key] = row["count_all"]
                    else:
                        counts[row[name]] += row["count_all"]

    def describe(self) -> dict[str, Any]:
        records = [
            dg.TableRecord(
                {"symbol": symbol, "month": month, "horizon": f"{horizon}m"}
                | dict(zip(CLASSES, _shares(counts).round(4).tolist()))
                | {"rows": int(counts.sum()), "null": self.nulls.get((symbol, month, horizon), 0)}
            )
            for (symbol, month, horizon), counts in sorted(self.counts.items())
        ]
        told = {"rule": self.config.rule, "null_labels": sum(self.nulls.values())}
        return told | ({"class_shares": dg.MetadataValue.table(records)} if records else {})

    def picture(self) -> dict[str, Any]:
        title = f"Share of down, flat and up; {self.config.rule}"
        balance = {f"{h}m": [float(n) for n in self._of_horizon(h)] for h in self.config.horizons}
        svg = pictures.class_balance(balance, title=title)
        return {"class_balance": dg.MetadataValue.md(pictures.markdown(svg, title))}

    def balanced(self) -> dg.AssetCheckResult:
        """Whether no class takes nearly all, over all months and in any."""
        of_all = {f"{h}m": self._of_horizon(h) for h in self.config.horizons}
        of_each = {f"{s} {m} {h}m": counts for (s, m, h), counts in sorted(self.counts.items())}
        odd = {
            name: str(_shares(counts).round(4).tolist())
            for name, counts in (of_all | of_each).items()
            if counts.sum() >= LEAST_ROWS and _shares(counts).max() >= LARGEST_SHARE
        }
        return dg.AssetCheckResult(
            check_name="classes_are_balanced",
            passed=not odd,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"No class has {LARGEST_SHARE:.0%} or more of a horizon or its months.",
            metadata={name: str(_shares(of).round(4).tolist()) for name, of in of_all.items()}
            | {"unbalanced": dg.MetadataValue.json(odd)},
        )

    def in_time(self) -> dg.AssetCheckResult:
        """Whether each label is known at its t1 and not a bar earlier."""
        return dg.AssetCheckResult(
            check_name="labels_are_known_in_time",
            passed=not self.late,
            description="At one minute of each month made, from the bars closed by then alone.",
            metadata={
                "cuts": dg.MetadataValue.json(self.cuts),
                "wrong_labels": dg.MetadataValue.json(self.late),
            },
        )

    def _of_horizon(self, horizon: int) -> NDArray[np.int64]:
        """Counts of a horizon over all symbols and months."""
        found = [counts for (_, _, h), counts in self.counts.items() if h == horizon]
        return np.sum(found, axis=0, dtype=np.int64) if found else np.zeros(3, dtype=np.int64)


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of down, flat and up; 0 where no class is known."""
    shares: NDArray[np.float64] = counts / max(int(counts.sum()), 1)
    return shares
