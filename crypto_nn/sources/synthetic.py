"""A market whose predictability is known, to test everything that claims to find it.

What can be known of the next move is a momentum x, and nothing else:

    z_t = x_{t-1} + ε_t        standardised one-minute return, ε independent normal
    x_t = φ x_{t-1} + k ε_t    φ = 0.9: half of it is forgotten in 6.6 minutes

So x is an exponentially weighted mean of past standardised returns (decay φ − k), which anyone
who sees the bars can compute, and sign(x_t) is the best guess of any later move's direction.
Mean and move are jointly normal, so that guess is right with probability ½ + arcsin(ρ)/π, where ρ
is the correlation of x_t with the move (`hit_rate`). The configured `edge` is this probability
for the next 15 minutes; k follows from it. At 0.5, k is zero and the direction of no move at any
horizon can be foretold; below 0.5 moves revert. Only directions are governed by `edge`: that
volatility and volume come in clusters and seasons can be learned at any edge, as in real markets.

Volatility clusters as under GARCH, with a slow and a fast part, over a UTC day and week. The price
within a minute is a Brownian bridge, whose extremes give high and low.
"""

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import accumulate
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from crypto_nn.bars import M1, Bars, Float, Timeframe, Times
from crypto_nn.bars.calendar import TS, month_slices
from crypto_nn.bars.symbol import check_symbol
from crypto_nn.errors import SourceError
from crypto_nn.sources.source import Availability, BarSource

HORIZON = 15
MEMORY = 0.9
WEEK = 7 * 1440


def _on_minute(at: datetime) -> datetime:
    if at.tzinfo is not None and at.utcoffset() != UTC.utcoffset(None):
        raise ValueError(f"{at} is not UTC: write it with Z or without a zone")
    if at.second or at.microsecond:
        raise ValueError(f"{at} is not the start of a minute")
    return at.replace(tzinfo=None)


Minute = Annotated[datetime, AfterValidator(_on_minute)]
Edge = Annotated[float, Field(ge=0.4, le=0.65)]


class Gap(BaseModel):
    """Minutes without bars, as in an outage of the exchange; trading goes on unseen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Minute = Field(description="The first minute without a bar (UTC).")
    minutes: int = Field(ge=1, description="How many minutes are missing.")


class Regime(BaseModel):
    """How the market differs from a known time on, until the next regime starts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Minute = Field(description="When the regime starts (UTC).")
    edge: Edge | None = Field(default=None, description="Its edge; the market's own where null.")
    volatility: float = Field(default=1.0, gt=0, le=20, description="Factor on the volatility.")
    volume: float = Field(default=1.0, gt=0, le=100, description="Factor on volume and trades.")


class SyntheticConfig(BaseModel):
    """A made-up market: the same settings give the same bars, on any range that is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["synthetic"] = "synthetic"
    seed: int = Field(default=7, ge=0, description="Another seed is another history.")
    symbols: tuple[str, ...] = Field(default=("SYN-USDT",), min_length=1, description="Symbols.")
    start: Minute = Field(default=datetime(2024, 1, 1), description="The first bar (UTC).")
    end: Minute = Field(
        default=datetime(2024, 6, 1),
        description="The end (UTC, exclusive). A later end adds bars and changes none.",
    )
    edge: Edge = Field(
        default=0.55,
        description="The share of 15-minute moves whose direction recent momentum foretells; 0.5 "
        "is none at all, below it moves revert.",
    )
    volatility_bps: float = Field(
        default=5.0, gt=0, le=100, description="Root mean square of one-minute returns."
    )
    volume: float = Field(default=15.0, gt=0, description="Typical volume of a minute.")
    start_price: float = Field(default=30_000.0, gt=1e-6, lt=1e9, description="The first open.")
    correlation: float = Field(
        default=0.6, ge=0, le=1, description="Correlation of the symbols' one-minute returns."
    )
    gaps: tuple[Gap, ...] = Field(default=(), description="Outages at known times.")
    gap_rate: float = Field(default=0.0, ge=0, le=100, description="Random outages in a day.")
    gap_minutes: float = Field(default=5.0, ge=1, description="Their mean length.")
    regimes: tuple[Regime, ...] = Field(default=(), description="Changes at known times: drift.")

    @model_validator(mode="after")
    def _is_sound(self) -> "SyntheticConfig":
        for symbol in self.symbols:
            check_symbol(symbol)
        starts = [regime.start for regime in self.regimes]
        if starts != sorted(set(starts)):
            raise ValueError("regimes must be listed by start, each later than the one before")
        if self.end <= self.start:
            raise ValueError(f"end {self.end} is not after start {self.start}")
        return self

    def open(self) -> "SyntheticSource":
        """The source that gives these bars."""
        return SyntheticSource(self)


class SyntheticSource(BarSource):
    """The bars of a `SyntheticConfig`, generated when first asked for and kept."""

    name = "synthetic"

    def __init__(self, config: SyntheticConfig) -> None:
        self.config = config
        self._generated: dict[str, Bars] = {}

    def symbols(self) -> tuple[str, ...]:
        """The configured symbols."""
        return tuple(sorted(set(self.config.symbols)))

    def available(self, symbol: str) -> Availability:
        """The configured range."""
        self.check_symbol(symbol)
        return Availability(_instant(self.config.start), _instant(self.config.end), live=False)

    def state(self) -> str:
        """Hash of the configuration: it decides every bar."""
        return f"{zlib.crc32(self.config.model_dump_json().encode()):08x}"

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        """The bars that open in [start, end), a month at a time."""
        self.check_symbol(symbol)
        if timeframe != M1:
            raise SourceError(f"Synthetic bars are of {M1}, not {timeframe}: resample them.")
        if symbol not in self._generated:
            self._generated[symbol] = generate(self.config, symbol)
        bars = self._generated[symbol].between(start, end)
        return (bars[rows] for _, rows in month_slices(bars.ts))


def hit_rate(edge: float, horizon: int) -> float:
    """How often sign(x) foretells the move over `horizon` minutes, in a market of this edge."""
    return _hit_rate(_gain(edge), horizon)


def momentum_decay(edge: float) -> float:
    """What is left of the momentum after a minute, as seen in returns: φ - k.

    x is then, but for its scale, the sum of past standardised returns with these weights.
    """
    return MEMORY - _gain(edge)


def _hit_rate(gain: float, horizon: int) -> float:
    """½ + arcsin(ρ)/π for the innovations form above; below ½ where moves revert."""
    reach = (1 - MEMORY ** np.arange(horizon + 1)) / (1 - MEMORY)  # Σ φ^i over the minutes ahead
    told = gain**2 / (1 - MEMORY**2) * reach[-1] ** 2
    untold = np.sum((1 + gain * reach[:-1]) ** 2)
    rho = np.sign(gain) * np.sqrt(told / (told + untold))
    return float(0.5 + np.arcsin(rho) / np.pi)


@cache
def _gain(edge: float) -> float:
    """The k whose hit rate over `HORIZON` minutes is `edge`, by bisection."""
    if edge == 0.5:
        return 0.0
    low, high = -(1 - MEMORY), 0.5
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _hit_rate(middle, HORIZON) < edge else (low, middle)
    return (low + high) / 2


def generate(config: SyntheticConfig, symbol: str) -> Bars:
    """Every bar of a symbol from the configured start to the end."""
    first, after = _instant(config.start), _instant(config.end)
    ts: Times = np.arange(first, after, M1.step, dtype=TS)
    gain = _by_regime(config, ts, [_gain(r.edge or config.edge) for r in config.regimes],
                      _gain(config.edge))  # fmt: skip
    factor = _by_regime(config, ts, [r.volatility for r in config.regimes], 1.0)
    busy = _by_regime(config, ts, [r.volume for r in config.regimes], 1.0)
    heat = _season(ts) + _clusters(config, len(ts))
    z = _standard_returns(config, symbol, gain)
    sigma = config.volatility_bps * 1e-4 * factor * np.exp(heat)
    prices = _prices(config, symbol, sigma * z, sigma)
    volume, trades = _activity(config, symbol, busy, heat, z)
    bars = Bars(symbol, M1, ts, **prices, volume=volume, trades=trades)
    return bars.take(~_missing(config, symbol, ts))


def _standard_returns(config: SyntheticConfig, symbol: str, gain: Float) -> Float:
    """z above, of variance one: normal, with just so much momentum as the gain says."""
    num = len(gain)
    common = _normal(config, "market", "returns", num)
    own = _normal(config, symbol, "returns", num)
    noise = np.sqrt(config.correlation) * common + np.sqrt(1 - config.correlation) * own
    momentum = _remember(gain * noise, MEMORY)
    z = noise + np.concatenate([[0.0], momentum[:-1]])
    scaled: Float = z / np.sqrt(1 + gain**2 / (1 - MEMORY**2))
    return scaled


def _clusters(config: SyntheticConfig, num: int) -> Float:
    """The logarithm of volatility apart from the season; its mean square factor is one."""
    log_volatility = np.zeros(num)
    for part, half_life, deviation in (("slow", 2 * 1440, 0.3), ("fast", 60, 0.25)):
        memory = 0.5 ** (1 / half_life)
        shocks = deviation * _normal(config, "market", part, num)
        shocks[1:] *= np.sqrt(1 - memory**2)  # the first is drawn from where it settles
        log_volatility += _remember(shocks, memory) - deviation**2
    return log_volatility


def _season(ts: Times) -> Float:
    """The logarithm of volatility by time of week: busy at 15:00 UTC, calm at weekends."""
    minute = np.arange(WEEK)
    weekend = np.isin(minute // 1440, (5, 6))
    season = 0.35 * np.cos(2 * np.pi * (minute - 15 * 60) / 1440) - 0.25 * weekend
    season -= np.log(np.mean(np.exp(2 * season))) / 2
    monday = np.datetime64("1970-01-05", "m")
    of_week: Float = season[(ts.astype("datetime64[m]") - monday).astype(np.int64) % WEEK]
    return of_week


def _prices(config: SyntheticConfig, symbol: str, returns: Float, sigma: Float) -> dict[str, Any]:
    """Open, high, low and close from a Brownian bridge, on the tick, and a vwap between them."""
    decimals = 6 - int(np.floor(np.log10(config.start_price)))
    path = np.log(config.start_price) + np.cumsum(returns)
    close = np.exp(path)
    opening = np.concatenate([[config.start_price], close[:-1]])
    up, down = (
        np.sqrt(returns**2 - 2 * sigma**2 * np.log(_uniform(config, symbol, side, len(returns))))
        for side in ("high", "low")
    )
    high = opening * np.exp((returns + up) / 2)
    low = opening * np.exp((returns - down) / 2)
    opening, high, low, close = (np.round(p, decimals) for p in (opening, high, low, close))
    high = np.maximum(high, np.maximum(opening, close))
    low = np.minimum(low, np.minimum(opening, close))
    vwap = np.clip((opening + high + low + close) / 4, low, high)
    return {"open": opening, "high": high, "low": low, "close": close, "vwap": vwap}


def _activity(
    config: SyntheticConfig, symbol: str, busy: Float, heat: Float, z: Float
) -> tuple[Float, Float]:
    """Volume and number of trades: more in volatile times and in minutes that move far."""
    log_volume = heat + 0.3 * np.abs(z) + 0.5 * _normal(config, symbol, "volume", len(z))
    volume = np.round(config.volume * busy * np.exp(log_volume), 5)
    size = np.exp(0.3 * _normal(config, symbol, "trades", len(z)))
    trades = np.maximum(1.0, np.round(volume * 25 / config.volume * size))
    return volume, trades


def _missing(config: SyntheticConfig, symbol: str, ts: Times) -> NDArray[np.bool_]:
    """Which minutes lie in an outage."""
    chance = 1.0 - _uniform(config, symbol, "gaps", len(ts))
    starts = np.flatnonzero(chance < config.gap_rate / 1440)
    random = np.random.default_rng(_seeds(config, symbol, "gap lengths"))
    lengths = random.geometric(1 / config.gap_minutes, len(starts))
    step = np.zeros(len(ts) + 1, dtype=np.int64)
    np.add.at(step, starts, 1)
    np.add.at(step, np.minimum(starts + lengths, len(ts)), -1)
    missing: NDArray[np.bool_] = np.cumsum(step[:-1]) > 0
    for gap in config.gaps:
        begin = _instant(gap.start)
        missing |= (ts >= begin) & (ts < begin + gap.minutes * M1.step)
    return missing


def _by_regime(config: SyntheticConfig, ts: Times, values: list[float], before: float) -> Float:
    """For each minute the value of its regime, and `before` where none has started."""
    starts = np.array([_instant(regime.start) for regime in config.regimes], dtype=TS)
    return np.array([before, *values])[np.searchsorted(starts, ts, side="right")]


def _remember(shocks: Float, memory: float) -> Float:
    """y_t = memory · y_{t-1} + shock_t, from the start on, so that a longer run only adds to it."""
    return np.fromiter(accumulate(shocks.tolist(), lambda y, e: memory * y + e), dtype=np.float64)


def _seeds(config: SyntheticConfig, who: str, what: str) -> np.random.SeedSequence:
    """An own stream for each quantity, so that a longer history begins with the shorter one."""
    return np.random.SeedSequence(
        [config.seed, zlib.crc32(who.encode()), zlib.crc32(what.encode())]
    )


def _normal(config: SyntheticConfig, who: str, what: str, num: int) -> Float:
    return np.random.default_rng(_seeds(config, who, what)).standard_normal(num)


def _uniform(config: SyntheticConfig, who: str, what: str, num: int) -> Float:
    """In (0, 1], so that its logarithm is finite."""
    return 1.0 - np.random.default_rng(_seeds(config, who, what)).random(num)


def _instant(at: datetime) -> np.datetime64:
    return np.datetime64(at, "us")
