"""A command that is stopped says that it can go on."""

import os
import subprocess
import sys
from pathlib import Path

STOPPED_WHILE_FETCHING = """
import os, signal, sys
from crypto_nn.cli import main
from crypto_nn.sources.synthetic import SyntheticSource

def fetch(self, *args):
    os.kill(os.getpid(), signal.SIGINT)
    return iter(())

SyntheticSource.fetch = fetch
sys.argv = ["crypto-nn", "ingest", "--to", "2024-01"]
main()
"""


def test_a_stopped_command_says_how_to_go_on(tmp_path: Path) -> None:
    homes = {"CRYPTO_NN_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path / "dagster_home")}
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_WHILE_FETCHING],
        env={**os.environ, **homes, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Interrupted: refresh_bars was stopped." in done.stderr
    assert "start the same command again" in done.stderr
    assert "Traceback" not in done.stderr
