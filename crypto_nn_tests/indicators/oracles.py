"""Indicators once more, slowly, from their textbook formulas: nothing shared with the engine.

Each takes the bars and the indicator whose parameters it is to use. Where a formula divides
nothing by nothing, the last argument of `share` is the convention. Here are those that TA-Lib backs
and those composed because it fails somewhere; the others are in `oracles_composed`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from crypto_nn.bars import Bars, Float
from crypto_nn_tests.indicators.oracles_paths import kama, sar, supertrend
from crypto_nn_tests.indicators.slowly import (
    before,
    ema,
    rolling,
    share,
    true_range,
    typical,
    weighted,
    wilder,
    wilder_sum,
)


def rsi(bars: Bars, one: Any) -> tuple[Float, ...]:
    move = bars.close - before(bars.close)
    up, down = (wilder(np.maximum(sign * move, 0.0), one.period) for sign in (1, -1))
    return (100 * share(up, up + down, 0.0),)


def stoch_rsi(bars: Bars, one: Any) -> tuple[Float, ...]:
    (strength,) = rsi(bars, one)
    low = rolling(strength, one.range_period, np.min)
    span = rolling(strength, one.range_period, np.max) - low
    span[span <= 1e-9] = 0.0  # an RSI that differs by less has not moved
    k = 100 * share(strength - low, span, 0.5)
    return k, rolling(k, one.signal, np.mean)


def macd(bars: Bars, one: Any) -> tuple[Float, ...]:
    # Both averages start at the same bar.
    fast = ema(bars.close, one.fast, skip=one.slow - one.fast)
    line = fast - ema(bars.close, one.slow)
    signal = ema(line, one.signal)
    return line, signal, line - signal


def ppo(bars: Bars, one: Any) -> tuple[Float, ...]:
    return (100 * (ema(bars.close, one.fast) / ema(bars.close, one.slow) - 1),)


def pvo(bars: Bars, one: Any) -> tuple[Float, ...]:
    slow = ema(bars.volume, one.slow)
    return (100 * share(ema(bars.volume, one.fast) - slow, slow, 0.0),)


def tsi(bars: Bars, one: Any) -> tuple[Float, ...]:
    move = bars.close - before(bars.close)
    up, all_ = (ema(ema(one_way, one.slow), one.fast) for one_way in (move, np.abs(move)))
    return (100 * share(up, all_, 0.0),)


def trix(bars: Bars, one: Any) -> tuple[Float, ...]:
    smooth = ema(ema(ema(bars.close, one.period), one.period), one.period)
    return (100 * (smooth - before(smooth)) / before(smooth),)


def ultimate_oscillator(bars: Bars, one: Any) -> tuple[Float, ...]:
    bought = bars.close - np.minimum(bars.low, before(bars.close))
    short, middle, long = (
        share(rolling(bought, period, np.sum), rolling(true_range(bars), period, np.sum), 0.5)
        for period in (one.short, one.middle, one.long)
    )
    return (100 * (4 * short + 2 * middle + long) / 7,)


def cmo(bars: Bars, one: Any) -> tuple[Float, ...]:
    move = bars.close - before(bars.close)
    up, down = (rolling(np.maximum(sign * move, 0.0), one.period, np.sum) for sign in (1, -1))
    return (100 * share(up - down, up + down, 0.0),)


def roc(bars: Bars, one: Any) -> tuple[Float, ...]:
    return (100 * (bars.close / before(bars.close, one.period) - 1),)


def mom(bars: Bars, one: Any) -> tuple[Float, ...]:
    return (bars.close - before(bars.close, one.period),)


def awesome_oscillator(bars: Bars, one: Any) -> tuple[Float, ...]:
    middle = (bars.high + bars.low) / 2
    return (rolling(middle, one.fast, np.mean) - rolling(middle, one.slow, np.mean),)


def balance_of_power(bars: Bars, one: Any) -> tuple[Float, ...]:
    return (share(bars.close - bars.open, bars.high - bars.low, 0.0),)


def sma(bars: Bars, one: Any) -> tuple[Float, ...]:
    return (rolling(bars.close, one.period, np.mean),)


def ema_of_close(bars: Bars, one: Any) -> tuple[Float, ...]:
    return (ema(bars.close, one.period),)


def dema(bars: Bars, one: Any) -> tuple[Float, ...]:
    once = ema(bars.close, one.period)
    return (2 * once - ema(once, one.period),)


def tema(bars: Bars, one: Any) -> tuple[Float, ...]:
    once = ema(bars.close, one.period)
    twice = ema(once, one.period)
    return (3 * once - 3 * twice + ema(twice, one.period),)


def wma(bars: Bars, one: Any) -> tuple[Float, ...]:
    return (weighted(bars.close, one.period),)


def hma(bars: Bars, one: Any) -> tuple[Float, ...]:
    quick = 2 * weighted(bars.close, one.period // 2) - weighted(bars.close, one.period)
    return (weighted(quick, int(one.period**0.5)),)


def dmi(bars: Bars, one: Any) -> tuple[Float, ...]:
    up, down = bars.high - before(bars.high), before(bars.low) - bars.low
    rise = wilder_sum(np.where((up > down) & (up > 0), up, 0.0), one.period)
    fall = wilder_sum(np.where((down > up) & (down > 0), down, 0.0), one.period)
    travel = wilder_sum(true_range(bars), one.period)
    return 100 * share(rise, travel, 0.0), 100 * share(fall, travel, 0.0)


def adx(bars: Bars, one: Any) -> tuple[Float, ...]:
    plus, minus = dmi(bars, one)
    return (wilder(100 * share(np.abs(plus - minus), plus + minus, 0.0), one.period),)


def aroon(bars: Bars, one: Any) -> tuple[Float, ...]:
    def freshness(position: Callable[[Any], Any]) -> Callable[[Any], float]:
        # The latest of equal extremes counts.
        return lambda window: 100.0 * (one.period - position(window[::-1])) / one.period

    return (
        rolling(bars.low, one.period + 1, freshness(np.argmin)),
        rolling(bars.high, one.period + 1, freshness(np.argmax)),
    )


def vortex(bars: Bars, one: Any) -> tuple[Float, ...]:
    travel = rolling(true_range(bars), one.period, np.sum)
    plus = rolling(np.abs(bars.high - before(bars.low)), one.period, np.sum)
    minus = rolling(np.abs(bars.low - before(bars.high)), one.period, np.sum)
    return share(plus, travel, 1.0), share(minus, travel, 1.0)


def efficiency_ratio(bars: Bars, one: Any) -> tuple[Float, ...]:
    path = rolling(np.abs(bars.close - before(bars.close)), one.period, np.sum)
    return (share(np.abs(bars.close - before(bars.close, one.period)), path, 0.0),)


def linear_regression_slope(bars: Bars, one: Any) -> tuple[Float, ...]:
    def slope(window: Float) -> float:
        return float(np.polyfit(np.arange(len(window)), window - window[0], 1)[0])

    return (rolling(bars.close, one.period, slope),)


def bollinger(bars: Bars, one: Any) -> tuple[Float, ...]:
    middle = rolling(bars.close, one.period, np.mean)
    half = one.width * standard_deviation(bars, one)[0]
    return middle + half, middle, middle - half


def standard_deviation(bars: Bars, one: Any) -> tuple[Float, ...]:
    return (rolling(bars.close, one.period, lambda window: np.std(window - window[0])),)


def true_range_of_bars(bars: Bars, one: Any) -> tuple[Float, ...]:
    return (true_range(bars),)


def atr(bars: Bars, one: Any) -> tuple[Float, ...]:
    return (wilder(true_range(bars), one.period),)


def natr(bars: Bars, one: Any) -> tuple[Float, ...]:
    return (100 * wilder(true_range(bars), one.period) / bars.close,)


def keltner(bars: Bars, one: Any) -> tuple[Float, ...]:
    # Both averages start with the bands, not before.
    first = max(one.period - 1, one.range_period)
    middle = ema(typical(bars), one.period, skip=first - one.period + 1)
    half = one.width * wilder(true_range(bars), one.range_period, skip=first - one.range_period)
    return middle + half, middle, middle - half


def donchian(bars: Bars, one: Any) -> tuple[Float, ...]:
    upper = rolling(bars.high, one.period, np.max)
    lower = rolling(bars.low, one.period, np.min)
    return upper, (upper + lower) / 2, lower


def mass_index(bars: Bars, one: Any) -> tuple[Float, ...]:
    once = ema(bars.high - bars.low, one.fast)
    return (rolling(share(once, ema(once, one.fast), 1.0), one.slow, np.sum),)


def obv(bars: Bars, one: Any) -> tuple[Float, ...]:
    level, levels = float(bars.volume[0]), [float(bars.volume[0])]
    for row in range(1, len(bars)):
        level += float(np.sign(bars.close[row] - bars.close[row - 1]) * bars.volume[row])
        levels.append(level)
    return (np.array(levels),)


def accumulation_distribution(bars: Bars, one: Any) -> tuple[Float, ...]:
    place = share(2 * bars.close - bars.high - bars.low, bars.high - bars.low, 0.0)
    return (np.array([float(flow) for flow in (place * bars.volume).cumsum()]),)


def chaikin_oscillator(bars: Bars, one: Any) -> tuple[Float, ...]:
    (level,) = accumulation_distribution(bars, one)
    out, fast, slow = np.full(len(bars), np.nan), level[0], level[0]
    for row in range(len(bars)):
        fast += 2 / (one.fast + 1) * (level[row] - fast)
        slow += 2 / (one.slow + 1) * (level[row] - slow)
        if row >= one.slow - 1:
            out[row] = fast - slow
    return (out,)


def force_index(bars: Bars, one: Any) -> tuple[Float, ...]:
    return (ema((bars.close - before(bars.close)) * bars.volume, one.period),)


def vwma(bars: Bars, one: Any) -> tuple[Float, ...]:
    money = rolling(bars.close * bars.volume, one.period, np.sum)
    return (share(money, rolling(bars.volume, one.period, np.sum), bars.close),)


ORACLES: dict[str, Callable[[Bars, Any], tuple[Float, ...]]] = {
    "RSI": rsi,
    "StochRSI": stoch_rsi,
    "MACD": macd,
    "PPO": ppo,
    "TSI": tsi,
    "TRIX": trix,
    "UltimateOscillator": ultimate_oscillator,
    "CMO": cmo,
    "ROC": roc,
    "MOM": mom,
    "AwesomeOscillator": awesome_oscillator,
    "BalanceOfPower": balance_of_power,
    "SMA": sma,
    "EMA": ema_of_close,
    "DEMA": dema,
    "TEMA": tema,
    "WMA": wma,
    "HMA": hma,
    "KAMA": kama,
    "ADX": adx,
    "DMI": dmi,
    "Aroon": aroon,
    "Vortex": vortex,
    "EfficiencyRatio": efficiency_ratio,
    "LinearRegressionSlope": linear_regression_slope,
    "ParabolicSAR": sar,
    "Supertrend": supertrend,
    "BollingerBands": bollinger,
    "StandardDeviation": standard_deviation,
    "TrueRange": true_range_of_bars,
    "ATR": atr,
    "NATR": natr,
    "KeltnerChannel": keltner,
    "DonchianChannel": donchian,
    "MassIndex": mass_index,
    "OBV": obv,
    "AccumulationDistribution": accumulation_distribution,
    "ChaikinOscillator": chaikin_oscillator,
    "ForceIndex": force_index,
    "VWMA": vwma,
    "PVO": pvo,
}
