"""Draw the pictures of a version's page and of two trainings that docs/training.md shows.

python docs/version_pictures.py <folder of market files>/BTCUSDT_1m_2023-01_2025-06.parquet
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from playwright.sync_api import sync_playwright

from crypto_nn.bars import Bars
from crypto_nn.bars.symbol import symbol_from
from crypto_nn.features import default_feature_set
from crypto_nn.features.labels import LabelConfig, compute_labels
from crypto_nn.features.panel import Panel, Part
from crypto_nn.features.splits import Reach, SplitConfig, walk_forward
from crypto_nn.models import MODELS
from crypto_nn.pictures.document_html import to_html
from crypto_nn.pictures.run_comparison import Course, run_comparison
from crypto_nn.training import Recipe, TrainConfig, TrainedVersion
from crypto_nn.training.card_page import card_page
from crypto_nn.training.inspected import INSPECTION, Inspection
from crypto_nn.training.version import train_version

IMAGES = Path(__file__).parent / "images"
START, DAYS = np.datetime64("2024-08-01", "us"), 60
DAY = np.timedelta64(1, "D")
TRAIN = TrainConfig(max_epochs=5)


def panel_of(path: Path) -> Panel:
    """Features and labels of the days that one fold needs."""
    bars = Bars.from_arrow(pq.read_table(path), symbol_from(path.name.split("_")[0]))
    bars = bars.between(START - 50 * DAY, START + (DAYS + 31) * DAY)
    features = default_feature_set()
    part = Part.from_arrays(
        features.compute(bars), features.names, compute_labels(bars, LabelConfig()), bars
    )
    return Panel.from_parts({bars.symbol: part}).between(START, bars.ts[-1])


def train(panel: Panel, model: str) -> TrainedVersion:
    """A small version of the model, learned from the same days as the others."""
    config = MODELS[model].presets["small"]
    reach = Reach(max(panel.horizons), 421)
    splits = SplitConfig(train_days=DAYS, lock_box_days=0, max_folds=1)
    fold = walk_forward(panel.ts_N[0], panel.ts_N[-1], splits, reach)[-1]
    return train_version(panel, fold, Recipe(model, config, TRAIN))


def photograph(page: str, to: Path, height: int) -> None:
    """The lower part of an HTML page, from where it says what the model looks at."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        path = Path(folder) / "page.html"
        path.write_text(page)
        chromium = shutil.which("chromium")
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1000, "height": 900})
        shown.goto(path.as_uri())
        heading = shown.get_by_role("heading", name="What it looks at")
        top = heading.evaluate("element => element.getBoundingClientRect().top")
        clip = {"x": 0.0, "y": top - 10, "width": 1000.0, "height": float(height)}
        shown.screenshot(path=to, full_page=True, clip=clip)  # type: ignore[arg-type]
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bars", type=Path)
    panel = panel_of(parser.parse_args().bars)
    courses = []
    for model in ("AttentiveLSTM", "EpisodicMemoryNetwork"):
        trained = train(panel, model)
        inspection = Inspection.model_validate_json(trained.files[INSPECTION])
        page = to_html(card_page(trained, inspection))
        if model == "AttentiveLSTM":
            photograph(page, IMAGES / "version_page.png", 1100)
        else:
            photograph(page, IMAGES / "episodes.png", 1500)
        metrics = trained.metrics
        courses.append(
            Course(
                model,
                [record.train_loss for record in trained.history],
                [record.validation_loss for record in trained.history],
                {h: metrics[f"skill_{h}m"] for h in panel.horizons},
            )
        )
    (IMAGES / "run_comparison.png").write_bytes(run_comparison(courses).png())


if __name__ == "__main__":
    main()
