"""Twenty ways in which a column comes to know the future, each met in published work.

What the leak detector must find, each and every one. All but the last few are mistakes of a single
line; `interpolated` touches one row in 500, `outage_ahead` one row of all. They are kept here and
not among the tests, so that a running platform can plant them too (`controls.leaks`).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy import signal

from crypto_nn.bars import Bars, Float

PLANTED: dict[str, Callable[[Bars], Float]] = {}


def _planted(leak: Callable[[Bars], Float]) -> Callable[[Bars], Float]:
    PLANTED[leak.__name__] = leak
    return leak


def _floats(series: "pd.Series[Any]") -> Float:
    return np.asarray(series, np.float64)


def _returns(bars: Bars) -> pd.Series:
    return pd.Series(bars.close).pct_change(fill_method=None)


def _hours(bars: Bars) -> Float:
    hours: Float = bars.ts.astype("datetime64[h]").astype(np.float64)
    return hours


@_planted
def shifted_back(bars: Bars) -> Float:
    """The next bar's return, through a shift of -1."""
    return _floats(_returns(bars).shift(-1))


@_planted
def centred_window(bars: Bars) -> Float:
    """A moving average that looks as far ahead as back."""
    return _floats(pd.Series(bars.close).rolling(21, center=True, min_periods=1).mean())


@_planted
def global_z_score(bars: Bars) -> Float:
    """Standardised with the mean and deviation of all rows, the later ones included."""
    move = _returns(bars)
    return _floats((move - move.mean()) / move.std())


@_planted
def global_min_max(bars: Bars) -> Float:
    """Scaled to the range of all rows."""
    close = pd.Series(bars.close)
    return _floats((close - close.min()) / (close.max() - close.min()))


@_planted
def global_robust(bars: Bars) -> Float:
    """Scaled by the median and quartiles of all rows."""
    move = _returns(bars)
    spread = move.quantile(0.75) - move.quantile(0.25)
    return _floats((move - move.median()) / spread)


@_planted
def quantile_clip(bars: Bars) -> Float:
    """Outliers clipped at quantiles of all rows: only the outliers' rows know the future."""
    move = _returns(bars)
    return _floats(move.clip(float(move.quantile(0.01)), float(move.quantile(0.99))))


@_planted
def global_rank(bars: Bars) -> Float:
    """The rank among all rows."""
    return _floats(_returns(bars).rank(pct=True))


@_planted
def global_bins(bars: Bars) -> Float:
    """Ten bins of equal size over all rows."""
    if len(bars) < 20:
        return np.zeros(len(bars))
    return pd.qcut(_returns(bars).fillna(0), 10, labels=False, duplicates="drop").to_numpy(
        np.float64
    )


@_planted
def global_components(bars: Bars) -> Float:
    """The first principal component of all rows."""
    move = _returns(bars).fillna(0)
    table = np.column_stack([move.shift(lag).fillna(0) for lag in range(4)])
    table = table - table.mean(axis=0)
    _, _, axes = np.linalg.svd(table, full_matrices=False)
    component: Float = table @ axes[0]
    return component


@_planted
def back_filled(bars: Bars) -> Float:
    """Missing values filled with the next that is known."""
    return _floats(pd.Series(bars.vwap).bfill())


@_planted
def interpolated(bars: Bars) -> Float:
    """Missing values put on the line between their neighbours; one row in 500 is touched."""
    return _floats(pd.Series(bars.vwap).interpolate())


@_planted
def low_pass(bars: Bars) -> Float:
    """High frequencies removed by a Fourier transform of the whole."""
    spectrum = np.fft.rfft(bars.close)
    spectrum[len(spectrum) // 10 + 1 :] = 0
    return np.fft.irfft(spectrum, len(bars))


@_planted
def savitzky_golay(bars: Bars) -> Float:
    """Smoothed by polynomials through a centred window."""
    if len(bars) < 31 or np.isnan(bars.close).any():
        return bars.close.copy()
    smooth: Float = signal.savgol_filter(bars.close, 31, 2)
    return smooth


@_planted
def forward_and_backward(bars: Bars) -> Float:
    """Filtered forwards and then backwards, so that it has no lag."""
    if len(bars) < 31:
        return bars.close.copy()
    smooth: Float = signal.filtfilt(*signal.butter(3, 0.1), bars.close)
    return smooth


@_planted
def unfinished_hour(bars: Bars) -> Float:
    """The close of the hour, on each of its minutes."""
    return _floats(pd.Series(bars.close).groupby(_hours(bars)).transform("last"))


@_planted
def day_high(bars: Bars) -> Float:
    """The distance to the high of the whole day, from its morning on."""
    days = bars.ts.astype("datetime64[D]").astype(np.int64)
    return bars.close / _floats(pd.Series(bars.high).groupby(days).transform("max"))


@_planted
def pivot(bars: Bars) -> Float:
    """Whether the bar is a local high, which five later bars must confirm."""
    high = pd.Series(bars.high)
    return _floats(high == high.rolling(11, center=True).max())


@_planted
def target_mean(bars: Bars) -> Float:
    """The mean return that followed in each hour of the day, over all rows."""
    following = _returns(bars).shift(-5).fillna(0)
    return _floats(following.groupby(_hours(bars) % 24).transform("mean"))


@_planted
def reversed_mean(bars: Bars) -> Float:
    """An exponential average that runs from the end to the start."""
    return pd.Series(bars.close[::-1]).ewm(span=20).mean().to_numpy(np.float64)[::-1]


@_planted
def outage_ahead(bars: Bars) -> Float:
    """Whether no bar follows in the next minutes: an outage is known before it begins."""
    ahead_N = np.diff(bars.ts) > np.timedelta64(5, "m")
    return np.append(ahead_N.astype(np.float64), 0.0)
