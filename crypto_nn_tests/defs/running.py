"""`dagster dev` as a user starts it, with its daemon, on a free port and a small market."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from crypto_nn_tests.market import ROOT

YAML = """
sources:
  synthetic:
    kind: synthetic
    start: 2024-01-01 00:00:00
    end: 2024-03-01 00:00:00
    symbols: [SYN-USDT]
    regimes: [{start: 2024-02-29 00:00:00, volatility: 15, volume: 80}]
symbols:
  SYN-USDT: {source: synthetic, first_month: 2024-01, last_month: 2024-02}
splits: {train_days: 28, validation_days: 3, calibration_days: 3, test_days: 5, max_folds: 1,
         lock_box_days: 5}
training: {max_epochs: 1, max_windows: 2000, max_validation_windows: 2000, window: 16}
drift: {min_reference_days: 20, season: all}
automation: {refresh_bars: 0 0 1 1 *, nightly_retraining: 0 0 1 1 *, watch: 0 0 1 1 *,
             predict: 0 0 1 1 *}
"""


@dataclass(frozen=True)
class Running:
    """A running instance: where it answers and where it keeps things."""

    url: str
    home: Path
    environment: dict[str, str]

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """One GraphQL request, as the UI makes it."""
        body = {"query": query, "variables": variables}
        answer = httpx.post(f"{self.url}/graphql", json=body, timeout=60).json()
        assert "errors" not in answer, answer
        found: dict[str, Any] = answer["data"]
        return found

    def launch(self, job: str, tags: dict[str, str]) -> str:
        """Launch a job of the location with these tags, and return the run's id."""
        query = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
            __typename ... on LaunchRunSuccess { run { runId } }
            ... on PythonError { message } } }"""
        selector = {
            "repositoryLocationName": "crypto_nn",
            "repositoryName": "__repository__",
            "jobName": job,
        }
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        params = {"selector": selector, "mode": "default", "runConfigData": {},
                  "executionMetadata": {"tags": listed}}  # fmt: skip
        launched = self.ask(query, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id: str = launched["run"]["runId"]
        return run_id

    def materialise_all(self, *assets: str) -> None:
        """What the button "Materialize all" does for these assets; waits until it is done."""
        query = """mutation($params: LaunchBackfillParams!) {
            launchPartitionBackfill(backfillParams: $params) { __typename
            ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
        selection = [{"path": [name]} for name in assets]
        params = {"assetSelection": selection, "allPartitions": True}
        launched = self.ask(query, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        status = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
            ... on PartitionBackfill { status } } }"""

        def done() -> bool:
            told = self.ask(status, id=launched["backfillId"])["partitionBackfillOrError"]["status"]
            assert told not in ("FAILED", "COMPLETED_FAILED", "CANCELED"), told
            return bool(told == "COMPLETED_SUCCESS")

        wait(f"the backfill of {', '.join(assets)}", done, 600)

    def runs(self, job: str) -> list[dict[str, Any]]:
        """All runs of a job, newest first, with status and tags."""
        query = """query($filter: RunsFilter) { runsOrError(filter: $filter) { ... on Runs {
            results { runId status tags { key value } } } } }"""
        found: list[dict[str, Any]] = self.ask(query, filter={"pipelineName": job})["runsOrError"][
            "results"
        ]
        return found

    def num_ticks(self, sensor: str) -> int:
        """How often the daemon has evaluated a sensor."""
        query = """query($sensor: SensorSelector!) { sensorOrError(sensorSelector: $sensor) {
            ... on Sensor { sensorState { ticks(limit: 200) { status } } } } }"""
        selector = {
            "repositoryLocationName": "crypto_nn",
            "repositoryName": "__repository__",
            "sensorName": sensor,
        }
        return len(self.ask(query, sensor=selector)["sensorOrError"]["sensorState"]["ticks"])

    def finished(self, run_id: str) -> bool:
        """Whether a run has ended; fails where it did not succeed."""
        query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        status = self.ask(query, id=run_id)["runOrError"]["status"]
        assert status not in ("FAILURE", "CANCELED"), f"run {run_id} ended in {status}"
        return bool(status == "SUCCESS")


def wait(what: str, until: Callable[[], bool], seconds: float = 240) -> None:
    """Poll until something is true; the daemon works on a clock of its own."""
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(1)


@contextmanager
def dagster_dev(home: Path, yaml: str = YAML) -> Iterator[Running]:
    """`dagster dev` with webserver and daemon, stopped with all its children at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (home / "dagster_home").mkdir(parents=True)
    shutil.copy(ROOT / "data" / "dagster_home" / "dagster.yaml", home / "dagster_home")
    shutil.copy(ROOT / "workspace.yaml", home)  # the repository's .env would name its own home
    (home / "crypto_nn.yaml").write_text(yaml)
    environment = {
        **os.environ,
        "CRYPTO_NN_CONFIG": str(home / "crypto_nn.yaml"),
        "CRYPTO_NN_HOME": str(home / "data"),
        "DAGSTER_HOME": str(home / "dagster_home"),
    }
    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
    with (home / "dagster_dev.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=home,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_heed_interrupts,
        )
        try:
            running = Running(f"http://127.0.0.1:{port}", home, environment)
            wait("the web server", lambda: _answers(running), 120)
            yield running
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(45)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _heed_interrupts() -> None:
    """A shell's background job starts with SIGINT ignored, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _answers(running: Running) -> bool:
    try:
        return httpx.get(f"{running.url}/server_info", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
