"""What the docstring of an indicator says: its meaning, its definition and its source."""

import inspect
import re
from dataclasses import dataclass

_SOURCE = "Source: "


@dataclass(frozen=True)
class Told:
    """A docstring in its parts, each without line breaks inside a paragraph.

    Attributes:
        meaning: the first sentence: what it says about the market.
        definition: how it is computed, paragraphs apart by a blank line; may be empty.
        source: the paper or book; empty where none is named.
    """

    meaning: str
    definition: str = ""
    source: str = ""


def told_by(kind: type) -> Told:
    """What a class says of itself."""
    text = inspect.cleandoc(kind.__doc__ or "")
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]
    if not paragraphs:
        return Told(meaning=kind.__name__)
    source = [part.removeprefix(_SOURCE) for part in paragraphs if part.startswith(_SOURCE)]
    rest = [part for part in paragraphs[1:] if not part.startswith(_SOURCE)]
    return Told(paragraphs[0], "\n\n".join(rest), " ".join(source))
