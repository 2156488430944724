"""Migrations run once, whole, in order; what they leave behind is shut to everybody else."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from crypto_nn.errors import DatabaseError
from crypto_nn.store.database import migrate, status
from crypto_nn.store.database.migrate import FOLDER, migrations
from crypto_nn.store.database.postgres import PostgresWriter
from crypto_nn.store.database.rows import prediction_rows
from crypto_nn_tests.store.database.made import predictions
from crypto_nn_tests.store.database.servers import Cluster, make_project

NAMES = [migration.name for migration in migrations()]
CATALOGUE = """
  select 'table', c.oid::regclass::text, c.relkind::text, c.relrowsecurity::text,
         c.relforcerowsecurity::text, c.relacl::text
  from pg_class c where relnamespace = 'public'::regnamespace
  union all
  select 'column', attrelid::regclass::text, attname, format_type(atttypid, atttypmod),
         attnotnull::text, attacl::text
  from pg_attribute a join pg_class c on c.oid = attrelid
  where relnamespace = 'public'::regnamespace and attnum > 0
  union all select 'policy', tablename, policyname, roles::text, qual, with_check from pg_policies
  union all select 'rule', conrelid::regclass::text, conname, pg_get_constraintdef(oid), null, null
  from pg_constraint where connamespace = 'public'::regnamespace
  union all select 'function', p.oid::regprocedure::text, md5(prosrc), proacl::text, null, null
  from pg_proc p where pronamespace = 'public'::regnamespace
  union all select 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), null, null
  from pg_trigger where not tgisinternal
  union all
  select 'default', defaclobjtype::text, defaclacl::text, defaclnamespace::text, null, null
  from pg_default_acl
  order by 1, 2, 3, 4
"""


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The files, to be changed at will."""
    return Path(shutil.copytree(FOLDER, tmp_path / "migrations"))


def test_a_second_run_finds_nothing_to_do(plain: Cluster, supabase_like: Cluster) -> None:
    """On Postgres as it comes and on Supabase, where the login is no superuser."""
    plain.run("create database twice")
    make_project(supabase_like, "twice")
    for cluster, user in ((plain, "postgres"), (supabase_like, "owner")):
        dsn = cluster.dsn("twice", user)
        assert [each.applied_at for each in status(dsn)] == [None] * len(NAMES)
        assert migrate(dsn) == NAMES
        assert migrate(dsn) == []
        assert all(each.applied_at for each in status(dsn))


def test_two_runners_at_once_run_each_file_once(plain: Cluster) -> None:
    plain.run("create database together")
    with ThreadPoolExecutor(4) as pool:
        ran = list(pool.map(migrate, [plain.dsn("together")] * 4))
    assert sorted(name for names in ran for name in names) == NAMES


def test_runners_see_each_other_whatever_isolation_the_database_prefers(plain: Cluster) -> None:
    plain.run("create database strict")
    plain.run("alter database strict set default_transaction_isolation = 'serializable'")
    with ThreadPoolExecutor(4) as pool:
        ran = list(pool.map(migrate, [plain.dsn("strict")] * 4))
    assert sorted(name for names in ran for name in names) == NAMES


def test_a_table_of_the_same_name_that_is_not_ours_is_told(plain: Cluster) -> None:
    """And not that the database is not migrated, which is what is being done."""
    plain.run("create database foreign_table")
    plain.run("create table bars (mine int)", "foreign_table")
    with pytest.raises(DatabaseError, match=r'column "ts" does not exist.* not ours') as caught:
        migrate(plain.dsn("foreign_table"))
    assert "db migrate" not in str(caught.value)


def test_a_changed_file_is_an_error(plain: Cluster, copied: Path) -> None:
    """Line ends do not matter; a word does, and nothing runs then."""
    plain.run("create database changed")
    migrate(plain.dsn("changed"), copied)
    path = copied / f"{NAMES[1]}.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (copied / "9999_more.sql").write_text("create table more ()")
    assert migrate(plain.dsn("changed"), copied) == ["9999_more"]
    path.write_text(path.read_text() + "-- a word")
    for act in (migrate, status):
        with pytest.raises(DatabaseError, match=f"{NAMES[1]} was changed after it ran"):
            act(plain.dsn("changed"), copied)


def test_a_file_that_fails_leaves_nothing_and_those_before_it_stay(
    plain: Cluster, copied: Path
) -> None:
    plain.run("create database failing")
    (copied / "9999_bad.sql").write_text("create table bad (); select 1/0;")
    with pytest.raises(DatabaseError, match=r"Migration 9999_bad failed.*division by zero"):
        migrate(plain.dsn("failing"), copied)
    assert plain.run("select to_regclass('public.bad')", "failing") == [(None,)]
    assert migrate(plain.dsn("failing")) == []


def test_a_database_that_knows_more_or_skipped_a_file_is_an_error(
    plain: Cluster, copied: Path
) -> None:
    plain.run("create database newer")
    (copied / "9999_more.sql").write_text("create table more ()")
    migrate(plain.dsn("newer"), copied)
    with pytest.raises(DatabaseError, match="has run 9999_more, which this version does not know"):
        migrate(plain.dsn("newer"))
    (copied / "9998_late.sql").write_text("create table late ()")
    with pytest.raises(DatabaseError, match="has run 9999_more but not 9998_late"):
        migrate(plain.dsn("newer"), copied)


def test_every_file_may_be_run_again_by_hand(supabase_like: Cluster) -> None:
    """Pasted into Supabase's editor once more, they change nothing at all."""
    make_project(supabase_like, "again")
    migrate(supabase_like.dsn("again", "owner"))
    before = supabase_like.run(CATALOGUE, "again")
    for migration in migrations():
        supabase_like.run(migration.sql, "again", "owner")
    assert supabase_like.run(CATALOGUE, "again") == before
    assert len(before) > 100


def test_every_table_has_forced_row_security_and_nothing_for_the_public(
    supabase_like: Cluster, project: str
) -> None:
    """H12, of whatever tables, views, sequences and functions there will ever be."""
    tables = supabase_like.run(
        "select relname, relrowsecurity, relforcerowsecurity from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'f', 'm')",
        project,
    )
    assert {name for name, *_ in tables} == {
        "predictions", "model_metrics", "bars", "crypto_nn_migrations",
    }  # fmt: skip
    assert all(enabled and forced for _, enabled, forced in tables)
    views = supabase_like.run(
        "select relname from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind = 'v' and not 'security_invoker=true' = any(coalesce(reloptions, '{}'))",
        project,
    )
    assert views == []
    granted = supabase_like.run(
        "select relname, acl.grantee::regrole from pg_class, aclexplode(relacl) acl"
        " where relnamespace = 'public'::regnamespace"
        "   and acl.grantee in (0, 'anon'::regrole, 'authenticated'::regrole)"
        " union all select proname, acl.grantee::regrole from pg_proc, aclexplode(proacl) acl"
        " where pronamespace = 'public'::regnamespace"
        "   and acl.grantee in (0, 'anon'::regrole, 'authenticated'::regrole)"
        " union all select proname, null from pg_proc"
        " where pronamespace = 'public'::regnamespace and proacl is null",
        project,
    )
    assert granted == []
    policies = supabase_like.run("select roles::text from pg_policies", project)
    assert {roles for (roles,) in policies} == {
        "{crypto_nn_writer}", "{crypto_nn_reader}", "{owner}",
    }  # fmt: skip


def test_an_owner_whom_row_security_binds_can_migrate_and_write(supabase_like: Cluster) -> None:
    """As on hosted Postgres, where nobody may pass by row security: the writer steps down."""
    supabase_like.run("create role tenant login createrole")
    supabase_like.run("create database hosted owner tenant")
    supabase_like.run("grant crypto_nn_writer, crypto_nn_reader to tenant with admin option")
    dsn = supabase_like.dsn("hosted", "tenant")
    assert migrate(dsn) == NAMES
    assert migrate(dsn) == []
    writer = PostgresWriter(SecretStr(dsn))
    writer.upsert("predictions", prediction_rows(predictions(3)))
    writer.close()
    assert supabase_like.run("select count(*) from predictions", "hosted") == [(3,)]


def test_a_role_that_may_too_much_is_refused(plain: Cluster) -> None:
    plain.run("create database powerful")
    migrate(plain.dsn("powerful"))
    plain.run("create database powerful_too")
    plain.run("alter role anon bypassrls")
    try:
        with pytest.raises(DatabaseError, match=r"anon may do more than is due\. Take superuser"):
            migrate(plain.dsn("powerful_too"))
    finally:
        plain.run("alter role anon nobypassrls")


def test_addresses_that_cannot_be_read_or_reached_are_clear_and_silent_on_passwords(
    plain: Cluster,
) -> None:
    for dsn, said in (
        ("postgres//user:s3cr%65t-word@host", "CRYPTO_NN_DATABASE is not an address"),
        ("host=127.0.0.1 port=1 password=s3cret-word", "cannot be reached"),
        ("postgresql://nobody:s3cret-word@127.0.0.1:1/x", "cannot be reached"),
        (f"{plain.dsn('nowhere')}&password=s3cret-word", 'database "nowhere" does not exist'),
    ):
        with pytest.raises(DatabaseError, match=said) as caught:
            migrate(dsn)
        assert "s3cr" not in repr(caught.value)
        assert caught.value.__cause__ is None
        assert not isinstance(caught.value, psycopg.Error)
