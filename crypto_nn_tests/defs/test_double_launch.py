"""The same training launched twice at once: one version, and nobody fails."""

import multiprocessing
import os
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from crypto_nn.defs.training import alone_with
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore

CONTEXT = multiprocessing.get_context("forkserver")


def train(root: Path, told: Connection, go: Connection | None) -> None:
    """What `checkpoint` does around a training; it holds the version until it is told to go on."""
    store = ModelStore(root / "models")
    with alone_with(root / "work", "v1", lambda text: told.send(f"waits: {text}")):
        if store.has("Tiny", "v1"):
            told.send("known")
            return
        told.send("trains")
        if go is not None:
            go.recv()
        store.save("Tiny", "v1", {"model.safetensors": b"weights"})
        told.send("trained")


def start(root: Path, hold: bool) -> tuple[multiprocessing.Process, Connection, Connection]:
    here, there = CONTEXT.Pipe(duplex=False)
    wait, go = CONTEXT.Pipe(duplex=False)
    child = CONTEXT.Process(target=train, args=(root, there, wait if hold else None))
    child.start()
    there.close()
    return child, here, go  # type: ignore[return-value]


@pytest.mark.parametrize("killed", [False, True])
def test_the_second_waits_and_takes_what_the_first_made(tmp_path: Path, killed: bool) -> None:
    """Where the first is killed, the second trains in its place."""
    one, from_one, go = start(tmp_path, hold=True)
    assert from_one.recv() == "trains"
    two, from_two, _ = start(tmp_path, hold=False)
    assert from_two.recv() == "waits: Another run is training v1; this one waits for it."
    assert not from_two.poll(0.5), "it did not wait"
    if killed:
        one.kill()
    else:
        go.send("go")
        assert from_one.recv() == "trained"
    assert from_two.recv() == ("trains" if killed else "known")
    for child in (one, two):
        child.join(60)
    assert two.exitcode == 0
    assert ModelStore(tmp_path / "models").versions("Tiny") == ("v1",)


@pytest.mark.skipif(
    not os.environ.get("CRYPTO_NN_DOUBLE"), reason="takes minutes; CRYPTO_NN_DOUBLE=1 runs it"
)
def test_two_trainings_at_once_from_the_command_line(tmp_path: Path) -> None:
    """`crypto-nn train` twice, at the same moment, in one home: both succeed, one version."""
    environment = {
        **os.environ,
        "CRYPTO_NN_HOME": str(tmp_path / "data"),
        "DAGSTER_HOME": str(tmp_path / "dagster_home"),
    }
    program = [sys.executable, "-m", "crypto_nn"]
    subprocess.run([*program, "ingest"], env=environment, check=True, capture_output=True)
    both = [
        subprocess.Popen(
            [*program, "train"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(2)
    ]
    said = [process.communicate()[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    store = ModelStore(tmp_path / "data" / "models")
    assert [len(store.versions(name)) for name in store.names()] == [1]
    runs = Lake(tmp_path / "data" / "lake").read("runs", ("state", "version")).to_pylist()
    assert sorted(run["state"] for run in runs) == ["complete", "known"]
    made = Lake(tmp_path / "data" / "lake").read("retraining_decisions", ("trigger",)).to_pylist()
    assert made == [{"trigger": "manual"}] * 2
