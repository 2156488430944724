"""The real outages and venues: what is known of them is what inspection finds."""

from functools import cache

import numpy as np
import pytest

from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import month_slices
from crypto_nn.bars.quality import Inspection, QualityConfig, inspect
from crypto_nn_tests.bars.raw_table import raw_table
from crypto_nn_tests.market import BTC, ETH, needs_market, real_bars

pytestmark = needs_market

OUTAGES = "outages/BTCUSDT_1m_binance-spot_"
FILES = (
    f"{OUTAGES}2017-12-04-offminute-dup.parquet",
    f"{OUTAGES}2018-02-33h-outage-offminute.parquet",
    f"{OUTAGES}2021-04-outages.parquet",
    f"{OUTAGES}2023-03-24-outage.parquet",
    "venues/BTCEUR_1m_kraken.parquet",
    "venues/BTCUSD_1m_kraken.parquet",
    "venues/BTCUSDT_1m_binance-us.parquet",
    BTC,
    ETH,
)


@cache
def inspected(name: str, config: QualityConfig | None = None) -> list[Inspection]:
    """Each month of a file, inspected."""
    bars = real_bars(name)
    months = [(month, bars[rows]) for month, rows in month_slices(bars.ts)]
    return [inspect(raw_table(part, month), config) for month, part in months]


@pytest.mark.parametrize("name", FILES)
def test_nothing_received_is_lost(name: str) -> None:
    """Over all months: received = accepted + quarantined, and what is accepted is clean."""
    bars = real_bars(name)
    found = inspected(name)
    assert sum(part.received for part in found) == len(bars)
    accepted = Bars.concat([part.accepted for part in found]).check_clean()
    off_minute = np.count_nonzero(bars.ts.astype(np.int64) % 60_000_000)
    assert len(accepted) == len(bars) - off_minute


@pytest.mark.parametrize(
    ("name", "reasons"),
    [(FILES[0], {"off_minute": 2520}), (FILES[1], {"off_minute": 1201})]
    + [(name, {}) for name in FILES[2:7]],
)
def test_rows_are_put_aside_for_the_known_reasons_only(name: str, reasons: dict[str, int]) -> None:
    """Off-minute stamps of 2017 and 2018; otherwise the exchanges' rows are bars."""
    found = inspected(name)
    assert {reason: num for part in found for reason, num in part.reasons.items()} == reasons


@pytest.mark.parametrize(
    ("name", "num_gaps", "missing"),
    [
        (FILES[2], 2, 150 + 284),
        (FILES[3], 1, 80),
        (FILES[4], 98, 111),
        (FILES[5], 47, 60),
        (FILES[6], 0, 0),
        (BTC, 1, 80),
        (ETH, 1, 80),
    ],
)
def test_gaps_are_the_known_outages(name: str, num_gaps: int, missing: int) -> None:
    """As many gaps and missing minutes as the venue is known to have had."""
    found = inspected(name)
    assert sum(part.gaps.num_rows for part in found) == num_gaps
    assert sum(part.missing_minutes for part in found) == missing


def test_the_outage_of_march_2023_is_where_it_was() -> None:
    """80 minutes from 12:40 on, after 72 flat bars that are real."""
    (found,) = inspected(FILES[3])
    (gap,) = found.gaps.to_pylist()
    assert str(gap["gap_start"]) == "2023-03-24 12:40:00"
    assert str(gap["gap_end"]) == "2023-03-24 14:00:00"
    before = found.accepted.between(np.datetime64("2023-03-24T11:28"), found.accepted.ts[-1])[:72]
    assert before.volume.max() == 0.0
    assert found.flat_bars >= 72


def test_the_hole_of_february_2018_lasts_33_hours() -> None:
    """Floored, the only long gap is the exchange's outage; nothing else is put aside."""
    (found,) = inspected(FILES[1], QualityConfig(off_minute="floor"))
    longest = max(found.gaps.column("minutes").to_pylist())
    assert 33 * 60 <= longest < 35 * 60
    assert found.reasons == {}


def test_floored_december_2017_has_one_double() -> None:
    """The first shifted bar falls into a minute that has its own bar, which stays."""
    (found,) = inspected(FILES[0], QualityConfig(off_minute="floor"))
    assert found.reasons == {"superseded": 1}
    assert found.missing_minutes == 0
    assert len(found.accepted) == 4320


def test_thin_minutes_are_accepted() -> None:
    """All 658 bars of zero volume of the thin market are bars."""
    (found,) = inspected(FILES[6])
    assert np.count_nonzero(found.accepted.volume == 0) == 658
