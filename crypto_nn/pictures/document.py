"""A report before it is a page: headings, words, tables and pictures in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from crypto_nn.pictures import Picture

Tone = Literal["good", "neutral", "warning"]


@dataclass(frozen=True)
class Heading:
    """The title of a part."""

    text: str


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Verdicts:
    """Lines that must not be overlooked, each with its tone."""

    lines: Sequence[tuple[Tone, str]]


@dataclass(frozen=True)
class Facts:
    """Names and what they are."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column names them. Rows in `quiet` are set back (baselines)."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    quiet: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture, and what it shows in words."""

    picture: Picture
    alt: str


@dataclass(frozen=True)
class Code:
    """A command, as it is typed."""

    text: str


@dataclass(frozen=True, eq=False)
class Details:
    """What one may want to see, folded away behind a line that says what it is."""

    summary: str
    blocks: "Sequence[Block]"
    is_open: bool = False


Block = Heading | Words | Verdicts | Facts | Table | Drawing | Code | Details


@dataclass(frozen=True)
class Document:
    """A title, a line below it, and blocks."""

    title: str
    subtitle: str
    blocks: Sequence[Block]

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """Every picture in order, also those of folded parts."""
        return tuple(_drawings(self.blocks))


def _drawings(blocks: Sequence[Block]) -> Iterator[Drawing]:
    for block in blocks:
        if isinstance(block, Drawing):
            yield block
        elif isinstance(block, Details):
            yield from _drawings(block.blocks)
