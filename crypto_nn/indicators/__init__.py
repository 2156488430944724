"""What a trader would compute: causal, with batch and stream from one definition."""

from crypto_nn.indicators.adx import ADX
from crypto_nn.indicators.aroon import Aroon
from crypto_nn.indicators.atr import ATR
from crypto_nn.indicators.bollinger import BollingerBands
from crypto_nn.indicators.cci import CCI
from crypto_nn.indicators.dema import DEMA
from crypto_nn.indicators.donchian import DonchianChannel
from crypto_nn.indicators.ema import EMA
from crypto_nn.indicators.indicator import Indicator, LiveIndicator
from crypto_nn.indicators.keltner import KeltnerChannel
from crypto_nn.indicators.log_return import LogReturn
from crypto_nn.indicators.macd import MACD
from crypto_nn.indicators.mean_volume import MeanVolume
from crypto_nn.indicators.mfi import MFI
from crypto_nn.indicators.obv import OBV
from crypto_nn.indicators.obv_share import OBVShare
from crypto_nn.indicators.realised_volatility import RealisedVolatility
from crypto_nn.indicators.roc import ROC
from crypto_nn.indicators.rsi import RSI
from crypto_nn.indicators.sma import SMA
from crypto_nn.indicators.stochastic import Stochastic
from crypto_nn.indicators.tema import TEMA
from crypto_nn.indicators.vwap import VWAP, DailyVWAP
from crypto_nn.indicators.williams import WilliamsR

ALL: tuple[Indicator, ...] = (
    # momentum
    RSI(),
    MACD(),
    Stochastic(),
    ROC(),
    WilliamsR(),
    CCI(),
    LogReturn(),
    # trend
    SMA(),
    EMA(),
    DEMA(),
    TEMA(),
    ADX(),
    Aroon(),
    # volatility
    BollingerBands(),
    ATR(),
    KeltnerChannel(),
    DonchianChannel(),
    RealisedVolatility(),
    # volume
    OBV(),
    OBVShare(),
    VWAP(),
    DailyVWAP(),
    MFI(),
    MeanVolume(),
)

__all__ = [
    "ADX",
    "ALL",
    "ATR",
    "CCI",
    "DEMA",
    "EMA",
    "MACD",
    "MFI",
    "OBV",
    "ROC",
    "RSI",
    "SMA",
    "TEMA",
    "VWAP",
    "Aroon",
    "BollingerBands",
    "DailyVWAP",
    "DonchianChannel",
    "Indicator",
    "KeltnerChannel",
    "LiveIndicator",
    "LogReturn",
    "MeanVolume",
    "OBVShare",
    "RealisedVolatility",
    "Stochastic",
    "WilliamsR",
]
