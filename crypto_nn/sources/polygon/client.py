"""Polygon's own client, made to keep the budget, to time out, and to believe only what is whole.

The client by itself applies no timeout, retries outside any budget, and takes JSON that cannot be
read for an empty answer. So its connection pool is wrapped here: each request waits for the budget,
is sent once, and is checked before the client sees the answer.
"""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from importlib import import_module
from itertools import islice
from types import ModuleType
from typing import Any
from urllib.parse import quote

import urllib3
from pydantic import SecretStr

from crypto_nn import environment
from crypto_nn.errors import SourceError, SourceRefused
from crypto_nn.sources.clock import Clock
from crypto_nn.sources.patience import RateBudget, Transient, retry_after
from crypto_nn.sources.polygon.config import PolygonConfig

MAX_BYTES = 64 << 20
"""Ten times a full page of bars; more than that is no answer."""
MAX_TICKERS = 100_000
_TRANSIENT = (408, 425, 429, 499)
_GOOD = ("OK", "DELAYED")


def load_client() -> ModuleType:
    """The package `massive` where it is installed, else `polygon`: the same client by two names.

    Both write what they log to standard output as soon as they are imported, which belongs to the
    commands of this platform; and at DEBUG they log what the server says about keys.
    """
    client: ModuleType | None = None
    with suppress(ImportError):
        client = import_module("massive")
    if client is None or not hasattr(
        client, "RESTClient"
    ):  # a folder of that name is a package to Python as well
        client = import_module("polygon")
    for name in ("RESTClient", "WebSocketClient"):
        logger = logging.getLogger(name)
        for handler in [h for h in logger.handlers if type(h) is logging.StreamHandler]:
            logger.removeHandler(handler)
        logger.setLevel(logging.INFO)
    return client


def read_key(config: PolygonConfig) -> SecretStr:
    """The key, from the variable that the settings name.

    Raises:
        SourceRefused: it is not set, or cannot be a key.
    """
    key = environment.secret(config.key_variable)
    if key is None:
        raise SourceRefused(
            f"Polygon needs a key, but the environment variable {config.key_variable} is not set. "
            "Set it (docs/polygon.md says where a key comes from), or use a source without a key."
        )
    text = key.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise SourceRefused(
            f"What stands in {config.key_variable} cannot be a key: it holds blanks, line ends or "
            "signs beyond ASCII. Copy the key anew."
        )
    return key


def redacted(text: str, key: SecretStr) -> str:
    """A text of the server, on one line, short, and without the key should it have echoed it."""
    secret = key.get_secret_value()
    for written in {secret, quote(secret), quote(secret, safe="")}:
        text = text.replace(written, "[key]")
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    text = " ".join(text.split())
    return text if len(text) <= 200 else text[:199] + "…"


def budget_of(config: PolygonConfig, key: SecretStr, clock: Clock) -> RateBudget:
    """The budget that all processes of this home share, by key and address."""
    whose = sha256(f"{config.base_url}\n{key.get_secret_value()}".encode()).hexdigest()[:16]
    ledger = environment.home() / "work" / "budgets" / f"polygon-{whose}.json"
    return RateBudget(config.requests_per_minute, 60.0, clock, ledger)


class StrictJSON:
    """What the client decodes answers with: anything but a good, whole answer may pass later."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key

    def loads(self, text: str) -> dict[str, Any]:
        """The answer, whose `results` are a list.

        Raises:
            Transient: it is no JSON object, or says itself that it is not good.
        """
        try:
            answer = json.loads(text, parse_constant=str)
        except (ValueError, RecursionError) as error:
            what = "a web page" if text.lstrip()[:1] == "<" else f"no whole JSON ({error})"
            raise Transient(f"the answer is {what}") from None
        if not isinstance(answer, dict):
            raise Transient(f"the answer is a JSON {type(answer).__name__}, not an object")
        status = answer.get("status")
        if status not in _GOOD:
            told = f"{status!r}: {answer.get('error') or answer.get('message') or 'nothing more'}"
            raise Transient(f"the answer has status {redacted(told, self._key)}")
        results = answer.get("results")
        if results is None:
            answer["results"] = results = []
        if not isinstance(results, list):
            raise Transient(f"the answer's results are a {type(results).__name__}, not a list")
        if not results and answer.get("resultsCount"):
            raise Transient("the answer counts results, but has none")
        return answer

    def dumps(self, value: Any) -> str:
        """As `json` does."""
        return json.dumps(value)


class PatientPool:
    """In place of the client's connection pool: one request at a time of the budget, checked."""

    def __init__(
        self, pool: Any, config: PolygonConfig, key: SecretStr, budget: RateBudget, clock: Clock
    ) -> None:
        self._pool, self._config, self._key = pool, config, key
        self._budget, self._clock = budget, clock

    def request(
        self,
        method: str,
        url: str,
        fields: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> urllib3.HTTPResponse:
        """The answer to one request, whole and of status 200.

        Raises:
            Transient: there is none, or one that may be another next time.
            SourceRefused: the key or the plan is not good for this.
            SourceError: there is no such thing.
        """
        with self._budget.request():
            status, head, body = self._ask(method, url, fields, headers)
        if status != 200:
            self._refuse(status, head, body, url)
        if not body:
            raise Transient("the answer is empty, not even JSON")
        try:
            body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Transient(f"the answer is not UTF-8 ({error.reason})") from None
        return urllib3.HTTPResponse(body=body, headers=head, status=status, preload_content=False)

    def _ask(
        self,
        method: str,
        url: str,
        fields: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        until = self._clock.monotonic() + self._config.request_timeout_s
        try:
            answer = self._pool.request(
                method, url, fields=fields, headers=headers, preload_content=False, redirect=False
            )
            try:
                body = self._read(answer, until)
            except BaseException:
                answer.close()
                raise
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            told = redacted(f"{type(error).__name__}: {error}", self._key)
            raise Transient(f"no answer ({told})") from None
        return answer.status, answer.headers, body

    def _read(self, answer: Any, until: float) -> bytes:
        """The body, which must be there in time and of a size that can be."""
        parts, size = [], 0
        for part in answer.stream(1 << 16, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > MAX_BYTES:
                raise Transient(f"the answer is longer than {MAX_BYTES >> 20} MiB")
            if self._clock.monotonic() > until:
                raise Transient(
                    f"the answer was not whole after {self._config.request_timeout_s:g} s"
                )
        return b"".join(parts)

    def _refuse(self, status: int, head: Mapping[str, str], body: bytes, url: str) -> None:
        told = redacted(_words(body), self._key)
        if status in (401, 403):
            raise SourceRefused(
                f"Polygon refuses ({status}): {told}. Check the key in {self._config.key_variable} "
                "and that your plan covers crypto and the time asked for; where its history is "
                "shorter, set the source's `since`."
            )
        if status in _TRANSIENT or status >= 500:
            raise Transient(f"status {status}: {told}", retry_after(head, self._clock))
        raise SourceError(
            f"Polygon answers {status} to {redacted(url, self._key)}: {told}. Check the symbol and "
            "the source's `base_url`."
        )


def _words(body: bytes) -> str:
    """What an error's body says."""
    text = body[:10_000].decode("utf-8", errors="replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return "a web page" if text.lstrip()[:1] == "<" else text or "nothing"
    if isinstance(answer, dict):
        return str(answer.get("error") or answer.get("message") or answer.get("status") or answer)
    return str(answer)


class Rest:
    """The REST service through the real client; each method sends requests once, without retry."""

    def __init__(self, config: PolygonConfig, clock: Clock) -> None:
        key = read_key(config)
        self._json = StrictJSON(key)
        client = load_client().RESTClient(
            key.get_secret_value(),
            connect_timeout=config.connect_timeout_s,
            read_timeout=config.read_timeout_s,
            retries=0,
            base=config.base_url,
            custom_json=self._json,
        )
        pool: Any = client.client
        pool.connection_pool_kw["timeout"] = urllib3.Timeout(
            connect=config.connect_timeout_s, read=config.read_timeout_s
        )
        pool.connection_pool_kw["retries"] = urllib3.Retry(
            False, redirect=False, raise_on_status=False, respect_retry_after_header=False
        )
        client.client = PatientPool(pool, config, key, budget_of(config, key, clock), clock)
        self._client: Any = client

    def aggregates(
        self, ticker: str, start_ms: int, end_ms: int, limit: int
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        """One page of minute bars with start ≤ t ≤ end, ascending, and the answer's headers."""
        answer = self._client.list_aggs(
            ticker, 1, "minute", start_ms, end_ms, sort="asc", limit=limit, raw=True
        )
        return self._json.loads(answer.data.decode("utf-8")), answer.headers

    def tickers(self) -> list[tuple[str, str]]:
        """Base and quote of every crypto pair that is traded."""
        seen: set[str] = set()
        pairs = []
        found = self._client.list_tickers(market="crypto", active=True, limit=1000)
        for ticker in islice(found, MAX_TICKERS):
            if ticker.ticker in seen:
                raise Transient(f"the list of tickers has {ticker.ticker!r} twice")
            seen.add(ticker.ticker)
            pairs.append((ticker.base_currency_symbol or "", ticker.currency_symbol or ""))
        return pairs
