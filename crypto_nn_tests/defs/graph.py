"""The graph of the tests' YAML and home."""

import gc

from dagster._core.storage.defs_state.base import _current_storage

from crypto_nn.definitions import defs
from crypto_nn.defs.graph import Graph


def fresh_graph() -> Graph:
    """The graph; contexts that Dagster built for other tests have left nothing behind."""
    gc.collect()  # contexts put back what was there before them when they are collected
    _current_storage.set(None)
    return Graph.here(defs())
