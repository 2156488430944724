"""A small feature set that warms up within minutes, so that windows come early and often."""

from crypto_nn import indicators as ind
from crypto_nn.bars import M5
from crypto_nn.features import transforms as to
from crypto_nn.features.columns import Column
from crypto_nn.features.feature import Feature, Output
from crypto_nn.features.feature_set import FeatureSet
from crypto_nn.features.gaps import GapPolicy

WINDOW = 5
_CLOSE = Output(Column("close"))
_SCALE = (Output(ind.ATR(3)), _CLOSE)

FEATURES = FeatureSet(
    (
        Feature("log_return_1", to.as_is, (Output(ind.LogReturn(1)),), "Log return over 1 min"),
        Feature("sma_distance_4", to.distance, (_CLOSE, Output(ind.SMA(4)), *_SCALE), "From SMA"),
        Feature("rsi_3", to.as_is, (Output(ind.RSI(3)),), "RSI"),
        Feature("log_return_1", to.as_is, (Output(ind.LogReturn(1)),), "Over 5 min", M5),
    ),
    GapPolicy(max_gap_minutes=2),
)
