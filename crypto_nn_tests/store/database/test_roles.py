"""The public gets nothing; the reader looks; the writer adds and corrects; nobody removes."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from postgrest.exceptions import APIError
from supabase import Client, create_client
from supabase.lib.client_options import SyncClientOptions

from crypto_nn_tests.store.database.servers import Cluster, Gateway, key_of

TABLES = ("predictions", "model_metrics", "bars", "crypto_nn_migrations")
COLUMN = {"predictions": "symbol", "model_metrics": "symbol", "bars": "symbol",
          "crypto_nn_migrations": "name"}  # fmt: skip
FILL = """
  insert into predictions values (gen_random_uuid(), '2024-01-01Z', 'BTC-USDT', 'v1', 15, 2, 'up',
    0.5);
  insert into model_metrics values (gen_random_uuid(), '2024-01-01Z', 'v1');
  insert into bars values ('BTC-USDT', '2024-01-01Z', 1, 1, 1, 1, 1)
"""


@pytest.fixture
def filled(supabase_like: Cluster, database: str) -> str:
    """The project with one row in each table."""
    supabase_like.run(FILL, database)
    return database


def attempts(table: str) -> dict[str, str]:
    """What one might do with a table."""
    column = COLUMN[table]
    return {
        "select": f"select {column} from {table}",  # noqa: S608
        "insert": f"insert into {table} select * from {table}",  # noqa: S608
        "insert blindly": f"insert into {table} default values",
        "update": f"update {table} set {column} = 'x'",  # noqa: S608
        "delete": f"delete from {table}",  # noqa: S608
        "truncate": f"truncate {table}",
        "lock": f"lock {table} in access exclusive mode",
        "alter": f"alter table {table} disable row level security",
        "drop": f"drop table {table}",
        "trigger": f"create trigger t before insert on {table} execute function crypto_nn_stamp()",
    }


def refused(cluster: Cluster, database: str, role: str, sql: str) -> str:
    """The SQLSTATE with which a role is refused; empty where it was let do it, and undone."""
    with psycopg.connect(cluster.dsn(database, "authenticator")) as connection:
        connection.execute(f"set role {role}".encode())
        try:
            connection.execute(sql.encode())
        except psycopg.Error as error:
            return error.sqlstate or "?"
        finally:
            connection.rollback()
    return ""


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_the_public_is_refused_everything(role: str, supabase_like: Cluster, filled: str) -> None:
    """H12: though Supabase's defaults would have let it do all of this."""
    everything = {
        **{f"{table}: {what}": sql for table in TABLES for what, sql in attempts(table).items()},
        "create a table": "create table public.mine (x int)",
        "create a function": "create function public.mine() returns int return 1",
        "call": "select public.crypto_nn_stamp()",
    }
    got = {what: refused(supabase_like, filled, role, sql) for what, sql in everything.items()}
    assert {what: state for what, state in got.items() if state != "42501"} == {}
    with psycopg.connect(supabase_like.dsn(filled)) as connection:
        member = "select pg_has_role(%s, 'crypto_nn_writer', 'MEMBER')"
        assert connection.execute(member, (role,)).fetchone() == (False,)


def test_what_is_made_later_is_not_the_publics_either(supabase_like: Cluster, filled: str) -> None:
    """Supabase's own default, which grants new tables to everybody, is undone."""
    made = "create table later (x serial); create function rpc() returns int language sql return 1"
    supabase_like.run(made, filled, "owner")
    try:
        for sql in ("select x from later", "select nextval('later_x_seq')", "select rpc()"):
            for role in ("anon", "authenticated"):
                assert refused(supabase_like, filled, role, sql) == "42501"
    finally:
        supabase_like.run("drop table later; drop function rpc", filled, "owner")


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("crypto_nn_writer", {"select", "insert", "update", "lock"}),
        ("crypto_nn_reader", {"select"}),
    ],
)
def test_narrow_roles_may_what_they_are_for_and_no_more(
    role: str, may: set[str], supabase_like: Cluster, filled: str
) -> None:
    """Nobody but the owner removes rows or changes tables."""
    for table in TABLES[:3]:
        got = {
            what: refused(supabase_like, filled, role, sql)
            for what, sql in attempts(table).items()
            if what != "insert blindly"
        }
        rules = ("23505", "23514")  # let in, and then stopped by a rule of the table
        let = {what for what, state in got.items() if state in ("", *rules)}
        assert let == may
        assert {got[what] for what in got.keys() - let} == {"42501"}
    for sql in attempts("crypto_nn_migrations").values():
        assert refused(supabase_like, filled, role, sql) == "42501"


@contextmanager
def client(gateway: Gateway, key: str, token: str | None = None) -> Iterator[Client]:
    """supabase-py as anybody would use it."""
    with httpx.Client() as connections:
        headers = {"Authorization": f"Bearer {token or key}"}
        options = SyncClientOptions(httpx_client=connections, headers=headers)
        yield create_client(gateway.url, key, options)


@pytest.mark.postgrest
@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_the_public_is_refused_everything_by_the_api(
    role: str, gateway: Gateway, supabase_like: Cluster, filled: str
) -> None:
    """Select, insert, update, upsert, delete and calls, by supabase-py, through PostgREST."""
    with client(gateway, key_of(role)) as public:
        for table in TABLES:
            asked, column = public.table(table), COLUMN[table]
            for query in (
                asked.select("*"),
                asked.select(column).limit(1),
                asked.insert({column: "x"}),
                asked.upsert({column: "x"}),
                asked.update({column: "x"}).neq(column, ""),
                asked.delete().neq(column, ""),
            ):
                with pytest.raises(APIError) as caught:
                    query.execute()
                assert caught.value.code == "42501"
        for function in ("crypto_nn_stamp", "pg_sleep"):
            with pytest.raises(APIError) as caught:
                public.rpc(function, {}).execute()
            assert caught.value.code == "PGRST202"  # there is no such function
    assert supabase_like.run("select count(*) from predictions", filled) == [(1,)]


@pytest.mark.postgrest
def test_the_api_tells_the_public_of_no_table(gateway: Gateway, filled: str) -> None:
    """Its description of itself names what a role may use: for the public, nothing."""
    for key, known in ((key_of("anon"), False), (key_of("crypto_nn_reader"), True)):
        headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        told = httpx.get(f"{gateway.url}/rest/v1/", headers=headers).json()
        assert ("/predictions" in told["paths"]) == known
        assert [path for path in told["paths"] if "stamp" in path] == []


@pytest.mark.postgrest
def test_keys_of_another_secret_or_of_no_role_open_nothing(gateway: Gateway, filled: str) -> None:
    forged = key_of("service_role", "another-secret-of-at-least-32-characters")
    unknown = key_of("postgres")
    for key, code in ((forged, "PGRST301"), (unknown, "42501")):
        with client(gateway, key) as stranger, pytest.raises(APIError) as caught:
            stranger.table("bars").select("*").execute()
        assert caught.value.code == code


@pytest.mark.postgrest
def test_the_reader_sees_and_cannot_change_by_the_api(gateway: Gateway, filled: str) -> None:
    """The dashboard's token, behind the project's public key."""
    with client(gateway, key_of("anon"), key_of("crypto_nn_reader")) as dashboard:
        for table in TABLES[:3]:
            assert len(dashboard.table(table).select("*").execute().data) == 1
            for query in (
                dashboard.table(table).insert({"symbol": "BTC-USDT"}),
                dashboard.table(table).update({"symbol": "ETH-USDT"}).neq("symbol", ""),
                dashboard.table(table).delete().neq("symbol", ""),
            ):
                with pytest.raises(APIError) as caught:
                    query.execute()
                assert caught.value.code == "42501"
