"""Take the pictures of docs/live-page.md: `python docs/live_page_pictures.py`. Needs Chromium.

The market in them is made up, and has no edge: the page shows how that looks.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from crypto_nn_tests.server.live_page import NOW, OTHER, Clock, LivePage, page_data, write_home

IMAGES = Path(__file__).parent / "images"
NUM_BARS = 4000
SETTLE_MS = 600


@dataclass(frozen=True)
class View:
    """A picture: its window, its colours, what is asked for, and how old the newest bar is."""

    name: str
    width: int = 1500
    height: int = 1180
    scheme: str = "light"
    symbol: str | None = None
    late_minutes: int = 0


VIEWS = (
    View("desktop"),
    View("dark", scheme="dark"),
    View("phone", 390, 844),
    View("stale", height=700, late_minutes=17),
    View("empty", height=900, symbol=OTHER),
)


def main() -> None:
    """One home, one server for each view."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_home(Path(folder), NUM_BARS)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        for view in VIEWS:
            shoot(browser, Path(folder), view)
        browser.close()


def shoot(browser: Browser, home: Path, view: View) -> None:
    """The page as it looks when it has settled."""
    live = LivePage(page_data(home, Clock(NOW + np.timedelta64(view.late_minutes, "m"))))
    size = {"width": view.width, "height": view.height}
    with live.running() as url:
        page = browser.new_page(viewport=size, color_scheme=view.scheme)  # type: ignore[arg-type]
        page.goto(url)
        page.wait_for_selector("#connection[data-state=ready]")
        if view.symbol:
            page.select_option("#symbol", view.symbol)
            page.wait_for_selector("#no-chart:not([hidden])")
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=IMAGES / f"live_{view.name}.png")
        page.close()
    live.data.close()


if __name__ == "__main__":
    main()
