"""Labels: where the price went, measured in the volatility that could be expected."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from crypto_nn.bars import M1, Bars, Float, Times
from crypto_nn.bars.bars import PRICES
from crypto_nn.bars.calendar import TS, month_bounds, month_slices
from crypto_nn.errors import BarsError
from crypto_nn.features.labels_barriers import Touch, first_touches

DOWN, FLAT, UP, UNKNOWN = 0, 1, 2, -1
CLASSES = ("down", "flat", "up")
MINUTE = np.timedelta64(60_000_000, "us")
FORGOTTEN = 1e-9  # the share of a return's weight at which it no longer matters

Classes = NDArray[np.int8]


class LabelConfig(BaseModel):
    """What counts as up, flat and down, and how far ahead.

    `volatility` (default) calls a move flat when it is small for its time:
    |r| ≤ k·σ·√h with σ the volatility of one minute. One k gives thirds in calm and in wild
    markets, which no fixed band does. `fixed` and `cost` compare with `bps` instead: the log
    return, and the simple return, which a round trip costing that much has to earn first.
    `triple_barrier` asks which is met first on the way: a price `width`·σ·√h above, one as far
    below, or the end of the horizon, which is flat.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["volatility", "fixed", "cost", "triple_barrier"] = Field(
        default="volatility", description="what a move is compared with"
    )
    horizons: tuple[int, ...] = Field(
        default=(5, 15, 60), description="minutes ahead, ascending; each is one label"
    )
    span: int = Field(
        default=120, ge=2, le=3600, description="span of sigma's EWMA, in 1-minute returns"
    )
    warm_up: int = Field(
        default=120, ge=1, le=20_000, description="returns that sigma needs before it is given"
    )
    k: float = Field(
        default=0.37, gt=0, description="half-width of flat in sigma·sqrt(h), for volatility"
    )
    bps: float = Field(
        default=10.0,
        gt=0,
        description="half-width of flat in basis points, for fixed and cost; for cost that of a "
        "round trip: fee and slippage of buying and of selling",
    )
    width: float = Field(
        default=0.7,
        gt=0,
        description="how far the barriers lie, in sigma·sqrt(h), for triple_barrier",
    )
    touch: Touch = Field(
        default="close",
        description="what goes beyond a barrier, for triple_barrier: a bar's close, or its range",
    )

    @field_validator("horizons")
    @classmethod
    def _ascending(cls, horizons: tuple[int, ...]) -> tuple[int, ...]:
        ascending = all(a < b for a, b in pairwise(horizons))
        if not horizons or not ascending or horizons[0] < 1 or horizons[-1] > 1440:
            raise ValueError(
                f"horizons are {horizons}; minutes from 1 to 1440 in ascending order are due, "
                "such as [5, 15, 60]"
            )
        return horizons

    @property
    def rule(self) -> str:
        """What is up and down, in one line."""
        move = {"volatility": "|return|", "fixed": "|log return|", "cost": "|simple return|"}
        if self.kind == "triple_barrier":
            met = {"close": "closes", "range": "trades"}[self.touch]
            return f"up or down where it {met} {self.width:g}·sigma·sqrt(h) away first, within h"
        limit = f"{self.bps:g} bp"
        if self.kind == "volatility":
            limit = f"k·sigma·sqrt(h), k near {self.k:g}"
        return f"up or down where {move[self.kind]} > {limit}"

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of bars that labels follow from."""
        ranges = self.kind == "triple_barrier" and self.touch == "range"
        return ("ts", *PRICES) if ranges else ("ts", "close")

    @property
    def memory(self) -> int:
        """Minutes of history after which an older return weighs less than 1e-9 in sigma."""
        decay = 1 - 2 / (self.span + 1)
        return max(self.warm_up, math.ceil(math.log(FORGOTTEN) / math.log(decay)))

    def anchor(self, month: str) -> np.datetime64:
        """Where the history of a month's labels begins: its start − memory, floored to a day."""
        start: np.datetime64 = month_bounds(month)[0] - self.memory * MINUTE
        day: np.datetime64 = start.astype("datetime64[D]")
        return day.astype(TS)

    def bars_needed(self, month: str) -> tuple[np.datetime64, np.datetime64]:
        """The stretch [start, end) of bars from which all labels of a month follow."""
        return self.anchor(month), month_bounds(month)[1] + self.horizons[-1] * MINUTE


@dataclass(frozen=True, eq=False)
class Labels:
    """What happened after each bar of one symbol, N bars by H horizons.

    A label speaks of the time from t0 = ts + 1 minute, when the bar has closed and a prediction
    can be made, to t1, when it is known. That is t0 + h, when the bar at ts + h has closed; with
    the triple barrier it is the close of the bar that met one of them, at the latest t0 + h.

    Attributes:
        horizons: minutes ahead, one for each column.
        ts: opens of the bars that the predictions follow, datetime64[us], UTC (N,).
        sigma: volatility of one minute as known at the bar's close; NaN in warm-up (N,).
        returns_NH: log return from t0 to t1, log(close[ts + h] / close[ts]) but for the triple
            barrier (`labels_barriers.first_touches`); NaN where a bar is missing or to come.
        scores_NH: returns / (sigma·√h): the move in units of what was to be expected.
        t1_NH: when the label is known, datetime64[us]; always given, but for the triple barrier:
            NaT where it is not known.
        classes_NH: 0 down, 1 flat, 2 up, −1 not known.
    """

    horizons: tuple[int, ...]
    ts: Times
    sigma: Float
    returns_NH: Float
    scores_NH: Float
    t1_NH: Times
    classes_NH: Classes

    @property
    def t0(self) -> Times:
        """When each prediction can be made: the close of its bar (N,)."""
        return self.ts + MINUTE

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, rows: slice | NDArray[Any]) -> "Labels":
        """The labels at these positions, or where this mask is true."""
        columns = {field.name: getattr(self, field.name)[rows] for field in fields(self)[1:]}
        return replace(self, **columns)

    def between(self, start: np.datetime64, end: np.datetime64) -> "Labels":
        """The labels of the bars that open in [start, end)."""
        lo, hi = np.searchsorted(self.ts, np.array([start, end], dtype=TS))
        return self.take(slice(int(lo), int(hi)))

    def to_arrow(self) -> pa.Table:
        """Columns ts, sigma, and return_, score_, t1_, class_ of each horizon; null for unknown."""
        columns = {"ts": pa.array(self.ts), "sigma": _nullable(self.sigma)}
        for column, horizon in enumerate(self.horizons):
            classes = self.classes_NH[:, column]
            columns[f"return_{horizon}m"] = _nullable(self.returns_NH[:, column])
            columns[f"score_{horizon}m"] = _nullable(self.scores_NH[:, column])
            columns[f"t1_{horizon}m"] = pa.array(np.ascontiguousarray(self.t1_NH[:, column]))
            columns[f"class_{horizon}m"] = pa.array(
                np.ascontiguousarray(classes), mask=classes == UNKNOWN
            )
        return pa.table(columns)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> "Labels":
        """The labels that `to_arrow` wrote; other columns (symbol, month) are left aside.

        So are horizons without any t1 beside ones that have it: a table keeps the columns of
        horizons that are no longer asked for, or are there by default, and they are null.
        """
        prefix = "class_"
        there = tuple(
            sorted(int(n[len(prefix) : -1]) for n in table.column_names if n.startswith(prefix))
        )
        used = tuple(h for h in there if table[f"t1_{h}m"].null_count < len(table))
        horizons = used or there

        def floats(kind: str) -> Float:
            columns = [_floats(table[f"{kind}_{h}m"]) for h in horizons]
            return np.column_stack(columns) if columns else np.empty((len(table), 0))

        return cls(
            horizons,
            _times(table["ts"]),
            _floats(table["sigma"]),
            floats("return"),
            floats("score"),
            np.column_stack([_times(table[f"t1_{h}m"]) for h in horizons]),
            np.column_stack(
                [
                    table[f"class_{h}m"].fill_null(UNKNOWN).to_numpy().astype(np.int8)
                    for h in horizons
                ]
            ),
        )


def compute_labels(bars: Bars, config: LabelConfig, complete: bool = False) -> Labels:
    """The labels of every bar, the same bits for a month alone and in the whole history.

    Sigma of month m is computed from the bars since `config.anchor(m)` alone, so a month needs
    no more than the bars of `config.bars_needed(m)`, wherever it is computed. A month without a
    bar in its anchor's day has no history to stand on: its sigma, and with it score and class,
    is null. Returns follow time stamps and never bridge a gap by position.

    Args:
        bars: clean 1-minute bars of one symbol.
        config: horizons and bands.
        complete: the symbol's history is not missing anything before the first of these bars;
            then a month whose anchor lies earlier is computed from that first bar.

    Raises:
        BarsError: the bars are not clean, or not of one minute.
    """
    if bars.timeframe != M1:
        raise BarsError(
            f"{bars.symbol}: labels are made from 1m bars, and these are {bars.timeframe}. "
            "Give the bars of the table `bars`."
        )
    bars.check_clean()
    sigma = np.concatenate([np.empty(0), *_sigma_by_month(bars, config, complete)])
    if config.kind == "triple_barrier":
        return _triple_barrier(bars, sigma, config)
    returns_NH = np.column_stack([forward_returns(bars, h) for h in config.horizons])
    scores_NH = _scores(returns_NH, sigma, config.horizons)
    steps_H = np.array([(h + 1) * MINUTE for h in config.horizons])
    classes_NH = _classes(returns_NH, scores_NH, config)
    t1_NH = bars.ts[:, None] + steps_H
    return Labels(config.horizons, bars.ts, sigma, returns_NH, scores_NH, t1_NH, classes_NH)


def _triple_barrier(bars: Bars, sigma: Float, config: LabelConfig) -> Labels:
    labels = []
    for horizon in config.horizons:
        half_width_N = config.width * sigma * np.sqrt(np.float64(horizon))
        found = first_touches(bars, half_width_N, horizon, config.touch)
        known_N = found.end_N >= 0
        t1_N = np.full(len(bars), np.datetime64("NaT"), dtype=TS)
        t1_N[known_N] = bars.ts[found.end_N[known_N]] + MINUTE
        classes_N = np.where(known_N, found.side_N + FLAT, UNKNOWN).astype(np.int8)
        labels.append((found.returns_N, t1_N, classes_N))
    returns_NH, t1_NH, classes_NH = (np.column_stack(columns) for columns in zip(*labels))
    scores_NH = _scores(returns_NH, sigma, config.horizons)
    return Labels(config.horizons, bars.ts, sigma, returns_NH, scores_NH, t1_NH, classes_NH)


def forward_returns(bars: Bars, horizon: int) -> Float:
    """Log return from each bar's close to the close of the bar `horizon` minutes later (N,).

    NaN where that bar is missing, or has not come yet.
    """
    returns = np.full(len(bars), np.nan)
    due = bars.ts + horizon * MINUTE
    later = np.searchsorted(bars.ts, due)
    found = np.flatnonzero(later < len(bars))
    found = found[bars.ts[later[found]] == due[found]]
    returns[found] = np.log(bars.close[later[found]] / bars.close[found])
    return returns


def ewma_sigma(bars: Bars, span: int, warm_up: int) -> Float:
    """Expected size of the next 1-minute log return, from those up to and including each bar (N,).

    The root of the exponentially weighted mean of squared returns,
    σ² = Σ βⁱ r²ᵢ / Σ βⁱ with β = 1 − 2 / (span + 1) and i counting returns backwards: weights
    are normalised, so no starting value is assumed (pandas `ewm(span, adjust=True)`). The mean
    return is taken as zero, as usual within a minute. A return over a gap is not a 1-minute
    return: it is left out, and sigma stays as it was. NaN until `warm_up` returns are there.
    """
    from scipy.signal import lfilter

    sigma = np.full(len(bars), np.nan)
    whole = np.flatnonzero(np.diff(bars.ts) == MINUTE) + 1
    if not whole.size:
        return sigma
    decay = 1 - 2 / (span + 1)
    squares = np.log(bars.close[whole] / bars.close[whole - 1]) ** 2
    sums = lfilter([1.0], [1.0, -decay], squares)
    weights = lfilter([1.0], [1.0, -decay], np.ones(len(whole)))
    known = np.sqrt(sums / weights)
    count = np.searchsorted(whole, np.arange(len(bars)), side="right")
    ready = count >= warm_up
    sigma[ready] = known[count[ready] - 1]
    return sigma


def _sigma_by_month(bars: Bars, config: LabelConfig, complete: bool) -> Iterator[Float]:
    for month, rows in month_slices(bars.ts):
        anchor = config.anchor(month)
        start, next_day = np.searchsorted(bars.ts, [anchor, anchor + 1440 * MINUTE])
        if start == next_day and not complete:
            yield np.full(rows.stop - rows.start, np.nan)
        else:
            piece = bars[int(start) : rows.stop]
            yield ewma_sigma(piece, config.span, config.warm_up)[rows.start - int(start) :]


def _scores(returns_NH: Float, sigma: Float, horizons: tuple[int, ...]) -> Float:
    """In a market that has not moved at all, no move scores 0 and any move has no score."""
    scale_NH = sigma[:, None] * np.sqrt(np.array(horizons, dtype=np.float64))
    still = (scale_NH == 0) & (returns_NH == 0)
    scores_NH = np.full(returns_NH.shape, np.nan)
    np.divide(returns_NH, scale_NH, out=scores_NH, where=scale_NH > 0)
    scores_NH[still] = 0.0
    return scores_NH


def _classes(returns_NH: Float, scores_NH: Float, config: LabelConfig) -> Classes:
    if config.kind == "volatility":
        return classify(scores_NH, config.k)
    moves_NH = returns_NH if config.kind == "fixed" else np.expm1(returns_NH)
    return classify(moves_NH, config.bps / 1e4)


def classify(scores: Float, k: ArrayLike) -> Classes:
    """0 down (score < −k), 1 flat, 2 up (score > k), −1 where the score is NaN.

    `scores` is (N,) or (N, H); `k` is one number, or one for each horizon (H,).
    """
    limit = np.asarray(k, dtype=np.float64)
    classes = np.full(scores.shape, FLAT, dtype=np.int8)
    classes[scores > limit] = UP
    classes[scores < -limit] = DOWN
    classes[np.isnan(scores)] = UNKNOWN
    return classes


def fit_k(scores_NH: Float) -> Float:
    """The k of each horizon at which a third of these scores is flat (H,); NaN without scores.

    Fit it on a fold's training rows only.
    """
    sizes_NH = np.abs(scores_NH)
    known = [column[~np.isnan(column)] for column in sizes_NH.T]
    return np.array([np.quantile(size, 1 / 3) if len(size) else np.nan for size in known])


def class_balance(labels: Labels, unit: Literal["day", "month"] = "month") -> pa.Table:
    """Share of each class per UTC day or month and horizon: period, horizon, rows, down, flat, up.

    Shares are of the rows whose class is known, and null where there are none.
    """
    periods = labels.ts.astype("datetime64[D]" if unit == "day" else "datetime64[M]")
    names, row_period = np.unique(periods, return_inverse=True)
    rows: dict[str, list[Any]] = {n: [] for n in ("period", "horizon", "rows", *CLASSES)}
    for column, horizon in enumerate(labels.horizons):
        classes = labels.classes_NH[:, column].astype(np.int64)
        known = classes >= 0
        flat_index = row_period[known] * 3 + classes[known]
        counts_P3 = np.bincount(flat_index, minlength=3 * len(names)).reshape(-1, 3)
        for period, counts in zip(names, counts_P3):
            total = int(counts.sum())
            rows["period"].append(str(period))
            rows["horizon"].append(horizon)
            rows["rows"].append(total)
            for name, count in zip(CLASSES, counts):
                rows[name].append(float(count) / total if total else None)
    types = [pa.string(), pa.int32(), pa.int64(), *[pa.float64()] * 3]
    return pa.table({n: pa.array(v, type=t) for (n, v), t in zip(rows.items(), types)})


def _nullable(values: Float) -> pa.Array:
    return pa.array(np.ascontiguousarray(values), mask=np.isnan(values))


def _floats(column: pa.ChunkedArray) -> Float:
    return column.to_numpy().astype(np.float64, copy=False)  # type: ignore[no-any-return]


def _times(column: pa.ChunkedArray) -> Times:
    return column.to_numpy().astype(TS, copy=False)  # type: ignore[no-any-return]
