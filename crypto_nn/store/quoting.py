"""The one place where a name or text becomes part of SQL; values are bound instead."""


def quote(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string, for statements that take no bound values (ATTACH, SET, COMMENT)."""
    return "'" + text.replace("'", "''") + "'"
