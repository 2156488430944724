"""Whatever Binance or the line to it does: the bars are whole, or it is said what is missing."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crypto_nn.bars import M1, Bars
from crypto_nn.errors import SourceError, SourceRefused, SourceUnavailable
from crypto_nn.sources.binance import archive
from crypto_nn.sources.binance.archive import unpack
from crypto_nn.sources.binance.source import BinanceSource
from crypto_nn.sources.binance.web import Damaged
from crypto_nn_tests.contracts import source as law
from crypto_nn_tests.sources.fake_binance import (
    FakeBinance,
    Fault,
    HandClock,
    Reply,
    market,
    pack,
    times,
)
from crypto_nn_tests.sources.test_binance import BTC, NOW, fetch, opened

MARKET = market("2025-01-01", "2025-02-06")
JANUARY = MARKET.between(MARKET.ts[0], np.datetime64("2025-02-01"))
TODAY = ("2025-02-03T20:00", "2025-02-05T12:00")
ZIP = "BTCUSDT-1m-2025-01.zip"
CSV = "BTCUSDT-1m-2025-01.csv"


@pytest.fixture
def exchange() -> Any:
    """Binance in February 2025."""
    with FakeBinance(HandClock(NOW), {"BTCUSDT": MARKET}) as exchange:
        yield exchange


def january(source: BinanceSource) -> Bars:
    """The bars of January."""
    return fetch(source, "2025-01-01", "2025-02-01")


def today(source: BinanceSource) -> Bars:
    """Bars that are partly not in the archive yet; they take three pages of REST."""
    return fetch(source, *TODAY)


def test_a_damaged_download_is_asked_for_once_afresh(exchange: FakeBinance) -> None:
    """One flipped byte is found by the checksum; the second answer is used, past any cache."""
    whole = exchange.zip(ZIP)
    flipped = whole[:500] + bytes([whole[500] ^ 1]) + whole[501:]
    exchange.faults.append(_at_the_end(times(1, (200, {}, flipped)), ZIP))
    law.check_same(january(opened(exchange)), JANUARY)
    assert exchange.kinds()[2:] == [f"{ZIP}.CHECKSUM", ZIP, f"{ZIP}.CHECKSUM", ZIP]


def test_a_file_that_stays_damaged_is_refused_by_name(exchange: FakeBinance) -> None:
    """Found and due stand in the message, nothing of the file is used, REST does not cover it."""
    exchange.faults.append(_at_the_end(times(99, (200, {}, b"PK nonsense")), ZIP))
    source = opened(exchange)
    with pytest.raises(SourceUnavailable, match=f"{ZIP} is damaged: its SHA-256 is ") as error:
        january(source)
    assert error.value.missing == ((JANUARY.ts[0], np.datetime64("2025-02-01")),)
    assert "but " in str(error.value)
    assert " was due, twice" in str(error.value)
    assert exchange.kinds().count(ZIP) == 2
    assert exchange.kinds()[2:].count("rest") == 0


def test_a_checksum_of_another_file_is_not_taken(exchange: FakeBinance) -> None:
    """It must be of the file's name, and a SHA-256; else it is asked for again."""
    wrong = [b"0" * 64 + b"  BTCUSDT-1m-2025-02.zip", b"<html>busy</html>", b"abc  " + ZIP.encode()]
    for body in wrong:
        exchange.faults.append(times(1, (200, {}, body), ".CHECKSUM"))
    law.check_same(january(opened(exchange)), JANUARY)
    assert exchange.kinds()[2:].count(f"{ZIP}.CHECKSUM") == 4


BAD_ZIPS: dict[str, tuple[bytes, str]] = {
    "no zip": (b"<html>moved</html>", "cannot be read"),
    "cut short": (pack({CSV: "1," * 9999})[:-60], "cannot be read"),
    "another name": (pack({"evil.csv": "1"}), r"holds \['evil.csv'\]; just that one file is due"),
    "a path": (pack({f"../{CSV}": "1"}), "just that one file is due"),
    "two members": (pack({CSV: "1", "more.csv": "2"}), "just that one file is due"),
    "no member": (pack({}), "just that one file is due"),
    "too much": (pack({CSV: "0" * 3_000_000}), "unpacks to more than 2 MB"),
    "wrong inside": (pack({CSV: "0" * 9_000})[:60] + b"\x00" * 40 + pack({CSV: "0" * 9_000})[100:],
                     "cannot be read"),
    "no klines": (pack({CSV: "hello,world\n1,2\n"}), "column ts, open"),
    "no rows": (pack({CSV: ""}), "is empty"),
    "another month": (pack({CSV: ("1704067200000" + ",1" * 11 + "\n") * 9}), "9 rows, but none of"),
    "no times": (pack({CSV: ("0" + ",1" * 11 + "\n") * 9}), "9 rows, but none of"),
    "JSON": (pack({CSV: '{"code":-1}'}), "is JSON, not bars"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_ZIPS)
def test_a_zip_that_holds_no_klines_is_refused(
    exchange: FakeBinance, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Also where its checksum is right: another member, a bomb, or anything but klines."""
    packed, told = BAD_ZIPS[case]
    monkeypatch.setattr(archive, "MAX_CSV_BYTES", 2 << 20)
    monkeypatch.setattr(exchange, "zip", lambda name: packed)
    with pytest.raises(SourceUnavailable, match=told) as error:
        january(opened(exchange))
    assert "BTCUSDT-1m-2025-01" in str(error.value)


def test_an_encrypted_zip_is_refused() -> None:
    """Its flag is set, and nobody is asked for a password."""
    packed = bytearray(pack({CSV: "1,2,3"}))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(Damaged, match=r"cannot be read: .*encrypted"):
        unpack(bytes(packed), CSV)


def test_a_flood_of_bytes_is_not_read_to_its_end(
    exchange: FakeBinance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer longer than any zip of klines is not one, and memory does not take it."""
    monkeypatch.setattr(archive, "MAX_ZIP_BYTES", 10_000)
    with pytest.raises(SourceUnavailable, match="over 10,000 bytes"):
        january(opened(exchange, api_url=None))


STORMS: dict[str, Reply] = {
    "429": (429, {"Retry-After": "7"}, b"{}"),
    "429 until a date": (429, {"Retry-After": "Wed, 05 Feb 2025 12:34:45 GMT"}, b"{}"),
    "429 bare": (429, {}, b"{}"),
    "418": (418, {"Retry-After": "120"}, b"{}"),
    "500": (500, {}, b"oops"),
    "502 HTML": (502, {}, b"<html>Bad Gateway</html>"),
    "503": (503, {"Retry-After": "30"}, b""),
    "200 HTML": (200, {}, b"<html>Maintenance</html>"),
    "200 error": (200, {}, b'{"code":-1000,"msg":"An unknown error"}'),
    "200 nothing": (200, {}, b""),
    "302": (302, {"Location": "https://login.hotel.example/"}, b""),
    "cut JSON": (200, {}, b'[[1738580400000,"1.0","2.0"'),
    "cut line": (200, {"Content-Length": "999999"}, b"[[1738580400000"),
    "short klines": (200, {}, b"[[1738580400000]]"),
    "another time": (200, {}, json.dumps([[1_000_000_000_000, *"1" * 11]]).encode()),
    "disorder": (200, {}, json.dumps([[1_738_684_800_000, *"1" * 11]] * 2).encode()),
}


@pytest.mark.parametrize("storm", STORMS)
def test_after_a_storm_the_bars_are_whole(exchange: FakeBinance, storm: str) -> None:
    """Three such answers in a row, at the archive and at REST, delay the bars and change none."""
    source = opened(exchange)
    source.available(BTC)
    exchange.faults += [times(3, STORMS[storm], "/klines?"), times(3, STORMS[storm], ".zip")]
    law.check_same(today(source), _between(*TODAY))


def test_a_redirect_is_not_followed(exchange: FakeBinance) -> None:
    """Whoever stands in between does not send us for bars to somewhere else."""
    elsewhere = f"{exchange.url}/api/v3/klines?symbol=ETHUSDT&interval=1m&limit=1000"
    exchange.markets["ETHUSDT"] = MARKET
    exchange.faults.append(times(2, (307, {"Location": elsewhere}, b""), "symbol=BTCUSDT"))
    law.check_same(today(opened(exchange)), _between(*TODAY))
    assert not any("ETHUSDT" in path for path in exchange.requests)


def test_a_wait_that_is_asked_for_is_waited(exchange: FakeBinance) -> None:
    """Seconds or a date: no request comes before it has passed."""
    for header, seconds in [("7", 7.0), ("Wed, 05 Feb 2025 13:00:30 GMT", 30.0)]:
        assert isinstance(exchange.clock, HandClock)
        source = opened(exchange)
        source.available(BTC)
        exchange.clock.passed = 1540.0  # 13:00:00 but for the 20 s with which the test begins
        exchange.times.clear()
        exchange.faults.append(times(1, (429, {"Retry-After": header}, b"{}"), "/klines?"))
        fetch(source, "2025-02-05T09:00", "2025-02-05T09:05")
        assert exchange.times[1] - exchange.times[0] >= seconds


def test_a_long_ban_is_not_sat_out_nor_broken(exchange: FakeBinance) -> None:
    """Asked to be left alone for days, nothing more is asked, and what is missing is said."""
    source = opened(exchange)
    source.available(BTC)
    exchange.faults.append(times(99, (418, {"Retry-After": "259200"}, b"banned"), "/klines?"))
    exchange.requests.clear()
    with pytest.raises(SourceUnavailable, match="left alone for 259200 s") as error:
        fetch(source, "2025-02-05T09:00", "2025-02-05T09:05")
    assert exchange.kinds() == ["rest"]
    ((start, end),) = error.value.missing
    assert (str(start)[11:16], str(end)[11:16]) == ("09:00", "09:05")


def test_an_exchange_that_never_answers_leaves_all_that_was_asked_for_missing(
    exchange: FakeBinance,
) -> None:
    """Also where not even the first bar's time could be asked."""
    exchange.faults.append(times(99, (503, {}, b"busy")))
    with pytest.raises(SourceUnavailable) as error:
        fetch(opened(exchange), *TODAY)
    assert error.value.missing == ((np.datetime64(TODAY[0]), np.datetime64(TODAY[1])),)


@pytest.mark.parametrize("status", [403, 451])
def test_where_binance_does_not_serve_the_way_out_is_told(
    exchange: FakeBinance, status: int
) -> None:
    """A geo-block does not pass by waiting: it is told at once, with what can be done."""
    exchange.faults.append(times(99, (status, {}, b"restricted location"), "/klines?"))
    with pytest.raises(SourceRefused, match=r"restricted location.*data-api\.binance\.vision"):
        opened(exchange).available(BTC)
    assert len(exchange.requests) == 1
    law.check_same(january(opened(exchange, api_url=None)), JANUARY)


def test_an_address_that_is_no_api_is_told(exchange: FakeBinance) -> None:
    """A 404 of REST, or a request that it does not take, is a mistake in the settings."""
    with pytest.raises(SourceError, match=r"/elsewhere/api/v3/klines is not there \(404\)"):
        opened(exchange, api_url=f"{exchange.url}/elsewhere").available(BTC)
    exchange.faults.append(times(1, (400, {}, b'{"code":-1100,"msg":"Illegal characters"}')))
    with pytest.raises(SourceError, match=r"answered 400: .*Illegal characters"):
        opened(exchange).available(BTC)


@pytest.mark.parametrize("reply", [(503, {}, b""), (403, {}, b"no")])
def test_where_the_archive_fails_rest_takes_over(
    exchange: FakeBinance, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    """The same bars, from the same exchange, and the log says so once."""
    exchange.faults.append(times(9999, reply, ".zip"))
    with caplog.at_level(logging.WARNING):
        found = fetch(opened(exchange), "2025-01-20", "2025-02-01")
    law.check_same(found, JANUARY.between(np.datetime64("2025-01-20"), np.datetime64("2025-02-01")))
    assert caplog.text.count("REST is asked instead") == 1


def test_where_rest_fails_the_holes_of_the_archive_stay(
    exchange: FakeBinance, caplog: pytest.LogCaptureFixture
) -> None:
    """A gap is a gap until someone can tell otherwise; what the archive has is given."""
    source = opened(exchange)
    source.available(BTC)
    exchange.rewrite[ZIP] = lambda text: "\n".join(text.splitlines()[100:]) + "\n"
    exchange.faults.append(times(9999, (503, {}, b""), "/klines?"))
    with caplog.at_level(logging.WARNING):
        law.check_same(january(source), JANUARY[100:])
    assert "could not be asked of REST" in caplog.text


def test_giving_up_tells_what_is_missing_and_what_came_is_whole(exchange: FakeBinance) -> None:
    """The pieces that were given, and the missing stretch, make up what was asked for."""
    source = opened(exchange)
    source.available(BTC)
    exchange.faults += [times(9999, (503, {}, b""), "2025-02-02.zip"),
                        times(9999, (503, {}, b""), "/klines?")]  # fmt: skip
    given: list[Bars] = []
    pieces = source.fetch(BTC, M1, np.datetime64("2025-01-30"), np.datetime64("2025-02-05"))
    with pytest.raises(SourceUnavailable, match="4 attempts") as error:
        given.extend(pieces)
    ((start, end),) = error.value.missing
    law.check_same(Bars.concat(given), MARKET.between(np.datetime64("2025-01-30"), start))
    assert error.value.symbol == BTC
    assert str(start) == "2025-02-02T00:00:00.000000"
    exchange.faults.clear()
    rest = fetch(source, str(start), str(end))
    law.check_same(rest, MARKET.between(start, np.datetime64("2025-02-05")))


def test_nobody_answers(exchange: FakeBinance) -> None:
    """A refused connection is tried as often as patience says, and then told with its address."""
    config = exchange.config(api_url="http://127.0.0.1:9", archive_url=None)
    clock = HandClock(NOW)
    with pytest.raises(SourceUnavailable, match=r"4 attempts .*127\.0\.0\.1:9: ConnectError"):
        BinanceSource(config, clock=clock).available(BTC)
    assert clock.passed > 0


@pytest.mark.parametrize("requests_per_minute", [3, 10])
def test_no_minute_sees_more_requests_than_the_budget(
    exchange: FakeBinance, tmp_path: Path, requests_per_minute: int
) -> None:
    """In a storm as in calm, whoever of this home asks: every window of 60 s is within it."""
    storm = [times(5, reply, where) for reply in STORMS.values() for where in ("/klines?", ".zip")]
    config = exchange.config(
        requests_per_minute=requests_per_minute,
        patience={"attempts": 200, "give_up_after_s": 1e6},
    )
    ledger, due = tmp_path / "ledger.json", _between("2025-01-25", "2025-02-05")
    sources = [BinanceSource(config, exchange.clock, ledger, seed=seed) for seed in (1, 2)]
    for source in sources:
        source.available(BTC)
    exchange.faults += storm
    for source in sources:
        law.check_same(fetch(source, "2025-01-25", "2025-02-05"), due)
    seen = np.array(exchange.times)
    assert len(seen) > 80
    assert (seen[requests_per_minute:] - seen[:-requests_per_minute] >= 60.0).all()


def _between(start: str, end: str) -> Bars:
    return MARKET.between(np.datetime64(start), np.datetime64(end))


def _at_the_end(fault: Fault, end: str) -> Fault:
    """The fault, for paths that end so only."""
    return lambda path: fault(path) if path.endswith(end) else None
