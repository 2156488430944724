"""One who lives through the bars one by one and keeps books in coins and cash: the slow oracle.

Written from the rules of docs/backtest.md alone; nothing of the vectorised backtest is used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np

MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1)


@dataclass
class Follower:
    """Does what the predictions of one horizon say: the first of each block, for its horizon."""

    horizon: int
    block: int = -1
    wish: float = 0.0
    leaves: datetime | None = None
    has_order: bool = False

    def on_open(self, now: datetime) -> None:
        if self.leaves is not None and now >= self.leaves:
            self.wish, self.leaves, self.has_order = 0.0, None, True

    def on_close(self, known: datetime, wanted: float | None) -> None:
        block = (known - EPOCH) // timedelta(minutes=self.horizon)
        if wanted is not None and block != self.block:
            self.block, self.wish, self.has_order = block, wanted, True
            self.leaves = known + timedelta(minutes=self.horizon)


@dataclass
class Account:
    """The books of one symbol: coins and cash, every fill, every round trip, each day's growth.

    `cost` is what a unit of turnover costs: half of a round trip.
    """

    cost: float
    cash: float = 1.0
    coins: float = 0.0
    position: float = 0.0
    price: float = 1.0
    filled: datetime | None = None
    worth: float = 1.0
    fills: list[tuple[datetime, float, float]] = field(default_factory=list)
    trips: list[float] = field(default_factory=list)
    trip: float = 0.0
    growth: list[tuple[datetime, float]] = field(default_factory=list)

    def fill(self, ts: datetime, target: float, price: float) -> None:
        """Bring the holding to `target` times what the account is worth."""
        equity = self.cash + self.coins * price
        if self.filled is not None:
            self.growth.append((self.filled, equity / self.worth))
        self._book_trip(target, price)
        fee = abs(target - self.position) * equity * self.cost
        if target != self.position:
            self.fills.append((ts, target - self.position, price))
        self.coins = target * equity / price
        self.cash = equity - self.coins * price - fee
        self.position, self.price, self.filled, self.worth = target, price, ts, equity

    def _book_trip(self, target: float, price: float) -> None:
        self.trip += self.position * (price / self.price - 1.0)
        if np.sign(target) == np.sign(self.position):
            self.trip -= abs(target - self.position) * self.cost
            return
        if self.position:
            self.trips.append(self.trip - abs(self.position) * self.cost)
        self.trip = -abs(target) * self.cost

    def close(self) -> None:
        """The last fill's fee belongs to its day."""
        if self.filled is not None:
            self.growth.append((self.filled, (self.cash + self.coins * self.price) / self.worth))

    def by_day(self, days: Sequence[date]) -> list[float]:
        """Growth of each day: a stretch counts where it was decided, or on the last day before."""
        growth = dict.fromkeys(days, 1.0)
        for ts, factor in self.growth:
            decided = (ts - timedelta(microseconds=1)).date()
            growth[max((day for day in days if day <= decided), default=days[0])] *= factor
        return [growth[day] for day in days]


def live_through(
    bars: Sequence[tuple[datetime, float]],
    wanted: Mapping[int, Mapping[datetime, float]],
    cost: float,
) -> Account:
    """Trade one symbol's bars (open, fill price) by the predictions of one or several horizons.

    Args:
        wanted: by horizon, the position that the prediction made on a bar asks for.
        cost: of a unit of turnover, as a share.
    """
    account, followers = Account(cost), [Follower(horizon) for horizon in wanted]
    for number, (ts, price) in enumerate(bars):
        for follower in followers:
            follower.on_open(ts)
        is_last = number == len(bars) - 1
        if is_last or any(follower.has_order for follower in followers):
            wish = 0.0 if is_last else sum(f.wish for f in followers) / len(followers)
            account.fill(ts, wish, price)
        for follower in followers:
            follower.has_order = False
            follower.on_close(ts + MINUTE, wanted[follower.horizon].get(ts))
    account.close()
    return account
