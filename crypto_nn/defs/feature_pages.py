"""What each feature is like, month by month: a page for each symbol, and pictures for the UI.

Each month is summed up once, when it is made, in a small file beside the page; so that a page of
years takes no longer than one of a month.
"""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from crypto_nn import pictures
from crypto_nn.defs.feature_months import FeatureMonth
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import LakeError
from crypto_nn.features import FeatureSet
from crypto_nn.features.statistics import FeatureFacts, MonthSummary, describe, summarise
from crypto_nn.pictures.feature_page import feature_page
from crypto_nn.pictures.feature_strips import feature_strips
from crypto_nn.store.atomic import write_bytes
from crypto_nn.store.lineage import read_ledger


class FeaturePages:
    """The pages of a feature set under the reports folder."""

    def __init__(self, platform: Platform, feature_set: FeatureSet) -> None:
        self._platform, self._feature_set = platform, feature_set
        self._folder = platform.reports / "features"

    def page(self, symbol: str) -> Path:
        """Where the page of a symbol lies."""
        return self._platform.feature_page(symbol)

    def take(self, made: FeatureMonth) -> None:
        """Sum up a month that is being stored."""
        summary = summarise(made.symbol, made.month, self._feature_set.names, made.x_FN.T)
        self._keep(summary, made.content)

    def write(self, symbol: str) -> dict[str, FeatureFacts]:
        """Write the page of a symbol anew, of all months on record; gives the facts on it."""
        summaries = [self._summary(symbol, *month) for month in self._on_record(symbol)]
        facts = describe(summaries)
        months = [summary.month for summary in summaries]
        told = f"{months[0]} to {months[-1]}" if months else "no months yet"
        page = feature_page(
            self._feature_set.features, facts, f"Features of {symbol}", f"{told}, by month, UTC"
        )
        write_bytes(self.page(symbol), page.encode())
        return facts

    def sheets(self, symbol: str, facts: Mapping[str, FeatureFacts]) -> dict[str, str]:
        """A picture for each group of features, as Markdown."""
        drawn = feature_strips(self._feature_set.features, facts, symbol)
        return {name: pictures.markdown(svg, f"{symbol}: {name}") for name, svg in drawn.items()}

    def _on_record(self, symbol: str) -> Iterable[tuple[str, str]]:
        """The months of a symbol whose features have been made, with their contents."""
        for (asset, _, month), made in sorted(read_ledger(self._platform.lake, [symbol]).items()):
            if asset == "features":
                yield month, made.content

    def _summary(self, symbol: str, month: str, content: str) -> MonthSummary:
        """A month in brief; where it has not been kept, of what is stored."""
        kept = self._kept(symbol, month, content)
        if kept is not None:
            return kept
        names = self._feature_set.names
        try:
            where = {"symbol": symbol, "month": month}
            rows = self._platform.lake.read("features", names, where)
            x_NF = np.column_stack([column.to_numpy() for column in rows.columns])
        except LakeError:  # columns that have not been made of any month yet
            x_NF = np.full((0, len(names)), np.nan, np.float32)
        summary = summarise(symbol, month, names, x_NF)
        self._keep(summary, content)
        return summary

    def _keep(self, summary: MonthSummary, content: str) -> None:
        kept = io.BytesIO()
        np.savez(
            kept,
            content=np.array(content),
            names=np.array(summary.names),
            rows=np.array(summary.rows),
            count_F=summary.count_F,
            mean_F=summary.mean_F,
            squares_F=summary.squares_F,
            quantile_FQ=summary.quantile_FQ,
            autocorrelation_FL=summary.autocorrelation_FL,
        )
        write_bytes(self._file(summary.symbol, summary.month), kept.getvalue())

    def _kept(self, symbol: str, month: str, content: str) -> MonthSummary | None:
        file = self._file(symbol, month)
        if not file.exists():
            return None
        with np.load(file) as kept:
            names = tuple(kept["names"].tolist())
            if kept["content"].item() != content or names != self._feature_set.names:
                return None
            parts = {
                name: kept[name]
                for name in (
                    "count_F", "mean_F", "squares_F", "quantile_FQ", "autocorrelation_FL"
                )
            }  # fmt: skip
            return MonthSummary(symbol, month, names, int(kept["rows"]), **parts)

    def _file(self, symbol: str, month: str) -> Path:
        return self._folder / "months" / symbol / f"{month}.npz"
