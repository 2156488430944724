"""What one seed stands for: a market with regimes, and all that goes wrong around the platform."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

import numpy as np

from crypto_nn.bars import Times
from crypto_nn.bars.calendar import TS

SYMBOL = "SYN-USDT"
START = np.datetime64("2030-01-06", "us")
"""A Sunday, later than any real clock: files look old to the platform, not of the future."""
WARM_UP = "2029-11"
"""From this month on there is history when the soak begins: 66 days."""
HOUR, DAY = np.timedelta64(3_600_000_000, "us"), np.timedelta64(86_400_000_000, "us")
QUIET_DAYS = 3

Kind = Literal[
    "kill_worker", "kill_daemon", "power_cut", "machine_off", "dead_database", "dead_mail",
    "source_down", "late_bars", "revised_bars",
]  # fmt: skip
PER_YEAR: dict[Kind, int] = {
    "kill_worker": 40, "kill_daemon": 24, "power_cut": 6, "machine_off": 6, "dead_database": 14,
    "dead_mail": 14, "source_down": 24, "late_bars": 18, "revised_bars": 18,
}  # fmt: skip
_HOURS: dict[Kind, tuple[float, float]] = {
    "machine_off": (3, 140), "dead_database": (2, 72), "dead_mail": (2, 72),
    "source_down": (1, 60), "late_bars": (1, 90), "revised_bars": (1, 90),
}  # fmt: skip
MOST_WRITES: dict[Kind, int] = {"kill_worker": 160, "kill_daemon": 90, "power_cut": 160}


@dataclass(frozen=True)
class Fault:
    """Something goes wrong from one moment on, some of it for a while.

    Attributes:
        at: when (µs, UTC).
        until: when it is over; for bars that are late or wrong, when the right ones are out.
        write: kills come before this durable write, counted from `at` on.
        since: late or wrong are the bars that open in [since, at).
    """

    kind: Kind
    at: np.datetime64
    until: np.datetime64
    write: int = 0
    since: np.datetime64 = START

    def active(self, now: np.datetime64) -> bool:
        """Whether it lasts at a time."""
        return bool(self.at <= now < self.until)


@dataclass(frozen=True)
class Scenario:
    """All that a seed decides, before anything runs.

    Attributes:
        seed: says all the rest.
        days: how many days of ticks.
        faults: in the order of time.
        market: the settings of the synthetic market: regimes and outages of the exchange.
    """

    seed: int
    days: int
    faults: tuple[Fault, ...]
    market: dict[str, Any]

    @property
    def end(self) -> np.datetime64:
        """When the last day is over."""
        return START + self.days * DAY

    def of(self, *kinds: Kind) -> tuple[Fault, ...]:
        """The faults of some kinds, in the order of time."""
        return tuple(fault for fault in self.faults if fault.kind in kinds)

    def active(self, kind: Kind, now: np.datetime64) -> Fault | None:
        """The fault of a kind that lasts at a time, the one that ends last."""
        found = [fault for fault in self.of(kind) if fault.active(now)]
        return max(found, key=lambda fault: fault.until) if found else None

    def calm(self, now: np.datetime64, hours: int) -> bool:
        """Whether nothing has gone wrong in the hours before."""
        return not any(f.at <= now and f.until > now - hours * HOUR for f in self.faults)


def scenario(seed: int, days: int = 365) -> Scenario:
    """The scenario of a seed; a shorter one is not the beginning of a longer one."""
    random = Random(f"soak {seed} {days}")
    faults = [fault for kind in PER_YEAR for fault in _faults(random, kind, days)]
    return Scenario(seed, days, tuple(sorted(faults, key=lambda f: (f.at, f.kind))), _market(seed))


def _faults(random: Random, kind: Kind, days: int) -> Iterator[Fault]:
    """The faults of one kind: at least one, and none in the quiet days at the end."""
    minutes = max(days - QUIET_DAYS, 1) * 1440
    first, last, share = (60, minutes, _LONGEST_SHARE) if days > 1 else (3, 58, 0.2)
    for _ in range(max(1, round(PER_YEAR[kind] * days / 365))):
        at = START + np.timedelta64(random.randrange(first, last), "m")
        low, high = _HOURS.get(kind, (0.0, 0.0))
        # Short ones are the rule and long ones the exception.
        hours = min(low + (high - low) * random.random() ** 2, days * share)
        until = min(at + np.timedelta64(round(hours * 60), "m"), START + minutes * _MINUTE)
        since = at - np.timedelta64(random.randrange(5, 900), "m")
        write = random.randrange(1, MOST_WRITES[kind]) if kind in MOST_WRITES else 0
        yield Fault(kind, at, max(until, at + _MINUTE), write, since)


_LONGEST_SHARE = 2.4
"""Hours of a fault for each day of the soak, at most: a tenth of it."""
_MINUTE = np.timedelta64(60_000_000, "us")


def _market(seed: int) -> dict[str, Any]:
    """A market for more than a year: a regime of some weeks, then another; short outages."""
    random = Random(f"market {seed}")
    regimes, at = [], START + random.randrange(4, 20) * DAY
    while at < START + 370 * DAY:
        regimes.append(
            {
                "start": _text(at),
                "volatility": round(random.choice((0.4, 1.0, 2.5, 6.0)), 2),
                "volume": round(random.choice((0.3, 1.0, 4.0)), 2),
                "edge": round(random.uniform(0.5, 0.6), 3),
            }
        )
        at += np.timedelta64(random.randrange(14 * 1440, 60 * 1440), "m")
    return {
        "kind": "synthetic", "seed": seed, "symbols": [SYMBOL], "start": f"{WARM_UP}-01 00:00:00",
        "end": "2031-02-01 00:00:00", "regimes": regimes, "gap_rate": 0.3, "gap_minutes": 12.0,
    }  # fmt: skip


def _text(at: np.datetime64) -> str:
    return str(at.astype("datetime64[s]")).replace("T", " ")


def settings(market: dict[str, Any], alerts: dict[str, Any], days: int = 365) -> dict[str, Any]:
    """The platform's YAML: everything on, made small, and asked for less often than by default."""
    return {
        "sources": {"venue": market},
        "symbols": {SYMBOL: {"source": "venue", "first_month": WARM_UP}},
        "features": {"groups": ["returns", "momentum", "volatility", "volume"]},
        "labels": {"horizons": [15]},
        "splits": {"train_days": 21, "validation_days": 3, "calibration_days": 5, "test_days": 4,
                   "max_folds": 1, "lock_box_days": 4},
        "model": {"name": "DLinear"},
        "training": {"max_epochs": 1, "max_windows": 2000, "max_validation_windows": 2000,
                     "window": 16},
        "benchmark": {"speed": "none", "baselines": ["majority", "prior"], "test_stride": 15},
        "drift": {"min_reference_days": 14, "evidently": False, "season": "all", "power_days": 0,
                  "alarms_per_year": 8},
        "retraining": {"cooldown_hours": 48, "max_per_year": 10},
        "database": {"mirror": ["predictions"], "first_wait_s": 0.001, "attempts": 1,
                     "connect_timeout_s": 1},
        "alerts": {"attempts": 1, **alerts},
        "automation": {"refresh_bars": "5 0 * * *", "refill_gaps": "0 0 * * *",
                       "watch": "30 0 * * *", "nightly_retraining": "40 0 * * 0",
                       "predict": "50 0 * * *", "upkeep": "15 1 * * 0",
                       "judge": "45 0 * * *", "skew": "50 0 * * *",
                       "controls": "0 0 1 1 *", "drift_catch_up_days": min(14, days)},
    }  # fmt: skip


def minutes_of(since: np.datetime64, until: np.datetime64) -> Times:
    """Every minute of a stretch."""
    return np.arange(since.astype("datetime64[m]"), until.astype("datetime64[m]")).astype(TS)
