"""Servers that the tests of the database share, started when first asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crypto_nn.store.database import migrate
from crypto_nn_tests.store.database.get_postgrest import NotThere, postgrest
from crypto_nn_tests.store.database.servers import (
    Cluster,
    Gateway,
    make_project,
    make_supabase_like,
    running_postgrest,
)


@pytest.fixture(scope="session")
def plain() -> Iterator[Cluster]:
    """A Postgres as it comes: its superuser migrates, Supabase's roles are not there."""
    pytest.importorskip("pgserver", reason="needs pgserver from PyPI")
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def supabase_like() -> Iterator[Cluster]:
    """A Postgres with Supabase's roles: `owner`, who is no superuser, migrates."""
    pytest.importorskip("pgserver", reason="needs pgserver from PyPI")
    cluster = Cluster()
    make_supabase_like(cluster)
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def project(supabase_like: Cluster) -> str:
    """The name of a migrated database on the Supabase-like server."""
    make_project(supabase_like, "project")
    migrate(supabase_like.dsn("project", "owner"))
    return "project"


@pytest.fixture
def database(supabase_like: Cluster, project: str) -> str:
    """The same with empty tables."""
    supabase_like.run("truncate predictions, model_metrics, bars", project)
    return project


@pytest.fixture(scope="session")
def binary() -> Path:
    """PostgREST itself."""
    try:
        return postgrest()
    except NotThere as why:
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def postgrest_port(binary: Path, supabase_like: Cluster, project: str) -> Iterator[int]:
    """PostgREST before the migrated database."""
    with running_postgrest(binary, supabase_like.dsn(project, "authenticator")) as port:
        yield port


@pytest.fixture
def gateway(postgrest_port: int, database: str) -> Iterator[Gateway]:
    """What `create_client` is pointed at, before empty tables."""
    gateway = Gateway(postgrest_port)
    yield gateway
    gateway.close()
