"""How much time one bar covers."""

import re
from dataclasses import dataclass

import numpy as np

from crypto_nn.errors import BarsError

_UNITS = {"m": 1, "h": 60, "d": 1440}


@dataclass(frozen=True, order=True)
class Timeframe:
    """A whole number of minutes that divides a day: 1m, 5m, 15m, 1h, 4h, 1d."""

    minutes: int

    def __post_init__(self) -> None:
        if self.minutes < 1 or 1440 % self.minutes:
            raise BarsError(
                f"A timeframe of {self.minutes} minutes does not divide a day. "
                "Use one such as 1m, 5m, 15m, 1h, 4h or 1d."
            )

    @classmethod
    def parse(cls, text: str) -> "Timeframe":
        """Read "1m", "15m", "4h" or "1d"."""
        match = re.fullmatch(r"([1-9]\d{0,3})([mhd])", text)
        if match is None:
            raise BarsError(f"{text!r} is not a timeframe. Write it as 1m, 5m, 15m, 1h, 4h or 1d.")
        return cls(int(match[1]) * _UNITS[match[2]])

    @property
    def step(self) -> np.timedelta64:
        """The time from one bar's open to the next (µs)."""
        return np.timedelta64(self.minutes * 60_000_000, "us")

    def __str__(self) -> str:
        for unit in ("d", "h"):
            if self.minutes % _UNITS[unit] == 0:
                return f"{self.minutes // _UNITS[unit]}{unit}"
        return f"{self.minutes}m"


M1 = Timeframe(1)
M5 = Timeframe(5)
M15 = Timeframe(15)
H1 = Timeframe(60)
