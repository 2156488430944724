"""Take the pictures of the running UI that the docs show: `make ui` in one terminal, then this.

Needs Chromium, and a home in which `make demo` has run. With `--loop`, those of drift, champions
and sensor ticks alone: they want a home that has lived for some weeks.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

LOOP = "--loop" in sys.argv
URL = next((given for given in sys.argv[1:] if given != "--loop"), "http://127.0.0.1:3000")
IMAGES = Path(__file__).parent / "images"
SETTLE_MS = 6_000
# Paths are shown relative to the project, wherever the pictures are taken.
SHORTEN = r"""() => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode;
    node.textContent = node.textContent.replace(/\/\S*\/data\/reports/, "data/reports");
  }
}"""


def main() -> None:
    """Open the browser, take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        (loop if LOOP else demo)(page)
        browser.close()


def demo(page: Page) -> None:
    """One picture per page that a user meets first."""
    graph(page)
    for asset, height in (("bars", 1500), ("benchmark_report", 2100), ("drift_report", 1500)):
        page.set_viewport_size({"width": 1500, "height": height})
        shoot(page, f"/assets/{asset}?view=overview", asset)
    page.set_viewport_size({"width": 1500, "height": 1000})
    shoot_picture(page, "/assets/bars?view=overview", "bars_price")
    shoot_picture(page, "/assets/benchmark_report?view=overview", "benchmark_pictures")
    page.set_viewport_size({"width": 1500, "height": 760})
    shoot(page, "/automation", "automation")


def loop(page: Page) -> None:
    """The drift report, who answered when, and what the sensor made of each report."""
    page.set_viewport_size({"width": 1500, "height": 1700})
    shoot(page, "/assets/drift_report?view=overview", "drift_report")
    page.set_viewport_size({"width": 1500, "height": 1300})
    shoot_picture(page, "/assets/champion?view=overview", "champion_history")
    page.set_viewport_size({"width": 1500, "height": 900})
    shoot(page, "/locations/crypto_nn/sensors/retrain_on_drift", "sensor_ticks")


def graph(page: Page) -> None:
    """The lineage with all groups open."""
    page.goto(f"{URL}/asset-groups")
    page.wait_for_timeout(SETTLE_MS)
    page.keyboard.press("Alt+KeyE")  # expand all groups
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=IMAGES / "graph.png")


def shoot(page: Page, path: str, name: str) -> None:
    """One page, as it looks when it has settled."""
    page.goto(URL + path)
    page.wait_for_timeout(SETTLE_MS)
    page.evaluate(SHORTEN)
    page.screenshot(path=IMAGES / f"{name}.png")


def shoot_picture(page: Page, path: str, name: str) -> None:
    """The picture in an asset's metadata, as it opens on a click."""
    page.goto(URL + path)
    page.wait_for_timeout(SETTLE_MS)
    page.get_by_text("[Show Markdown]").last.click()
    page.wait_for_timeout(SETTLE_MS // 3)
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
