"""What a query returns is shown as it is, whatever its types and names."""

import csv
import io
import json

import duckdb
import pyarrow as pa

from crypto_nn.store.render import cells, to_csv, to_json

ODD = """select '[/x]' a, 1 a, [1, 2] b, '\\xFF'::blob c, timestamp 'infinity' d, interval 3 day e,
         'inf'::double f, null g, timestamp '2024-01-01 00:05:00' h"""


def odd() -> pa.Table:
    return duckdb.connect().execute(ODD).to_arrow_table()


def test_columns_are_told_apart_by_position() -> None:
    """Two columns of one name each keep their values."""
    assert cells(odd())[0][:2] == ["[/x]", 1]
    (row,) = json.loads(to_json(odd()))
    assert (row["a"], row["a_2"]) == ("[/x]", 1)


def test_no_type_is_too_odd_to_show() -> None:
    """Blobs, lists, intervals and endless times come out as DuckDB writes them."""
    assert cells(odd())[0][2:6] == ["[1, 2]", "\\xFF", "infinity", "3 days"]
    assert json.loads(to_json(odd()))[0]["f"] is None


def test_csv_can_be_read_back() -> None:
    """A header and a row per row; null is empty."""
    header, row = csv.reader(io.StringIO(to_csv(odd())))
    assert header[:3] == ["a", "a", "b"]
    assert row[7:] == ["", "2024-01-01 00:05:00"]
