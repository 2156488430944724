"""From which page and under which name a request comes: Host, Origin and Sec-Fetch-Site."""

import ipaddress
import re
from collections.abc import Collection

from crypto_nn.server.heads import Head
from crypto_nn.server.refusals import Refusal

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(r"(https?)://([^/?#@\s]+)")
_PORT = {"http": "80", "https": "443"}


def is_loopback(host: str) -> bool:
    """Whether a server that listens there can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """A name or address as it stands in the header Host: IPv6 in brackets, lower case."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host.lower()


def check_host(head: Head, hosts: Collection[str]) -> Refusal | None:
    """Refuse a name that is not ours: a page may point its own name at this address.

    Without this check, such a page (DNS rebinding) would be of the same origin as the server.
    """
    host = head.one("host")
    named = _HOST.fullmatch(host) if host is not None else None
    if named is None:
        return Refusal(400, "bad_host", "The request needs exactly one well-formed Host header.")
    if named[1].lower() not in hosts:
        return Refusal(
            421,
            "unknown_host",
            "This server does not answer under the name in the Host header. Its operator can "
            "allow the name in the setting `hosts` of `serve`.",
        )
    return None


def check_origin(head: Head, origins: Collection[str]) -> Refusal | None:
    """Refuse what another site's page sends, where it could change something or listen.

    Requests that only read are let through: the browser shows their answers to no other site.
    Programs other than browsers send neither header.
    """
    if head.reads:
        return None
    sites, found = head.all("sec-fetch-site"), head.all("origin")
    allowed = bool(found) and all(origin in origins for origin in found)
    if not allowed and any(site not in ("same-origin", "none") for site in sites):
        return _foreign("Sec-Fetch-Site")
    if not allowed and any(not _is_own(origin, head.one("host") or "") for origin in found):
        return _foreign("Origin")
    return None


def _is_own(origin: str, host: str) -> bool:
    """Whether an origin is that of the host to which the request goes, with the same port."""
    parts = _ORIGIN.fullmatch(origin)
    if parts is None:
        return False
    there, here = _HOST.fullmatch(parts[2]), _HOST.fullmatch(host)
    if there is None or here is None:
        return False
    usual = _PORT[parts[1]]
    return (there[1].lower(), there[2] or usual) == (here[1].lower(), here[2] or usual)


def _foreign(header: str) -> Refusal:
    return Refusal(
        403,
        "foreign_origin",
        f"The header {header} says that another site's page sends this. Its operator can allow "
        "an origin in the setting `origins` of `serve`.",
    )
