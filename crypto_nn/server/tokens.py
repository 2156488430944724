"""Who may ask: tokens by role, kept as hashes and compared in constant time."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from pydantic import SecretStr

from crypto_nn.environment import secret
from crypto_nn.errors import ConfigError

SHORTEST = 24
_FORM = re.compile(rf"[A-Za-z0-9._~-]{{{SHORTEST},200}}")
_HASHED = re.compile(r"sha256:[0-9a-f]{64}")


class Role(IntEnum):
    """What a token allows; the higher role may do all that the lower one may."""

    READ = 1
    OPERATE = 2


READ_TOKENS = "CRYPTO_NN_READ_TOKENS"
OPERATE_TOKENS = "CRYPTO_NN_OPERATE_TOKENS"


@dataclass(frozen=True)
class Caller:
    """Who asks: a role, and a name for limits and logs from which no token can be had."""

    role: Role
    key: str


@dataclass(frozen=True)
class Tokens:
    """The tokens in force: SHA-256 of each, with its role; truthy where there is one.

    A token is 24 to 200 letters, digits and `._~-`, drawn by chance (`openssl rand -hex 32`). A
    plain SHA-256 protects such a token; it would not protect a word that a person chose.
    """

    digests: tuple[tuple[bytes, Role], ...] = field(default=(), repr=False)

    @classmethod
    def from_environment(cls) -> "Tokens":
        """Those of CRYPTO_NN_READ_TOKENS and CRYPTO_NN_OPERATE_TOKENS, separated by commas.

        Each is a token, or `sha256:` and the 64 hexadecimal digits of its hash, so that the
        token itself need not lie on the server. Several of a role let an old one run out.

        Raises:
            ConfigError: one has another form, or stands twice; the message does not show it.
        """
        return cls.from_text(secret(READ_TOKENS), secret(OPERATE_TOKENS))

    @classmethod
    def from_text(cls, read: SecretStr | None, operate: SecretStr | None) -> "Tokens":
        """Tokens of both roles from texts with commas; None where there are none of a role."""
        of_role = ((Role.READ, READ_TOKENS, read), (Role.OPERATE, OPERATE_TOKENS, operate))
        digests = tuple(
            (digest, role) for role, name, text in of_role for digest in _digests(name, text)
        )
        if len({digest for digest, _ in digests}) < len(digests):
            raise ConfigError(
                f"A token stands twice in {READ_TOKENS} and {OPERATE_TOKENS}. A token has one "
                "role, and one that may operate may also read: keep it in one of them."
            )
        return cls(digests)

    def __bool__(self) -> bool:
        return bool(self.digests)

    def __repr__(self) -> str:
        counts = (f"{r.name.lower()}={sum(r is of for _, of in self.digests)}" for r in Role)
        return f"Tokens({', '.join(counts)})"

    def caller(self, presented: str) -> Caller | None:
        """Who presents a token; None where it is not in force. Compares with every one of them."""
        digest = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).digest()
        found = None
        for known, role in self.digests:
            if hmac.compare_digest(known, digest):
                found = Caller(role, digest.hex()[:12])
        return found


def hashed(token: str) -> str:
    """A token as it may lie in the environment of a server: `sha256:` and its hash."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def _digests(name: str, text: SecretStr | None) -> Iterable[bytes]:
    entries = [] if text is None else text.get_secret_value().split(",")
    for number, entry in enumerate((entry.strip() for entry in entries), start=1):
        if _HASHED.fullmatch(entry):
            yield bytes.fromhex(entry.removeprefix("sha256:"))
        elif _FORM.fullmatch(entry):
            yield hashlib.sha256(entry.encode()).digest()
        else:
            raise ConfigError(
                f"{name}: entry {number} of {len(entries)} has {len(entry)} characters and is no "
                f"token. One is {SHORTEST} to 200 letters, digits and ._~- (`openssl rand -hex "
                "32`), or sha256: and 64 hexadecimal digits in lower case; commas separate them."
            )
