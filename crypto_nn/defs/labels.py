"""What the model should have said: where the price went after each bar."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from crypto_nn import pictures
from crypto_nn.bars.calendar import month_bounds
from crypto_nn.defs import lineage
from crypto_nn.defs.features import keyed, read_bars
from crypto_nn.defs.io_managers import Partitions, TableReader, Tables
from crypto_nn.defs.partitions import EXPERIMENT, by_symbol, months_around, symbol_months
from crypto_nn.defs.resources import Platform
from crypto_nn.features.labels import LabelConfig
from crypto_nn.store.lineage import hash_of


@dg.asset(
    partitions_def=symbol_months,
    ins={"bars": dg.AssetIn(partition_mapping=months_around(1, 1))},
    backfill_policy=dg.BackfillPolicy.single_run(),
    io_manager_key="lake",
    group_name="features",
    kinds={"duckdb"},
    owners=["team:ml"],
    code_version=EXPERIMENT.digest("labels"),
    check_specs=[dg.AssetCheckSpec("classes_are_balanced", asset="labels")],
)
def labels(
    context: dg.AssetExecutionContext, platform: Platform, bars: TableReader
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """Where the price went: down, flat or up, per horizon, with the time the answer was known.

    A move is up or down where it exceeds k times the volatility expected over the horizon.
    Labels are null until their horizon has passed.
    """
    rebuild = lineage.Rebuild(context, platform)
    wanted = by_symbol(context.partition_keys, "month")
    story = _LabelStory(platform.experiment().labels)

    def describe() -> dict[str, Any]:
        story.read(platform, wanted)
        picture = story.picture() if rebuild.rebuilt else {}
        return {**rebuild.describe(), **story.describe(), **picture}

    yield dg.Output(Partitions(_label_months(platform, bars, wanted, rebuild), describe))
    share_H3 = story.shares_H3.round(4)
    yield dg.AssetCheckResult(
        check_name="classes_are_balanced",
        passed=bool((share_H3.max(axis=1) < 0.6).all()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={f"{h}m": str(share.tolist()) for h, share in zip(story.counts, share_H3)},
    )


def _label_months(
    platform: Platform, bars: TableReader, wanted: dict[str, list[str]], rebuild: lineage.Rebuild
) -> Iterator[Tables]:
    from crypto_nn.features.labels import compute_labels

    config = platform.experiment().labels
    for symbol, months in wanted.items():
        for month in months:
            stretch = config.bars_needed(month)
            complete, resting = rebuild.behind(symbol, stretch)
            history = read_bars(bars, symbol, stretch)
            made_of = lineage.labels_made_of(platform, history, complete)
            if not rebuild.is_due(symbol, month, made_of):
                continue
            found = compute_labels(history, config, complete).between(*month_bounds(month))
            content = hash_of(found.ts, found.sigma, found.returns_NH, found.classes_NH)
            tables = Tables(
                {"symbol": symbol, "month": month},
                {"labels": keyed(found.to_arrow(), symbol, month)},
            )
            yield rebuild.write(tables, made_of, content, resting)


@dataclass
class _LabelStory:
    """How often each class came in the months of a run, as they are stored."""

    config: LabelConfig
    counts: dict[int, list[int]] = field(default_factory=dict)
    nulls: int = 0

    def read(self, platform: Platform, wanted: dict[str, list[str]]) -> None:
        """Count the classes of all months asked for, made now or unchanged."""
        names = [f"class_{h}m" for h in self.config.horizons]
        self.counts = {h: [0, 0, 0] for h in self.config.horizons}
        for symbol, months in wanted.items():
            rows = platform.lake.read("labels", names, {"symbol": symbol, "month": months})
            for horizon, column in zip(self.config.horizons, rows.columns):
                self.nulls += column.null_count
                known = np.bincount(column.drop_null().to_numpy(), minlength=3).tolist()
                self.counts[horizon] = [a + b for a, b in zip(self.counts[horizon], known)]

    @property
    def shares_H3(self) -> NDArray[np.float64]:
        """The share of down, flat and up, per horizon; 0 where no class is known."""
        counts_H3 = np.array(list(self.counts.values()), dtype=np.float64)
        shares_H3: NDArray[np.float64] = counts_H3 / np.maximum(counts_H3.sum(1)[:, None], 1)
        return shares_H3

    def describe(self) -> dict[str, Any]:
        return {"k": self.config.k, "null_labels": self.nulls}

    def picture(self) -> dict[str, Any]:
        title = f"Share of down, flat and up at k = {self.config.k}"
        balance = {f"{h}m": [float(n) for n in counts] for h, counts in self.counts.items()}
        svg = pictures.class_balance(balance, title=title)
        return {"class_balance": dg.MetadataValue.md(pictures.markdown(svg, title))}
