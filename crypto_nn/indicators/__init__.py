"""What a trader would compute: causal, with batch and stream from one definition."""

from crypto_nn.indicators.accumulation_distribution import AccumulationDistribution
from crypto_nn.indicators.adx import ADX
from crypto_nn.indicators.amihud import Amihud
from crypto_nn.indicators.aroon import Aroon
from crypto_nn.indicators.atr import ATR
from crypto_nn.indicators.awesome_oscillator import AwesomeOscillator
from crypto_nn.indicators.balance_of_power import BalanceOfPower
from crypto_nn.indicators.bollinger import BollingerBands
from crypto_nn.indicators.cci import CCI
from crypto_nn.indicators.chaikin_oscillator import ChaikinOscillator
from crypto_nn.indicators.choppiness import ChoppinessIndex
from crypto_nn.indicators.cmf import CMF
from crypto_nn.indicators.cmo import CMO
from crypto_nn.indicators.dema import DEMA
from crypto_nn.indicators.dmi import DMI
from crypto_nn.indicators.donchian import DonchianChannel
from crypto_nn.indicators.downside_share import DownsideShare
from crypto_nn.indicators.efficiency_ratio import EfficiencyRatio
from crypto_nn.indicators.ema import EMA
from crypto_nn.indicators.force_index import ForceIndex
from crypto_nn.indicators.garman_klass import GarmanKlass
from crypto_nn.indicators.hma import HMA
from crypto_nn.indicators.indicator import Indicator, LiveIndicator
from crypto_nn.indicators.jump_share import JumpShare
from crypto_nn.indicators.kama import KAMA
from crypto_nn.indicators.keltner import KeltnerChannel
from crypto_nn.indicators.linear_regression_slope import LinearRegressionSlope
from crypto_nn.indicators.log_return import LogReturn
from crypto_nn.indicators.macd import MACD
from crypto_nn.indicators.mass_index import MassIndex
from crypto_nn.indicators.mean_volume import MeanVolume
from crypto_nn.indicators.mfi import MFI
from crypto_nn.indicators.mom import MOM
from crypto_nn.indicators.natr import NATR
from crypto_nn.indicators.obv import OBV
from crypto_nn.indicators.obv_share import OBVShare
from crypto_nn.indicators.parabolic_sar import ParabolicSAR
from crypto_nn.indicators.parkinson import Parkinson
from crypto_nn.indicators.ppo import PPO
from crypto_nn.indicators.pvo import PVO
from crypto_nn.indicators.realised_skewness import RealisedSkewness
from crypto_nn.indicators.realised_volatility import RealisedVolatility
from crypto_nn.indicators.reference_covariance import ReferenceBeta, ReferenceCorrelation
from crypto_nn.indicators.reference_return import ReferenceReturn, RelativeReturn
from crypto_nn.indicators.return_autocorrelation import ReturnAutocorrelation
from crypto_nn.indicators.roc import ROC
from crypto_nn.indicators.rogers_satchell import RogersSatchell
from crypto_nn.indicators.rsi import RSI
from crypto_nn.indicators.sma import SMA
from crypto_nn.indicators.standard_deviation import StandardDeviation
from crypto_nn.indicators.stoch_rsi import StochRSI
from crypto_nn.indicators.stochastic import Stochastic
from crypto_nn.indicators.supertrend import Supertrend
from crypto_nn.indicators.tema import TEMA
from crypto_nn.indicators.trix import TRIX
from crypto_nn.indicators.true_range import TrueRange
from crypto_nn.indicators.tsi import TSI
from crypto_nn.indicators.ultimate_oscillator import UltimateOscillator
from crypto_nn.indicators.volatility_regime import VolatilityRegime
from crypto_nn.indicators.vortex import Vortex
from crypto_nn.indicators.vwap import VWAP, DailyVWAP
from crypto_nn.indicators.vwma import VWMA
from crypto_nn.indicators.williams import WilliamsR
from crypto_nn.indicators.wma import WMA
from crypto_nn.indicators.yang_zhang import YangZhang
from crypto_nn.indicators.z_score import PriceZScore, VolumeZScore

GROUPS: dict[str, tuple[Indicator, ...]] = {
    "momentum": (
        RSI(),
        StochRSI(),
        MACD(),
        PPO(),
        TSI(),
        TRIX(),
        Stochastic(),
        UltimateOscillator(),
        WilliamsR(),
        CCI(),
        CMO(),
        ROC(),
        MOM(),
        LogReturn(),
        AwesomeOscillator(),
        BalanceOfPower(),
    ),
    "trend": (
        SMA(),
        EMA(),
        DEMA(),
        TEMA(),
        WMA(),
        HMA(),
        KAMA(),
        ADX(),
        DMI(),
        Aroon(),
        Vortex(),
        EfficiencyRatio(),
        LinearRegressionSlope(),
        ParabolicSAR(),
        Supertrend(),
    ),
    "volatility": (
        BollingerBands(),
        StandardDeviation(),
        TrueRange(),
        ATR(),
        NATR(),
        KeltnerChannel(),
        DonchianChannel(),
        MassIndex(),
        RealisedVolatility(),
        Parkinson(),
        GarmanKlass(),
        RogersSatchell(),
        YangZhang(),
        ChoppinessIndex(),
    ),
    "volume": (
        OBV(),
        OBVShare(),
        AccumulationDistribution(),
        ChaikinOscillator(),
        ForceIndex(),
        VWAP(),
        DailyVWAP(),
        VWMA(),
        MFI(),
        MeanVolume(),
        PVO(),
        CMF(),
        VolumeZScore(),
        Amihud(),
    ),
    "statistics": (
        PriceZScore(),
        VolatilityRegime(),
        DownsideShare(),
        JumpShare(),
        RealisedSkewness(),
        ReturnAutocorrelation(),
    ),
}
"""What they say something about, each with its defaults: the first look at the catalogue."""

ALL: tuple[Indicator, ...] = tuple(one for group in GROUPS.values() for one in group)

CROSS: tuple[Indicator, ...] = (
    ReferenceReturn(),
    RelativeReturn(),
    ReferenceCorrelation(),
    ReferenceBeta(),
)
"""Those that compare with another market and so need bars with a `reference`."""

__all__ = [
    "ADX",
    "ALL",
    "ATR",
    "CCI",
    "CMF",
    "CMO",
    "CROSS",
    "DEMA",
    "DMI",
    "EMA",
    "GROUPS",
    "HMA",
    "KAMA",
    "MACD",
    "MFI",
    "MOM",
    "NATR",
    "OBV",
    "PPO",
    "PVO",
    "ROC",
    "RSI",
    "SMA",
    "TEMA",
    "TRIX",
    "TSI",
    "VWAP",
    "VWMA",
    "WMA",
    "AccumulationDistribution",
    "Amihud",
    "Aroon",
    "AwesomeOscillator",
    "BalanceOfPower",
    "BollingerBands",
    "ChaikinOscillator",
    "ChoppinessIndex",
    "DailyVWAP",
    "DonchianChannel",
    "DownsideShare",
    "EfficiencyRatio",
    "ForceIndex",
    "GarmanKlass",
    "Indicator",
    "JumpShare",
    "KeltnerChannel",
    "LinearRegressionSlope",
    "LiveIndicator",
    "LogReturn",
    "MassIndex",
    "MeanVolume",
    "OBVShare",
    "ParabolicSAR",
    "Parkinson",
    "PriceZScore",
    "RealisedSkewness",
    "RealisedVolatility",
    "ReferenceBeta",
    "ReferenceCorrelation",
    "ReferenceReturn",
    "RelativeReturn",
    "ReturnAutocorrelation",
    "RogersSatchell",
    "StandardDeviation",
    "StochRSI",
    "Stochastic",
    "Supertrend",
    "TrueRange",
    "UltimateOscillator",
    "VolatilityRegime",
    "VolumeZScore",
    "Vortex",
    "WilliamsR",
    "YangZhang",
]
