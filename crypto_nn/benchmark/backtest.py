"""What trading on predictions would have earned: next-bar execution, costs by turnover."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.config import Sizing

Float = NDArray[np.float64]
Times = NDArray[np.datetime64]
MINUTE = np.timedelta64(1, "m")
DAY = "datetime64[D]"
BP_ROUND_TRIP = 2e4  # a unit bought and sold again trades two


def positions(probabilities_RC: Float, sizing: Sizing = "sign") -> Float:
    """How much to hold, in units of capital from -1 (short) to 1 (long), for each prediction.

    "sign" is always in the market on the more likely side, "class" stays out where flat is the
    most likely class, "confidence" holds p(up) - p(down). No size is above 1, and a "confidence"
    size is never above 1 - p(flat): the mean of several opinions is never held larger than they
    are on average, and mixing in equal chances makes each size smaller.
    """
    tilt_R: Float = np.subtract(probabilities_RC[:, 2], probabilities_RC[:, 0])
    if sizing == "confidence":
        return np.clip(tilt_R, -1.0, 1.0)
    if sizing == "class":
        return np.asarray(probabilities_RC.argmax(axis=1) - 1.0, dtype=np.float64)
    side_R: Float = np.sign(tilt_R)
    return side_R


@dataclass(frozen=True, eq=False)
class Market:
    """Where orders in one symbol fill: one price per bar, in time order.

    `fill` is the bar's open for execution at the next open, or its close for execution a whole
    bar later. An order decided when bar t closes fills at the first bar that opens after t.

    Attributes:
        ts: bar opens, ascending.
        fill: price of each bar, > 0.
    """

    ts: Times
    fill: Float


@dataclass(frozen=True, eq=False)
class Backtest:
    """A traded path as segments of constant position, from one fill to the next.

    Each order sets the holding to its position times the capital of that moment.

    Attributes:
        ts: when each segment begins (the open of the bar in which its order filled).
        position: units of capital held during the segment; 0 where out of the market.
        price: at which its order filled.
    """

    ts: Times
    position: Float
    price: Float

    @cached_property
    def gross(self) -> Float:
        """Position × price change over each segment; after the last one nothing is held."""
        if not len(self.price):
            return np.zeros(0)
        change: Float = np.append(self.price[1:] / self.price[:-1] - 1.0, 0.0)
        return self.position * change

    @cached_property
    def traded(self) -> Float:
        """Units bought or sold at each segment's start, |position - the position before|."""
        return np.asarray(np.abs(np.diff(self.position, prepend=0.0)), dtype=np.float64)

    def net(self, cost_bps: float) -> Float:
        """Return of each segment after costs; a round trip of one unit costs `cost_bps`."""
        return np.maximum(self.gross - self.traded * (cost_bps / BP_ROUND_TRIP), -1.0)

    def on_days(self, cost_bps: float, days: Times) -> Float:
        """Compounded net return of each of these UTC days, ascending (D,).

        A segment counts wholly on the day in which its order was decided: one that begins at
        midnight is the day before's. What falls on a day that is not among `days`, such as the
        exit from a night's last position, counts on the last one before it: no cost is lost.
        """
        start = np.searchsorted(self.ts, days.astype("datetime64[us]"), side="right")
        start[:1] = 0
        traded = np.append(start[1:], len(self.ts)) > start
        with np.errstate(divide="ignore"):  # a total loss is -inf, and -100 % again below
            growth = np.log1p(self.net(cost_bps))
        sums = np.zeros(len(days))
        sums[traded] = np.add.reduceat(growth, start[traded])
        return np.expm1(sums)

    def daily(self, cost_bps: float, first: np.datetime64, last: np.datetime64) -> Float:
        """Compounded net return of each UTC day from `first` to `last`, both included."""
        return self.on_days(cost_bps, np.arange(first.astype(DAY), last.astype(DAY) + 1))

    def round_trips(self, cost_bps: float) -> Float:
        """Net profit of each round trip: from opening a side of the market to leaving it.

        In units of the capital at hand, not compounded. A reversal closes one trip and opens the
        next, and each bears its own unit of cost.
        """
        gross, units = self._trips
        return np.asarray(gross - units * (cost_bps / BP_ROUND_TRIP), dtype=np.float64)

    @cached_property
    def _trips(self) -> tuple[Float, Float]:
        """Gross profit of each round trip, and the units bought and sold for it."""
        side = np.sign(self.position)
        before = np.concatenate([[0.0], self.position[:-1]])
        turned = side != np.sign(before)
        trip = np.cumsum(turned & (side != 0)) - 1
        count = int(trip[-1]) + 1 if len(trip) else 0
        held, left = side != 0, turned & (before != 0)
        opened = np.where(turned, np.abs(self.position), self.traded)[held]
        left_trip = trip[left] - (side[left] != 0)
        gross = np.bincount(trip[held], self.gross[held], minlength=count)
        units = np.bincount(trip[held], opened, minlength=count)
        closed = np.bincount(left_trip, np.abs(before[left]), minlength=count)
        return gross.astype(np.float64), (units + closed).astype(np.float64)

    @property
    def turnover(self) -> float:
        """Units traded in all; a reversal of a full position trades two."""
        return float(self.traded.sum())

    @property
    def break_even_bps(self) -> float:
        """The round-trip cost at which the summed profit is zero; NaN where nothing was traded."""
        turnover = self.turnover
        return float(BP_ROUND_TRIP * self.gross.sum() / turnover) if turnover else float("nan")


def backtest(
    market: Market,
    decided_ts_R: Times,
    target_R: Float,
    horizon: int,
    step: np.timedelta64 = MINUTE,
) -> Backtest:
    """Trade the predictions of one symbol at one horizon.

    The clock is cut into blocks of `horizon` minutes. The first prediction known in each block
    sets the position, which is held for the horizon, or until the next block's prediction where
    that follows at once: holdings never overlap. Orders fill one bar later (`Market`); an exit
    that falls into a gap fills at the first bar after it. Prices after the last bar are not
    known: an order that no bar can fill is not sent, and the last position leaves at the last bar.

    Args:
        market: fill prices of every bar, also of those without a prediction.
        decided_ts_R: open of the bar at whose close each prediction was made, ascending.
        target_R: the position wanted, from `positions`.
        horizon: minutes for which a prediction speaks.
        step: length of a bar.
    """
    assert (np.diff(decided_ts_R) > np.timedelta64(0)).all(), "predictions in the order of time"
    when, want = _orders(decided_ts_R, target_R, horizon, step)
    bar = np.searchsorted(market.ts, when, side="left")  # the first bar that opens at or after
    last = len(market.ts) - 1
    open_orders = (bar < last) | ((want == 0) & (bar <= last))
    want, bar = want[open_orders], bar[open_orders]
    keep = np.append(bar[1:] != bar[:-1], True) if len(bar) else np.zeros(0, dtype=bool)
    want, bar = want[keep], bar[keep]  # of orders that fill in one bar the latest counts
    if len(bar) and want[-1] != 0:
        want, bar = np.append(want, 0.0), np.append(bar, last)
    return Backtest(market.ts[bar], want, market.fill[bar])


def _orders(
    decided_ts: Times, target: Float, horizon: int, step: np.timedelta64
) -> tuple[Times, Float]:
    """When each order is sent (the close of its bar) and the position it wants, exits included."""
    known = (decided_ts + step).astype("datetime64[us]")
    block = known.astype(np.int64) // (horizon * 60_000_000)
    first = np.append(True, block[1:] != block[:-1]) if len(block) else np.zeros(0, dtype=bool)
    known, target = known[first], target[first]
    leave = known + np.timedelta64(horizon, "m")
    follows = np.append(known[1:] <= leave[:-1], False) if len(known) else first
    times = np.concatenate([known, leave[~follows]])
    wanted = np.concatenate([target, np.zeros(int((~follows).sum()))])
    order = np.argsort(times, kind="stable")
    return times[order], wanted[order]
