"""What a user might examine: a good and a bad indicator, features, labels, a scaler, a splitter."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.features import transforms as to
from crypto_nn.features.feature import Feature, Output
from crypto_nn.indicators import RSI, SMA, Indicator, LiveIndicator


@dataclass(frozen=True)
class Range(Indicator):
    """High less low."""

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("range",)

    @property
    def warm_up(self) -> int:
        return 0

    @property
    def memory(self) -> int:
        return 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (bars.high - bars.low,)

    def stream(self, history: Bars) -> LiveIndicator:
        return _LiveRange()


class _LiveRange:
    def update(self, bar: Bar) -> tuple[float, ...]:
        return (bar.high - bar.low,)


class Centred(Range):
    """Its middle is the mean of all rows."""

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        reach = bars.high - bars.low
        return (reach - (reach.mean() if len(reach) else 0.0),)


FEATURES = (
    Feature("rsi", to.as_is, (Output(RSI()),), "RSI"),
    Feature("sma", to.as_is, (Output(SMA(5)),), "SMA"),
)
NUMBER = 3
k_fold = KFold(5)


def trailing(frame: pd.DataFrame) -> "pd.Series[float]":
    """Looks back."""
    return frame["close"].rolling(20).mean().rename("trailing")


def leading(frame: pd.DataFrame) -> "pd.Series[float]":
    """Looks ahead."""
    return frame["close"].rolling(20, center=True).mean().rename("leading")


def noise(bars: Bars) -> Float:
    """Another one each time."""
    return np.random.default_rng().normal(size=len(bars))


def early_labels(bars: Bars) -> tuple[Float, Any]:
    """Known five minutes ahead, it says, and is ten."""
    values = np.full(len(bars), np.nan)
    values[:-10] = bars.close[10:] / bars.close[:-10]
    return values, bars.ts + np.timedelta64(6, "m")


def scaled_by_all(x_NF: Float, rows: Any) -> Float:
    """By the deviation of all rows."""
    scaled: Float = x_NF / x_NF.std(axis=0)
    return scaled


def far(frame: pd.DataFrame) -> "pd.Series[float]":
    """The close of two weeks later, and 0 where there is none."""
    return frame["close"].shift(-20_160).fillna(0).rename("far")


def endless(frame: pd.DataFrame) -> "pd.Series[float]":
    """Never has a value on so few bars."""
    return frame["close"].rolling(1_000_000).mean().rename("endless")


def words(frame: pd.DataFrame) -> pd.DataFrame:
    """Honest, but no numbers."""
    rose = np.where(frame["close"].diff() > 0, "up", "down")
    return pd.DataFrame({"rose": rose}, index=frame.index)


def hour(bars: Bars) -> Float:
    """A clock."""
    return (bars.ts.astype("datetime64[h]").astype(np.int64) % 24).astype(np.float64)


EMPTY: dict[str, Any] = {}
NONE: tuple[Any, ...] = ()
BOTH = {"back": trailing, "ahead": leading}
