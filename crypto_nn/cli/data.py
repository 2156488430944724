"""What is kept: tables, gaps, the database beside them."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crypto_nn.cli.shared import (
    Symbols,
    console,
    experiment,
    group,
    lake,
    print_rows,
    table,
)
from crypto_nn.environment import home, secret
from crypto_nn.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa
    from pydantic import SecretStr

    from crypto_nn.store.database import DatabaseConfig

_LONGEST = 160  # characters of a cell in a table
commands = group("What is kept.")
database = group("The Postgres or Supabase beside the lake.")


@commands.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="One SELECT; - reads it from stdin.")] = None,
    attach: Annotated[
        bool, typer.Option("--attach", help="Print the lines that attach the lake in any DuckDB.")
    ] = False,
    format: Annotated[str, typer.Option(help="table, csv or json.")] = "table",
    max_rows: Annotated[int, typer.Option(min=1, help="Rows that a table shows at most.")] = 100,
) -> None:
    """Query every table, also while runs write.

    Example: crypto-nn sql "select symbol, count(*) from features group by symbol"
    """
    from crypto_nn.store import sql as queries

    if attach:
        typer.echo(queries.attach_script(lake()))
        return
    if query is None:
        raise ConfigError('Nothing to ask. Give a query: crypto-nn sql "select 1".')
    text = sys.stdin.read() if query == "-" else query
    _print_result(queries.query(lake(), home() / "raw_bars", text), format, max_rows)


@commands.command()
def gaps(
    symbol: Symbols = None,
    as_of: Annotated[
        str | None, typer.Option(help="What was known at a time such as 2025-06-30T12:00 (UTC).")
    ] = None,
    max_rows: Annotated[int, typer.Option(min=1, help="Gaps shown at most.")] = 50,
) -> None:
    """What is missing, put aside or corrected, as tables and as a picture.

    Example: crypto-nn gaps --symbol BTC-USDT
    """
    from crypto_nn import pictures
    from crypto_nn.bars.calendar import instant
    from crypto_nn.store.atomic import write_bytes
    from crypto_nn.store.gaps import report_gaps
    from crypto_nn.store.raw import RawStore

    settings = experiment()
    named = {name: settings.symbol(name).source for name in symbol or settings.symbols}
    report = report_gaps(
        lake(), RawStore(home() / "raw_bars"), named, settings.refill.after, settings.quality,
        None if as_of is None else instant(as_of),
    )  # fmt: skip
    missing, summaries = report.tables()
    print_rows(summaries, title="Bars" if as_of is None else f"Bars as known at {as_of}")
    longest = sorted(missing, key=lambda row: -int(row["minutes"]))[:max_rows]
    if missing:
        print_rows(longest, title="Gaps, the longest first", sparse=True)
    if len(missing) > max_rows:
        console.print(f"{max_rows} of {len(missing)} gaps; --max-rows shows more.")
    path = home() / "reports" / "gaps.png"
    write_bytes(path, pictures.coverage(report.hours).png())
    console.print(f"Picture: {path}", soft_wrap=True, highlight=False)


def _print_result(answer: "pa.Table", format: str, max_rows: int) -> None:
    from crypto_nn.store import render

    if format == "csv":
        typer.echo(render.to_csv(answer), nl=False)
    elif format == "json":
        typer.echo(render.to_json(answer))
    elif format == "table":
        rows = [[_short(cell) for cell in row] for row in render.cells(answer.slice(0, max_rows))]
        console.print(table(answer.column_names, rows))
        if answer.num_rows > max_rows:
            console.print(f"{max_rows} of {answer.num_rows} rows; --max-rows shows more.")
    else:
        raise ConfigError(f"--format {format!r} is not known; there are table, csv, json.")


@database.command()
def migrate() -> None:
    """Bring the database that CRYPTO_NN_DATABASE names up to the tables that are written.

    Example: crypto-nn db migrate
    """
    from crypto_nn.store.database import migrate as run

    dsn, address = _owner()
    applied = run(dsn, address=address)
    console.print(f"Ran {', '.join(applied)}." if applied else "Nothing was due.")


@database.command()
def status() -> None:
    """Which migrations ran, and what waits on disk for the database."""
    from crypto_nn.store.database import Mirror
    from crypto_nn.store.database import status as look

    dsn, address = _owner()
    rows = [
        {"migration": one.name, "applied": str(one.applied_at or "due")}
        for one in look(dsn, address=address)
    ]
    print_rows(rows, title="Migrations")
    state = Mirror(experiment().database, home() / "mirror").state()
    console.print(f"{state.waiting} rows wait on disk, {state.set_aside} are set aside.")


@database.command()
def flush() -> None:
    """Send now what waits on disk for the database.

    Example: crypto-nn db flush
    """
    from crypto_nn.store.database import Mirror

    state = Mirror(experiment().database, home() / "mirror").flush(force=True)
    told = f" {state.problem}" if state.problem else ""
    aside = f", {state.set_aside} are set aside" if state.set_aside else ""
    console.print(f"{state.sent} rows sent, {state.waiting} wait{aside}.{told}", markup=False)


@database.command()
def retry() -> None:
    """Send again what the database refused and was set aside, after its cause was mended.

    Example: crypto-nn db retry
    """
    from crypto_nn.store.database import Mirror

    mirror = Mirror(experiment().database, home() / "mirror")
    mirror.spool.put_back()
    state = mirror.flush(force=True)
    console.print(f"{state.sent} rows sent, {state.set_aside} set aside again.", markup=False)


def _owner() -> "tuple[SecretStr, DatabaseConfig]":
    """The address with which migrations run."""
    address = experiment().database
    dsn = secret(address.dsn_variable)
    if dsn is None:
        raise ConfigError(
            f"{address.dsn_variable} is not set. Set it to postgresql://user:password@host:5432/"
            "database of the database's owner (on Supabase: postgres)."
        )
    return dsn, address


def _short(cell: Any) -> Any:
    """Text that fits a table: the rest of a long one is left to --format csv and json."""
    return f"{cell[:_LONGEST]}…" if isinstance(cell, str) and len(cell) > _LONGEST else cell
