"""Answers that no honest exchange gives: each is read strictly, and none gives the key away."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from crypto_nn.bars import M1, Bars
from crypto_nn.errors import SourceError, SourceRefused, SourceUnavailable
from crypto_nn.sources import PolygonConfig
from crypto_nn.sources.patience import Patience
from crypto_nn.sources.polygon import client
from crypto_nn.sources.polygon.source import PolygonSource
from crypto_nn.sources.polygon.translate import ticker_of
from crypto_nn_tests.sources.fake_binance import HandClock

KEY = "canary-key-77d2"
START = np.datetime64("2024-05-01T00:00", "us")
T0 = 1_714_521_600_000
NOW = "2024-05-01T02:00:00"
DATE = "Wed, 01 May 2024 02:00:00 GMT"

Reply = Callable[[BaseHTTPRequestHandler], None]


def row(minute: int, **other: Any) -> dict[str, Any]:
    """A good row, except for what is said."""
    return {"t": T0 + minute * 60_000, "o": 1, "h": 2.5, "l": 0.5, "c": 2, "v": 3, "vw": 1.5,
            "n": 7} | other  # fmt: skip


def page(*rows: Any, **other: Any) -> bytes:
    """A good answer with these rows, except for what is said."""
    return json.dumps({"status": "OK", "ticker": "X:BTCUSD", "results": rows} | other).encode()


def reply(body: bytes, status: int = 200, **headers: str) -> Reply:
    """An answer of these bytes; `Date` is left out where it is empty."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response_only(status)
        for name, value in ({"Date": DATE, "Content-Length": str(len(body))} | headers).items():
            if value:
                handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@contextmanager
def scripted(*replies: Reply) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers in turn, the last for ever; its address, what was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Give the next answer."""
            asked.append(self.path)
            replies[min(len(asked), len(replies)) - 1](self)

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", KEY)
    monkeypatch.setenv("CRYPTO_NN_HOME", str(tmp_path))


def opened(url: str, clock: HandClock | None = None, **settings: Any) -> PolygonSource:
    """A source that asks there, on a hand clock, with a patience of four attempts."""
    config = PolygonConfig.model_validate(
        {"base_url": url, "requests_per_minute": 1_000, "patience": Patience(attempts=4)} | settings
    )
    return PolygonSource(config, clock or HandClock(NOW), seed=1)


def fetch(source: PolygonSource, minutes: int = 10) -> Bars:
    """The first minutes, in one."""
    pieces = source.fetch("BTC-USD", M1, START, START + minutes * M1.step)
    return Bars.concat([Bars.empty("BTC-USD"), *pieces])


GOOD = page(row(0), row(1))
BROKEN = {
    "not UTF-8": b'{"status": "OK", "ticker": "\xff"}',
    "a list": b"[]",
    "a number": b"7",
    "nothing": b"",
    "null": b"null",
    "deeply nested": b"[" * 100_000,
    "no status": json.dumps({"results": []}).encode(),
    "status error": page(row(0), status="ERROR", error="try later"),
    "results that are no list": page(results={"t": 1}),
    "counted results that are not there": page(results=None, resultsCount=3),
    "another ticker": page(row(0), ticker="X:ETHUSD"),
    "rows of other times": page(row(-30), row(-29)),
    "some rows of other times": page(row(-1), row(0)),
    "a row that is none": page(row(0), "row"),
    "a price that is none": page(row(0, o="one")),
    "disorder": page(row(1), row(0)),
    "empty and on to where it was": page(next_url=f"https://x/v2/a/b/{T0}/{T0 + 1}?cursor=1"),
    "empty and on to nowhere": page(next_url="https://x/cursor"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_answer_is_asked_for_again(broken: str) -> None:
    """One good answer after two broken ones is all it takes, and nothing of those two is kept."""
    with scripted(*[reply(BROKEN[broken])] * 2, reply(GOOD)) as (url, asked):
        bars = fetch(opened(url)).check_clean()
        assert bars.ts.tolist() == [START.item(), (START + M1.step).item()]
        assert len(asked) == 3


HOPELESS = ["not UTF-8", "nothing", "status error", "another ticker", "empty and on to nowhere",
            "rows of other times"]  # fmt: skip


@pytest.mark.parametrize("broken", HOPELESS)
def test_an_answer_that_stays_broken_is_an_error_or_empty(broken: str) -> None:
    """What cannot be an answer ends in a typed error; rows of other times are dropped."""
    with scripted(reply(BROKEN[broken])) as (url, asked):
        source = opened(url)
        if broken == "rows of other times":
            assert len(fetch(source)) == 0
            assert len(asked) == 3
        else:
            with pytest.raises(SourceUnavailable, match="4 attempts") as error:
                fetch(source)
            assert error.value.missing == ((START, START + 10 * M1.step),)


def test_what_stays_odd_is_passed_on_as_it_is() -> None:
    """After a third look rows come as they stand, with a note of what could not be read."""
    rows = [row(0, o="one", v=True, c=None), "row", row(1, t="soon"), row(1, h=10**400, extra=[]),
            row(1, vw="x", n="y"), {"t": T0 + 180_000}]  # fmt: skip
    body = page(*rows).replace(b'"o": 1,', b'"o": NaN,', 1)
    with scripted(reply(body)) as (url, asked):
        bars = fetch(opened(url))
    assert len(asked) == 3
    assert bars.note is not None
    assert bars.note.tolist() == [
        "open='one', volume=True",
        "row='row'",
        "ts='soon', open='NaN'",
        "high=a huge number",
        "vwap='x', trades='y'",
        None,
    ]
    stamps = [0, None, None, 1, 1, 3]
    expected = [np.datetime64("NaT") if at is None else START + at * M1.step for at in stamps]
    np.testing.assert_array_equal(bars.ts, np.array(expected))
    np.testing.assert_array_equal(bars.low, [0.5, np.nan, 0.5, 0.5, 0.5, np.nan])


def test_doubles_and_disorder_are_kept_as_they_came() -> None:
    """What is right with rows is decided later, by the quality of bars."""
    rows = [row(2), row(1), row(1, c=1.5), row(3)]
    with scripted(reply(page(*rows))) as (url, _):
        bars = fetch(opened(url))
    assert [(ts - START) // M1.step for ts in bars.ts] == [2, 1, 1, 3]
    assert bars.close.tolist() == [2, 2, 1.5, 2]


def test_a_disordered_page_leads_on_from_where_its_order_ends() -> None:
    """A row that stands too early does not make the pages after it jump over others."""
    first = page(row(0), row(8), row(1), next_url="https://x/v2/a/b/1/2?cursor=1")
    with scripted(*[reply(first)] * 3, reply(page(row(9)))) as (url, asked):
        fetch(opened(url))
    assert asked[-1].split("/range/1/minute/")[1].startswith(f"{T0 + 9 * 60_000}/")


def test_an_empty_page_is_passed_by_where_it_stays_empty() -> None:
    """Its address names a later start, so the next page begins there, not at the cursor."""
    empty = page(next_url=f"https://elsewhere/v2/aggs/x/1/minute/{T0 + 300_000}/9?cursor=zzz")
    with scripted(*[reply(empty)] * 3, reply(page(row(6)))) as (url, asked):
        assert len(fetch(opened(url))) == 1
    assert len(asked) == 4
    assert f"/minute/{T0 + 300_000}/" in asked[-1]
    assert "zzz" not in asked[-1]


@pytest.mark.parametrize(("wall", "minutes"), [("2024-05-01T00:01:59", 1), ("2024-05-01T00:02", 2)])
def test_without_a_date_this_machines_clock_decides(wall: str, minutes: int) -> None:
    """Only where the answer has no Date."""
    with scripted(reply(GOOD, Date="")) as (url, _):
        assert len(fetch(opened(url, HandClock(wall)))) == minutes
    with scripted(reply(GOOD)) as (url, _):
        assert len(fetch(opened(url, HandClock(wall)))) == 2


def test_an_answer_that_never_ends_is_cut_off() -> None:
    """Bytes that keep dripping are no reason to wait beyond the time of a request."""
    clock = HandClock(NOW)

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response_only(200)
        handler.send_header("Content-Length", "1000000000")
        handler.end_headers()
        while True:
            clock.sleep(10.0)
            try:
                handler.wfile.write(b" " * 70_000)
            except OSError:
                return

    with scripted(drip) as (url, _):
        source = opened(url, clock, patience=Patience(attempts=1))
        with pytest.raises(SourceUnavailable, match="not whole after 120 s"):
            fetch(source)


def test_an_answer_too_long_to_be_one_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not depend on what the server sends."""
    monkeypatch.setattr(client, "MAX_BYTES", 1 << 20)
    with scripted(reply(b" " * (3 << 20))) as (url, _):
        source = opened(url, patience=Patience(attempts=1))
        with pytest.raises(SourceUnavailable, match="longer than 1 MiB"):
            fetch(source)


def test_the_key_is_sent_nowhere_else() -> None:
    """A redirect is refused, not followed."""
    with (
        scripted(reply(GOOD)) as (other, asked_there),
        scripted(reply(b"", 302, Location=f"{other}/x")) as (url, _),
        pytest.raises(SourceError, match="302"),
    ):
        fetch(opened(url))
    assert asked_there == []


ECHO = f'{{"status": "ERROR", "error": "Unknown key {KEY}, ¬ key={KEY}"}}'.encode()


@pytest.mark.parametrize("status", [200, 401, 403, 404, 429, 500])
def test_a_key_that_the_server_echoes_is_not_told(
    status: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in the error, nor in any log at DEBUG, nor on the terminal."""
    caplog.set_level(logging.DEBUG)
    with scripted(reply(ECHO, status)) as (url, _):
        source = opened(url)
        with pytest.raises(SourceError, match=r"Unknown key \[key\]") as error:
            fetch(source)
    chain: BaseException | None = error.value
    while chain is not None:
        assert KEY not in repr(chain) + str(chain)
        chain = chain.__cause__ or chain.__context__
    assert "urllib3" in {record.name.split(".")[0] for record in caplog.records}
    assert KEY not in caplog.text + "".join(capfd.readouterr()) + repr(source) + repr(source.config)


def test_two_pages_of_the_same_tickers_are_no_list() -> None:
    """A list of symbols whose cursor leads back to its start ends in an error, not in a loop."""
    tickers = [{"ticker": "X:BTCUSD", "base_currency_symbol": "BTC", "currency_symbol": "USD"}]
    body = page(ticker=None, results=tickers, next_url="https://x/v3/reference/tickers?cursor=1")
    with scripted(reply(body)) as (url, asked):
        with pytest.raises(SourceUnavailable, match="twice"):
            opened(url).symbols()
        assert len(asked) == 8


def test_pairs_that_cannot_be_named_are_left_out() -> None:
    """What is no symbol of ours is not among the symbols."""
    named = [("BTC", "USD"), ("$X", "USD"), ("", ""), (None, "EUR"), ("doge", "eur")]
    tickers = [{"ticker": f"X:{at}", "base_currency_symbol": base, "currency_symbol": quote}
               for at, (base, quote) in enumerate(named)]  # fmt: skip
    with scripted(reply(page(ticker=None, results=tickers))) as (url, _):
        assert opened(url).symbols() == ("BTC-USD", "DOGE-EUR")


def test_symbols_are_written_as_polygon_writes_them() -> None:
    """The true quote stays: BTC-USDT is not BTC-USD."""
    assert ticker_of("BTC-USD") == "X:BTCUSD"
    assert ticker_of("BTC-USDT") == "X:BTCUSDT"


BAD_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"base_url": "http://api.polygon.io"}, "no https address"),
    ({"base_url": "https://user:word@api.polygon.io"}, "must be scheme"),
    ({"base_url": "api.polygon.io"}, "must be scheme"),
    ({"base_url": "https://api.polygon.io?apiKey=1"}, "must be scheme"),
    ({"secure": False}, "is not on this machine"),
    ({"key_variable": "my key"}, "pattern"),
    ({"channel": "XT"}, "'XA' or 'XAS'"),
    ({"api_key": KEY}, "Extra inputs"),
    ({"requests_per_minute": 0}, "greater than or equal to 1"),
]


@pytest.mark.parametrize(("settings", "told"), BAD_SETTINGS)
def test_settings_that_would_betray_the_key_are_refused(
    settings: dict[str, Any], told: str
) -> None:
    """Plain connections leave this machine for no one; a password is not even repeated."""
    with pytest.raises(ValidationError, match=told) as error:
        PolygonConfig.model_validate(settings)
    assert "password" not in str(error.value)


def test_a_missing_client_package_is_not_needed_to_configure() -> None:
    """Opening the source asks for neither key nor network nor client."""
    source = PolygonConfig(symbols=("BTC-USD",), key_variable="NOT_SET_ANYWHERE").open(seed=1)
    assert source.symbols() == ("BTC-USD",)
    with pytest.raises(SourceRefused, match="NOT_SET_ANYWHERE is not set"):
        source.available("BTC-USD")
