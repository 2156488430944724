"""Dagster's memory is on SQLite by default, and on a Postgres by one variable."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
)
from dagster._core.test_utils import create_run_for_test

from crypto_nn.defs.dagster_storage import address, check_settings
from crypto_nn.defs.graph import DAGSTER_YAML, _instance_at
from crypto_nn.errors import ConfigError
from crypto_nn_tests.store.database.servers import Cluster

SECRET = "s3cr3t%40home"  # noqa: S105
OLD = "telemetry: {enabled: false}\nconcurrency: {pools: {default_limit: 1, granularity: op}}\n"


@dg.op
def _count() -> int:
    return 1


@dg.job
def count() -> None:
    """The smallest job."""
    _count()


@dg.sensor(job=count)
def watcher() -> None:
    """Never evaluated: only its cursor is stored."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real Postgres."""
    pytest.importorskip("pgserver", reason="needs pgserver from PyPI")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        made = Cluster()
        made.run("create database dagster")
        yield made
        made.close()


def opened(home: Path, patched: pytest.MonkeyPatch, url: str | None) -> dg.DagsterInstance:
    """What the command line opens in a home."""
    patched.setenv("DAGSTER_HOME", str(home))
    patched.delenv("DAGSTER_POSTGRES_URL", raising=False)
    if url:
        patched.setenv("DAGSTER_POSTGRES_URL", url)
    return _instance_at.__wrapped__(home)


def use(instance: dg.DagsterInstance) -> str:
    """A run, and what a sensor and the daemon remember; the run's id."""
    run_id = count.execute_in_process(instance=instance).run_id
    from dagster._core.remote_origin import (
        RegisteredCodeLocationOrigin,
        RemoteInstigatorOrigin,
        RemoteRepositoryOrigin,
    )

    where = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "all")
    origin = RemoteInstigatorOrigin(where, "watcher")
    told = SensorInstigatorData(cursor="42")
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, told)
    instance.add_instigator_state(state)
    instance.daemon_cursor_storage.set_cursor_values({"daemon": "7"})
    return run_id


def remembered(instance: dg.DagsterInstance, run_id: str) -> tuple[str, str, str]:
    """The run's status, the sensor's cursor, the daemon's."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert len(instance.all_logs(run_id)) > 5
    (state,) = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    assert isinstance(state.instigator_data, SensorInstigatorData)
    cursor = instance.daemon_cursor_storage.get_cursor_values({"daemon"})["daemon"]
    return run.status.value, str(state.instigator_data.cursor), cursor


@pytest.mark.parametrize("where", ["sqlite", "postgresql", "postgres", "psycopg", "psycopg2"])
def test_what_happened_is_remembered_after_a_restart(
    where: str, tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run with its events, a sensor's cursor, the daemon's: in SQLite, in Postgres as written."""
    url = None
    if where != "sqlite":
        cluster.run(f"create database d_{where}")
        scheme = where if where.startswith("postgres") else f"postgresql+{where}"
        url = cluster.dsn(f"d_{where}").replace("postgresql", scheme, 1)
    first = opened(tmp_path, monkeypatch, url)
    run_id = use(first)
    first.dispose()
    again = opened(tmp_path, monkeypatch, url)
    assert remembered(again, run_id) == ("SUCCESS", "42", "7")
    again.dispose()
    assert (tmp_path / "history").exists() == (url is None)
    rows = cluster.run("select count(*) from runs", f"d_{where}") if url else [(1,)]
    assert rows == [(1,)]


def test_another_process_reads_the_same(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's own commands, as the UI and the daemon, read `dagster.yaml` and agree; the
    password is in nothing that they hand to the processes they start."""
    url = cluster.dsn("dagster", f"postgres:{SECRET}")
    instance = opened(tmp_path, monkeypatch, url)
    run_id = use(instance)
    assert "s3cr3t" not in repr(instance.get_ref())
    assert "s3cr3t" not in instance.info_str()
    instance.dispose()
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "run", "list"], capture_output=True, text=True
    )
    assert run_id in done.stdout, done.stderr
    assert "s3cr3t" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"postgresql://me:{SECRET}@127.0.0.1:1/dagster", "127.0.0.1, database dagster, user me"),
        (f"mysql://me:{SECRET}@127.0.0.1:1/dagster", "does not begin with postgresql://"),
        (f"postgresql://me:{SECRET}@127.0.0.1:port/dagster", "cannot be read"),
        (f"postgresql://me:{SECRET}@127.0.0.1:1", "names no database"),
        ("postgresql://me:s3cr3t@home/5@127.0.0.1:1/dagster", "sign such as @ or /"),
        (SECRET, "cannot be read"),
    ],
)
def test_an_address_that_is_wrong_is_told_without_the_password(
    url: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The message says what to mend; it repeats no part of the secret, nor does the log."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(ConfigError) as raised:
        opened(tmp_path, monkeypatch, url)
    assert told in str(raised.value)
    assert "DAGSTER_POSTGRES_URL" in str(raised.value)
    for text in (str(raised.value), caplog.text):
        assert "s3cr3t" not in text
        assert "home" not in text


def test_a_password_that_is_refused_is_not_repeated(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's reason is told."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    url = cluster.dsn("dagster", f"nobody:{SECRET}")
    with pytest.raises(ConfigError, match='role "nobody" does not exist') as raised:
        opened(tmp_path, monkeypatch, url)
    assert "s3cr3t" not in str(raised.value)


def test_the_driver_is_the_one_that_dagster_works_with() -> None:
    """Whichever is named: with psycopg 3 every event that is stored would fail."""
    for scheme in ("postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"):
        assert address(f"{scheme}://me@host/dagster").drivername == "postgresql+psycopg2"


def test_an_older_dagster_yaml_goes_on_in_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where the variable is set is one told to add two lines: it would be overlooked."""
    (tmp_path / "dagster.yaml").write_text(OLD)
    instance = opened(tmp_path, monkeypatch, None)
    run = create_run_for_test(instance)
    assert instance.has_run(run.run_id)
    instance.dispose()
    with pytest.raises(ConfigError, match=r"crypto_nn\.defs\.dagster_storage"):
        opened(tmp_path, monkeypatch, "postgresql://me@127.0.0.1:1/dagster")
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql://me@127.0.0.1:1/dagster")
    (tmp_path / "own.yaml").write_text("storage: {sqlite: {base_dir: /nowhere}}")
    check_settings(tmp_path / "own.yaml")


def test_a_dagster_yaml_of_another_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of one home never end up in another."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "dagster.yaml").write_text(DAGSTER_YAML.read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.delenv("DAGSTER_POSTGRES_URL", raising=False)
    with pytest.raises(ConfigError, match="but DAGSTER_HOME is"):
        dg.DagsterInstance.from_config(str(other))


def test_loading_the_storage_is_light() -> None:
    """Every web server, daemon and run loads it: no torch, no pandas, no DuckDB, no driver."""
    code = (
        "import sys, crypto_nn.defs.dagster_storage;"
        "print(*[m for m in ('torch', 'pandas', 'duckdb', 'pyarrow', 'psycopg', 'psycopg2',"
        " 'dagster_postgres') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_shipped_file_names_it_and_holds_no_address() -> None:
    """The class is named by its path, which must not change: homes hold a copy."""
    told = yaml.safe_load(DAGSTER_YAML.read_text())
    assert told["storage"] == {
        "custom": {"module": "crypto_nn.defs.dagster_storage", "class": "SqliteOrPostgres"}
    }
