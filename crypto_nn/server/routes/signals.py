"""`/signals`: what a trading engine should hold after the newest bars."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from crypto_nn.bars.calendar import TS
from crypto_nn.inference.signals import Float, Signal, SignalConfig, limited, signal_of
from crypto_nn.server.answers import Answers, NotWhole
from crypto_nn.server.batching import Overloaded
from crypto_nn.server.problems import TooMany, documented, request_id
from crypto_nn.server.schemas import Prediction, Symbol


class Held(BaseModel):
    """What to hold in one symbol."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: str
    model_version: str = Field(description="Who said it; empty where nobody could.")
    known_at: str | None = Field(description="Close of the newest bar seen, UTC, ISO 8601.")
    stale: bool
    direction: Literal[-1, 0, 1]
    confidence: float = Field(ge=0, le=1)
    size: float = Field(ge=-1, le=1, description="Share of the capital; below 0 is short.")
    horizon: int = Field(ge=0, description="Minutes for which it speaks; 0 where flat.")
    reason: str


class Signals(BaseModel):
    """What to hold in each symbol, in the order of the question."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    signals: tuple[Held, ...]
    request_id: str


@dataclass(frozen=True, eq=False)
class _Said:
    """A prediction as `inference.signals.Opinion`."""

    symbol: str
    known_at: np.datetime64
    version: str
    horizons: tuple[int, ...]
    p_HC: Float
    epistemic_H: Float | None


def router(
    answers: Answers,
    volatility: Callable[[str], float],
    config: SignalConfig,
    killed: Callable[[], bool],
) -> APIRouter:
    """Signals out of the predictions that `/predict` gives.

    Args:
        answers: what predicts.
        volatility: of a symbol's minute (`minute_volatility`); NaN while it is not known.
        config: sizes and limits.
        killed: whether the kill switch is on (`is_killed`); asked at every request.
    """
    routes = APIRouter(tags=["signals"], responses=documented(404, 503))

    @routes.get("/signals")
    async def signals(
        request: Request,
        symbol: Annotated[list[Symbol], Query(min_length=1, max_length=1024)],
        drawdown: Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)] = 0.0,
    ) -> Signals:
        """What to hold; flat where stale, unknown, stopped or without an edge.

        Name every symbol that the account may hold: the limit of exposure is over those named.
        `drawdown` is the account's loss from its peak, which only the engine knows.
        """
        wanted = tuple(dict.fromkeys(symbol))
        if len(wanted) > answers.config.most_symbols:
            raise TooMany(answers.config.most_symbols)
        serving, key = answers.watcher.serving, _key(request)

        async def one(name: str) -> tuple[Signal, Prediction | None]:
            try:
                said = await answers.of(serving, name, key, True)
            except NotWhole:
                return _nobody(name, "no whole window"), None
            except Overloaded:
                return _nobody(name, "overloaded"), None
            return _signal(said, volatility(name), config), said

        found = await asyncio.gather(*(one(name) for name in wanted))
        within = limited([signal for signal, _ in found], config, drawdown, killed())
        held = tuple(_held(each, said) for each, (_, said) in zip(within, found, strict=True))
        return Signals(signals=held, request_id=request_id(request))

    return routes


def _signal(said: Prediction, volatility: float, config: SignalConfig) -> Signal:
    p_HC = np.array([[each.p_down, each.p_flat, each.p_up] for each in said.horizons])
    unsure = [each.epistemic for each in said.horizons if each.epistemic is not None]
    opinion = _Said(
        said.symbol,
        np.datetime64(said.known_at.removesuffix("Z")).astype(TS),
        said.model_version,
        tuple(each.horizon for each in said.horizons),
        p_HC,
        np.array(unsure) if unsure else None,
    )
    signal = signal_of(opinion, volatility, config, max(said.staleness_s, 0.0) / 60)
    return signal.flat("stale") if said.stale else signal


def _nobody(symbol: str, reason: str) -> Signal:
    return Signal(symbol, np.datetime64("NaT"), "", 0, 0.0, 0.0, 0, reason)


def _held(signal: Signal, said: Prediction | None) -> Held:
    return Held(
        symbol=signal.symbol,
        model_version=signal.version,
        known_at=None if said is None else said.known_at,
        stale=said is None or said.stale,
        direction=_SIDES[signal.direction],
        confidence=min(max(signal.confidence, 0.0), 1.0),
        size=signal.size,
        horizon=signal.horizon,
        reason=signal.reason,
    )


_SIDES: dict[int, Literal[-1, 0, 1]] = {-1: -1, 0: 0, 1: 1}


def _key(request: Request) -> str | None:
    caller = getattr(request.state, "caller", None)
    return None if caller is None else str(caller.key)
