"""The platform as it runs: web server, daemon, schedules and sensors."""

import os
import shutil
from pathlib import Path

import pytest

from crypto_nn.defs import automation, sensors
from crypto_nn_tests.defs.running import dagster_dev, wait

ASSETS = "{ assetNodes { assetKey { path } groupName } }"
INSTIGATORS = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
    schedules { name scheduleState { status } } sensors { name sensorState { status } } } } } }"""


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="Chromium is not installed")
def test_the_ui_shows_the_graph_with_all_automation_on(tmp_path: Path) -> None:
    """`dagster dev` from the repository root: every asset in the picture, every switch on."""
    from playwright.sync_api import sync_playwright

    with dagster_dev(tmp_path) as running, sync_playwright() as playwright:
        assert len(running.ask(ASSETS)["assetNodes"]) == 13
        (repository,) = running.ask(INSTIGATORS)["repositoriesOrError"]["nodes"]
        states = [s["scheduleState"]["status"] for s in repository["schedules"]]
        states += [s["sensorState"]["status"] for s in repository["sensors"]]
        assert len(states) == len(automation.SCHEDULES) + len(sensors.SENSORS)
        assert set(states) == {"RUNNING"}
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        broken: list[str] = []
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(f"{running.url}/asset-groups")
        page.get_by_text("evaluation").last.wait_for(timeout=60_000)
        page.keyboard.press("Alt+KeyE")  # expand all groups
        page.get_by_text("benchmark_report").first.wait_for(timeout=60_000)
        browser.close()
        assert broken == []


@pytest.mark.skipif(
    not os.environ.get("CRYPTO_NN_DAEMON"),
    reason="takes minutes; `make daemon` runs it (CRYPTO_NN_DAEMON=1)",
)
def test_a_drifted_day_starts_exactly_one_retraining_by_itself(tmp_path: Path) -> None:
    """All is materialised as the UI does it; then the daemon's sensor launches one run for the
    drifted day, and none for the same day again."""
    with dagster_dev(tmp_path) as running:
        running.materialise_all("raw_bars", "bars", "features", "labels")
        running.materialise_all(
            "splits", "checkpoint", "benchmark_report", "champion", "model_metrics"
        )
        day = {
            "dagster/partition": "2024-02-29|SYN-USDT",
            "dagster/partition/day": "2024-02-29",
            "dagster/partition/symbol": "SYN-USDT",
        }
        for _ in range(2):
            run = running.launch("watch", day)
            wait("watch", lambda run=run: running.finished(run), 300)  # type: ignore[misc]
            wait("the sensor's run", lambda: len(running.runs("retrain")) == 1, 120)
            wait(
                "the end of retraining",
                lambda: all(each["status"] == "SUCCESS" for each in running.runs("retrain")),
                600,
            )
        seen = running.num_ticks("retrain_on_drift")
        wait("a later tick", lambda: running.num_ticks("retrain_on_drift") > seen, 120)
        drift_runs = [
            each
            for each in running.runs("retrain")
            if {"key": "reason", "value": "drift"} in each["tags"]
        ]
        assert len(drift_runs) == 1
