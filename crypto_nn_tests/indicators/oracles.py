"""Indicators once more, slowly, from their textbook formulas: nothing shared with the engine."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from crypto_nn.bars import Bars, Float


def _ema(values: Float, period: int, weight: float | None = None) -> Float:
    weight = weight or 2.0 / (period + 1)
    out = np.full(len(values), np.nan)
    first = int(np.argmax(np.isfinite(values)))
    begin = first + period - 1
    if begin >= len(values):
        return out
    out[begin] = values[first : begin + 1].mean()
    for row in range(begin + 1, len(values)):
        out[row] = out[row - 1] + weight * (values[row] - out[row - 1])
    return out


def _wilder(values: Float, period: int) -> Float:
    return _ema(values, period, 1.0 / period)


def _true_range(bars: Bars) -> Float:
    before = np.concatenate([[np.nan], bars.close[:-1]])
    return np.maximum(bars.high, before) - np.minimum(bars.low, before)


def _windows(values: Float, period: int, summary: Callable[[Float], float]) -> Float:
    return (
        pd.Series(values).rolling(period).apply(summary, raw=True).to_numpy(np.float64, copy=True)
    )


def rsi(bars: Bars) -> tuple[Float, ...]:
    move = np.concatenate([[np.nan], np.diff(bars.close)])
    up = _wilder(np.where(np.isnan(move), np.nan, np.maximum(move, 0)), 14)
    down = _wilder(np.where(np.isnan(move), np.nan, np.maximum(-move, 0)), 14)
    return (100 - 100 / (1 + up / down),)


def macd(bars: Bars) -> tuple[Float, ...]:
    line = _ema(bars.close, 12) - _ema(bars.close, 26)
    signal = _ema(line, 9)
    return line, signal, line - signal


def stochastic(bars: Bars) -> tuple[Float, ...]:
    low, high = _windows(bars.low, 14, np.min), _windows(bars.high, 14, np.max)
    k = _windows(100 * (bars.close - low) / (high - low), 3, np.mean)
    return k, _windows(k, 3, np.mean)


def roc(bars: Bars) -> tuple[Float, ...]:
    return (100 * (bars.close / pd.Series(bars.close).shift(10).to_numpy(np.float64) - 1),)


def williams(bars: Bars) -> tuple[Float, ...]:
    low, high = _windows(bars.low, 14, np.min), _windows(bars.high, 14, np.max)
    return (-100 * (high - bars.close) / (high - low),)


def cci(bars: Bars) -> tuple[Float, ...]:
    typical = (bars.high + bars.low + bars.close) / 3
    mean = _windows(typical, 20, np.mean)
    deviation = _windows(typical, 20, lambda window: float(np.abs(window - window.mean()).mean()))
    return ((typical - mean) / (0.015 * deviation),)


def log_return(bars: Bars) -> tuple[Float, ...]:
    return (np.concatenate([[np.nan], np.diff(np.log(bars.close))]),)


def sma(bars: Bars) -> tuple[Float, ...]:
    return (_windows(bars.close, 20, np.mean),)


def ema(bars: Bars) -> tuple[Float, ...]:
    return (_ema(bars.close, 20),)


def dema(bars: Bars) -> tuple[Float, ...]:
    once = _ema(bars.close, 20)
    return (2 * once - _ema(once, 20),)


def tema(bars: Bars) -> tuple[Float, ...]:
    once = _ema(bars.close, 20)
    twice = _ema(once, 20)
    return (3 * once - 3 * twice + _ema(twice, 20),)


def adx(bars: Bars) -> tuple[Float, ...]:
    up = np.concatenate([[np.nan], np.diff(bars.high)])
    down = np.concatenate([[np.nan], -np.diff(bars.low)])
    rise = _wilder(np.where((up > down) & (up > 0), up, np.where(np.isnan(up), np.nan, 0.0)), 14)
    fall = _wilder(np.where((down > up) & (down > 0), down, np.where(np.isnan(up), np.nan, 0)), 14)
    return (_wilder(100 * np.abs(rise - fall) / (rise + fall), 14),)


def aroon(bars: Bars) -> tuple[Float, ...]:
    # The latest of equal extremes counts.
    down = _windows(bars.low, 26, lambda window: 100.0 * (25 - np.argmin(window[::-1])) / 25)
    up = _windows(bars.high, 26, lambda window: 100.0 * (25 - np.argmax(window[::-1])) / 25)
    return down, up


def bollinger(bars: Bars) -> tuple[Float, ...]:
    middle = _windows(bars.close, 20, np.mean)
    half = 2 * _windows(bars.close, 20, np.std)
    return middle + half, middle, middle - half


def atr(bars: Bars) -> tuple[Float, ...]:
    return (_wilder(_true_range(bars), 14),)


def keltner(bars: Bars) -> tuple[Float, ...]:
    middle = _ema((bars.high + bars.low + bars.close) / 3, 20)
    half = 2 * _wilder(_true_range(bars), 10)
    return middle + half, middle, middle - half


def donchian(bars: Bars) -> tuple[Float, ...]:
    upper, lower = _windows(bars.high, 20, np.max), _windows(bars.low, 20, np.min)
    return upper, (upper + lower) / 2, lower


def realised_volatility(bars: Bars) -> tuple[Float, ...]:
    (move,) = log_return(bars)
    return (np.sqrt(_windows(move**2, 60, np.mean)),)


def obv(bars: Bars) -> tuple[Float, ...]:
    level, levels = float(bars.volume[0]), [float(bars.volume[0])]
    for row in range(1, len(bars)):
        level += float(np.sign(bars.close[row] - bars.close[row - 1]) * bars.volume[row])
        levels.append(level)
    return (np.array(levels),)


def obv_share(bars: Bars) -> tuple[Float, ...]:
    level = pd.Series(obv(bars)[0])
    return ((level - level.shift(20)).to_numpy() / _windows(bars.volume, 20, np.sum),)


def vwap(bars: Bars) -> tuple[Float, ...]:
    typical = (bars.high + bars.low + bars.close) / 3
    return (_windows(typical * bars.volume, 60, np.sum) / _windows(bars.volume, 60, np.sum),)


def vwap_day(bars: Bars) -> tuple[Float, ...]:
    typical = (bars.high + bars.low + bars.close) / 3
    frame = pd.DataFrame({"money": typical * bars.volume, "volume": bars.volume})
    sums = frame.groupby(bars.ts.astype("datetime64[D]").astype("datetime64[ns]")).cumsum()
    return ((sums["money"] / sums["volume"]).to_numpy(),)


def mfi(bars: Bars) -> tuple[Float, ...]:
    typical = (bars.high + bars.low + bars.close) / 3
    move = np.concatenate([[np.nan], np.diff(typical)])
    money = typical * bars.volume
    rising = _windows(np.where(np.isnan(move), np.nan, money * (move > 0)), 14, np.sum)
    falling = _windows(np.where(np.isnan(move), np.nan, money * (move < 0)), 14, np.sum)
    return (100 * rising / (rising + falling),)


def mean_volume(bars: Bars) -> tuple[Float, ...]:
    return (_windows(bars.volume, 60, np.mean),)


ORACLES: dict[str, Callable[[Bars], tuple[Float, ...]]] = {
    "RSI": rsi,
    "MACD": macd,
    "Stochastic": stochastic,
    "ROC": roc,
    "WilliamsR": williams,
    "CCI": cci,
    "LogReturn": log_return,
    "SMA": sma,
    "EMA": ema,
    "DEMA": dema,
    "TEMA": tema,
    "ADX": adx,
    "Aroon": aroon,
    "BollingerBands": bollinger,
    "ATR": atr,
    "KeltnerChannel": keltner,
    "DonchianChannel": donchian,
    "RealisedVolatility": realised_volatility,
    "OBV": obv,
    "OBVShare": obv_share,
    "VWAP": vwap,
    "DailyVWAP": vwap_day,
    "MFI": mfi,
    "MeanVolume": mean_volume,
}
