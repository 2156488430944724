"""Take the pictures of features that the docs show, from files of bars.

    python docs/feature_pictures.py BARS.parquet [MORE.parquet ...]

Writes `images/features_volatility.png`, a picture as the asset `features` carries it, and
`images/features_page.png`, the top of the HTML page with all features, both in Chromium.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from crypto_nn import pictures
from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import month_slices
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.statistics import MonthSummary, describe, summarise
from crypto_nn.sources import FilesConfig
from crypto_nn.sources.connector import DataPipelineConnector

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """One sheet and the top of the page."""
    features = default_feature_set()
    parts = list(summaries(features, sys.argv[1:]))
    facts = describe(parts)
    symbols = " and ".join(sorted({part.symbol for part in parts}))
    title = f"{symbols}, {parts[0].month} to {parts[-1].month}"
    strips = pictures.feature_strips(features.features, facts, title)
    drawn = next(svg for name, svg in strips.items() if name.startswith("volatility"))
    shoot(f'<body style="margin: 0">{drawn}</body>', "features_volatility.png", (1000, 418))
    page = pictures.feature_page(features.features, facts, "Features", title)
    shoot(page, "features_page.png", (1300, 900))


def summaries(features: FeatureSet, paths: list[str]) -> Iterator[MonthSummary]:
    """Each month of each symbol of the files."""
    source = FilesConfig(paths=tuple(paths)).open()
    connector = DataPipelineConnector(source)
    for symbol in source.symbols():
        there = source.available(symbol)
        found = connector.inspections(symbol, there.start, there.end)
        bars = Bars.concat([part.accepted for part in found])
        x_NF = features.compute(bars, complete=True)
        for month, rows in month_slices(bars.ts):
            yield summarise(symbol, month, features.names, x_NF[rows])


def shoot(page: str, name: str, size: tuple[int, int]) -> None:
    """The top of a page."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "features.html"
        path.write_text(page, encoding="utf-8")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        shown = browser.new_page(viewport={"width": size[0], "height": size[1]})
        shown.goto(path.as_uri())
        shown.screenshot(path=IMAGES / name)
        browser.close()


if __name__ == "__main__":
    main()
