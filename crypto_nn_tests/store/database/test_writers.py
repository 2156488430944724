"""The law of both writers: what was sent, however often, is there once and to the bit."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import SecretStr

from crypto_nn.errors import DatabaseError
from crypto_nn.store.database import DatabaseAddress, Rejected, Unreachable, Writer
from crypto_nn.store.database.postgres import PostgresWriter
from crypto_nn.store.database.rows import bar_rows, metric_rows, prediction_rows
from crypto_nn.store.database.supabase import SupabaseWriter, as_json
from crypto_nn_tests.store.database.made import metrics, minutes, predictions
from crypto_nn_tests.store.database.servers import (
    Cluster,
    CutLine,
    Gateway,
    free_port,
    key_of,
)

HOSTILE = "v'; drop table predictions; --\n\"\\.\t,{}%s é 時"
CANARY = "c4nary-s3cret"

Make = Callable[..., Writer]


@pytest.fixture(params=["postgres", pytest.param("supabase", marks=pytest.mark.postgrest)])
def make(request: pytest.FixtureRequest, supabase_like: Cluster, database: str) -> Iterator[Make]:
    """Makes writers to the same empty database; all are closed in the end."""
    opened: list[Writer] = []

    def postgres() -> Writer:
        return PostgresWriter(SecretStr(supabase_like.dsn(database, "owner")))

    def supabase() -> Writer:
        gateway: Gateway = request.getfixturevalue("gateway")
        key = SecretStr(key_of("crypto_nn_writer"))
        return SupabaseWriter(SecretStr(gateway.url), key)

    def made() -> Writer:
        opened.append(postgres() if request.param == "postgres" else supabase())
        return opened[-1]

    yield made
    for writer in opened:
        writer.close()


@pytest.fixture
def ask(supabase_like: Cluster, database: str) -> Callable[[str], list[Any]]:
    """Ask the database itself."""
    return lambda sql: supabase_like.run(sql, database)


def bars(rows: int) -> pa.Table:
    """Bars with awkward numbers, some without a price of trades."""
    close = 1 / np.arange(3.0, 3.0 + rows)
    return pa.table(
        {
            "symbol": ["BTC-USDT"] * rows,
            "month": ["2024-01"] * rows,
            "ts": minutes(rows),
            "open": close,
            "high": close * 1.1,
            "low": close * 0.9,
            "close": close,
            "volume": np.full(rows, 5e-324),
            "vwap": np.where(np.arange(rows) % 2, close, np.nan),
            "trades": np.full(rows, np.nan),
            "source": ["files"] * rows,
        }
    )


def test_what_was_written_is_there_to_the_bit(make: Make, ask: Any) -> None:
    """More rows than a page; NaN is null; every bit of every number."""
    table, writer = bars(2_345), make()
    writer.upsert("bars", bar_rows(table))
    found = ask("select extract(epoch from ts)::bigint, close, high, volume, vwap, trades, source"
                " from bars order by ts")  # fmt: skip
    ts, close, high, volume, vwap, trades, source = (list(column) for column in zip(*found))
    np.testing.assert_array_equal(np.array(ts) * 1_000_000, table["ts"].to_numpy().astype(int))
    for name, column in (("close", close), ("high", high), ("volume", volume)):
        assert column == table[name].to_pylist()
    assert vwap == [None if np.isnan(v) else v for v in table["vwap"].to_pylist()]
    assert set(trades) == {None}
    assert set(source) == {"files"}


def test_written_twice_is_there_once_and_unchanged_rows_are_not_touched(
    make: Make, ask: Any
) -> None:
    """The second time by another writer; then one of the rows is corrected."""
    rows = prediction_rows(predictions(50))
    make().upsert("predictions", rows)
    before = ask("select id, updated_at, xmin::text from predictions order by id")
    make().upsert("predictions", rows)
    assert ask("select id, updated_at, xmin::text from predictions order by id") == before
    make().upsert("predictions", prediction_rows(predictions(1, first=7, shift=0.05)))
    changed = ask("select confidence, updated_at > created_at from predictions"
                  " where updated_at <> created_at")  # fmt: skip
    assert changed == [(pytest.approx(0.0063 + 0.05), True)]
    assert ask("select count(*), count(distinct id) from predictions") == [(50, 50)]


def test_a_key_with_nulls_is_one_key(make: Make, ask: Any) -> None:
    """Metrics over all symbols and horizons have neither."""
    for accuracy in (0.5, 0.6):
        make().upsert("model_metrics", metric_rows(metrics([None, "BTC-USDT"], accuracy)))
    found = ask("select symbol, accuracy, drift_score from model_metrics order by symbol")
    assert found == [("BTC-USDT", 0.6, None), (None, 0.6, None)]


def test_text_is_data_and_features_are_json(make: Make, ask: Any) -> None:
    """H8: quotes, line ends, backslashes, other scripts."""
    features = pa.table({"ts": minutes(2), "rsi": [np.nan, 61.5]})
    rows = prediction_rows(predictions(3, version=HOSTILE), features)
    make().upsert("predictions", rows)
    found = ask("select model_version, features->'rsi' from predictions order by timestamp")
    assert found == [(HOSTILE, None), (HOSTILE, 61.5), (HOSTILE, None)]
    assert ask("select features from predictions order by timestamp limit 1") == [({"rsi": None},)]


@pytest.mark.parametrize(
    ("column", "bad"),
    [
        ("confidence", 1.5),
        ("confidence", float("nan")),
        ("predicted_class", 3),
        ("horizon", 0),
        ("symbol", "btc"),
        ("model_version", ""),
    ],
)
def test_rows_that_break_a_rule_are_rejected_whole(
    column: str, bad: Any, make: Make, ask: Any
) -> None:
    table = predictions(3)
    values = table[column].to_pylist()
    values[1] = bad
    spoilt = table.set_column(
        table.column_names.index(column), column, pa.array(values, table[column].type)
    )
    with pytest.raises(Rejected, match=r"rejects the rows \(23"):
        make().upsert("predictions", prediction_rows(spoilt))
    assert ask("select count(*) from predictions") == [(0,)]


@pytest.mark.parametrize("price", [0.0, -1.0, float("inf"), float("nan")])
def test_prices_are_finite_and_positive(price: float, make: Make, ask: Any) -> None:
    table = bars(2)
    for name in ("open", "high", "low", "close"):
        table = table.set_column(table.column_names.index(name), name, pa.array([1.0, price]))
    with pytest.raises(Rejected):
        make().upsert("bars", bar_rows(table))
    assert ask("select count(*) from bars") == [(0,)]


@pytest.mark.parametrize("year", ["-0005", "0000", "12000"])
def test_a_time_that_cannot_be_sent_is_rejected(year: str) -> None:
    """As a row that breaks a rule: a mirror sets it aside, and it blocks nobody."""
    ts = pa.array(np.array([f"{year}-06-01"], "datetime64[us]"))
    rows = predictions(1)
    rows = rows.set_column(rows.column_names.index("ts"), "ts", ts)
    with pytest.raises(Rejected, match="A time in column timestamp cannot be sent"):
        as_json(prediction_rows(rows))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (None, "lack predicted_class; found symbol, "),
        (["up"], "predicted_class for predictions is string; int16 is due"),
        ([[2]], "predicted_class for predictions is list<item: int64>; int16 is due"),
        ([2.5], "predicted_class for predictions is double; int16 is due"),
    ],
)
def test_a_class_that_is_none_is_named(cells: list[Any] | None, said: str) -> None:
    rows = predictions(1).drop_columns(["predicted_class"])
    if cells is not None:
        rows = rows.append_column("predicted_class", pa.array(cells))
    with pytest.raises(DatabaseError, match=said):
        prediction_rows(rows)


def test_classes_may_be_floats_as_pandas_makes_them_beside_a_missing_one() -> None:
    classes = pa.array([0.0, None, 2.0])
    rows = predictions(3).drop_columns(["predicted_class"])
    said = prediction_rows(rows.append_column("predicted_class", classes))
    assert said["predicted_class"].to_pylist() == [0, None, 2]
    assert said["predicted_label"].to_pylist() == ["down", None, "up"]


def test_an_answer_lost_after_the_commit_leaves_one_row_each_by_postgres(
    supabase_like: Cluster, database: str, ask: Any
) -> None:
    """I1: the line is cut when the commit is done and nobody knows; sent again, each is once."""
    line = CutLine(supabase_like.socket_folder / ".s.PGSQL.5432")
    writer = PostgresWriter(SecretStr(f"postgresql://owner@127.0.0.1:{line.port}/{database}"))
    rows = prediction_rows(predictions(500))
    try:
        for lost in (1, 2):
            line.cuts = lost
            with pytest.raises(Unreachable):
                writer.upsert("predictions", rows)
            assert line.cut == lost
            assert ask("select count(*) from predictions") == [(500,)]
        writer.upsert("predictions", rows)
    finally:
        writer.close()
        line.close()
    assert ask("select count(*), count(distinct id) from predictions") == [(500, 500)]


@pytest.mark.postgrest
def test_an_answer_lost_after_the_commit_leaves_one_row_each_by_supabase(
    gateway: Gateway, ask: Any
) -> None:
    """I1 once more; supabase-py itself never tries a write again."""
    writer = SupabaseWriter(SecretStr(gateway.url), SecretStr(key_of("crypto_nn_writer")))
    rows = prediction_rows(predictions(500))
    gateway.lose_answers = 1
    with pytest.raises(Unreachable):
        writer.upsert("predictions", rows)
    assert len(gateway.requests) == 1
    assert ask("select count(*) from predictions") == [(500,)]
    writer.upsert("predictions", rows)
    writer.close()
    assert ask("select count(*), count(distinct id) from predictions") == [(500, 500)]


@pytest.mark.postgrest
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 520])
def test_a_gateway_that_is_busy_is_unreachable_and_not_a_refusal(
    status: int, gateway: Gateway
) -> None:
    """An HTML page with such a status says that the rows may come again."""
    writer = SupabaseWriter(SecretStr(gateway.url), SecretStr(key_of("crypto_nn_writer")))
    gateway.fail_with = [status]
    with pytest.raises(Unreachable, match=str(status)):
        writer.upsert("predictions", prediction_rows(predictions(1)))
    assert gateway.fail_with == []
    writer.close()


@pytest.mark.postgrest
def test_a_refused_key_is_a_refusal_that_names_the_variable(gateway: Gateway) -> None:
    for key in (key_of("anon"), key_of("crypto_nn_reader"), key_of("anon", "x" * 32), "nonsense"):
        writer = SupabaseWriter(SecretStr(gateway.url), SecretStr(key))
        with pytest.raises(DatabaseError, match="SUPABASE_KEY") as caught:
            writer.upsert("predictions", prediction_rows(predictions(1)))
        assert not isinstance(caught.value, Unreachable | Rejected)
        assert key not in str(caught.value)
        writer.close()


@pytest.mark.postgrest
def test_a_narrow_token_writes_behind_the_public_key(gateway: Gateway, ask: Any) -> None:
    """As on Supabase, where the gateway knows only the project's own keys."""
    token = SecretStr(key_of("crypto_nn_writer"))
    url, key = SecretStr(gateway.url), SecretStr(key_of("anon"))
    writer = SupabaseWriter(url, key, DatabaseAddress(), token)
    writer.upsert("predictions", prediction_rows(predictions(2)))
    writer.close()
    assert ask("select count(*) from predictions") == [(2,)]


def test_an_empty_database_asks_for_its_migration(plain: Cluster) -> None:
    plain.run("create database empty")
    writer = PostgresWriter(SecretStr(plain.dsn("empty")))
    with pytest.raises(DatabaseError, match="crypto-nn db migrate"):
        writer.upsert("predictions", prediction_rows(predictions(1)))


def test_no_key_or_password_is_in_errors_logs_or_reprs(
    supabase_like: Cluster, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """H11: unreachable, refused, and wrongly written addresses and keys."""
    caplog.set_level(logging.DEBUG)
    port, folder = free_port(), supabase_like.socket_folder
    rows = prediction_rows(predictions(1))
    writers: list[Writer] = [
        PostgresWriter(SecretStr(f"postgresql://u:{CANARY}@127.0.0.1:{port}/x")),
        PostgresWriter(SecretStr(f"postgresql://nobody:{CANARY}@/{database}?host={folder}")),
        PostgresWriter(SecretStr(f"postgresql//u:{CANARY}@host")),
        PostgresWriter(SecretStr(f"host=127.0.0.1 port={port} pasword={CANARY}")),
        SupabaseWriter(SecretStr(f"http://127.0.0.1:{port}"), SecretStr(CANARY)),
        SupabaseWriter(SecretStr(f"127.0.0.1/{CANARY}"), SecretStr(CANARY)),
        SupabaseWriter(SecretStr(f"http://127.0.0.1:{port}"), SecretStr(f"{CANARY}\n")),
        SupabaseWriter(SecretStr(f"http://127.0.0.1:{port}/é"), SecretStr(f"{CANARY}é")),
    ]
    for writer in writers:
        with pytest.raises(DatabaseError) as caught:
            writer.upsert("predictions", rows)
        assert CANARY not in f"{caught.value!r} {writer!r} {vars(writer)}"
        assert caught.value.__suppress_context__
        writer.close()
    assert CANARY not in caplog.text
