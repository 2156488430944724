"""The ways to a person: a webhook, and everything that apprise knows, without showing addresses."""

import hashlib
import re
import time
import warnings
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from typing import Any, Protocol
from urllib.parse import quote, unquote_plus, urlsplit, urlunsplit

from pydantic import SecretStr

from crypto_nn.monitoring.alert import RESOLVED, Alert
from crypto_nn.monitoring.alert_config import AlertConfig
from crypto_nn.monitoring.unheard import unheard
from crypto_nn.monitoring.webhook import Undelivered, Webhook

_MAIL = ("mailto", "mailtos")
_LONGEST = 3000  # characters of a message to a person; the table `alerts` has all of it
_OF_SERVICES = (OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError,
                ArithmeticError, AssertionError, EOFError, ImportError)  # fmt: skip
_ADDRESS = re.compile(r"[^@\s,;<>&/]+@[^@\s,;<>&/]+")
LOCAL_MAIL = SecretStr("mailto://localhost:25")


class Channel(Protocol):
    """A way to a person."""

    @property
    def name(self) -> str:
        """Its kind and a few digits that tell it from others of its kind."""

    def send(self, alert: Alert) -> None:
        """Hand an alert over.

        Raises:
            Undelivered: it was not taken. Any other error counts as that, without its words.
        """


def channels_of(
    config: AlertConfig, sleep: Callable[[float], None] = time.sleep
) -> tuple[Channel, ...]:
    """Every channel that the settings name, each once."""
    named: list[Channel] = [AppriseChannel(url) for url in config.urls]
    if config.webhook_url:
        named.insert(0, WebhookChannel(config, sleep))
    return tuple({channel.name: channel for channel in named}.values())


def name_of(kind: str, url: SecretStr) -> str:
    """A name for a channel that can be shown: its kind and six digits of its address's hash."""
    return f"{kind}-{hashlib.sha256(url.get_secret_value().encode()).hexdigest()[:6]}"


class WebhookChannel:
    """The webhook of the settings: the JSON of `Alert.to_json`, with attempts and pauses."""

    def __init__(self, config: AlertConfig, sleep: Callable[[float], None]) -> None:
        assert config.webhook_url is not None
        self.config, self.sleep = config, sleep
        self.webhook = Webhook(config.webhook_url, config.timeout_s)
        self.name = name_of("webhook", config.webhook_url)

    def send(self, alert: Alert) -> None:
        """POST the alert, and again after growing pauses where that may help."""
        for attempt in range(1, self.config.attempts + 1):
            try:
                return self.webhook.send(alert.to_json())
            except Undelivered as problem:
                if not problem.passing or attempt == self.config.attempts:
                    raise
                self.sleep(self.config.backoff_s * 2 ** (attempt - 1))
        raise AssertionError("there is at least one attempt")


class AppriseChannel:
    """An address that apprise knows: e-mail, Slack, Telegram, Discord, JSON and many more."""

    def __init__(self, url: SecretStr) -> None:
        self.url = url
        self.name = name_of(_scheme(url), url)
        self._service: Any = None

    def __repr__(self) -> str:
        return f"AppriseChannel({self.name})"

    def send(self, alert: Alert) -> None:
        """Hand the alert over once; what apprise itself logs names addresses and is not heard."""
        with unheard():
            if self._service is None:
                self._service = _service(self.url)
            if self._service is None:
                raise self._undelivered("apprise cannot read this address")
            try:
                taken = self._service.notify(**_letter(alert))
            except _OF_SERVICES as error:  # whose words may name the address
                raise self._undelivered(type(error).__name__) from None
        if not taken:
            raise self._undelivered("it cannot be reached, or refuses")

    def _undelivered(self, why: str) -> Undelivered:
        return Undelivered(
            f"{self.name} did not take the alert ({why}). Check this address in alerts.urls and "
            "the network; the alert will be tried again.",
            passing=True,
        )


def _letter(alert: Alert) -> dict[str, Any]:
    """An alert in the words that apprise takes."""
    from apprise import NotifyFormat, NotifyType

    message = alert.message
    if len(message) > _LONGEST:
        message = f"{message[:_LONGEST]} … (the table alerts has all of it)"
    firing = NotifyType.FAILURE if alert.kind == "failure" else NotifyType.WARNING
    at = str(alert.at.astype("datetime64[s]")).replace("T", " ")
    return {
        "title": " ".join(alert.title.split())[:200],
        "body": f"{message}\n\n{alert.kind} · {alert.state} · {alert.key} · {at} UTC",
        "notify_type": NotifyType.SUCCESS if alert.state == RESOLVED else firing,
        "body_format": NotifyFormat.TEXT,
    }


def mail_to(address: str, server: SecretStr | None) -> SecretStr:
    """The address, as apprise writes it, of mail to a person through a mail server.

    A recipient that the server's own address names (`to=`) is replaced. The sender is the
    recipient, unless the server's address says `from=`.

    Args:
        address: such as you@example.com.
        server: mailto(s)://user:password@host:port; the machine's own on port 25 where None.

    Raises:
        ValueError: that is no address of mail, or not one that apprise would send to.
    """
    parts = urlsplit((server or LOCAL_MAIL).get_secret_value().strip())
    kept = {pair: _key(pair) for pair in parts.query.split("&") if _key(pair) not in ("", "to")}
    own = ("to",) if "from" in kept.values() else ("to", "from")
    words = [*kept, *(f"{key}={quote(address, safe='@')}" for key in own)]
    url = SecretStr(urlunsplit(parts._replace(path="", query="&".join(words))))
    if not _ADDRESS.fullmatch(address) or _recipients(_service(url)) != [address]:
        raise ValueError(
            f"{address!r} is no address of mail that apprise can send to; one such as "
            "you@example.com is due"
        )
    return url


def _has_at(pair: str) -> bool:
    """Whether a key has an @: then a ? in a password ended what stands before the query."""
    return "@" in _key(pair)


def _key(pair: str) -> str:
    """The key of one `key=value` of an address's query."""
    return unquote_plus(pair.partition("=")[0]).strip().lower()


def _recipients(service: Any) -> list[str]:
    """Who would get what a mail service of apprise sends."""
    return [str(address) for _, address in getattr(service, "targets", ())]


def check_mail_server(url: SecretStr) -> None:
    """Refuse what is no mail server, without repeating it."""
    if _scheme(url) not in _MAIL:
        raise ValueError("it must be mailto://… or mailtos://user:password@host:port")
    try:
        parts = urlsplit(url.get_secret_value())
        odd = (parts.path.strip("/"), parts.fragment, *filter(_has_at, parts.query.split("&")))
        if not parts.hostname or parts.port == 0 or any(odd):  # a port that is no number raises
            raise ValueError
        mail_to("you@example.com", url)
    except ValueError:
        raise ValueError(
            "apprise cannot read it; mailto(s)://user:password@host:port is due, and what is no "
            "letter or digit in user and password as %40 and the like"
        ) from None


def check_address(url: SecretStr, which: str) -> None:
    """Refuse what apprise does not know, without repeating it: `which` says where it stands."""
    scheme = _scheme(url)
    if scheme not in _schemes():
        alike = get_close_matches(scheme, _schemes(), n=1)
        hint = f"did you mean {alike[0]}://?" if alike else "such are mailtos://, slack://, json://"
        raise ValueError(f"{which} begins with no scheme that apprise knows ({hint})")
    service = _service(url)
    if service is None or (scheme in _MAIL and not _recipients(service)):
        raise ValueError(
            f"{which}, a {scheme}:// address, is not written as apprise needs it; "
            f"see https://appriseit.com/services/ for the form"
        )


def _scheme(url: SecretStr) -> str:
    """What stands before :// of an address, where that is a known word; else nothing."""
    scheme, mark, _ = url.get_secret_value().strip().partition("://")
    return scheme.lower() if mark else ""


@cache
def _schemes() -> frozenset[str]:
    """Every scheme that apprise knows."""
    with unheard(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # apprise imports what Python drops
        from apprise.manager_plugins import NotificationManager

        known: Any = NotificationManager()  # type: ignore[no-untyped-call]
        return frozenset(known.schemas())


def _service(url: SecretStr) -> Any:
    """What apprise makes of an address; None where it cannot read it."""
    _schemes()  # loads apprise without its warnings
    from apprise import Apprise

    with unheard():
        try:
            service: Any = Apprise.instantiate(url.get_secret_value())
            if service is not None and _scheme(url) in _MAIL:
                service.request_rate_per_sec = 0  # it would wait 5.5 s between two letters
            return service
        except _OF_SERVICES:
            return None  # of a few of its services, for an address without what they need
