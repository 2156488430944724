"""Keys, passwords and secret addresses reach no log, no message, no event and no table."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

CANARIES = {
    "POLYGON_API_KEY": "canary-polygon-7f3a",
    "SUPABASE_KEY": "canary-supabase-91bc",
    "SUPABASE_TOKEN": "canary-token-44de",
    "CRYPTO_NN_DATABASE": "postgresql://owner:canary-password-e2d1@127.0.0.1:1/none",
}
WEBHOOK = "canary-webhook-05aa"
NEEDLES = (
    b"canary-polygon-7f3a",
    b"canary-supabase-91bc",
    b"canary-token-44de",
    b"canary-password-e2d1",
    WEBHOOK.encode(),
)
COMMANDS = (
    ["config", "show"],
    ["ingest", "--symbol", "BTC-USD"],  # the key is refused
    ["ingest", "--live", "--symbol", "BTC-USD"],
    ["ingest", "--symbol", "ETH-USD"],  # Supabase refuses
    ["ingest", "--symbol", "LTC-USD"],  # nobody answers
    ["db", "migrate"],
    ["db", "status"],
    ["db", "flush"],
    ["sql", "select * from raw_bars"],
)

PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.DEBUG)
from crypto_nn.cli import main
from crypto_nn.errors import CryptoNNError

failed = 0
for words in {commands!r}:
    sys.argv = ["crypto-nn", *words]
    try:
        main()
    except SystemExit as end:
        failed += bool(end.code)
from crypto_nn.definitions import defs
from crypto_nn.defs.automation import month_key
from crypto_nn.defs.graph import Graph

import pyarrow as pa
from crypto_nn.environment import home
from crypto_nn.store.database import DatabaseConfig, Mirror

row = dict(symbol=["BTC-USD"], ts=pa.array([0], pa.timestamp("us")), horizon=[5],
           model_version=["v"], predicted_class=[1], confidence=[0.5])
for via in ("postgres", "supabase"):
    mirror = Mirror(DatabaseConfig(mirror=("predictions",), via=via, attempts=1), home() / via)
    mirror.predictions(pa.table(row))
    failed += mirror.state().waiting
    print(mirror.state())

for symbol in ("BTC-USD", "ETH-USD", "LTC-USD"):  # runs, whose events Dagster keeps
    try:
        Graph.here(defs()).run("refresh_bars", [month_key(symbol, "2024-01")])
    except CryptoNNError as error:
        failed += 1
        print(type(error).__name__, error)
print("failed:", failed)
"""


class Echo(BaseHTTPRequestHandler):
    """Refuses everybody, and says back what it was sent: the worst that a server does."""

    def _refuse(self) -> None:
        body = "".join(f"{name}: {value}\n" for name, value in self.headers.items()).encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_HEAD = _refuse

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _environment(folder: Path, address: str) -> dict[str, str]:
    patience = {"attempts": 2, "first_wait_s": 0.01, "max_wait_s": 0.02}
    polygon = {"kind": "polygon", "symbols": ["BTC-USD"], "websocket_feed": address,
               "base_url": f"http://{address}", "secure": False, "patience": patience}  # fmt: skip
    nobody = polygon | {"symbols": ["LTC-USD"], "base_url": "http://127.0.0.1:1"}
    symbols = {"BTC-USD": "polygon", "ETH-USD": "supabase", "LTC-USD": "nobody"}
    settings = {
        "sources": {
            "polygon": polygon,
            "nobody": nobody,
            "supabase": {"kind": "supabase", "via": "supabase"},
        },
        "symbols": {
            symbol: {"source": source, "first_month": "2024-01", "last_month": "2024-02"}
            for symbol, source in symbols.items()
        },
        "alerts": {
            "webhook_url": f"http://{address}/{WEBHOOK}",
            "urls": [f"json://{address}/{WEBHOOK}"],
            "attempts": 1,
        },
        "database": {"mirror": ["predictions"], "attempts": 1},
    }
    path = folder / "crypto_nn.yaml"
    path.write_text(yaml.safe_dump(settings))
    path.chmod(0o600)
    own = {
        "CRYPTO_NN_HOME": str(folder / "home"),
        "DAGSTER_HOME": str(folder / "dagster"),
        "CRYPTO_NN_CONFIG": str(path),
        "SUPABASE_URL": f"http://{address}",
    }
    return {**os.environ, **CANARIES, **own}


def test_no_secret_leaves_the_process(tmp_path: Path, refusing: str) -> None:
    """Every command at DEBUG against servers that refuse and echo: no canary in any sink."""
    environment = _environment(tmp_path, refusing)
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(commands=COMMANDS)],
        env=environment,
        capture_output=True,
        timeout=300,
    )
    said = ran.stdout + ran.stderr
    assert b"failed: 11" in ran.stdout, said.decode()[-3000:]  # show, flush and sql do not fail
    assert b"SourceRefused" in said
    assert [needle for needle in NEEDLES if needle in said] == []
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".yaml"]
    assert kept, "nothing was written, so that nothing was looked at"
    leaks = [(path, n) for path in kept for n in NEEDLES if n in path.read_bytes()]
    assert leaks == []


MISPLACED = (
    "database: postgresql://owner:canary-yaml-1d0c@host/x",
    "database: {via: canary-yaml-1d0c}",
    "database: {dsn_variable: canary-yaml-1d0c}",
    "database: {url: canary-yaml-1d0c}",
    "sources: {p: {api_key: canary-yaml-1d0c}}",
    "sources: {p: canary-yaml-1d0c}",
    "sources: {p: {kind: polygon, key_variable: canary-yaml-1d0c}}",
    "sources: {p: {kind: polygon, key_variable: canaryKeyThatIsAName}}",
    "sources: {p: {kind: polygon, base_url: 'https://me:canary-yaml-1d0c@host'}}",
    "sources: {b: {kind: binance, api_url: 'https://me:canary-yaml-1d0c@host'}}",
)


@pytest.mark.parametrize("text", MISPLACED)
def test_a_secret_that_stands_in_the_yaml_by_mistake_is_refused_and_not_repeated(
    text: str, tmp_path: Path
) -> None:
    """Of what may be one, only the place is told; of a number also which it is."""
    from crypto_nn.errors import ConfigError
    from crypto_nn.experiments import Experiment

    path = tmp_path / "crypto_nn.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=text.split(":")[0]) as caught:
        Experiment.load(path)
    assert "canary" not in str(caught.value)
    path.write_text("database: {timeout_s: 0}")
    with pytest.raises(ConfigError, match="timeout_s is 0"):
        Experiment.load(path)
