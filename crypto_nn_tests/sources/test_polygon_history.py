"""Whatever Polygon's REST service does, its history comes out whole or says what is missing."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crypto_nn import environment
from crypto_nn.bars import M1, Bars
from crypto_nn.errors import SourceError, SourceRefused, SourceUnavailable
from crypto_nn.sources import PolygonConfig, SyntheticConfig
from crypto_nn.sources.patience import Patience
from crypto_nn.sources.polygon.source import PolygonSource
from crypto_nn.sources.synthetic import Gap, generate
from crypto_nn_tests.contracts import source as law
from crypto_nn_tests.exchange import KEY, FakePolygon, Market, RestFault
from crypto_nn_tests.market import MARKET, needs_market
from crypto_nn_tests.sources.fake_binance import HandClock
from crypto_nn_tests.sources.test_patience import most_in_a_window

BTC, ETH = "BTC-USD", "ETH-USD"
MADE = SyntheticConfig(
    symbols=(BTC, ETH),
    start=datetime(2024, 2, 26),
    end=datetime(2024, 3, 3),
    gap_rate=3.0,
    gaps=(Gap(start=datetime(2024, 2, 28, 23, 50), minutes=30),),
)
CUTS = np.array(
    ["2024-02-26T00:00:30", "2024-02-28T23:59:30", "2024-02-29T23:59", "2024-03-01"], "M8[us]"
)
WHOLE = {symbol: generate(MADE, symbol) for symbol in MADE.symbols}
DAY = WHOLE[BTC].between(np.datetime64("2024-02-27"), np.datetime64("2024-02-28"))
LONG = Market.of_bars(*WHOLE.values())
SHORT = Market.of_bars(DAY)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", KEY)
    monkeypatch.setenv("CRYPTO_NN_HOME", str(tmp_path))


def unix(clock: HandClock) -> Callable[[], float]:
    """The right time of a hand clock's world, whatever its wall clock says."""
    zero = clock.now() - np.timedelta64(round(clock.wall_jump * 1e6), "us")
    return lambda: float((zero - np.datetime64(0, "us")) / np.timedelta64(1, "s")) + clock.passed


@contextmanager
def exchange_of(market: Market, now: str = "2024-04-01") -> Iterator[tuple[FakePolygon, HandClock]]:
    """An exchange that serves, on a clock held in hand."""
    clock = HandClock(now)
    with FakePolygon(market, now=unix(clock)).serving() as exchange:
        yield exchange, clock


def opened(exchange: FakePolygon, clock: HandClock, **settings: Any) -> PolygonSource:
    """A source that asks this exchange and knows nothing yet."""
    settings = {"requests_per_minute": 1_000, "symbols": (BTC,)} | settings
    config = PolygonConfig.model_validate({"base_url": exchange.base_url} | settings)
    return PolygonSource(config, clock, seed=1)


def fetch(source: PolygonSource, start: str = "2024-01-01", end: str = "2025-01-01") -> Bars:
    """The bars of a range, in one."""
    pieces = source.fetch(BTC, M1, np.datetime64(start, "us"), np.datetime64(end, "us"))
    return Bars.concat([Bars.empty(BTC), *pieces])


def test_polygon_keeps_the_laws_of_sources() -> None:
    """Ordered closed bars, honest slices, the same twice, small pieces, clear refusals."""
    with exchange_of(LONG, "2024-03-02T17:30:20") as (exchange, clock):
        exchange.rest.page_limit = 5_000
        source = opened(exchange, clock, symbols=MADE.symbols)
        law.check_ordered_and_closed(source)
        law.check_honours_start_and_end(source, CUTS)
        law.check_same_bars_twice(source, opened(exchange, clock, symbols=MADE.symbols))
        law.check_outside_is_empty(source)
        law.check_unknown_is_refused(source)


def test_a_full_page_comes_in_pieces_of_a_month() -> None:
    """Polygon's largest page is longer than a month."""
    bars = generate(MADE.model_copy(update={"end": datetime(2024, 4, 4), "gap_rate": 0.0}), BTC)
    with exchange_of(Market.of_bars(bars), "2024-05-01") as (exchange, clock):
        source = opened(exchange, clock)
        law.check_pieces_are_small(source)
        assert len(exchange.requests) == 3  # the first bar, a page of 50,000, and the rest


@pytest.mark.parametrize("page", [1_000, 1_439, 50_000])
def test_pages_make_up_what_the_exchange_has(page: int) -> None:
    """Every number of every bar, whatever the length of a page; live up to the minute just over."""
    bars = WHOLE[BTC]
    with exchange_of(LONG) as (exchange, clock):
        exchange.rest.page_limit = page
        source = opened(exchange, clock)
        law.check_same(fetch(source), bars)
        known = source.available(BTC)
        assert (known.start, known.live) == (bars.ts[0], True)
        assert known.end == np.datetime64("2024-04-01", "us")
        assert all(("limit", "50000") in r.query or ("limit", "1") in r.query
                   for r in exchange.requests)  # fmt: skip


FAULTS = {
    "429": RestFault("status", 429),
    "429 with seconds": RestFault("status", 429, "30"),
    "429 with a date": RestFault("status", 429, "Mon, 01 Apr 2024 00:02:00 GMT"),
    "429 with nonsense": RestFault("status", 429, "soon"),
    **{f"{status}": RestFault("status", status) for status in (408, 499, 500, 502, 503, 504)},
    "cut connection": RestFault("cut"),
    "truncated JSON": RestFault("truncated"),
    "web page": RestFault("html"),
    "error in the body": RestFault("error_body"),
    "JSON of another shape": RestFault("garbage"),
    "rows of nothing": RestFault("bad_rows"),
    "reset connection": RestFault("reset"),
    "no answer": RestFault("hang"),
    "empty page that goes on": RestFault("empty"),
    "the page before again": RestFault("repeat"),
}


HANG_S = dict.fromkeys(FAULTS, 30.0) | {"no answer": 0.3}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_no_bar(fault: str) -> None:
    """Whatever the second page is answered with, twice, the history is whole in the end."""
    with exchange_of(SHORT) as (exchange, clock):
        exchange.rest.page_limit = 600
        plan = iter([None, FAULTS[fault], FAULTS[fault]])
        exchange.rest.plan = lambda: next(plan, None)
        law.check_same(fetch(opened(exchange, clock, read_timeout_s=HANG_S[fault])), DAY)
        assert [r.fault for r in exchange.requests[:3]] == ["", *[FAULTS[fault].kind] * 2]


@pytest.mark.parametrize(
    ("asked", "waited"), [("30", 30.0), ("Mon, 01 Apr 2024 00:02:00 GMT", 90.0)]
)
def test_retry_after_is_respected(asked: str, waited: float) -> None:
    """The next request comes no earlier, with a wrong clock here too, and hardly later."""
    with exchange_of(SHORT, "2024-04-01T00:00:30") as (exchange, clock):
        clock.wall_jump = -3_600.0
        exchange.answer(RestFault("status", 429, asked))
        fetch(opened(exchange, clock))
        first, second = (request.at for request in exchange.requests)
        assert waited <= second - first <= waited + 1.5


def test_a_storm_stays_within_the_budget_and_leaves_nothing_out() -> None:
    """Through forty faults of all kinds, no minute sees more than five requests of two sources."""
    with exchange_of(SHORT) as (exchange, clock):
        exchange.rest.page_limit = 200
        storm = iter([fault for fault in FAULTS.values() if fault.kind != "hang"] * 2)
        exchange.rest.plan = lambda: next(storm, None)
        patience = Patience(attempts=50, give_up_after_s=1e6)
        sources = [
            opened(exchange, clock, requests_per_minute=5, patience=patience) for _ in range(2)
        ]
        for source in sources:
            law.check_same(fetch(source), DAY)
        times = [request.at for request in exchange.requests]
        assert next(storm, None) is None
        assert most_in_a_window(times, 60.0) <= 5


def test_giving_up_says_what_is_missing_and_keeps_what_came() -> None:
    """The stretch that is named, fetched later, completes what was given before."""
    with exchange_of(SHORT) as (exchange, clock):
        exchange.rest.page_limit = 500
        down = [False]
        exchange.rest.plan = lambda: RestFault("status", 503) if down[0] else None
        source = opened(exchange, clock, patience=Patience(attempts=4))
        pieces = source.fetch(BTC, M1, DAY.ts[0], DAY.ts[-1] + M1.step)
        came = [next(pieces)]
        down[0] = True
        with pytest.raises(SourceUnavailable, match=r"503.*rest again later") as error:
            next(pieces)
        assert error.value.symbol == BTC
        (missing,) = error.value.missing
        assert missing == (came[0].ts[-1] + M1.step, DAY.ts[-1] + M1.step)
        down[0] = False
        law.check_same(Bars.concat([*came, fetch(source, *map(str, missing))]), DAY)


def test_a_hopeless_service_is_given_up_in_each_way_of_asking() -> None:
    """`available` and `symbols` raise the same typed error, and try no more than they may."""
    with exchange_of(SHORT) as (exchange, clock):
        exchange.rest.plan = lambda: RestFault("html")
        source = opened(exchange, clock, symbols=(), patience=Patience(attempts=3))
        with pytest.raises(SourceUnavailable, match=r"3 attempts .* a web page"):
            source.available(BTC)
        with pytest.raises(SourceUnavailable, match="no list of its crypto pairs"):
            source.symbols()
        assert len(exchange.requests) == 6


@pytest.mark.parametrize("kind", ["bad key", "plan"])
def test_a_refusal_is_told_at_once(kind: str) -> None:
    """401 and 403 are not tried again; the variable is named, and never the key."""
    with exchange_of(SHORT) as (exchange, clock):
        exchange.refuse_auth = kind == "bad key"
        exchange.not_covered = {BTC}
        told = "401.*Unknown API Key" if exchange.refuse_auth else "403.*not entitled"
        with pytest.raises(SourceRefused, match=rf"{told}.*POLYGON_API_KEY") as error:
            fetch(opened(exchange, clock))
        assert len(exchange.requests) == 1
        assert KEY not in str(error.value)


def test_an_address_that_is_not_polygons_is_told_at_once() -> None:
    """404 is not tried again."""
    with exchange_of(SHORT) as (exchange, clock):
        exchange.base_url += "/elsewhere"
        with pytest.raises(SourceError, match=r"404.*Check the symbol and the source's `base_url`"):
            fetch(opened(exchange, clock))
        assert len(exchange.requests) == 1


@pytest.mark.parametrize("key", [None, "", "  ", "two words", "line\nend", "schlüssel"])
def test_without_a_key_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    """A missing or impossible key is refused by the name of its variable, live too."""
    monkeypatch.delenv("POLYGON_API_KEY")
    if key is not None:
        monkeypatch.setenv("OTHER_KEY", key)
    with exchange_of(SHORT) as (exchange, clock):
        source = opened(exchange, clock, key_variable="OTHER_KEY")
        for ask in (lambda: fetch(source), lambda: source.stream((BTC,))):
            with pytest.raises(SourceRefused, match="OTHER_KEY") as error:
                ask()
            assert not key or not key.strip() or key not in str(error.value)
        assert exchange.requests == []


@pytest.mark.parametrize("wrong_s", [-600.0, 0.0, 600.0])
def test_the_exchanges_clock_decides_what_has_closed(wrong_s: float) -> None:
    """The minute under way is left out, however wrong this machine's clock is."""
    with exchange_of(SHORT, "2024-02-27T12:00:59.5") as (exchange, clock):
        clock.wall_jump = wrong_s
        source = opened(exchange, clock)
        assert fetch(source).ts[-1] == np.datetime64("2024-02-27T11:59", "us")
        assert source.available(BTC).end == np.datetime64("2024-02-27T12:00", "us")
        clock.sleep(1.5)
        assert fetch(source).ts[-1] == np.datetime64("2024-02-27T12:00", "us")


def test_the_future_is_not_asked_for() -> None:
    """Polygon refuses it as if the plan did not cover it, so no request is spent on it."""
    with exchange_of(SHORT) as (exchange, clock):
        source = opened(exchange, clock)
        law.check_same(fetch(source, "2024-01-01", "2030-01-01"), DAY)
        before = len(exchange.requests)
        assert len(fetch(source, "2024-05-01", "2024-06-01")) == 0
        assert len(exchange.requests) == before


def test_the_first_bar_is_asked_for_once() -> None:
    """One request a symbol for as long as the clock is known; none with `since`."""
    with exchange_of(LONG) as (exchange, clock):
        source = opened(exchange, clock, symbols=())
        for _ in range(3):
            for symbol in MADE.symbols:
                assert source.available(symbol).start == WHOLE[symbol].ts[0]
        assert len(exchange.requests) == 2
        clock.sleep(7_200.0)  # by now this machine's clocks may have drifted
        source.available(BTC)
        assert len(exchange.requests) == 3
        later = opened(exchange, clock, since=date(2024, 2, 28))
        fetch(later, "2024-03-01", "2024-03-02")
        before = len(exchange.requests)
        assert later.available(BTC).start == np.datetime64("2024-02-28", "us")
        assert len(exchange.requests) == before


def test_symbols_are_the_configured_or_the_listed_ones() -> None:
    """Without any configured, every pair is there, and any well-written symbol may be asked for."""
    with exchange_of(LONG) as (exchange, clock):
        source = opened(exchange, clock, symbols=())
        assert source.symbols() == (BTC, ETH)
        assert source.symbols() == (BTC, ETH)
        assert len(exchange.requests) == 1
        with pytest.raises(SourceError, match=r"no minute bars of NIL-USD \(X:NILUSD\)"):
            source.available("NIL-USD")
        with pytest.raises(SourceError, match="No symbol was named"):
            source.stream(())


def test_the_ledger_lies_below_home_and_does_not_tell_the_key(tmp_path: Path) -> None:
    """Processes share the budget by key and address; neither name nor content gives the key."""
    with exchange_of(SHORT) as (exchange, clock):
        fetch(opened(exchange, clock))
    kept = [path for path in (tmp_path / "work").rglob("*") if path.is_file()]
    assert kept
    assert environment.home() == tmp_path
    assert not any(KEY in path.name or KEY in path.read_text() for path in kept)


class TestRecorded:
    """What Polygon really answered, once."""

    pytestmark = needs_market

    def test_a_recorded_answer_is_read(self) -> None:
        """Three bars, prices that are whole numbers among them."""
        from crypto_nn.sources.polygon.translate import rows_to_bars

        path = MARKET / "polygon" / "rest_aggs_X-BTCUSD_1minute_recorded_2024-12-31.json"
        answer = json.loads(path.read_text())
        bars = rows_to_bars(BTC, answer["results"]).check_clean()
        assert bars.note is None
        assert bars.ts[0] == np.datetime64("2024-12-31T23:58", "us")
        assert bars.high.tolist() == [93817.0, 93798.0, 93781.0]
        assert bars.trades is not None
        assert bars.trades.tolist() == [507, 713, 49]
        assert bars.vwap is not None
        assert bars.vwap[0] == 93418.9561
