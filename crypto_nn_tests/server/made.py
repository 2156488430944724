"""A small server: two features of a random walk, and networks that answer what tests tell them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bars
from crypto_nn.errors import ModelError
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.scaling import RobustScaler
from crypto_nn.inference.answering import Answering, Asked, VersionFacts
from crypto_nn.models import Inputs
from crypto_nn.server.answers import Answers
from crypto_nn.server.feed import BarFeed
from crypto_nn.server.versions import Shares, VersionWatcher
from crypto_nn.serving import ServeConfig
from crypto_nn_tests.indicators.made import walk

SYMBOL = "BTC-USDT"
ROWS = 4
SHIPPED = default_feature_set()
FEATURES = FeatureSet(tuple(f for f in SHIPPED.features if f.timeframe == M1)[:2], SHIPPED.gaps)
BARS = walk(2040, seed=3, start="2024-02-29T00:00")


@dataclass
class Told:
    """A network that says the same of every window, and remembers how many it saw at once."""

    logits_C: tuple[float, float, float] = (0.0, 0.0, 1.0)
    sizes: list[int] = field(default_factory=list)

    def logits(self, asked: Asked) -> NDArray[np.float32]:
        self.sizes.append(len(asked))
        return np.tile(np.array(self.logits_C, np.float32), (len(asked), 2, 1))


def answering(version: str, network: Any = None, fingerprint: str | None = None) -> Answering:
    """A version of two features and two horizons."""
    num = len(FEATURES.names)
    scaler = RobustScaler.fit(np.random.default_rng(0).normal(size=(50, num)))
    facts = VersionFacts(
        version, "Told", (SYMBOL,), FEATURES.names, fingerprint or FEATURES.fingerprint,
        (5, 15), Inputs(num, 2, 1, ROWS), scaler, np.ones(2), {},
    )  # fmt: skip
    return Answering(facts, network or Told())


@dataclass
class Market:
    """A source of bars, and a clock."""

    bars: Bars = BARS
    closed: int = 1940

    def now(self, symbol: str, start: np.datetime64, end: np.datetime64) -> Bars:
        return self.bars.between(start, end)

    def time(self) -> np.datetime64:
        """A second after the last closed bar."""
        return BARS.ts[self.closed - 1] + M1.step + np.timedelta64(1, "s")


@dataclass
class Registry:
    """Versions that may be loaded, and who is promoted."""

    versions: dict[str, Answering] = field(default_factory=lambda: {"v1": answering("v1")})
    shares: dict[str, float] = field(default_factory=lambda: {"v1": 1.0})

    def of(self, universe: str) -> Shares:
        return dict(self.shares)

    def load(self, version: str) -> Answering:
        if version not in self.versions:
            raise ModelError(f"{version} is not there.")
        return self.versions[version]


def watcher(registry: Registry) -> VersionWatcher:
    return VersionWatcher({SYMBOL: (SYMBOL,)}, registry.of, registry.load, FEATURES.fingerprint)


def answers(market: Market, registry: Registry, **settings: Any) -> Answers:
    """Answers that look at the market when `look` is called, and by themselves once started."""
    return Answers(
        watcher(registry),
        lambda rows: BarFeed(market, FEATURES, rows),
        ServeConfig(port=0, **settings),
        market.time,
    )
