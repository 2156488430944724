"""What an exchange can do to its clients."""

from dataclasses import dataclass
from typing import Literal

RestKind = Literal[
    "status",  # an HTTP error: `status`, with Retry-After where given
    "cut",  # the connection closes in the middle of the body
    "truncated",  # a body of the announced length whose JSON stops in the middle
    "html",  # an error page of a proxy, with status 200
    "error_body",  # status 200, but the body says ERROR
    "empty",  # status 200 and OK, but no results although there are some
    "repeat",  # the page before, once more, where a next page was asked for
    "same_cursor",  # the right page, whose next_url leads to itself
    "garbage",  # JSON of another shape
    "bad_rows",  # results with missing or unreadable fields
    "reset",  # the connection is reset before a word is said
    "hang",  # no answer at all
]

RIGHT = ("", "same_cursor", "repeat")
"""Kinds whose rows are right where they are those that were asked for."""


@dataclass(frozen=True)
class RestFault:
    """How one REST request is answered instead of rightly.

    Attributes:
        kind: see `RestKind`.
        status: for "status".
        retry_after: seconds, or an HTTP date, as the header says it; None leaves it out.
    """

    kind: RestKind
    status: int = 500
    retry_after: str | None = None


GARBAGE: tuple[str | bytes, ...] = (
    "",
    "{",
    "null",
    "7",
    '{"ev":"XA"}',
    '[{"ev":"XA","pair":"BTC-USD"}]',
    '[{"ev":"XA","pair":"BTC-USD","o":"many","h":1,"l":1,"c":1,"v":1,"s":"soon"}]',
    '[{"ev":"XA","pair":7,"o":1,"h":1,"l":1,"c":1,"v":1,"s":null}]',
    '[{"ev":"XA","pair":"../etc","o":1,"h":1,"l":1,"c":1,"v":1,"s":1}]',
    "[null, 3, []]",
    "<html><body>502 Bad Gateway</body></html>",
    b"\x00\xff\xfe binary \x80",
)
"""Frames that a client must survive; none of them tells of a bar."""
