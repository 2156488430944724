"""Every indicator with other parameters than the defaults, and how each grows with the units."""

from typing import Any

import numpy as np

from crypto_nn import indicators as ind
from crypto_nn.indicators import Indicator

# So that the formulas of warm-up and memory are tested too, and each parameter is used.
OTHERS: tuple[Indicator, ...] = (
    ind.RSI(5), ind.MACD(5, 35, 5), ind.MACD(3, 10, 60), ind.Stochastic(5, 1, 4), ind.ROC(1),
    ind.WilliamsR(30),
    ind.CCI(7), ind.LogReturn(30), ind.SMA(60), ind.EMA(3), ind.DEMA(9), ind.TEMA(5), ind.ADX(5),
    ind.Aroon(10), ind.BollingerBands(15, 1.5), ind.ATR(5), ind.KeltnerChannel(5, 12, 1.0),
    ind.DonchianChannel(33), ind.RealisedVolatility(15), ind.OBVShare(64), ind.VWAP(31),
    ind.MFI(6), ind.MeanVolume(17), ind.StochRSI(5, 9, 1), ind.TSI(20, 7), ind.TSI(30, 9),
    ind.UltimateOscillator(4, 10, 31), ind.MOM(1), ind.PPO(5, 35), ind.CMO(1), ind.CMO(31),
    ind.TRIX(5), ind.AwesomeOscillator(3, 10), ind.KAMA(30), ind.ParabolicSAR(0.01, 0.1),
    ind.DMI(5), ind.LinearRegressionSlope(2), ind.LinearRegressionSlope(33), ind.WMA(7),
    ind.HMA(4), ind.HMA(33), ind.Vortex(1), ind.Vortex(21), ind.EfficiencyRatio(1),
    ind.EfficiencyRatio(30), ind.Supertrend(5, 1.5), ind.NATR(5), ind.StandardDeviation(5),
    ind.MassIndex(5, 12), ind.ChaikinOscillator(6, 20), ind.ForceIndex(2), ind.VWMA(7),
    ind.PVO(5, 35),
    ind.CMF(7), ind.VolumeZScore(15), ind.PriceZScore(60), ind.Parkinson(15), ind.GarmanKlass(15),
    ind.RogersSatchell(15), ind.YangZhang(15), ind.Amihud(15), ind.DownsideShare(20),
    ind.JumpShare(20), ind.RealisedSkewness(33), ind.ReturnAutocorrelation(30),
    ind.ChoppinessIndex(30), ind.VolatilityRegime(15, 100),
)  # fmt: skip

# By how many powers an output grows with the unit of price, and with that of volume.
SCALES: dict[type[Indicator], tuple[Any, Any]] = {
    **dict.fromkeys(
        (ind.RSI, ind.StochRSI, ind.PPO, ind.TSI, ind.TRIX, ind.Stochastic, ind.WilliamsR, ind.CCI),
        (0, 0),
    ),
    **dict.fromkeys((ind.UltimateOscillator, ind.CMO, ind.ROC, ind.LogReturn), (0, 0)),
    **dict.fromkeys((ind.BalanceOfPower, ind.ADX, ind.DMI, ind.Aroon, ind.Vortex), (0, 0)),
    **dict.fromkeys((ind.EfficiencyRatio, ind.NATR, ind.MassIndex), (0, 0)),
    **dict.fromkeys((ind.RealisedVolatility, ind.OBVShare, ind.MFI, ind.PVO), (0, 0)),
    **dict.fromkeys((ind.MACD, ind.MOM, ind.AwesomeOscillator, ind.LinearRegressionSlope), (1, 0)),
    **dict.fromkeys((ind.SMA, ind.EMA, ind.DEMA, ind.TEMA, ind.WMA, ind.HMA, ind.KAMA), (1, 0)),
    **dict.fromkeys((ind.BollingerBands, ind.KeltnerChannel, ind.DonchianChannel), (1, 0)),
    **dict.fromkeys((ind.ParabolicSAR, ind.StandardDeviation, ind.TrueRange, ind.ATR), (1, 0)),
    **dict.fromkeys((ind.VWAP, ind.DailyVWAP, ind.VWMA), (1, 0)),
    ind.Supertrend: (np.array([1, 0]), 0),  # the line, and its direction
    **dict.fromkeys((ind.OBV, ind.MeanVolume), (0, 1)),
    **dict.fromkeys((ind.AccumulationDistribution, ind.ChaikinOscillator), (0, 1)),
    ind.ForceIndex: (1, 1),
    **dict.fromkeys((ind.CMF, ind.VolumeZScore, ind.PriceZScore, ind.VolatilityRegime), (0, 0)),
    **dict.fromkeys((ind.Parkinson, ind.GarmanKlass, ind.RogersSatchell, ind.YangZhang), (0, 0)),
    **dict.fromkeys((ind.DownsideShare, ind.JumpShare, ind.RealisedSkewness), (0, 0)),
    **dict.fromkeys((ind.ReturnAutocorrelation, ind.ChoppinessIndex), (0, 0)),
    ind.Amihud: (-1, -1),  # a move per unit of money
}
