"""Binance's archive and its REST klines are one history, however it is put together."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import TS
from crypto_nn.errors import SourceError, SymbolError
from crypto_nn.sources.binance import BinanceConfig
from crypto_nn.sources.binance.source import BinanceSource
from crypto_nn_tests.contracts import source as law
from crypto_nn_tests.sources.fake_binance import FakeBinance, HandClock, market

GAPS = (("2024-12-31T23:50", "2025-01-01T00:10"), ("2025-01-20T03:00", "2025-01-20T05:00"))
MARKET = market("2024-12-29T08:15", "2025-02-10", GAPS)
NOW = "2025-02-05T12:34:20"
CUTS = np.array(
    ["2024-12-31T23:59", "2025-01-01", "2025-01-03T07:30", "2025-01-29", "2025-02-04T10:00:30"],
    dtype=TS,
)
BTC = "BTC-USDT"


def opened(exchange: FakeBinance, **settings: Any) -> BinanceSource:
    """A source that asks this exchange, on its clock, and knows nothing yet."""
    assert isinstance(exchange.clock, HandClock)
    return BinanceSource(exchange.config(**settings), clock=exchange.clock, seed=1)


def fetch(source: BinanceSource, start: str, end: str, symbol: str = BTC) -> Bars:
    """The bars of a range, in one."""
    pieces = source.fetch(symbol, M1, np.datetime64(start, "us"), np.datetime64(end, "us"))
    return Bars.concat([Bars.empty(symbol), *pieces])


def cut(start: str, end: str) -> Bars:
    """What the market did in a range."""
    return MARKET.between(np.datetime64(start, "us"), np.datetime64(end, "us"))


WAYS: dict[str, tuple[dict[str, Any], str, str]] = {
    "archive and REST": ({}, "2024-12-29T08:15", "2025-02-05T12:34"),
    "archive only": ({"api_url": None}, "2024-12-29", "2025-02-05"),
    "REST only": ({"archive_url": None}, "2025-01-28", "2025-02-05T12:34"),
}


@pytest.mark.parametrize("way", WAYS)
def test_binance_keeps_the_laws_of_sources(way: str) -> None:
    """Ordered closed bars, honest slices, the same twice, small pieces, clear refusals."""
    settings, start, end = WAYS[way]
    with FakeBinance(HandClock(NOW), {"BTCUSDT": cut(start, "2025-02-10")}) as exchange:
        source = opened(exchange, symbols=(BTC,), **settings)
        law.check_same(law.everything(source, BTC), cut(start, end))
        law.check_ordered_and_closed(source)
        law.check_honours_start_and_end(source, CUTS)
        law.check_same_bars_twice(source, opened(exchange, symbols=(BTC,), **settings))
        law.check_pieces_are_small(source)
        law.check_outside_is_empty(source)
        law.check_unknown_is_refused(source)
        known = source.available(BTC)
        assert (known.start, known.end) == (np.datetime64(start), np.datetime64(end))
        assert known.live == (source.config.api_url is not None)


DAILY = "BTCUSDT-1m-2025-0{}.zip".format
CHEAPEST: dict[str, tuple[str, str, list[str]]] = {
    "a hole of minutes": ("2025-01-07T10:00", "2025-01-07T10:05", ["rest"]),
    "one page": ("2025-01-07T10:00", "2025-01-08T02:40", ["rest"]),
    "more than a page": ("2025-01-07T10:00", "2025-01-08T02:41", ["rest", "rest"]),
    "a day": ("2025-01-07", "2025-01-08", [DAILY("1-07")]),
    "a day and a bit": ("2025-01-07", "2025-01-08T00:01", [DAILY("1-07"), "rest"]),
    "seven days": ("2025-01-07", "2025-01-14", [DAILY(f"1-{d:02}") for d in range(7, 14)]),
    "eight days": ("2025-01-07", "2025-01-15", [DAILY("1")]),
    "a month": ("2025-01-01", "2025-02-01", [DAILY("1"), "rest", "rest"]),  # two holes
    "today": ("2025-02-05", "2025-02-06", ["rest"]),
    "yesterday and today": ("2025-02-04", "2025-02-06", [DAILY("2-04"), "rest"]),
    "this month": ("2025-02-01", "2025-03-01", [*(DAILY(f"2-0{d}") for d in range(1, 5)), "rest"]),
    "nothing": ("2025-02-06", "2025-02-07", []),
}


@pytest.mark.parametrize("case", CHEAPEST)
def test_each_stretch_is_fetched_the_cheapest_way(case: str) -> None:
    """Minutes by one request, days and months by their zips, and the rest by REST."""
    start, end, due = CHEAPEST[case]
    with FakeBinance(HandClock(NOW), {"BTCUSDT": MARKET}) as exchange:
        source = opened(exchange)
        source.available(BTC)
        exchange.requests.clear()
        law.check_same(fetch(source, start, end), cut(start, min(end, "2025-02-05T12:34")))
        asked = [kind for kind in exchange.kinds() if not kind.endswith(".CHECKSUM")]
        assert asked == due


def test_what_is_not_published_yet_comes_the_next_finer_way() -> None:
    """No month yet: its days; no day yet: REST; and the bars are the same."""
    day = np.timedelta64(1, "D")
    with FakeBinance(HandClock(NOW), {"BTCUSDT": MARKET}, months_late=9 * day) as exchange:
        law.check_same(fetch(opened(exchange), "2025-01-01", "2025-02-01"),
                       cut("2025-01-01", "2025-02-01"))  # fmt: skip
        kinds = exchange.kinds()
        assert DAILY("1") + ".CHECKSUM" in kinds
        assert DAILY("1") not in kinds
        assert [DAILY(f"1-{d:02}") in kinds for d in (1, 15, 31)] == [True] * 3
    with FakeBinance(HandClock(NOW), {"BTCUSDT": MARKET}, 9 * day, 9 * day) as exchange:
        law.check_same(fetch(opened(exchange), "2025-01-20", "2025-02-01"),
                       cut("2025-01-20", "2025-02-01"))  # fmt: skip
        assert exchange.kinds().count("rest") > 5


@pytest.mark.parametrize("header", [False, True])
def test_zips_are_read_with_and_without_a_header(header: bool) -> None:
    """In ms up to 2024 and in µs from 2025 on, no bar is a thousand times off."""
    with FakeBinance(HandClock(NOW), {"BTCUSDT": MARKET}) as exchange:
        exchange.header = header
        law.check_same(fetch(opened(exchange), "2024-12-29T10:00", "2025-01-12"),
                       cut("2024-12-29T10:00", "2025-01-12"))  # fmt: skip
        kinds = exchange.kinds()
    assert {"BTCUSDT-1m-2024-12-30.zip", "BTCUSDT-1m-2025-01.zip"} <= set(kinds)


def test_gaps_stay_gaps_and_are_asked_for_once() -> None:
    """A minute that neither the archive nor REST has is missing, and nothing is put there."""
    with FakeBinance(HandClock(NOW), {"BTCUSDT": MARKET}) as exchange:
        found = fetch(opened(exchange), "2025-01-20", "2025-01-21")
        law.check_same(found, cut("2025-01-20", "2025-01-21"))
        assert len(found) == 1320
        assert exchange.kinds()[2:].count("rest") == 1


def test_a_file_that_was_published_cut_short_is_mended_by_rest() -> None:
    """As on 2025-04-22, when every day's file ended at 07:36: REST has what it lacks."""
    name = "BTCUSDT-1m-2025-01-07.zip"
    with FakeBinance(HandClock(NOW), {"BTCUSDT": MARKET}) as exchange:
        exchange.rewrite[name] = lambda text: "\n".join(text.splitlines()[100:457]) + "\n"
        law.check_same(fetch(opened(exchange), "2025-01-06", "2025-01-09"),
                       cut("2025-01-06", "2025-01-09"))  # fmt: skip
    with FakeBinance(HandClock(NOW), {"BTCUSDT": MARKET}) as exchange:
        exchange.rewrite[name] = lambda text: "\n".join(text.splitlines()[100:457]) + "\n"
        found = fetch(opened(exchange, api_url=None), "2025-01-07", "2025-01-08")
        assert len(found) in (357, 1440)  # the archive alone: the day's file, or the month's


@pytest.mark.parametrize("skew_s", [-5400.0, 0.0, 5400.0])
@pytest.mark.parametrize("second", ["00", "59"])
def test_a_bar_has_closed_by_the_exchanges_clock(skew_s: float, second: str) -> None:
    """However wrong our own clock is, the minute that is still open is not given."""
    with FakeBinance(HandClock(f"2025-02-05T12:34:{second}"), {"BTCUSDT": MARKET},
                     skew_s=skew_s) as exchange:  # fmt: skip
        there = exchange.now().astype("datetime64[m]").astype(TS)
        source = opened(exchange)
        assert source.available(BTC).end == there
        found = fetch(source, "2025-02-05T09:00", "2025-02-05T20:00")
        law.check_same(found, cut("2025-02-05T09:00", str(there)))


def test_without_a_date_our_own_clock_tells_what_has_closed() -> None:
    """The time of day is asked of the answers first, and of the machine only where they lack it."""
    with FakeBinance(HandClock(NOW), {"BTCUSDT": MARKET}) as exchange:
        exchange.dated = False
        found = fetch(opened(exchange), "2025-02-05T12:00", "2025-02-06")
        law.check_same(found, cut("2025-02-05T12:00", "2025-02-05T12:34"))


def test_availability_is_asked_once_and_the_time_after_an_hour_or_a_sleep() -> None:
    """What cannot change is remembered; the clocks tell when the time must be asked again."""
    clock = HandClock(NOW)
    with FakeBinance(clock, {"BTCUSDT": MARKET}) as exchange:
        source = opened(exchange)
        for passed, wall, asked in [(0, 0, 2), (1800, 0, 2), (2000, 0, 3), (5, 0, 3), (0, 900, 4)]:
            clock.passed += passed
            clock.wall_jump += wall
            due = exchange.now().astype("datetime64[m]").astype(TS)
            assert source.available(BTC).end == due
            assert len(exchange.requests) == asked


def test_a_delisted_symbol_ends_with_its_last_bar() -> None:
    """It is no live market with an ever longer gap."""
    for settings in ({}, {"api_url": None}):
        with FakeBinance(HandClock("2025-04-20T12:00"), {"BTCUSDT": MARKET}) as exchange:
            known = opened(exchange, **settings).available(BTC)
            assert (known.end, known.live) == (np.datetime64("2025-02-10T00:00"), False)


def test_a_symbol_of_a_few_days_is_found_in_the_archive() -> None:
    """Before its first month is published, its days tell since when it is traded."""
    young = MARKET.between(np.datetime64("2025-01-28T07:00"), np.datetime64("2025-02-10"))
    with FakeBinance(HandClock("2025-02-02T12:34"), {"BTCUSDT": young}) as exchange:
        known = opened(exchange, api_url=None).available(BTC)
    assert (known.start, known.end) == (np.datetime64("2025-01-28"), np.datetime64("2025-02-02"))


def test_any_symbol_may_be_asked_for_where_none_is_configured() -> None:
    """Binance itself says which it has; a configuration may say less."""
    with FakeBinance(HandClock(NOW), {"BTCUSDT": MARKET, "1000SATSUSDC": MARKET}) as exchange:
        source = opened(exchange)
        assert source.symbols() == ()
        assert source.available("1000SATS-USDC").start == MARKET.ts[0]
        with pytest.raises(SourceError, match="no bars of NIL-USDT by REST: it knows no NILUSDT"):
            source.available("NIL-USDT")
        with pytest.raises(SymbolError, match="'BTCUSDT' is not a symbol"):
            source.available("BTCUSDT")
        with pytest.raises(SourceError, match="no bars of ETH-USDT; it has BTC-USDT"):
            opened(exchange, symbols=(BTC,)).available("ETH-USDT")
        with pytest.raises(SourceError, match="archive has no bars of NIL-USDT"):
            opened(exchange, api_url=None).available("NIL-USDT")


def test_settings_that_cannot_be_are_refused() -> None:
    """Plain http, no way at all, another spelling, more than Binance grants."""
    for settings, told in [
        ({"api_url": "http://api.binance.com"}, "no https address"),
        ({"archive_url": "ftp://data.binance.vision"}, "no https address"),
        ({"api_url": "https://me:s3cret@api.binance.com"}, "no login in it"),
        ({"archive_url": "https://data.binance.vision?key=s3cret"}, "no login in it"),
        ({"archive_url": None, "api_url": None}, "both null"),
        ({"requests_per_minute": 3_001}, "less than or equal to 3000"),
        ({"symbol": "BTC-USDT"}, "Extra inputs"),
    ]:
        with pytest.raises(ValidationError, match=told):
            BinanceConfig.model_validate(settings)
    with pytest.raises(SymbolError, match="'BTCUSDT' is not a symbol"):
        BinanceConfig(symbols=("BTCUSDT",))
