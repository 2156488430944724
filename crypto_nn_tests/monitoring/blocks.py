"""Days of made-up values, and one comparison of the last with the others."""

import numpy as np
from numpy.typing import NDArray

from crypto_nn.monitoring.drift import DayBlocks, DriftConfig, DriftReport, Kind, Reference, compare

FIRST_DAY = np.datetime64("2024-01-01", "us")
MADE_AT = np.datetime64("2025-01-01", "us")
QUICK = DriftConfig(power_days=0, season="all")


def blocks(
    x_BNF: NDArray[np.floating], kind: Kind = "feature", prefix: str = "column"
) -> DayBlocks:
    """One day after another from 2024-01-01, a row per minute, or more often where it must be."""
    days, rows, columns = x_BNF.shape
    at = np.arange(days)[:, None] * np.timedelta64(1, "D")
    step = np.timedelta64(min(60_000_000, 86_400_000_000 // rows), "us")
    ts_N = (FIRST_DAY + at + np.arange(rows) * step).ravel()
    names = [f"{prefix}_{j}" for j in range(columns)]
    return DayBlocks.from_rows(ts_N, x_BNF.reshape(-1, columns), names, kind)


def last_day(all_days: DayBlocks, config: DriftConfig = QUICK) -> DriftReport:
    """The last day against all before it."""
    day_N = all_days.day_N()
    day = day_N[-1]
    reference = Reference("BTC-USDT", "v1", all_days.rows(day_N < day))
    return compare(reference, all_days.rows(day_N == day), config, day=str(day), made_at=MADE_AT)


def normal_days(
    seed: int, days: int = 40, rows: int = 200, columns: int = 4
) -> NDArray[np.float64]:
    """Independent standard normal values, (days, rows, columns)."""
    return np.random.default_rng(seed).standard_normal((days, rows, columns))
