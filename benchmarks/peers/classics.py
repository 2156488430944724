"""Sixteen classic indicators, as ours and as peers compute them over the same bars.

`PANDAS` are written as one would in a notebook, without a Python loop over rows; `TA` are calls of
the `ta` package; both may differ from ours in how an average is started, not in the formula.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import talib

from crypto_nn import indicators as ind
from crypto_nn.bars import Bars
from crypto_nn.indicators import Indicator

OURS: tuple[Indicator, ...] = (
    ind.RSI(), ind.MACD(), ind.Stochastic(), ind.ROC(), ind.WilliamsR(), ind.CCI(), ind.SMA(),
    ind.EMA(), ind.DEMA(), ind.TEMA(), ind.ADX(), ind.Aroon(), ind.BollingerBands(), ind.ATR(),
    ind.OBV(), ind.MFI(),
)  # fmt: skip


def bare_talib(bars: Bars) -> list[Any]:
    """The sixteen as bare calls of TA-Lib."""
    h, lo, c, v = bars.high, bars.low, bars.close, bars.volume
    return [
        talib.RSI(c, 14), talib.MACD(c), talib.STOCH(h, lo, c, 14), talib.ROC(c, 10),
        talib.WILLR(h, lo, c, 14), talib.CCI(h, lo, c, 20), talib.SMA(c, 20), talib.EMA(c, 20),
        talib.DEMA(c, 20), talib.TEMA(c, 20), talib.ADX(h, lo, c, 14), talib.AROON(h, lo, 25),
        talib.BBANDS(c, 20), talib.ATR(h, lo, c, 14), talib.OBV(c, v),
        talib.MFI(h, lo, c, v, 14),
    ]  # fmt: skip


def ours(bars: Bars) -> list[Any]:
    """The sixteen as ours."""
    return [indicator.compute(bars) for indicator in OURS]


Series = Any  # a Series of floats; pandas-stubs are stricter than what is computed here
Columns = Mapping[str, Series]


def columns_of(bars: Bars) -> Columns:
    """The columns of the bars as pandas series."""
    return {name: pd.Series(values) for name, values in bars.columns().items() if name != "ts"}


def _wilder(values: Series, period: int) -> Series:
    return values.ewm(alpha=1 / period, adjust=False).mean()


def _ema(values: Series, span: int) -> Series:
    return values.ewm(span=span, adjust=False).mean()


def _true_range(b: Columns) -> Series:
    before = b["close"].shift()
    return np.maximum(b["high"], before) - np.minimum(b["low"], before)


def _rsi(b: Columns) -> Series:
    move = b["close"].diff()
    up, down = _wilder(move.clip(lower=0), 14), _wilder(-move.clip(upper=0), 14)
    return 100 * up / (up + down)


def _macd(b: Columns) -> Series:
    line = _ema(b["close"], 12) - _ema(b["close"], 26)
    return line, line - _ema(line, 9)


def _place(b: Columns) -> Series:
    low, high = b["low"].rolling(14).min(), b["high"].rolling(14).max()
    return (b["close"] - low) / (high - low)


def _stochastic(b: Columns) -> Series:
    k = 100 * _place(b).rolling(3).mean()
    return k, k.rolling(3).mean()


def _cci(b: Columns) -> Series:
    typical = (b["high"] + b["low"] + b["close"]) / 3
    mean = typical.rolling(20).mean()
    windows_M20 = np.lib.stride_tricks.sliding_window_view(typical.to_numpy(), 20)
    deviation_M = np.abs(windows_M20 - mean.to_numpy()[19:, None]).mean(axis=1)
    return (typical[19:] - mean[19:]) / (0.015 * deviation_M)


def _dema(b: Columns) -> Series:
    once = _ema(b["close"], 20)
    return 2 * once - _ema(once, 20)


def _tema(b: Columns) -> Series:
    once = _ema(b["close"], 20)
    twice = _ema(once, 20)
    return 3 * once - 3 * twice + _ema(twice, 20)


def _adx(b: Columns) -> Series:
    up, down = b["high"].diff(), -b["low"].diff()
    rise = _wilder(up.where((up > down) & (up > 0), 0.0), 14)
    fall = _wilder(down.where((down > up) & (down > 0), 0.0), 14)
    return _wilder(100 * (rise - fall).abs() / (rise + fall), 14)


def _aroon(b: Columns) -> Series:
    view = np.lib.stride_tricks.sliding_window_view
    high_M, low_M = view(b["high"].to_numpy(), 26), view(b["low"].to_numpy(), 26)
    return 4.0 * high_M.argmax(axis=1), 4.0 * low_M.argmin(axis=1)


def _bollinger(b: Columns) -> Series:
    window = b["close"].rolling(20)
    middle, half = window.mean(), 2 * window.std(ddof=0)
    return middle + half, middle, middle - half


def _obv(b: Columns) -> Series:
    return (np.sign(b["close"].diff()) * b["volume"]).cumsum()


def _mfi(b: Columns) -> Series:
    typical = (b["high"] + b["low"] + b["close"]) / 3
    money, move = typical * b["volume"], typical.diff()
    rising = money.where(move > 0, 0.0).rolling(14).sum()
    return 100 * rising / (rising + money.where(move < 0, 0.0).rolling(14).sum())


PANDAS: Mapping[str, Callable[[Columns], Series]] = {
    "RSI": _rsi,
    "MACD": _macd,
    "Stochastic": _stochastic,
    "ROC": lambda b: 100 * b["close"].pct_change(10),
    "WilliamsR": lambda b: 100 * (_place(b) - 1),
    "CCI": _cci,
    "SMA": lambda b: b["close"].rolling(20).mean(),
    "EMA": lambda b: _ema(b["close"], 20),
    "DEMA": _dema,
    "TEMA": _tema,
    "ADX": _adx,
    "Aroon": _aroon,
    "BollingerBands": _bollinger,
    "ATR": lambda b: _wilder(_true_range(b), 14),
    "OBV": _obv,
    "MFI": _mfi,
}


def with_ta() -> Mapping[str, Callable[[Columns], Series]]:
    """The same by the `ta` package, where it has them (it lacks DEMA and TEMA)."""
    from ta import momentum, trend, volatility, volume

    def hlc(b: Columns) -> tuple[Series, Series, Series]:
        return b["high"], b["low"], b["close"]

    def bands(b: Columns) -> Series:
        found = volatility.BollingerBands(b["close"])
        return found.bollinger_hband(), found.bollinger_mavg(), found.bollinger_lband()

    def aroon(b: Columns) -> Series:
        found = trend.AroonIndicator(b["high"], b["low"], 25)
        return found.aroon_up(), found.aroon_down()

    return {
        "RSI": lambda b: momentum.rsi(b["close"]),
        "MACD": lambda b: (trend.macd(b["close"]), trend.macd_diff(b["close"])),
        "Stochastic": lambda b: (momentum.stoch(*hlc(b)), momentum.stoch_signal(*hlc(b))),
        "ROC": lambda b: momentum.roc(b["close"], 10),
        "WilliamsR": lambda b: momentum.williams_r(*hlc(b)),
        "CCI": lambda b: trend.cci(*hlc(b)),
        "SMA": lambda b: trend.sma_indicator(b["close"], 20),
        "EMA": lambda b: trend.ema_indicator(b["close"], 20),
        "ADX": lambda b: trend.adx(*hlc(b)),
        "Aroon": aroon,
        "BollingerBands": bands,
        "ATR": lambda b: volatility.average_true_range(*hlc(b)),
        "OBV": lambda b: volume.on_balance_volume(b["close"], b["volume"]),
        "MFI": lambda b: volume.money_flow_index(*hlc(b), b["volume"]),
    }
