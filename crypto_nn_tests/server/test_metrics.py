"""Each worker counts, and any of them tells for all; what is over is told no more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crypto_nn.errors import ConfigError
from crypto_nn.server.metrics import ServerMetrics, forget_the_dead, prepare

WORKER = """
import sys
from pathlib import Path
from crypto_nn.server.metrics import ServerMetrics
metrics = ServerMetrics(Path(sys.argv[1]))
metrics.requested("/predict", 200, 0.002)
metrics.queued(3)
metrics.in_force([("main", "v1", "champion")])
metrics.bar_closed("BTC-USDT", 1000.0)
if len(sys.argv) > 2:
    print(metrics.render(1030.0)[0].decode())
"""


def text(metrics: ServerMetrics, now_s: float = 0.0) -> str:
    return metrics.render(now_s)[0].decode()


def test_what_is_measured_is_told() -> None:
    metrics = ServerMetrics()
    metrics.requested("/predict", 200, 0.002)
    metrics.batched(8)
    metrics.shed("queue")
    metrics.sockets(2, 1)
    metrics.bar_closed("BTC-USDT", 1000.0)
    told = text(metrics, 1030.0)
    assert 'crypto_nn_server_requests_total{route="/predict",status="200"} 1.0' in told
    assert 'crypto_nn_server_shed_total{reason="queue"} 1.0' in told
    assert 'crypto_nn_server_bar_age_seconds{symbol="BTC-USDT"} 30.0' in told
    assert "crypto_nn_server_socket_cut_total 1.0" in told
    assert metrics.render(0.0)[1].startswith("text/plain")


def test_counts_since_the_start_are_not_added_twice() -> None:
    metrics = ServerMetrics()
    metrics.kept(added=5, dropped=1, pending=2)
    metrics.kept(added=7, dropped=1, pending=0)
    told = text(metrics)
    assert "crypto_nn_server_served_rows_total 7.0" in told
    assert "crypto_nn_server_dropped_rows_total 1.0" in told
    assert "crypto_nn_server_pending_rows 0.0" in told


def test_a_version_out_of_force_is_told_no_more() -> None:
    metrics = ServerMetrics()
    metrics.in_force([("main", "v1", "champion")])
    metrics.in_force([("main", "v2", "champion")])
    told = text(metrics)
    assert 'version="v2"' in told
    assert 'version="v1"' not in told


def test_workers_count_together_and_the_dead_leave_what_they_were_doing(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"of an older start")
    environment = {**os.environ, **prepare(folder)}
    assert not list(folder.iterdir())

    def work(*more: str) -> str:
        command = [sys.executable, "-W", "error", "-c", WORKER, str(folder), *more]
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout

    work()
    assert len(forget_the_dead(folder)) == 1
    told = work("tell")
    assert 'crypto_nn_server_requests_total{route="/predict",status="200"} 2.0' in told
    assert "crypto_nn_server_queue_depth 3.0" in told
    assert 'crypto_nn_server_bar_age_seconds{symbol="BTC-USDT"} 30.0' in told
    [version] = [line for line in told.splitlines() if line.startswith("crypto_nn_server_version")]
    assert version.endswith(" 1.0")


def test_a_folder_that_this_process_would_not_write_to_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="PROMETHEUS_MULTIPROC_DIR was not set"):
        ServerMetrics(tmp_path)
