"""What to hold on an answer: direction, confidence and size, for an engine that trades.

A size is a share of the capital from -1 (short) to 1 (long), as `benchmark.backtest.positions`
has it, and costs are those of a round trip. No edge after costs is no position: that is normal.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import TS, month_of
from crypto_nn.errors import ConfigError

Float = NDArray[np.float64]
MINUTES_A_YEAR = 365 * 24 * 60
BPS = 1e-4
DOWN, FLAT, UP = range(3)


class SignalConfig(BaseModel):
    """How answers become sizes, and what no size may pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cost_bps: float = Field(
        default=10.0, ge=0, allow_inf_nan=False, description="Cost of a round trip, basis points."
    )
    move: float = Field(
        default=0.8,
        gt=0,
        le=3,
        description="Size of a move that is not flat, in standard deviations of its horizon; an "
        "assumption: 0.8 is the mean size of all moves of a normal walk.",
    )
    kelly: float = Field(default=0.25, gt=0, le=1, description="Share of the Kelly size.")
    target_volatility: float = Field(
        default=0.2, gt=0, le=10, description="Volatility a year that one position may bring."
    )
    most_size: float = Field(default=0.5, gt=0, le=1, description="Largest size of one symbol.")
    least_size: float = Field(default=0.01, ge=0, le=1, description="Smaller sizes are none.")
    most_epistemic: float = Field(
        default=0.1, gt=0, description="Disagreement (nats) from which on nothing is held."
    )
    allow_short: bool = Field(default=False, description="Whether a size may be below zero.")
    most_exposure: float = Field(
        default=1.0, gt=0, le=10, description="Largest sum of the sizes of all symbols."
    )
    most_drawdown: float = Field(
        default=0.1, gt=0, le=1, description="Loss from the peak from which on all is flat."
    )
    volatility_rows: int = Field(
        default=60, ge=10, le=10_000, description="Minutes that volatility is measured on."
    )


class Opinion(Protocol):
    """What a signal is made of: `streaming.Answer`, or what a client got from `/predict`."""

    @property
    def symbol(self) -> str:
        """Of what."""

    @property
    def known_at(self) -> np.datetime64:
        """Close of the newest bar seen, UTC."""

    @property
    def version(self) -> str:
        """By whom."""

    @property
    def horizons(self) -> tuple[int, ...]:
        """Minutes ahead."""

    @property
    def p_HC(self) -> Float:
        """Calibrated probabilities of down, flat and up (H, 3)."""

    @property
    def epistemic_H(self) -> Float | None:
        """Disagreement in nats; None of a single version."""


@dataclass(frozen=True)
class Signal:
    """What to hold in a symbol from now on.

    Attributes:
        symbol: base and quote.
        known_at: from when on this could be known, UTC; an order fills later.
        version: who said it.
        direction: -1 short, 0 flat, 1 long: the sign of the size.
        confidence: mean probability, over the horizons, of that direction's class.
        size: share of the capital, -1 to 1.
        horizon: minutes for which it speaks: the longest asked horizon of the same side; 0 if flat.
        reason: why it is what it is, in a word or two.
    """

    symbol: str
    known_at: np.datetime64
    version: str
    direction: int
    confidence: float
    size: float
    horizon: int
    reason: str

    def flat(self, reason: str) -> "Signal":
        """Nothing held, and why."""
        return replace(self, direction=0, size=0.0, horizon=0, reason=reason)

    def row(self) -> dict[str, Any]:
        """A row of the table `signals`."""
        ts = self.known_at.astype(TS) - M1.step
        return {
            "symbol": self.symbol, "month": str(month_of(ts)), "ts": ts,
            "model_version": self.version, "direction": self.direction,
            "confidence": self.confidence, "size": self.size, "horizon": self.horizon,
            "reason": self.reason,
        }  # fmt: skip


def minute_volatility(bars: Bars, rows: int) -> float:
    """Standard deviation of a minute's log return about zero, over the last `rows` minutes.

    NaN where there are fewer bars or a hole among them: volatility is then not known.
    """
    last = bars[-(rows + 1) :]
    if len(last) < rows + 1 or (np.diff(last.ts) != M1.step).any():
        return float("nan")
    return float(np.sqrt(np.mean(np.diff(np.log(last.close)) ** 2)))


def kelly_sizes(
    p_HC: Float, horizons: Sequence[int], volatility: float, config: SignalConfig
) -> Float:
    """What each horizon alone would hold: fractional Kelly net of costs (H,).

    The expected move is p(up) - p(down) times the size of a move; what costs leave of it, over
    the variance of the horizon, is Kelly's size for a small edge (Thorp 2006). It is zero where
    the costs eat the edge.
    """
    sd_H = volatility * np.sqrt(np.array(horizons, dtype=np.float64))
    edge_H = (p_HC[:, UP] - p_HC[:, DOWN]) * config.move * sd_H
    net_H = np.maximum(np.abs(edge_H) - config.cost_bps * BPS, 0.0)
    sizes: Float = config.kelly * np.sign(edge_H) * net_H / sd_H**2
    return sizes


def combine_horizons(size_H: Float, horizons: Sequence[int], age: float) -> float:
    """One size of several horizons: their mean, faded by age and by disagreement.

    A horizon of h minutes has 1 - age / h of its say left after `age` minutes. Of sizes on both
    sides only what is left after netting counts, and in the share by which one side prevails.
    """
    left_H = np.clip(1.0 - age / np.array(horizons, dtype=np.float64), 0.0, 1.0)
    faded_H = left_H * size_H
    spoken = float(np.abs(faded_H).sum())
    if spoken == 0.0:
        return 0.0
    net = float(faded_H.sum())
    return net / len(size_H) * (abs(net) / spoken)


def caution(epistemic_H: Float | None, config: SignalConfig) -> float:
    """The factor, 0 to 1, by which disagreement makes a size smaller; 0 where it is not known."""
    if epistemic_H is None:
        return 1.0
    worst = float(np.max(epistemic_H))
    if not np.isfinite(worst):
        return 0.0
    return min(1.0, max(0.0, 1.0 - worst / config.most_epistemic))


def signal_of(
    opinion: Opinion, volatility: float, config: SignalConfig, age: float = 0.0
) -> Signal:
    """What one answer says to hold, before the limits of the whole account (`limited`).

    Args:
        opinion: the answer.
        volatility: of a minute (`minute_volatility`); without it nothing is held.
        config: how.
        age: minutes since `known_at`.

    Raises:
        ConfigError: probabilities and horizons do not belong together.
    """
    _check(opinion, age)
    p_HC = opinion.p_HC
    confidence = float(p_HC[:, FLAT].mean())
    none = Signal(opinion.symbol, opinion.known_at, opinion.version, 0, confidence, 0.0, 0, "")
    if not (np.isfinite(volatility) and volatility > 0):
        return none.flat("volatility not known")
    size_H = kelly_sizes(p_HC, opinion.horizons, volatility, config)
    wanted = combine_horizons(size_H, opinion.horizons, age)
    if wanted == 0:
        return none.flat("no edge after costs")
    if wanted < 0 and not config.allow_short:
        return none.flat("short not allowed")
    per_year = volatility * np.sqrt(MINUTES_A_YEAR)
    cap = min(config.most_size, config.target_volatility / per_year)
    sure = caution(opinion.epistemic_H, config)
    size = float(np.clip(wanted, -cap, cap)) * sure
    if size == 0 or abs(size) < config.least_size:
        return none.flat("too uncertain" if sure < 1 else "too small")
    side = 1 if size > 0 else -1
    horizon = max(h for h, s in zip(opinion.horizons, size_H, strict=True) if s * side > 0)
    confidence = float(p_HC[:, FLAT + side].mean())
    reason = "capped" if abs(wanted) > cap else "kelly"
    return replace(
        none, direction=side, size=size, horizon=horizon, confidence=confidence, reason=reason
    )


def limited(
    signals: Sequence[Signal], config: SignalConfig, drawdown: float = 0.0, killed: bool = False
) -> tuple[Signal, ...]:
    """Signals within the limits of the whole account, in the same order.

    Args:
        signals: one per symbol; all that the account may hold.
        config: limits.
        drawdown: loss from the account's peak, 0 to 1; what is no number counts as too much.
        killed: whether the kill switch is on.
    """
    if killed:
        return tuple(each.flat("kill switch") for each in signals)
    if not drawdown < config.most_drawdown:
        return tuple(each.flat("drawdown stop") for each in signals)
    exposure = sum(abs(each.size) for each in signals)
    if exposure <= config.most_exposure:
        return tuple(signals)
    share = config.most_exposure / exposure
    return tuple(
        replace(each, size=each.size * share, reason="exposure") if each.size else each
        for each in signals
    )


def is_killed(switch: Path) -> bool:
    """Whether the kill switch is on: the file is there, or it cannot be told that it is not."""
    try:
        os.lstat(switch)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _check(opinion: Opinion, age: float) -> None:
    p_HC, due = opinion.p_HC, (len(opinion.horizons), 3)
    if p_HC.shape != due or not due[0] or min(opinion.horizons) <= 0:
        raise ConfigError(
            f"An answer of shape {p_HC.shape} for the horizons {opinion.horizons} was given; due "
            f"are {due} for minutes above 0. Hand over an answer as its version gave it."
        )
    if not (np.isfinite(p_HC).all() and (p_HC >= 0).all() and np.allclose(p_HC.sum(axis=1), 1)):
        raise ConfigError(
            f"The probabilities for {opinion.symbol} at {opinion.known_at} are not shares that "
            "sum to 1. Trade nothing on them, and look at the version's calibration."
        )
    if not age >= 0:
        raise ConfigError(f"An answer of age {age} minutes was given; due is 0 or more.")
