"""The features that ship, a file for each group: every column with what it is made of."""

from dataclasses import replace

from crypto_nn.features.catalogue.candle import CANDLE
from crypto_nn.features.catalogue.clock import CLOCK
from crypto_nn.features.catalogue.cross import CROSS
from crypto_nn.features.catalogue.momentum import MOMENTUM
from crypto_nn.features.catalogue.regime import REGIME
from crypto_nn.features.catalogue.returns import RETURNS
from crypto_nn.features.catalogue.slow import SLOW
from crypto_nn.features.catalogue.trend import TREND
from crypto_nn.features.catalogue.volatility import VOLATILITY
from crypto_nn.features.catalogue.volume import VOLUME
from crypto_nn.features.config import FeatureConfig, Group
from crypto_nn.features.feature import Feature
from crypto_nn.features.feature_set import FeatureSet
from crypto_nn.features.gaps import GapPolicy
from crypto_nn.features.plugins import load_members

_GROUPS: dict[Group, tuple[Feature, ...]] = {
    "returns": RETURNS,
    "momentum": MOMENTUM,
    "trend": TREND,
    "volatility": VOLATILITY,
    "volume": VOLUME,
    "regime": REGIME,
    "candle": CANDLE,
    "clock": CLOCK,
    "slow": SLOW,
    "cross": CROSS,
}


def shipped(group: Group) -> tuple[Feature, ...]:
    """The features of a group, in column order."""
    return tuple(replace(feature, group=group) for feature in _GROUPS[group])


def default_feature_set(config: FeatureConfig | None = None) -> FeatureSet:
    """The features that ship, in the groups and with the gap policy of `config`, then its members.

    Raises:
        FeatureError: a member cannot be loaded, or has a name that another column has.
    """
    config = config or FeatureConfig()
    features = tuple(feature for group in config.chosen for feature in shipped(group))
    members = load_members(config.members, taken=tuple(one.name for one in features))
    gaps = GapPolicy(config.max_gap_minutes, config.slow_bar_min_share)
    return FeatureSet((*features, *members), gaps)


__all__ = ["default_feature_set", "shipped"]
