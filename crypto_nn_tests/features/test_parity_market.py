"""Every feature of real bars is the same live as in history, byte for byte, wherever it is opened.

The bars are seen beside another market, so that the columns of the group `cross` are there too.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import month_of, month_slices
from crypto_nn.bars.quality import QualityConfig, inspect
from crypto_nn.bars.reference import with_reference
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.config import FeatureConfig
from crypto_nn_tests.bars.raw_table import raw_table
from crypto_nn_tests.market import BTC, ETH, needs_market, real_bars

pytestmark = needs_market

SHIPPED = default_feature_set(FeatureConfig(reference="ETH-USDT"))
Rows = NDArray[np.float32]
MINUTE = np.timedelta64(60_000_000, "us")

# From the middle of a month over six ends of months, with the outage of 24 March 2023.
FIRST, LONG = 20_000, 200_000
FILES = (
    *(f"outages/BTCUSDT_1m_binance-spot_{name}.parquet" for name in (
        "2017-12-04-offminute-dup", "2018-02-33h-outage-offminute", "2021-04-outages",
        "2023-03-24-outage",
    )),
    "venues/BTCUSD_1m_kraken.parquet",
    "venues/BTCEUR_1m_kraken.parquet",
    "venues/BTCUSDT_1m_binance-us.parquet",
)  # fmt: skip


@cache
def bitcoin() -> Bars:
    """Bitcoin beside ether."""
    rows = FIRST + LONG
    return with_reference(real_bars(BTC, rows), real_bars(ETH, rows))


@cache
def bitcoin_batch(complete: bool) -> Rows:
    """Its features in history."""
    return SHIPPED.compute(bitcoin(), complete)


@cache
def clean(name: str) -> Bars:
    """The bars of a file with faults: those that are accepted, and stamps floored to the minute.

    Their reference is a market that trades on two minutes of three.
    """
    raw, config = real_bars(name), QualityConfig(off_minute="floor")
    months = [(month, raw[rows]) for month, rows in month_slices(raw.ts)]
    bars = Bars.concat([inspect(raw_table(part, month), config).accepted for month, part in months])
    return with_reference(bars, bars.take(np.arange(len(bars)) % 3 > 0))


def streamed(features: FeatureSet, bars: Bars, opened: int, stop: int, complete: bool) -> Rows:
    """The live rows [opened, stop)."""
    live = features.stream(bars[:opened], complete)
    rows = [live.update(bar) for bar in bars[opened:stop]]
    return np.array(rows, np.float32).reshape(-1, len(features.names))


def check_same_bytes(live_NF: Rows, batch_NF: Rows) -> None:
    """The same numbers, null in the same places, and no zero with a sign."""
    blank = np.isnan(batch_NF)
    assert np.array_equal(np.isnan(live_NF), blank)
    numbers = [np.where(blank, 0, x_NF).astype(np.float32) for x_NF in (live_NF, batch_NF)]
    different = (numbers[0].view(np.int32) != numbers[1].view(np.int32)).any(axis=0)
    assert not different.any(), [SHIPPED.names[n] for n in np.flatnonzero(different)]


def test_bytes_are_compared() -> None:
    """The check would see a last bit, a sign of zero and a null."""
    x_NF = bitcoin_batch(complete=True)[-100:].copy()
    check_same_bytes(x_NF.copy(), x_NF)
    column = SHIPPED.names.index("rsi_14")
    for wrong in (np.nextafter(x_NF[50, column], np.float32(2)), np.float32(np.nan)):
        other_NF = x_NF.copy()
        other_NF[50, column] = wrong
        with pytest.raises(AssertionError):
            check_same_bytes(other_NF, x_NF)
    x_NF[50, column], other_NF = 0.0, x_NF.copy()
    other_NF[50, column] = -0.0
    with pytest.raises(AssertionError):
        check_same_bytes(other_NF, x_NF)


def test_200_000_bars_of_bitcoin() -> None:
    """One stream over all of them, opened in the middle of the first month."""
    bars = bitcoin()
    batch_NF = bitcoin_batch(complete=True)
    check_same_bytes(streamed(SHIPPED, bars, FIRST, len(bars), True), batch_NF[FIRST:])
    known = np.isfinite(batch_NF[FIRST:]).mean(axis=0)
    assert (known > 0.95).all(), "every column was compared, and not its nulls"


@pytest.mark.parametrize("complete", [True, False])
def test_twenty_random_starts(complete: bool) -> None:
    """Opened anywhere in half a year, from no more history than its month's anchor asks for."""
    bars, batch_NF = bitcoin(), bitcoin_batch(complete=True)
    rng = np.random.default_rng(7)
    lowest = 1 if complete else int(np.searchsorted(bars.ts, np.datetime64("2023-02-01")))
    for opened in rng.integers(lowest, len(bars) - 300, 20):
        anchor = SHIPPED.anchor(month_of(bars.ts[opened - 1]))
        since = int(np.searchsorted(bars.ts, anchor))
        covered = complete or bars.ts[0] <= anchor
        part = bars[since : opened + 300]
        live_NF = streamed(SHIPPED, part, opened - since, len(part), covered)
        check_same_bytes(live_NF, batch_NF[opened : opened + 300])


def test_twenty_random_restarts() -> None:
    """Stopped and opened anew twenty times in five days about a month's end: nobody could tell."""
    bars, batch_NF = bitcoin(), bitcoin_batch(complete=True)
    turn = int(np.searchsorted(bars.ts, np.datetime64("2023-05-01")))
    rng = np.random.default_rng(8)
    first, last = turn - 2 * 1440, turn + 3 * 1440
    stops = [first, *sorted(rng.integers(first, last, 20).tolist()), last]
    rows = [streamed(SHIPPED, bars, lo, hi, True) for lo, hi in pairwise(stops)]
    check_same_bytes(np.concatenate(rows), batch_NF[first:last])


@pytest.mark.parametrize("month", ["2023-02", "2023-03", "2023-04", "2023-05"])
def test_ends_of_months(month: str) -> None:
    """A stream that was opened before any of the new month's anchors, and one at the turn."""
    bars, batch_NF = bitcoin(), bitcoin_batch(complete=True)
    turn = int(np.searchsorted(bars.ts, np.datetime64(month)))
    for opened, stop in ((turn - 29 * 1440, turn - 29 * 1440 + 3000), (turn - 90, turn + 300)):
        opened = max(opened, 0)
        check_same_bytes(streamed(SHIPPED, bars, opened, stop, True), batch_NF[opened:stop])
    alone_NF = SHIPPED.compute_month(bars, month, complete=True)
    check_same_bytes(alone_NF, batch_NF[turn : turn + len(alone_NF)])


@pytest.mark.parametrize("name", FILES)
def test_files_with_faults(name: str) -> None:
    """Through real outages and thin trade, from before each of the longest holes, and from anew."""
    bars = clean(name)
    batch_NF = SHIPPED.compute(bars, complete=True)
    minutes_missing = np.diff(bars.ts) // MINUTE - 1
    longest = np.argsort(minutes_missing)[::-1][:4]
    opened = {int(hole) - 20 for hole in longest if minutes_missing[hole] > 0}
    opened |= {0, len(bars) // 2}
    for row in sorted(max(one, 0) for one in opened):
        stop = min(row + 1500, len(bars))
        check_same_bytes(streamed(SHIPPED, bars, row, stop, True), batch_NF[row:stop])
