"""One JSON POST to an address that must not be seen."""

from collections.abc import Mapping

from pydantic import SecretStr

from crypto_nn.errors import CryptoNNError
from crypto_nn.monitoring.unheard import unheard


class Undelivered(CryptoNNError):
    """The webhook did not take an alert.

    Attributes:
        passing: whether another attempt may succeed.
    """

    def __init__(self, message: str, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


class Webhook:
    """An address that takes JSON. It may hold a token, so that no message or log shows it."""

    def __init__(self, url: SecretStr, timeout_s: float) -> None:
        self.url, self.timeout_s = url, timeout_s

    def __repr__(self) -> str:
        return f"Webhook({self.url!r}, timeout_s={self.timeout_s})"

    def send(self, payload: Mapping[str, str]) -> None:
        """POST the payload; redirects are not followed, since they would hand it to others.

        Raises:
            Undelivered: there was no answer in time, or one other than 2xx.
        """
        import httpx

        url = self.url.get_secret_value()
        try:
            with (
                unheard(),
                httpx.Client(timeout=self.timeout_s, follow_redirects=False) as client,
                client.stream("POST", url, json=dict(payload)) as response,
            ):
                status = response.status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            name = type(error).__name__
            raise Undelivered(
                f"The webhook cannot be reached ({name}). Check alerts.webhook_url and the "
                "network; the alert will be tried again.",
                passing=isinstance(error, httpx.TransportError | OSError),
            ) from None
        if not 200 <= status < 300:
            raise Undelivered(
                f"The webhook answered {status}; 2xx is due. Check alerts.webhook_url; the alert "
                "will be tried again.",
                passing=status >= 500 or status in (408, 429),
            )
