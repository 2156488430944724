"""What kind of market it is."""

from crypto_nn import indicators as ind
from crypto_nn.bars import H1
from crypto_nn.features import transforms as to
from crypto_nn.features.catalogue.parts import of

REGIME = (
    of(
        "volatility_regime_60_480",
        to.centred_share,
        ind.VolatilityRegime(60, 480),
        "Rank of 60 min volatility among the last 480: -1 calmest, 1 wildest",
        "place",
    ),
    of(
        "volatility_regime_4_16",
        to.centred_share,
        ind.VolatilityRegime(4, 16),
        "Rank of 4-bar volatility among the last 16: -1 calmest, 1 wildest",
        "place",
        H1,
    ),
    of(
        "jump_share_60",
        to.as_is,
        ind.JumpShare(60),
        "Share of single jumps in the variance of 60 min",
        "share",
    ),
    of(
        "downside_balance_60",
        to.centred_share,
        ind.DownsideShare(60),
        "Falls in the variance of 60 min: 1 all falls, -1 all rises",
        "balance",
    ),
    of(
        "realised_skewness_240",
        to.as_is,
        ind.RealisedSkewness(240),
        "Skewness of the returns of 240 min",
        "1",
    ),
    of(
        "return_autocorrelation_60",
        to.as_is,
        ind.ReturnAutocorrelation(60),
        "Autocorrelation of returns over 60 min: above 0 moves go on",
        "balance",
    ),
)
