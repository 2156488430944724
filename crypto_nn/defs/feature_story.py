"""What a run did to features: numbers and pictures for the asset's page, and its checks."""

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import month_bounds
from crypto_nn.defs.feature_months import FeatureMonth, FeatureMonths
from crypto_nn.defs.feature_pages import FeaturePages
from crypto_nn.defs.lineage import Rebuild
from crypto_nn.defs.resources import Platform
from crypto_nn.features.leaks import check_features
from crypto_nn.features.missing import RowsLost

SAMPLE_BARS = 7 * 1440
"""So many of the last month's bars are looked at for leaks."""
LIVE_BARS = 240
"""So many bars a stream is given that is opened at a row by chance."""

Wanted = dict[str, list[str]]


@dataclass
class FeatureStory:
    """What was made, for the asset's page, and what its checks say of all that was asked for."""

    platform: Platform
    months: FeatureMonths
    rebuild: Rebuild
    rows: int = 0
    infinite: int = 0
    columns: Counter[str] = field(default_factory=Counter)
    lost: dict[str, RowsLost] = field(default_factory=dict)
    new: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.pages = FeaturePages(self.platform, self.months.feature_set)

    def add(self, made: FeatureMonth) -> None:
        """Take a month that is being stored."""
        self.rows += len(made.bars)
        self.infinite += int(np.isinf(made.x_FN).sum())
        self.columns.update(made.computed)
        if made.lost is not None:
            had = self.lost.get(made.symbol)
            self.lost[made.symbol] = made.lost if had is None else had + made.lost
        if made.before is None or len(made.computed) < len(self.months.columns.names):
            self.new.add(made.symbol)
        self.pages.take(made)

    def describe(self, wanted: Wanted) -> dict[str, Any]:
        """What stands on the event of every partition; pictures stand on a symbol's last one."""
        names = self.months.columns.names
        told: dict[str, Any] = {
            **self.rebuild.describe(),
            "fingerprint": self.months.feature_set.fingerprint,
            "columns": len(names),
            "columns_computed": len(self.columns),
        }
        if 0 < len(self.columns) < len(names):
            told["computed"] = ", ".join(name for name in names if name in self.columns)
        if self.lost:
            rows = sum(lost.rows for lost in self.lost.values())
            told["rows_with_a_null"] = sum(lost.lost for lost in self.lost.values())
            told["null_share"] = told["rows_with_a_null"] / max(rows, 1)
            told["missing_by_cause"] = dg.MetadataValue.table(
                [_record(symbol, lost) for symbol, lost in self.lost.items()]
            )
        for symbol in wanted:
            if any(made == symbol for made, _ in self.rebuild.rebuilt):
                self._show(symbol, self.rebuild.last_told(symbol))
        return told

    def _show(self, symbol: str, month: str) -> None:
        """Write the symbol's page; draw its features where they are new, not every hour."""
        facts = self.pages.write(symbol)
        told: dict[str, Any] = {
            "page": dg.MetadataValue.path(str(self.pages.page(symbol))),
        }
        if symbol in self.new:
            for name, picture in self.pages.sheets(symbol, facts).items():
                told[f"features: {name}"] = dg.MetadataValue.md(picture)
        self.rebuild.tell(symbol, month, told)

    def checks(self, wanted: Wanted) -> Iterator[dg.AssetCheckResult]:
        """What is claimed of the features of a run, made now or before."""
        self._recount()
        yield dg.AssetCheckResult(
            check_name="features_are_finite",
            passed=self.infinite == 0,
            metadata={"infinite_values": self.infinite, "rows": self.rows},
        )
        symbol, month, history = self._last(wanted)
        leaks = check_features(self.months.feature_set, history[-SAMPLE_BARS:])
        yield dg.AssetCheckResult(
            check_name="features_are_causal",
            passed=not leaks,
            metadata={
                "bars": min(len(history), SAMPLE_BARS),
                "leaks": dg.MetadataValue.json([str(leak) for leak in leaks]),
            },
        )
        yield self._equal_live(symbol, month, history)

    def _recount(self) -> None:
        """Judge what was left as it is by its stored rows: its checks may never have run."""
        names, unchanged = self.months.columns.names, dict[str, list[str]]()
        for symbol, month in self.rebuild.unchanged:
            unchanged.setdefault(symbol, []).append(month)
        for symbol, months in unchanged.items():
            where = {"symbol": symbol, "month": months}
            rows, infinite = self.platform.lake.count_infinite("features", names, where)
            self.rows, self.infinite = self.rows + rows, self.infinite + infinite

    def _last(self, wanted: Wanted) -> tuple[str, str, Bars]:
        """The last month asked for that has bars, and what its features look at."""
        for symbol in reversed(wanted):
            for month in reversed(wanted[symbol]):
                history = self.months.history(symbol, self.months.stretch(month))
                if len(history.between(*month_bounds(month))):
                    return symbol, month, history
        symbol = next(reversed(wanted))
        return symbol, wanted[symbol][-1], Bars.empty(symbol)

    def _equal_live(self, symbol: str, month: str, history: Bars) -> dg.AssetCheckResult:
        """A stream that is opened at a row by chance gives the bits that are stored."""
        bars = history.between(*month_bounds(month))
        start, differ = 0, []
        if len(bars):
            seed = zlib.crc32(f"{symbol} {month}".encode())
            start = int(np.random.default_rng(seed).integers(max(len(bars) - LIVE_BARS, 1)))
            differ = self._differences(symbol, history, bars[start : start + LIVE_BARS], month)
        return dg.AssetCheckResult(
            check_name="features_equal_live",
            passed=not differ,
            description="A stream opened at a row by chance of the last month, against the table.",
            metadata={
                "first_bar": str(bars.ts[start]) if len(bars) else "none",
                "bars": min(LIVE_BARS, len(bars)),
                "different": dg.MetadataValue.json(differ),
            },
        )

    def _differences(self, symbol: str, history: Bars, sample: Bars, month: str) -> list[str]:
        """The columns in which a stream differs from what is stored."""
        names = self.months.columns.names
        before = history.between(history.ts[0], sample.ts[0])
        complete = self.months.is_complete(symbol, month)
        stream = self.months.feature_set.stream(before, complete)
        live_NF = np.stack([stream.update(bar) for bar in sample])
        end = sample.ts[-1] + sample.timeframe.step
        where = {"symbol": symbol}
        rows = self.platform.lake.read("features", names, where, sample.ts[0], end)
        if rows.num_rows != len(sample):
            return [f"{rows.num_rows} rows are stored, {len(sample)} are due"]
        stored_NF = np.column_stack([column.to_numpy() for column in rows.columns])
        same_NF = (stored_NF == live_NF) | (np.isnan(stored_NF) & np.isnan(live_NF))
        return [name for name, same_N in zip(names, same_NF.T) if not same_N.all()]


def _record(symbol: str, lost: RowsLost) -> dg.TableRecord:
    """How many rows of a symbol have a null, and what they were lost to."""
    return dg.TableRecord(
        {
            "symbol": symbol,
            "months": lost.month,
            "rows": lost.rows,
            "complete": lost.complete,
            "missing_minutes": lost.missing_minutes,
            "no_history": lost.no_history,
            "warm_up": lost.warm_up,
            "after_gap": lost.after_gap,
            "stale": lost.stale,
            "no_reference": lost.no_reference,
        }
    )
