"""A document as Markdown, for a README, a terminal or Dagster's metadata."""

from collections.abc import Sequence

from crypto_nn.pictures.document import (
    Block,
    Code,
    Document,
    Drawing,
    Facts,
    Heading,
    Table,
    Verdicts,
    Words,
)
from crypto_nn.pictures.embed import markdown as embedded

MARKS = {"good": "✓", "neutral": "–", "warning": "!"}


def to_markdown(document: Document, pictures: bool = False) -> str:
    """The document as Markdown; pictures go in as data (some 50 kB each), or are left out."""
    parts = [f"# {_plain(document.title)}", _plain(document.subtitle)]
    parts += [_block(block, pictures) for block in document.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def table_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with its first column to the left and numbers to the right."""
    head = f"| {' | '.join(_cell(name) for name in columns)} |"
    rule = f"|{'|'.join([':--', *['--:'] * (len(columns) - 1)])}|"
    return "\n".join([head, rule, *(f"| {' | '.join(_cell(c) for c in row)} |" for row in rows)])


def _block(block: Block, pictures: bool) -> str:
    match block:
        case Heading(text):
            return f"## {_plain(text)}"
        case Words(text):
            return _plain(text)
        case Code(text):
            return f"```\n{text.replace('```', '')}\n```"
        case Verdicts(lines):
            return "\n".join(f"- **{MARKS[tone]}** {_plain(text)}" for tone, text in lines)
        case Facts(rows):
            return table_markdown(("", ""), rows)
        case Drawing(picture, alt):
            return embedded(picture, alt) if pictures else ""
        case Table(columns, rows, caption):
            table = table_markdown(columns, rows)
            return f"**{_plain(caption)}**\n\n{table}" if caption else table


def _plain(text: str) -> str:
    return " ".join(text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").split())


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")
