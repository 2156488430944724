"""The daemon dies at each stage of a tick, and comes back: exactly one run, exactly one row.

`CRYPTO_NN_CRASHES=all` kills with every signal at every stage, and twenty times in a row between
evaluation and commit; else the schedule dies at two stages, and the sensor twice in a row.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from crypto_nn_tests.defs.crash_cases import SCHEDULE, SENSOR, Case

pytestmark = pytest.mark.kill

ALL = os.environ.get("CRYPTO_NN_CRASHES") == "all"
# AUTOMATION_EVALUATIONS_ADDED lies between the sensor's answer and its commit.
STAGES = {
    SENSOR: ("TICK_CREATED", "TICK_HELD", "AUTOMATION_EVALUATIONS_ADDED", "RUN_IDS_RESERVED",
             "RUN_CREATED", "RUN_LAUNCHED"),
    SCHEDULE: ("TICK_CREATED", "TICK_HELD", "RUN_CREATED", "RUN_LAUNCHED", "RUN_ADDED",
               "TICK_SUCCESS") if ALL else ("TICK_HELD", "RUN_CREATED"),
}  # fmt: skip
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM) if ALL else (signal.SIGKILL,)
IN_A_ROW = 20 if ALL else 2
CASES = [
    *(Case(n, point, s) for n, points in STAGES.items() for point in points for s in SIGNALS),
    Case(SENSOR, "AUTOMATION_EVALUATIONS_ADDED", signal.SIGKILL, IN_A_ROW),
]  # fmt: skip


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """All cases, one after the other, in one home."""
    home: Path = tmp_path_factory.mktemp("crashes")
    yaml = Path(os.environ["CRYPTO_NN_CONFIG"]).read_text()
    (home / "crypto_nn.yaml").write_text(f"{yaml}retraining: {{cooldown_hours: 0}}\n")
    (home / "cases.json").write_text(json.dumps([asdict(case) for case in CASES]))
    environment = {
        **os.environ,
        "CRYPTO_NN_CONFIG": str(home / "crypto_nn.yaml"),
        "CRYPTO_NN_HOME": str(home / "data"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "crypto_nn_tests.defs.crashes", str(home / "dagster_home"),
         str(home / "cases.json")],
        env=environment, capture_output=True, text=True, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=[f"{c.name}-{c.point}-{c.signal}x{c.times}" for c in CASES]
)
def test_a_daemon_that_is_killed_launches_exactly_one_run(
    played: dict[str, Any], number: int
) -> None:
    """It died where it should, and the one that came after it launched what was due, once."""
    case, left = CASES[number], played["left"][number]
    assert len(left["exits"]) == case.times
    assert set(left["exits"]) <= {-case.signal, 2}, "the daemon did not die"
    assert left["runs"] == ["QUEUED"]
    late = ("RUN_CREATED", "RUN_LAUNCHED", "RUN_ADDED", "TICK_SUCCESS")
    assert left["at_crash"] == (1 if case.point in late else 0)


def test_each_question_has_one_row_and_each_answer_one_run(played: dict[str, Any]) -> None:
    """No decision is there twice, each says that a run was asked for, and no other run exists."""
    keys = [row["decision"] for row in played["rows"]]
    assert sorted(keys) == sorted(key for left in played["left"] for key in left["keys"])
    assert len(set(keys)) == len(keys) == len(CASES) == played["runs"]
    assert all(row["retrain"] for row in played["rows"])
