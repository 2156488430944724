"""Messages without what must not be seen."""

from collections.abc import Iterable
from urllib.parse import quote, unquote

from pydantic import SecretStr

HIDDEN = "***"
MAX_CHARS = 500


def redacted(text: object, secrets: Iterable[SecretStr | str]) -> str:
    """One line of the text, with every secret hidden, also as an address would write it."""
    line = " ".join(str(text).split())
    for secret in secrets:
        plain = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        for form in {plain, unquote(plain), quote(plain, safe="")}:
            if form:
                line = line.replace(form, HIDDEN)
    return line if len(line) <= MAX_CHARS else line[: MAX_CHARS - 1] + "…"
