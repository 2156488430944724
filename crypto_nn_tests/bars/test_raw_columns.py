"""Inspection and the raw store speak of the same columns."""

from crypto_nn.bars.quality import RAW_COLUMNS
from crypto_nn.store.raw import RAW_SCHEMA


def test_the_columns_are_those_of_the_raw_store() -> None:
    """What the raw store keeps is what is inspected, column for column."""
    assert set(RAW_SCHEMA.names) == set(RAW_COLUMNS)
