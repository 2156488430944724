"""What outlives a process: atomic files, raw Parquet, the lake, the model store."""

from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore
from crypto_nn.store.raw import RAW_SCHEMA, Appended, RawStore
from crypto_nn.store.sql import attach_script, query
from crypto_nn.store.tables import TABLES, Column, TableSpec
from crypto_nn.store.upkeep import Upkeep

__all__ = [
    "RAW_SCHEMA",
    "TABLES",
    "Appended",
    "Column",
    "Lake",
    "ModelStore",
    "RawStore",
    "TableSpec",
    "Upkeep",
    "attach_script",
    "query",
]
