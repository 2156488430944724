"""The real Binance, asked for little: `pytest -m network`. No key is needed."""

import numpy as np
import pytest

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.quality import inspect
from crypto_nn.sources.binance import BinanceConfig
from crypto_nn.sources.binance.source import BinanceSource
from crypto_nn_tests import market
from crypto_nn_tests.bars.raw_table import raw_table
from crypto_nn_tests.contracts import source as law

pytestmark = pytest.mark.network

BTC = "BTC-USDT"
BINANCE = BinanceSource(BinanceConfig())
ARCHIVE = BinanceSource(BinanceConfig(api_url=None))
REST = BinanceSource(BinanceConfig(archive_url=None))


def fetch(source: BinanceSource, start: str, end: str) -> Bars:
    """The bars of a range, in one."""
    pieces = source.fetch(BTC, M1, np.datetime64(start, "us"), np.datetime64(end, "us"))
    return Bars.concat([Bars.empty(BTC), *pieces])


def test_bitcoin_is_there_since_2017_and_until_now() -> None:
    """The first bar is where it is known to be, and the end is this minute."""
    known = BINANCE.available(BTC)
    assert str(known.start) == "2017-08-17T04:00:00.000000"
    assert known.live
    archived = ARCHIVE.available(BTC)
    assert str(archived.start)[:10] == "2017-08-17"
    assert np.timedelta64(0) < known.end - archived.end < np.timedelta64(5, "D")


@pytest.mark.parametrize(("start", "end"), [("2024-12-31", "2025-01-02"),
                                            ("2023-03-24", "2023-03-25")])  # fmt: skip
def test_archive_and_rest_tell_the_same(start: str, end: str) -> None:
    """Over the change from ms to µs, and over the outage of 2023-03-24, which stays a gap."""
    archived = fetch(ARCHIVE, start, end)
    law.check_same(archived, fetch(REST, start, end))
    assert len(archived) == (2880 if start == "2024-12-31" else 1360)


@market.needs_market[0]
@market.needs_market[1]
def test_a_month_is_what_it_was() -> None:
    """The month's zip gives the prices and volumes that were recorded independently before."""
    february = np.array(["2024-02-01", "2024-03-01"], "M8[us]")
    recorded = market.real_bars(market.BTC).between(*february)
    found = fetch(ARCHIVE, "2024-02-01", "2024-03-01")
    for name in ("ts", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(found, name), getattr(recorded, name))
    assert inspect(raw_table(found, "2024-02")).reasons == {}


def test_the_newest_bars_have_closed() -> None:
    """The last hour is there but for the minute that is still open."""
    end = BINANCE.available(BTC).end
    found = fetch(BINANCE, str(end - np.timedelta64(1, "h")), str(end + np.timedelta64(1, "h")))
    assert len(found) in (60, 61)
    assert found.ts[-1] >= end - M1.step
