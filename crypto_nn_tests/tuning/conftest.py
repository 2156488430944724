"""A Postgres for the studies, started when first asked for."""

from collections.abc import Iterator

import pytest

from crypto_nn_tests.store.database.servers import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A Postgres as it comes."""
    pytest.importorskip("pgserver", reason="needs pgserver from PyPI")
    cluster = Cluster()
    yield cluster
    cluster.close()
