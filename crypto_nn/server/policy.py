"""Who may do what: names, tokens, roles by path, and how often."""

from collections.abc import Collection
from dataclasses import dataclass, field

from crypto_nn.errors import ConfigError
from crypto_nn.server.heads import WEBSOCKET, Head
from crypto_nn.server.origins import LOCAL_NAMES, host_name, is_loopback
from crypto_nn.server.tokens import OPERATE_TOKENS, READ_TOKENS, Role, Tokens
from crypto_nn.serving import RateLimits

PUBLIC = frozenset({"/health", "/ready"})
READING_POSTS = frozenset({"/predict"})
CONTENT_SECURITY = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'"
)


@dataclass(frozen=True)
class Policy:
    """What the guards hold requests to. `Policy.for_host` makes one that is safe for an address.

    Attributes:
        tokens: those in force. With none, everybody may read and nobody may operate.
        hosts: names under which the server answers, as in the header Host, without ports.
        origins: other sites whose pages may send and listen, as in the header Origin.
        public: exact paths that GET and HEAD reach without a token and without a limit.
        page_files: exact paths of the live page's own files, which hold no data: they need no token
            because a browser cannot send one with a navigation.
        reading: exact paths to which a POST only reads. Every other method that is not GET, HEAD
            or OPTIONS needs the role operate, so that a new route is closed until it is named.
        limits: how often a caller may ask.
        max_body: bytes of a request's body.
        content_security: the header Content-Security-Policy of every answer.
    """

    tokens: Tokens = field(default_factory=Tokens)
    hosts: frozenset[str] = LOCAL_NAMES
    origins: frozenset[str] = frozenset()
    public: frozenset[str] = PUBLIC
    page_files: frozenset[str] = frozenset()
    reading: frozenset[str] = READING_POSTS
    limits: RateLimits = field(default_factory=RateLimits)
    max_body: int = 256 * 1024
    content_security: str = CONTENT_SECURITY

    @classmethod
    def for_host(
        cls,
        host: str,
        tokens: Tokens,
        *,
        hosts: Collection[str] = (),
        origins: Collection[str] = (),
        page_files: Collection[str] = (),
        reading: Collection[str] = READING_POSTS,
        limits: RateLimits | None = None,
    ) -> "Policy":
        """The policy of a server that listens on `host`.

        Raises:
            ConfigError: others than this machine could reach it, and there is no token.
        """
        if not tokens and not is_loopback(host):
            raise ConfigError(
                f"The server would listen on {host}, where others can reach it, and there is no "
                f"token. Set {READ_TOKENS} and {OPERATE_TOKENS} (`openssl rand -hex 32` draws a "
                "token), or listen on 127.0.0.1."
            )
        if not tokens and (hosts or origins):
            raise ConfigError(
                f"`hosts` {sorted(hosts)} and `origins` {sorted(origins)} let others than this "
                f"machine's own pages in, and there is no token. Set {READ_TOKENS}, or leave both "
                "empty."
            )
        names = {host_name(name) for name in (host, *hosts)}
        return cls(
            tokens=tokens,
            hosts=LOCAL_NAMES | names,
            origins=frozenset(origins),
            page_files=frozenset(page_files),
            reading=frozenset(reading),
            limits=limits or RateLimits(),
        )

    def is_public(self, head: Head) -> bool:
        """Whether the request is for one of the paths that are open and not counted."""
        return head.method in ("GET", "HEAD") and head.path == head.raw_path in self.public

    def needs(self, head: Head) -> Role | None:
        """The role that a request needs; None where it needs no token."""
        looks = head.method in ("GET", "HEAD")
        if looks and head.path == head.raw_path and head.path in self.public | self.page_files:
            return None
        if head.reads or head.method == WEBSOCKET:
            return Role.READ
        return Role.READ if (head.method, head.path) in self._posts else Role.OPERATE

    @property
    def _posts(self) -> frozenset[tuple[str, str]]:
        return frozenset(("POST", path) for path in self.reading)
