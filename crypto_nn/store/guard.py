"""What a user's query may do: read the lake's tables and compute, nothing else.

DuckDB's own lock-down does not bind its SQLite scanner, and READ_ONLY allows COPY TO. So a query
is taken apart by DuckDB's parser, and only what is on a list of harmless things is let through.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb

from crypto_nn.errors import QueryError

ALLOWED = "Allowed is exactly one SELECT, EXPLAIN, DESCRIBE, SUMMARIZE or SHOW TABLES"
TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "repeat", "json_each", "json_tree",
     "duckdb_tables", "duckdb_columns"}
)  # fmt: skip
REFUSED_FUNCTIONS = frozenset(
    {
        "current_setting", "getvariable", "getenv", "nextval", "currval", "setseed", "write_log",
        "sleep_ms", "pg_sleep", "stats", "json_serialize_plan", "json_execute_serialized_sql",
        "json_deserialize_sql", "parse_duckdb_log_message", "query", "query_table",
    }
)  # fmt: skip
INFORMATION = frozenset({"tables", "columns", "schemata"})
_SHOWN = frozenset({'"tables"', "__show_tables_expanded"})
_GAP = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)"
_EXPLAIN = re.compile(
    rf"{_GAP}*EXPLAIN(?P<how>(?:{_GAP}+ANALYZE\b)?(?:{_GAP}*\([\w\s,]*\))?)(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN_NAME = re.compile(r"\w+")


@dataclass(frozen=True)
class TableName:
    """A table as a query names it; parts that are not written are empty."""

    catalog: str
    schema: str
    name: str

    def __str__(self) -> str:
        return ".".join(part for part in (self.catalog, self.schema, self.name) if part)


@dataclass(frozen=True)
class SafeQuery:
    """One statement that only reads.

    Attributes:
        sql: what may be executed.
        tables: the tables that it reads; whether they exist is for the caller to say.
    """

    sql: str
    tables: tuple[TableName, ...]


def check_query(sql: str) -> SafeQuery:
    """Return the statement if all that it does is on the list, else raise `QueryError`."""
    explain, select = _without_explain(sql)
    nodes = list(_nodes(_parse(select)))
    defined = {name.lower() for node in nodes for name in _defined_names(node)}
    tables = [table for node in nodes for table in _tables(node)]
    for node in nodes:
        _check_functions(node)
        _check_show(node)
    read = {t for t in tables if t.catalog or t.schema or t.name.lower() not in defined}
    return SafeQuery(explain + select, tuple(sorted(read, key=str)))


def _only_statement(sql: str) -> tuple[str, str]:
    if "\0" in sql:
        raise QueryError(f"The query holds a NUL character. {ALLOWED}.")
    try:
        statements = _parser(os.getpid()).extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(f"The query cannot be parsed: {error}") from None
    if len(statements) != 1:
        what = "no statement" if not statements else f"{len(statements)} statements"
        hint = " (a PIVOT needs its values: ON column IN (…))" if "pivot" in sql.lower() else ""
        raise QueryError(f"Found {what}{hint}. {ALLOWED}; send each statement on its own.")
    kind = statements[0].type.name
    if kind not in ("SELECT", "EXPLAIN"):
        raise QueryError(f"{kind.replace('_', ' ')} is refused: it does more than read. {ALLOWED}.")
    return sql, kind


def _without_explain(sql: str) -> tuple[str, str]:
    """What of EXPLAIN there is, and the SELECT behind it."""
    text, kind = _only_statement(sql)
    if kind == "SELECT":
        return "", text
    match = _EXPLAIN.fullmatch(text)
    if match is None:
        raise QueryError("This EXPLAIN cannot be read. Write EXPLAIN [ANALYZE] SELECT ….")
    select, kind = _only_statement(match["rest"])
    if kind != "SELECT":
        raise QueryError(f"EXPLAIN of anything but a SELECT is refused. {ALLOWED}.")
    return f"EXPLAIN{match['how']} ", select


@cache
def _parser(process: int) -> duckdb.DuckDBPyConnection:
    return duckdb.connect()  # one for each process: a parent's cannot be used after a fork


def _parse(select: str) -> Any:
    cursor = _parser(os.getpid()).cursor()
    try:
        row = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [select]).fetchone()
        assert row is not None
        tree = json.loads(row[0])
    except (duckdb.Error, RecursionError) as error:
        raise QueryError(f"The query cannot be taken apart: {error} {ALLOWED}.") from None
    finally:
        cursor.close()
    if tree["error"]:
        raise QueryError(f"The query is refused: {tree['error_message']} {ALLOWED}.")
    return tree["statements"]


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of a syntax tree; without recursion, since queries nest deeply."""
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _defined_names(node: dict[str, Any]) -> Iterator[str]:
    """Names that a WITH clause of the query itself defines."""
    for entry in node.get("cte_map", {}).get("map", ()):
        if not _PLAIN_NAME.fullmatch(entry["key"]):
            raise QueryError(
                f"WITH {entry['key']!r} is refused. Name it with letters, digits and _ only."
            )
        yield entry["key"]


def _tables(node: dict[str, Any]) -> Iterator[TableName]:
    if node.get("type") == "BASE_TABLE":
        yield TableName(node["catalog_name"], node["schema_name"], node["table_name"])


def _check_functions(node: dict[str, Any]) -> None:
    if node.get("type") == "TABLE_FUNCTION":
        name = node["function"].get("function_name", "").lower()
        if name not in TABLE_FUNCTIONS:
            listed = ", ".join(sorted(TABLE_FUNCTIONS))
            raise QueryError(
                f"The table function {name} is refused: it can reach beyond the lake. "
                f"Select from tables by name, or use {listed}."
            )
        node["function"].pop("function_name")  # it is no scalar function
    elif "function_name" in node:
        name = node["function_name"].lower()
        if name in REFUSED_FUNCTIONS or name not in _harmless_functions():
            raise QueryError(
                f"The function {name} is refused or unknown. Allowed are DuckDB's own functions "
                "that compute; see https://duckdb.org/docs/stable/sql/functions/overview."
            )


def _check_show(node: dict[str, Any]) -> None:
    if node.get("type") != "SHOW_REF" or node["query"] is not None:
        return
    if node["show_type"] != "SHOW_FROM" and node["table_name"] not in _SHOWN:
        raise QueryError(f"SHOW {node['table_name']} is refused. {ALLOWED}.")


@cache
def _harmless_functions() -> frozenset[str]:
    """The functions of a DuckDB without extensions: they compute, but for the refused ones."""
    rows = _parser(os.getpid()).execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE internal"
        " AND function_type IN ('scalar', 'aggregate', 'macro')"
    )
    return frozenset(row[0].lower() for row in rows.fetchall()) - REFUSED_FUNCTIONS
