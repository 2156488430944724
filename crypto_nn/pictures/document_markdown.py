"""A document as Markdown, for a README, a terminal or Dagster's metadata."""

from collections.abc import Callable, Sequence
from html import escape

from crypto_nn.pictures.document import (
    Block,
    Code,
    Details,
    Document,
    Drawing,
    Facts,
    Heading,
    Table,
    Verdicts,
    Words,
)
from crypto_nn.pictures.embed import markdown as embedded

Show = Callable[[Drawing], str]
MARKS = {"good": "✓", "neutral": "–", "warning": "!"}


def to_markdown(document: Document, pictures: bool | Show = False) -> str:
    """The document as Markdown.

    Args:
        pictures: True for pictures as data (some 50 kB each), False to leave them out; a function
            writes each as it likes, such as a link to a file.
    """
    parts = [f"# {_plain(document.title)}", _plain(document.subtitle)]
    parts += [_block(block, pictures) for block in document.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def table_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with its first column to the left and numbers to the right."""
    head = f"| {' | '.join(_cell(name) for name in columns)} |"
    rule = f"|{'|'.join([':--', *['--:'] * (len(columns) - 1)])}|"
    return "\n".join([head, rule, *(f"| {' | '.join(_cell(c) for c in row)} |" for row in rows)])


def _block(block: Block, pictures: bool | Show) -> str:
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
        case Details(summary, blocks, is_open):
            inside = [told for each in blocks if (told := _block(each, pictures))]
            opened = "<details open>" if is_open else "<details>"
            head = f"{opened}\n<summary>{escape(summary)}</summary>"
            return "\n\n".join([head, *inside, "</details>"]) if inside else ""
        case Drawing(picture, alt):
            if callable(pictures):
                return pictures(block)
            return embedded(picture, alt) if pictures else ""
        case Table(columns, rows, caption):
            table = table_markdown(columns, rows)
            return f"**{_plain(caption)}**\n\n{table}" if caption else table


def _plain(text: str) -> str:
    return " ".join(text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").split())


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")
