"""How often the alarm rings in vain, and how often it rings when it should."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars.calendar import TS
from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.days import DayBlocks
from crypto_nn.monitoring.drift import Reference, compare
from crypto_nn.monitoring.report import DriftReport

Float = NDArray[np.float64]
Stream = Callable[[np.random.Generator, int, int], Float]

_FIRST_DAY = np.datetime64("2024-01-01", "us")
_MADE_AT = np.datetime64("2025-01-01", "us")
_BURN_IN = 500


@dataclass(frozen=True)
class Rate:
    """How often something happened.

    Attributes:
        count, trials: so often, of so many independent windows.
        low, high: exact 95 % binomial interval of the rate (Clopper and Pearson 1934).
    """

    count: int
    trials: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The rate itself."""
        return self.count / self.trials

    @classmethod
    def of(cls, happened: Iterable[bool]) -> "Rate":
        """The rate at which these are true."""
        from scipy.stats import beta

        outcomes = list(happened)
        count, trials = sum(outcomes), len(outcomes)
        low = float(beta.ppf(0.025, count, trials - count + 1)) if count else 0.0
        high = float(beta.ppf(0.975, count + 1, trials - count)) if count < trials else 1.0
        return cls(count, trials, low, high)

    def upper(self, confidence: float) -> float:
        """One-sided exact upper bound of the rate (Clopper and Pearson 1934)."""
        return _upper(self.count, self.trials, confidence)


def largest_bound(trials: int, num_series: int, level: float = 0.05) -> float:
    """The upper bound that an alarm of exactly this level may show by chance alone.

    `num_series` alarms, each measured on so many windows and bounded at 1 − 0.05 / num_series,
    have all their bounds at or below it in at least 95 of 100 sets. What is above has a rate
    above its level.
    """
    from scipy.stats import binom

    confidence = 1 - 0.05 / num_series
    return _upper(int(binom.ppf(confidence, trials, level)), trials, confidence)


def _upper(count: int, trials: int, confidence: float) -> float:
    from scipy.stats import beta

    return float(beta.ppf(confidence, count + 1, trials - count)) if count < trials else 1.0


def normal(rng: np.random.Generator, rows: int, columns: int) -> Float:
    """Independent standard normal values."""
    return rng.standard_normal((rows, columns))


def student_t3(rng: np.random.Generator, rows: int, columns: int) -> Float:
    """Independent values with tails as heavy as those of returns."""
    return rng.standard_t(3, (rows, columns))


def autoregressive(phi: float) -> Stream:
    """Values of which each keeps the share `phi` of the one before, with variance 1."""

    def stream(rng: np.random.Generator, rows: int, columns: int) -> Float:
        from scipy.signal import lfilter

        noise_NF = rng.standard_normal((rows + _BURN_IN, columns)) * np.sqrt(1 - phi**2)
        return np.asarray(lfilter([1.0], [1.0, -phi], noise_NF, axis=0))[_BURN_IN:]

    return stream


def garch(rng: np.random.Generator, rows: int, columns: int) -> Float:
    """Returns whose volatility comes in clusters: GARCH(1, 1) with α = 0.1, β = 0.85."""
    noise_NF = rng.standard_normal((rows + _BURN_IN, columns))
    variance_F = np.ones(columns)
    for row_F in noise_NF:
        row_F *= np.sqrt(variance_F)
        variance_F = 0.05 + 0.1 * row_F**2 + 0.85 * variance_F
    return noise_NF[_BURN_IN:]


def rolling_volatility(rng: np.random.Generator, rows: int, columns: int) -> Float:
    """Standard deviation of the last 60 independent returns: a slow indicator."""
    squares_NF = rng.standard_normal((rows + 60, columns)) ** 2
    total_NF = np.cumsum(squares_NF, axis=0)
    return np.sqrt((total_NF[60:] - total_NF[:-60]) / 60)


NULL_STREAMS: Mapping[str, Stream] = {
    "i.i.d. normal": normal,
    "i.i.d. t3": student_t3,
    "AR(0.5)": autoregressive(0.5),
    "AR(0.9)": autoregressive(0.9),
    "GARCH(1,1)": garch,
    "rolling volatility": rolling_volatility,
}


@dataclass(frozen=True)
class Window:
    """The form of one trial: so many reference days and one more, all of the same stream."""

    days: int = 39
    rows_per_day: int = 200
    columns: int = 5

    def draw(self, stream: Stream, seed: int | Sequence[int]) -> Float:
        """(days + 1, rows, columns) values, all from one unbroken stream of this seed alone."""
        rng = np.random.default_rng(seed)
        x_NF = stream(rng, (self.days + 1) * self.rows_per_day, self.columns)
        return x_NF.reshape(self.days + 1, self.rows_per_day, self.columns)


def blocks_of(x_BNF: Float) -> DayBlocks:
    """Day blocks from one array of rows per day; the days follow one another from 2024-01-01."""
    num_days, rows, columns = x_BNF.shape
    day_B1 = np.arange(num_days)[:, None] * np.timedelta64(1, "D")
    ts_N = (_FIRST_DAY + day_B1 + np.arange(rows) * np.timedelta64(1, "m")).astype(TS).ravel()
    names = [f"column_{j}" for j in range(columns)]
    return DayBlocks.from_rows(ts_N, x_BNF.reshape(-1, columns), names)


def compare_last(x_BNF: Float, config: DriftConfig) -> DriftReport:
    """The last of these days against all others."""
    blocks = blocks_of(x_BNF)
    days = np.unique(blocks.day_N())
    reference = Reference("BTC-USDT", "trial", blocks.on(days[:-1]))
    today = blocks.on(days[-1:])
    return compare(reference, today, config, day=str(days[-1]), made_at=_MADE_AT)


def false_alarm_rate(
    stream: Stream, window: Window, config: DriftConfig, num_windows: int, seed: int = 0
) -> Rate:
    """How often a day is significant that comes from the same stream as its reference.

    Counted is p ≤ alpha, before the floor on effects, which only makes alarms rarer.
    """
    trials = (compare_last(window.draw(stream, seed + each), config) for each in range(num_windows))
    return Rate.of(report.drift_score > 1 for report in trials)


def power_curve(
    stream: Stream,
    shifts: Iterable[float],
    window: Window,
    config: DriftConfig,
    num_windows: int,
    seed: int = 0,
) -> dict[float, Rate]:
    """How often a day is drift on which the first column is higher by so many standard deviations.

    The standard deviation is that of the first column over the whole window.
    """

    def drifted(shift: float, each: int) -> bool:
        x_BNF = window.draw(stream, seed + each)
        x_BNF[-1, :, 0] += shift * x_BNF[..., 0].std()
        return compare_last(x_BNF, config).drifted

    return {shift: Rate.of(drifted(shift, each) for each in range(num_windows)) for shift in shifts}
