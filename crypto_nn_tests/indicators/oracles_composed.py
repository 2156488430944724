"""The indicators composed here once more, slowly: each window by itself, in extended precision.

Nothing is shared with the engine: no tree of sums, no running state. Where a formula has nothing to
divide by, the neutral value of the docstring is written out.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from crypto_nn.bars import Bars, Float

Wide = NDArray[np.longdouble]
Outputs = tuple[Float, ...]


def _wide(values: Float) -> Wide:
    return values.astype(np.longdouble)


def _windows(values: NDArray[Any], period: int) -> Wide:
    """Row by row the window that ends there, shape (N - period + 1, period)."""
    if len(values) < period:
        return np.empty((0, period), np.longdouble)
    return sliding_window_view(values, period)


def _whole(late: Any, rows: int) -> Float:
    """As float64, after as many NaN as are missing."""
    late = np.asarray(late)
    return np.concatenate([np.full(rows - len(late), np.nan), late.astype(np.float64)])


def _ratio(part: Wide, whole: Wide, neutral: float) -> Wide:
    none = whole == 0
    return np.where(none, np.longdouble(neutral), part / np.where(none, 1, whole))


def _ln(price: Float, other: Float) -> Wide:
    return np.log(_wide(price) / _wide(other))


def _moves(close: Float, lag: int = 1) -> Wide:
    """Log returns, NaN in the first rows."""
    early = np.full(min(lag, len(close)), np.nan, np.longdouble)
    return np.concatenate([early, _ln(close[lag:], close[: max(len(close) - lag, 0)])])


def _move_windows(bars: Bars, period: int) -> Wide:
    return _windows(_moves(bars.close), period)[1:]


def _typical(bars: Bars) -> Float:
    return (bars.high + bars.low + bars.close) / 3.0


def _place(bars: Bars, period: int) -> Wide:
    low = _windows(_wide(bars.low), period).min(axis=1, initial=np.inf)
    high = _windows(_wide(bars.high), period).max(axis=1, initial=-np.inf)
    return _ratio(_wide(bars.close)[period - 1 :] - low, high - low, 0.5)


def stochastic(bars: Bars, one: Any) -> Outputs:
    k = _windows(100 * _place(bars, one.period), one.smoothing).mean(axis=1)
    d = _windows(k, one.signal).mean(axis=1)
    return _whole(k[one.signal - 1 :], len(bars)), _whole(d, len(bars))


def williams(bars: Bars, one: Any) -> Outputs:
    return (_whole(100 * (_place(bars, one.period) - 1), len(bars)),)


def cci(bars: Bars, one: Any) -> Outputs:
    typical = (_wide(bars.high) + _wide(bars.low) + _wide(bars.close)) / 3
    windows = _windows(typical, one.period)
    above = windows - windows.mean(axis=1, keepdims=True)
    equal = windows.max(axis=1, initial=-np.inf) == windows.min(axis=1, initial=np.inf)
    deviation = np.where(equal, 0, np.abs(above).mean(axis=1))
    return (_whole(_ratio(above[:, -1], np.longdouble(0.015) * deviation, 0.0), len(bars)),)


def log_return(bars: Bars, one: Any) -> Outputs:
    return (_whole(_moves(bars.close, one.period), len(bars)),)


def realised_volatility(bars: Bars, one: Any) -> Outputs:
    return (_whole(np.sqrt((_move_windows(bars, one.period) ** 2).mean(axis=1)), len(bars)),)


def obv_share(bars: Bars, one: Any) -> Outputs:
    sign = np.sign(np.diff(_wide(bars.close), prepend=np.nan))
    signed = _windows(sign * _wide(bars.volume), one.period)[1:].sum(axis=1)
    volume = _windows(_wide(bars.volume), one.period)[1:].sum(axis=1)
    return (_whole(_ratio(signed, volume, 0.0), len(bars)),)


def vwap(bars: Bars, one: Any) -> Outputs:
    volume = _windows(_wide(bars.volume), one.period).sum(axis=1)
    money = _windows(_wide(_typical(bars)) * _wide(bars.volume), one.period).sum(axis=1)
    last = _wide(_typical(bars))[one.period - 1 :]
    return (_whole(np.where(volume == 0, last, _ratio(money, volume, 0.0)), len(bars)),)


def daily_vwap(bars: Bars, one: Any) -> Outputs:
    days = bars.ts.astype("datetime64[D]")
    values = []
    for row in range(len(bars)):
        today = slice(int(np.searchsorted(days, days[row])), row + 1)
        typical, volume = _typical(bars)[today], bars.volume[today]
        traded = math.fsum(volume)
        values.append(math.fsum(typical * volume) / traded if traded else typical[-1])
    return (_whole(values, len(bars)),)


def mfi(bars: Bars, one: Any) -> Outputs:
    typical = _typical(bars)
    move = np.diff(typical, prepend=np.nan)
    money = _wide(typical) * _wide(bars.volume)
    rising = _windows(np.where(move > 0, money, 0), one.period)[1:].sum(axis=1)
    falling = _windows(np.where(move < 0, money, 0), one.period)[1:].sum(axis=1)
    return (_whole(100 * _ratio(rising, rising + falling, 0.5), len(bars)),)


def mean_volume(bars: Bars, one: Any) -> Outputs:
    return (_whole(_windows(_wide(bars.volume), one.period).mean(axis=1), len(bars)),)


def cmf(bars: Bars, one: Any) -> Outputs:
    high, low, close = _wide(bars.high), _wide(bars.low), _wide(bars.close)
    place = _ratio((close - low) - (high - close), high - low, 0.0)
    flow = _windows(place * _wide(bars.volume), one.period).sum(axis=1)
    volume = _windows(_wide(bars.volume), one.period).sum(axis=1)
    return (_whole(_ratio(flow, volume, 0.0), len(bars)),)


def _z_score(values: Float, period: int) -> Float:
    windows = _windows(_wide(values), period)
    equal = windows.max(axis=1, initial=-np.inf) == windows.min(axis=1, initial=np.inf)
    deviation = np.where(equal, 0, windows.std(axis=1))
    return _whole(_ratio(windows[:, -1] - windows.mean(axis=1), deviation, 0.0), len(values))


def price_z_score(bars: Bars, one: Any) -> Outputs:
    return (_z_score(bars.close, one.period),)


def volume_z_score(bars: Bars, one: Any) -> Outputs:
    return (_z_score(bars.volume, one.period),)


def _root_mean(variance: Wide, period: int) -> Float:
    return _whole(np.sqrt(_windows(variance, period).mean(axis=1)), len(variance))


def parkinson(bars: Bars, one: Any) -> Outputs:
    variance = _ln(bars.high, bars.low) ** 2 / (4 * np.log(np.longdouble(2)))
    return (_root_mean(variance, one.period),)


def garman_klass(bars: Bars, one: Any) -> Outputs:
    body = (2 * np.log(np.longdouble(2)) - 1) * _ln(bars.close, bars.open) ** 2
    return (_root_mean(_ln(bars.high, bars.low) ** 2 / 2 - body, one.period),)


def _wicks(bars: Bars) -> Wide:
    upper = _ln(bars.high, bars.close) * _ln(bars.high, bars.open)
    return upper + _ln(bars.low, bars.close) * _ln(bars.low, bars.open)


def rogers_satchell(bars: Bars, one: Any) -> Outputs:
    return (_root_mean(_wicks(bars), one.period),)


def _jumps(bars: Bars) -> Wide:
    return np.concatenate(
        [np.full(min(1, len(bars)), np.nan, np.longdouble), _ln(bars.open[1:], bars.close[:-1])]
    )


def yang_zhang(bars: Bars, one: Any) -> Outputs:
    n = np.longdouble(one.period)
    k = np.longdouble("0.34") / (np.longdouble("1.34") + (n + 1) / (n - 1))
    between = _windows(_jumps(bars), one.period)[1:].var(axis=1, ddof=1)
    within = _windows(_ln(bars.close, bars.open), one.period)[1:].var(axis=1, ddof=1)
    wicks = _windows(_wicks(bars), one.period)[1:].mean(axis=1)
    return (_whole(np.sqrt(between + k * within + (1 - k) * wicks), len(bars)),)


def amihud(bars: Bars, one: Any) -> Outputs:
    traded = bars.volume > 0
    money = np.where(traded, _wide(_typical(bars)) * _wide(bars.volume), 1)
    impact = np.where(traded, np.abs(_moves(bars.close)) / money, 0)
    num_traded = _windows(_wide(traded.astype(np.float64)), one.period)[1:].sum(axis=1)
    total = _windows(impact, one.period)[1:].sum(axis=1)
    return (_whole(_ratio(total, num_traded, 0.0), len(bars)),)


def downside_share(bars: Bars, one: Any) -> Outputs:
    square = _move_windows(bars, one.period) ** 2
    falling = np.where(_move_windows(bars, one.period) < 0, square, 0).sum(axis=1)
    return (_whole(_ratio(falling, square.sum(axis=1), 0.5), len(bars)),)


def jump_share(bars: Bars, one: Any) -> Outputs:
    n = one.period
    size = np.abs(_move_windows(bars, n))
    smooth = np.longdouble(math.pi) / 2 * n / (n - 1) * (size[:, 1:] * size[:, :-1]).sum(axis=1)
    every = (size**2).sum(axis=1)
    return (_whole(_ratio(np.maximum(every - smooth, 0), every, 0.0), len(bars)),)


def realised_skewness(bars: Bars, one: Any) -> Outputs:
    move = _move_windows(bars, one.period)
    cube = np.sqrt(np.longdouble(one.period)) * (move**3).sum(axis=1)
    return (_whole(_ratio(cube, (move**2).sum(axis=1) ** np.longdouble(1.5), 0.0), len(bars)),)


def return_autocorrelation(bars: Bars, one: Any) -> Outputs:
    move = _move_windows(bars, one.period)
    product = (move[:, 1:] * move[:, :-1]).sum(axis=1)
    return (_whole(_ratio(product, (move**2).sum(axis=1), 0.0), len(bars)),)


def choppiness(bars: Bars, one: Any) -> Outputs:
    n = one.period
    before = np.concatenate([np.full(min(1, len(bars)), np.nan), bars.close[:-1]])
    true = np.maximum(bars.high, before).astype(np.longdouble) - np.minimum(bars.low, before)
    way = _windows(true, n)[1:].sum(axis=1)
    high = _windows(_wide(bars.high), n)[1:].max(axis=1, initial=-np.inf)
    low = _windows(_wide(bars.low), n)[1:].min(axis=1, initial=np.inf)
    ratio = np.clip(_ratio(way, high - low, math.sqrt(n)), 1, n)  # ln √n / ln n is a half
    return (_whole(100 * np.log(ratio) / np.log(np.longdouble(n)), len(bars)),)


def volatility_regime(bars: Bars, one: Any) -> Outputs:
    variance = (_move_windows(bars, one.period) ** 2).sum(axis=1).astype(np.float32)
    rank = pd.Series(variance.astype(np.float64)).rolling(one.lookback).rank()
    return (_whole((rank.to_numpy() - 1) / (one.lookback - 1), len(bars)),)


def reference_return(bars: Bars, one: Any) -> Outputs:
    return (_whole(_moves(_reference(bars), one.period), len(bars)),)


def relative_return(bars: Bars, one: Any) -> Outputs:
    own, other = _moves(bars.close, one.period), _moves(_reference(bars), one.period)
    return (_whole(own - other, len(bars)),)


def reference_correlation(bars: Bars, one: Any) -> Outputs:
    own, other = _pair(bars, one.period)
    size = np.sqrt((own**2).sum(axis=1) * (other**2).sum(axis=1))
    return (_whole(_ratio((own * other).sum(axis=1), size, 0.0), len(bars)),)


def reference_beta(bars: Bars, one: Any) -> Outputs:
    own, other = _pair(bars, one.period)
    return (_whole(_ratio((own * other).sum(axis=1), (other**2).sum(axis=1), 0.0), len(bars)),)


def _pair(bars: Bars, period: int) -> tuple[Wide, Wide]:
    return _move_windows(bars, period), _windows(_moves(_reference(bars)), period)[1:]


def _reference(bars: Bars) -> Float:
    assert bars.reference is not None
    return bars.reference


ORACLES: dict[str, Callable[[Bars, Any], Outputs]] = {
    "Amihud": amihud,
    "CCI": cci,
    "CMF": cmf,
    "ChoppinessIndex": choppiness,
    "DailyVWAP": daily_vwap,
    "DownsideShare": downside_share,
    "GarmanKlass": garman_klass,
    "JumpShare": jump_share,
    "LogReturn": log_return,
    "MFI": mfi,
    "MeanVolume": mean_volume,
    "OBVShare": obv_share,
    "Parkinson": parkinson,
    "PriceZScore": price_z_score,
    "RealisedSkewness": realised_skewness,
    "RealisedVolatility": realised_volatility,
    "ReferenceBeta": reference_beta,
    "ReferenceCorrelation": reference_correlation,
    "ReferenceReturn": reference_return,
    "RelativeReturn": relative_return,
    "ReturnAutocorrelation": return_autocorrelation,
    "RogersSatchell": rogers_satchell,
    "Stochastic": stochastic,
    "VWAP": vwap,
    "VolatilityRegime": volatility_regime,
    "VolumeZScore": volume_z_score,
    "WilliamsR": williams,
    "YangZhang": yang_zhang,
}


def _beta_unit(bars: Bars, one: Any) -> Float:
    own, other = _pair(bars, one.period)
    size = (other**2).sum(axis=1)
    return _whole(_ratio(np.abs(own * other).sum(axis=1), size, 1.0), len(bars))


def _two_moves(bars: Bars, one: Any) -> Float:
    own, other = _moves(bars.close, one.period), _moves(_reference(bars), one.period)
    return _whole(np.abs(own) + np.abs(other), len(bars))


def _size_of_moves(bars: Bars, one: Any) -> Float:
    square = _ln(bars.high, bars.low) ** 2 + _jumps(bars) ** 2
    return _whole(np.sqrt(_windows(square, one.period)[1:].mean(axis=1)), len(bars))


# What a billionth is measured against, besides the value itself. Nothing where a value is a sum of
# positive terms: there every value is right by itself, however small. The full scale where terms of
# both signs meet in a share or a score, and the size of the terms where there is no full scale.
UNITS: dict[str, float | Callable[[Bars, Any], Float]] = {
    **dict.fromkeys(("Stochastic", "WilliamsR", "CCI", "MFI", "ChoppinessIndex"), 100.0),
    **dict.fromkeys(("OBVShare", "CMF", "PriceZScore", "VolumeZScore", "DownsideShare"), 1.0),
    **dict.fromkeys(("JumpShare", "RealisedSkewness", "ReturnAutocorrelation"), 1.0),
    **dict.fromkeys(("VolatilityRegime", "ReferenceCorrelation"), 1.0),
    "YangZhang": _size_of_moves,
    "RelativeReturn": _two_moves,
    "ReferenceBeta": _beta_unit,
}
