"""Twenty more ways to know the future, which hide better: in rare rows, in state, behind fitting.

Twelve features that leak in one row of a thousand, only on Mondays, only through a bar's stamp or
a remembered copy; three labels, three splits and two scalers.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from crypto_nn.bars import Bars, Float, Times
from crypto_nn.features.labels import LabelConfig, Labels, compute_labels
from crypto_nn.features.leaks import (
    Examination,
    examine,
    examine_labels,
    examine_row_splits,
    examine_scaler,
    examine_splits,
)
from crypto_nn.features.splits import Fold, Reach, SplitConfig, make_splits

Examine = Callable[[Bars], Examination]
HIDDEN: dict[str, Examine] = {}
WORDS: dict[str, tuple[str, str]] = {}
MINUTE = np.timedelta64(60_000_000, "us")
SMALL = SplitConfig(
    train_days=3, validation_days=1, calibration_days=1, test_days=1, lock_box_days=2
)
REACH = Reach(60, 48)
_SEEN: dict[str, pd.Series] = {}


def _feature(leak: Callable[[Bars], Any]) -> Callable[[Bars], Any]:
    def find(bars: Bars) -> Examination:
        _SEEN.clear()
        return examine(leak, bars)

    return _planted("feature", leak, find)


def _label(leak: Callable[[Bars], Labels]) -> Callable[[Bars], Labels]:
    return _planted("label", leak, lambda bars: examine_labels(leak, bars, seconds=0.2))


def _planted(kind: str, leak: Any, find: Examine) -> Any:
    HIDDEN[leak.__name__] = find
    WORDS[leak.__name__] = (kind, (leak.__doc__ or "").split("\n")[0])
    return leak


def _base(bars: Bars) -> Float:
    return pd.Series(bars.close).rolling(10).mean().to_numpy().copy()


def _with_next(bars: Bars, mask: NDArray[np.bool_], values_N: Float | None = None) -> Float:
    """Honest values, but for these rows, which have the next close."""
    values_N = _base(bars) if values_N is None else values_N
    values_N[mask] = np.append(bars.close[1:], np.nan)[mask]
    return values_N


def _minutes(bars: Bars) -> NDArray[np.int64]:
    return bars.ts.astype("datetime64[m]").astype(np.int64)


@_feature
def on_mondays(bars: Bars) -> Float:
    """The next close, on Mondays only."""
    return _with_next(bars, (_minutes(bars) // 1440 + 3) % 7 == 0)


@_feature
def at_month_turns(bars: Bars) -> Float:
    """The next close, in the last bar of a month only."""
    month = bars.ts.astype("datetime64[M]")
    return _with_next(bars, np.append(month[1:] != month[:-1], False)[: len(bars)])


@_feature
def after_holes(bars: Bars) -> Float:
    """The next close, in the second bar after a hole only."""
    after = np.append(False, np.diff(bars.ts) > MINUTE)[: len(bars)]
    return _with_next(bars, np.append(False, after[:-1])[: len(bars)])


@_feature
def once_in_a_thousand(bars: Bars) -> Float:
    """The next close, in one minute of 997 only."""
    return _with_next(bars, _minutes(bars) % 997 == 3)


@_feature
def sign_once_a_day(bars: Bars) -> Float:
    """The sign is that of the next move, at 12:34 only."""
    values, move = _base(bars), np.append(np.diff(bars.close), 0.0)[: len(bars)]
    told = np.where(move < 0, -np.abs(values), np.abs(values))
    return np.where(_minutes(bars) % 1440 == 754, told, values)


@_feature
def nearest_hour(bars: Bars) -> Float:
    """Joined with the hourly close that is nearest in time, not the last one."""
    frame = pd.DataFrame({"ts": bars.ts, "close": bars.close})
    hours = frame.iloc[::60].rename(columns={"close": "hourly"})
    return pd.merge_asof(frame, hours, on="ts", direction="nearest")["hourly"].to_numpy()


@_feature
def unfinished_quarter(bars: Bars) -> Float:
    """The close of the 15-minute bar by its label at the left, before it has ended."""
    close = pd.Series(bars.close, index=pd.DatetimeIndex(bars.ts))
    quarters = close.resample("15min", label="left").last()
    return np.asarray(quarters.reindex(close.index, method="ffill"), np.float64)


@_feature
def volume_profile(bars: Bars) -> Float:
    """The share in the volume of the whole day, from its morning on."""
    volume = pd.Series(bars.volume)
    return (volume / volume.groupby(_minutes(bars) // 1440).transform("sum")).to_numpy()


@_feature
def rounded_by_the_peak(bars: Bars) -> Float:
    """Rounded to as many digits as the highest price of all rows has."""
    digits = 3 - int(np.floor(np.log10(bars.high.max()))) if len(bars) else 0
    rounded: Float = np.round(bars.close, digits)
    return rounded


@_feature
def crash_warning(bars: Bars) -> Float:
    """Halved where the price falls by a third in a minute of the next hour."""
    move = pd.Series(np.append(bars.close[1:] / bars.close[:-1] - 1, 0.0)[: len(bars)])
    worst = move[::-1].rolling(60, min_periods=1).min()[::-1].to_numpy()
    return _base(bars) * np.where(worst < -0.33, 0.5, 1.0)


@_feature
def last_bit(bars: Bars) -> NDArray[np.float32]:
    """The last bit of a float32 says whether the next bar closes higher."""
    higher = np.append(np.diff(bars.close) > 0, False)[: len(bars)]
    close = bars.close.astype(np.float32)
    return np.where(higher, np.nextafter(close, np.float32(np.inf)), close)


@_feature
def remembered(bars: Bars) -> Float:
    """The next close, from the bars that the first call was given and that are kept."""
    kept = _SEEN.setdefault("close", pd.Series(bars.close, index=pd.DatetimeIndex(bars.ts)))
    return kept.shift(-1).reindex(pd.DatetimeIndex(bars.ts)).to_numpy()


def _labels(bars: Bars) -> Labels:
    return compute_labels(bars, LabelConfig(horizons=(15, 60)), complete=True)


@_label
def known_too_early(bars: Bars) -> Labels:
    """Labels say that they are known a minute before they are."""
    labels = _labels(bars)
    return replace(labels, t1_NH=labels.t1_NH - MINUTE)


@_label
def over_holes(bars: Bars) -> Labels:
    """Returns are taken by position: across a hole they end hours after their t1."""
    labels = _labels(bars)
    later = np.log(np.append(bars.close[15:], np.full(15, np.nan))[: len(bars)] / bars.close)
    return replace(labels, returns_NH=np.column_stack([later, labels.returns_NH[:, 1]]))


@_label
def volatility_to_come(bars: Bars) -> Labels:
    """Scores are in units of the volatility of the hour that follows the horizon."""
    labels = _labels(bars)
    moves = pd.Series(np.append(0.0, np.diff(np.log(bars.close)))[: len(bars)])
    ahead = moves.rolling(60).std().shift(-120).to_numpy()
    return replace(labels, scores_NH=labels.returns_NH / ahead[:, None])


def _not_purged(fold: Fold, role: str, ts: Times, t1_NH: Times) -> NDArray[np.bool_]:
    """Rows belong to a part by their bars alone, wherever their labels end."""
    part = fold.role(role)
    mask: NDArray[np.bool_] = (ts >= part.start) & (ts < part.end)
    return mask


def _no_embargo(bars: Bars) -> Examination:
    """Parts follow each other without an embargo."""
    splits = make_splits(bars.ts[0], bars.ts[-1], SMALL, REACH)
    folds = tuple(
        replace(fold, embargo=0, roles=tuple(
            replace(role, end=after.start) for role, after in zip(fold.roles, fold.roles[1:])
        ) + fold.roles[-1:])
        for fold in splits.folds
    )  # fmt: skip
    return examine_splits(replace(splits, folds=folds), bars.ts, _labels(bars).t1_NH, REACH)


def _purge_missing(bars: Bars) -> Examination:
    splits = make_splits(bars.ts[0], bars.ts[-1], SMALL, REACH)
    return examine_splits(splits, bars.ts, _labels(bars).t1_NH, REACH, rows_of=_not_purged)


def _k_fold(bars: Bars) -> Examination:
    """Shuffled k-fold: training rows lie among those of the test."""
    folds = list(KFold(5, shuffle=True, random_state=0).split(bars.close))
    return examine_row_splits(folds, bars.ts, _labels(bars).t1_NH, REACH)


def _fitted_on_all(x_NF: Float, rows: NDArray[np.int64]) -> Float:
    """Scaled by the mean and deviation of all rows."""
    scaled: Float = (x_NF - x_NF.mean(axis=0)) / x_NF.std(axis=0)
    return scaled


class _ByBatch:
    """Fitted on training rows, but what is transformed is centred on itself."""

    def fit(self, x_NF: Float) -> "_ByBatch":
        self.scale_F = x_NF.std(axis=0)
        return self

    def transform(self, x_NF: Float) -> Float:
        scaled: Float = (x_NF - np.median(x_NF, axis=0)) / self.scale_F
        return scaled


def _scaler(thing: Any) -> Examine:
    def find(bars: Bars) -> Examination:
        x_NF = np.column_stack([bars.close, bars.volume, bars.high - bars.low])[:2000]
        return examine_scaler(thing, x_NF, np.arange(300, 1300))

    return find


_OTHERS: Mapping[str, tuple[str, Any, Examine]] = {
    "not_purged": ("split", _not_purged, _purge_missing),
    "no_embargo": ("split", _no_embargo, _no_embargo),
    "k_fold": ("split", _k_fold, _k_fold),
    "fitted_on_all": ("scaler", _fitted_on_all, _scaler(_fitted_on_all)),
    "centred_by_batch": ("scaler", _ByBatch, _scaler(_ByBatch)),
}
for _name, (_kind, _leak, _find) in _OTHERS.items():
    HIDDEN[_name] = _find
    WORDS[_name] = (_kind, (_leak.__doc__ or "").split("\n")[0])
