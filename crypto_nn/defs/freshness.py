"""Whether data that should still come in do come in."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import dagster as dg
import numpy as np

from crypto_nn.bars import M1
from crypto_nn.bars.calendar import TS, month_of
from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.repairs import is_live
from crypto_nn.defs.resources import Platform

_HOURLY = EXPERIMENT.automation.refresh_bars.split()[1].startswith("*")
LATE = timedelta(hours=3 if _HOURLY else 26)
"""How old the newest bar of a live symbol may be: two refreshes may fail."""


def policy(daily: bool = False) -> dg.FreshnessPolicy | None:
    """What the UI shows of an asset that should be made again and again, where a symbol is live.

    Dagster judges an asset as a whole, by its newest materialisation of any partition: it tells
    that refreshing has stopped. That one symbol lags behind is told by `bars_are_fresh`.

    Args:
        daily: for what is made once a day, and not with each refresh of the bars.
    """
    if all(config.last_month is not None for config in EXPERIMENT.symbols.values()):
        return None
    late = timedelta(hours=26) if daily else LATE
    return dg.FreshnessPolicy.time_window(fail_window=2 * timedelta(hours=24), warn_window=late)


def check(platform: Platform, wanted: Mapping[str, Sequence[str]]) -> dg.AssetCheckResult:
    """`bars_are_fresh`: the newest bar of each live symbol of the run is not old."""
    now = platform.now()
    this = month_of(now)
    ages = {
        symbol: now - newest_close(platform, symbol, months)
        for symbol, months in wanted.items()
        if this in months and is_live(platform.experiment().symbol(symbol), this)
    }
    late = {symbol: age for symbol, age in ages.items() if age > np.timedelta64(LATE)}
    return dg.AssetCheckResult(
        check_name="bars_are_fresh",
        passed=not late,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "live_symbols": len(ages),
            "allowed_hours": LATE.total_seconds() / 3600,
            "late": dg.MetadataValue.json(
                {symbol: f"{age / np.timedelta64(1, 'h'):.1f} h" for symbol, age in late.items()}
            ),
        },
    )


def newest_close(platform: Platform, symbol: str, months: Sequence[str]) -> np.datetime64:
    """When the newest bar of these months closed (µs, UTC); 1970 where there is none."""
    found = np.datetime64(0, "us")
    for month in sorted(months)[-2:]:
        ts = platform.lake.read("bars", ("ts",), {"symbol": symbol, "month": month})["ts"]
        if len(ts):
            found = max(found, ts.to_numpy().astype(TS)[-1] + M1.step)
    return found
