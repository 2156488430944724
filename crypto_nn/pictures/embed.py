"""A picture as one line of Markdown that carries the image itself."""

import base64
from collections.abc import Iterator

from crypto_nn.pictures.canvas import Picture

LIMIT = 60_000  # an event log keeps each of them for ever


def markdown(picture: Picture | str | bytes, alt: str) -> str:
    """`![alt](data:…)` for Dagster's metadata, below about 60 kB where the picture allows it.

    Args:
        picture: a drawing, or one already written as SVG text or PNG bytes. A drawing goes in as
            SVG where that is small, else as PNG at one pixel per screen pixel.
        alt: what the picture shows, for those who cannot see it.
    """
    words = "".join(c for c in alt if c not in "[]()\n\r")
    return f"![{words}]({data_uri(picture)})"


def data_uri(picture: Picture | str | bytes) -> str:
    """The picture as a `data:` address that an image tag takes."""
    if isinstance(picture, Picture):
        uri = ""
        for uri in map(_encode, _forms(picture)):
            if len(uri) <= LIMIT:
                break
        return uri
    return _encode(picture)


def _forms(picture: Picture) -> Iterator[str | bytes]:
    yield picture.svg()
    yield picture.png(1.0)  # a page shows it pixel by pixel: finer would be larger


def _encode(picture: str | bytes) -> str:
    kind, raw = ("svg+xml", picture.encode()) if isinstance(picture, str) else ("png", picture)
    return f"data:image/{kind};base64,{base64.b64encode(raw).decode()}"
