"""Predictions worked out again, from bars and by the version that made them, beside the stored."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crypto_nn.bars import Bars, Times
from crypto_nn.bars.calendar import TS, day_bounds, month_bounds, month_of
from crypto_nn.features import FeatureSet
from crypto_nn.features.labels import MINUTE, UNKNOWN
from crypto_nn.features.panel import Panel
from crypto_nn.inference.predictor import ModelInference
from crypto_nn.training.evaluation import BATCH

TOLERANCE = 1e-6
EQUAL, SKEW, REVISED, MISSING = "equal", "skew", "revised", "missing"
COLUMNS = (
    "ts", "horizon", "model_version", "p_down", "p_flat", "p_up", "predicted_class", "confidence",
)  # fmt: skip

BarsOf = Callable[[str], tuple[Bars, bool]]
"""From a month to the bars since its anchor, with the reference's where features look at one, and
whether no month is missing before them."""


@dataclass(frozen=True, eq=False)
class Said:
    """R stored predictions, in any order.

    Attributes:
        ts_R: bar opens, datetime64[us], UTC.
        horizon_R: minutes ahead.
        p_RC: probabilities of down, flat, up.
        class_R: the class that was named.
        confidence_R: its probability.
    """

    ts_R: Times
    horizon_R: NDArray[np.int64]
    p_RC: NDArray[np.float64]
    class_R: NDArray[np.int64]
    confidence_R: NDArray[np.float64]

    @classmethod
    def from_arrow(cls, table: pa.Table) -> "Said":
        """Rows of `predictions` or `served_predictions`; a null number is NaN, a null class −1."""
        p_RC = np.column_stack(
            [_numbers(table[name]) for name in ("p_down", "p_flat", "p_up")]
        ).reshape(-1, 3)
        named = np.nan_to_num(_numbers(table["predicted_class"]), nan=-1).astype(np.int64)
        return cls(
            table["ts"].to_numpy().astype(TS),
            table["horizon"].to_numpy().astype(np.int64),
            p_RC,
            named,
            _numbers(table["confidence"]),
        )

    @classmethod
    def nothing(cls) -> "Said":
        """No prediction at all."""
        none = np.empty(0, dtype=np.int64)
        return cls(none.astype(TS), none, np.empty((0, 3)), none, np.empty(0))

    def __len__(self) -> int:
        return len(self.ts_R)

    @property
    def num_doubled(self) -> int:
        """How many are said of a minute and horizon of which another one is said too."""
        keys = np.stack([self.ts_R.astype(np.int64), self.horizon_R], axis=1)
        return len(keys) - len(np.unique(keys, axis=0)) if len(keys) else 0


@dataclass(frozen=True, eq=False)
class Again:
    """What a version says of a month's minutes, worked out again.

    Attributes:
        ts_N: minutes with an unbroken window, ascending.
        horizons: minutes ahead.
        p_NHC: probabilities; NaN at minutes that were not asked for.
    """

    ts_N: Times
    horizons: tuple[int, ...]
    p_NHC: NDArray[np.float64]


@dataclass(frozen=True)
class Finding:
    """Stored predictions of a day beside the same worked out again.

    Attributes:
        rows: predictions that were compared.
        missing: predictions that cannot be worked out any more.
        absent: predictions that should be there and are not.
        doubled: predictions that are there more than once.
        largest_difference: of a probability, or of how likely the named class is; None: no rows.
        largest_at: the minute of it.
        verdict: equal, skew, revised or missing.
        note: why, where it is not equal.
    """

    rows: int
    missing: int = 0
    absent: int = 0
    doubled: int = 0
    largest_difference: float | None = None
    largest_at: np.datetime64 | None = None
    verdict: str = EQUAL
    note: str = ""


def answer_again(
    model: ModelInference,
    feature_set: FeatureSet,
    bars_of: BarsOf,
    month: str,
    days: Collection[str],
    until: np.datetime64,
) -> Again:
    """What a version says on some days of a month, from bars alone.

    Features are computed as they were for the table, each month from its anchor. Windows go
    through the network in the batches in which a whole month does, so that the same windows give
    the same bits.

    Args:
        days: which of the month are asked for, YYYY-MM-DD.
        until: the newest minute that was known; minutes after it are left out.

    Raises:
        FeatureError: the version knows other features, or does not know the symbol.
    """
    start = month_bounds(month)[0]
    before = month_of(start - model.reach * MINUTE)
    months = (month,) if before == month else (before, month)
    panel = _panel(feature_set, bars_of, months, model.horizons, until)
    ends = panel.window_ends(model.reach)
    ends = ends[panel.ts_N[ends] >= start]
    asked = np.isin(
        panel.ts_N[ends].astype("datetime64[D]"), np.array(sorted(days), dtype="datetime64[D]")
    )
    batch_N = np.arange(len(ends)) // BATCH
    taken = np.isin(batch_N, np.unique(batch_N[asked]))
    p_NHC = np.full((len(ends), len(model.horizons), 3), np.nan)
    p_NHC[taken] = model.predict(panel, ends[taken])
    return Again(panel.ts_N[ends], model.horizons, p_NHC)


def compare(said: Said, again: Again, day: str, expected: Said | None) -> Finding:
    """How far stored predictions of a day are from the same worked out again; no verdict yet.

    Args:
        said: those of one version.
        again: what this version says now, of that day at least.
        expected: all that is stored of the day, by whichever version, where every minute with an
            unbroken window is due; None where not.
    """
    place_R, there_R = _places(said, again)
    horizons = {horizon: column for column, horizon in enumerate(again.horizons)}
    column_R = np.array([horizons.get(horizon, -1) for horizon in said.horizon_R.tolist()], int)
    there_R &= column_R >= 0
    now_RC = again.p_NHC[place_R[there_R], column_R[there_R]]
    far_R = _differences(said, there_R, now_RC)
    worst = int(far_R.argmax()) if len(far_R) else None
    return Finding(
        rows=int(there_R.sum()),
        missing=int((~there_R).sum()),
        absent=_num_absent(expected, again, day) if expected is not None else 0,
        doubled=said.num_doubled if expected is not None else 0,
        largest_difference=None if worst is None else float(far_R[worst]),
        largest_at=None if worst is None else said.ts_R[there_R][worst],
    )


def judged(finding: Finding, revised: bool | None, tolerance: float = TOLERANCE) -> Finding:
    """The finding with its verdict.

    Args:
        revised: whether the bars that were looked at are others now; None where that is not on
            record. A difference is skew unless it is known that they are.
        tolerance: a larger difference is one.
    """
    largest = finding.largest_difference or 0.0
    wrong = [f"a probability differs by {largest:.3g}"] if largest > tolerance else []
    if finding.absent:
        wrong.append(f"{finding.absent} are not there though their windows are unbroken")
    if finding.missing and revised is not None:
        wrong.append(f"{finding.missing} are there though bars give no such window")
    if wrong and revised:
        wrong.append("bars were revised after they were made")
    if finding.doubled:  # no bar makes a row twice
        wrong.append(f"{finding.doubled} are there twice")
    if wrong:
        verdict = REVISED if revised and not finding.doubled else SKEW
        return replace(finding, verdict=verdict, note="; ".join(wrong))
    if finding.missing:
        note = f"{finding.missing} have no unbroken window in the bars of now"
        return replace(finding, verdict=MISSING, note=note)
    return finding


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _panel(
    feature_set: FeatureSet,
    bars_of: BarsOf,
    months: tuple[str, ...],
    horizons: tuple[int, ...],
    until: np.datetime64,
) -> Panel:
    """Features of these months from bars, without labels."""
    ts, closes, rows = [], [], []
    symbol = ""
    for month in months:
        history, complete = bars_of(month)
        symbol = history.symbol
        if len(history):
            history = history.between(history.ts[0], until + MINUTE)
        own = history.between(*month_bounds(month))
        ts.append(own.ts)
        closes.append(own.close)
        rows.append(feature_set.compute_month(history, month, complete=complete))
    ts_N = np.concatenate(ts)
    shape = len(ts_N), len(horizons)
    return Panel(
        symbols=(symbol,),
        names=feature_set.names,
        horizons=horizons,
        ts_N=ts_N,
        symbol_N=np.zeros(len(ts_N), dtype=np.int16),
        x_NF=np.concatenate(rows).astype(np.float32) + np.float32(0.0),  # one zero, as stored
        close_N=np.concatenate(closes),
        sigma_N=np.full(len(ts_N), np.nan),
        returns_NH=np.full(shape, np.nan),
        scores_NH=np.full(shape, np.nan),
        t1_NH=np.full(shape, np.datetime64("NaT"), dtype=TS),
        classes_NH=np.full(shape, UNKNOWN, dtype=np.int8),
    )


def _places(said: Said, again: Again) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where the minute of each prediction is among those worked out, and whether it is there."""
    if not len(again.ts_N):
        return np.zeros(len(said), dtype=np.int64), np.zeros(len(said), dtype=np.bool_)
    place_R = np.minimum(np.searchsorted(again.ts_N, said.ts_R), len(again.ts_N) - 1)
    return place_R, again.ts_N[place_R] == said.ts_R


def _differences(
    said: Said, there_R: NDArray[np.bool_], now_RC: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The largest distance of each prediction; infinite where a number is none."""
    if not len(now_RC):
        return np.empty(0)
    best_R = now_RC.max(axis=1)
    of_p = np.abs(said.p_RC[there_R] - now_RC).max(axis=1)
    of_confidence = np.abs(said.confidence_R[there_R] - best_R)
    named_R = said.class_R[there_R]
    known_R = (named_R >= 0) & (named_R < 3)
    of_named = now_RC[np.arange(len(now_RC)), np.where(known_R, named_R, 0)]
    of_class = np.where(known_R, best_R - of_named, np.inf)
    far_R: NDArray[np.float64] = np.maximum.reduce([of_p, of_confidence, of_class])
    return np.where(np.isnan(far_R), np.inf, far_R)


def _num_absent(expected: Said, again: Again, day: str) -> int:
    """Predictions of a day that are due and were made by nobody."""
    start, end = day_bounds(day)
    due_N = again.ts_N[(again.ts_N >= start) & (again.ts_N < end)]
    absent = 0
    for horizon in again.horizons:
        absent += len(np.setdiff1d(due_N, expected.ts_R[expected.horizon_R == horizon]))
    return absent


def finding_row(finding: Finding) -> dict[str, Any]:
    """The finding as columns of `skew_ledger`."""
    at = finding.largest_at
    return {
        "rows": finding.rows,
        "missing": finding.missing,
        "absent": finding.absent,
        "doubled": finding.doubled,
        "largest_difference": finding.largest_difference,
        "largest_at": None if at is None else at.item(),
        "verdict": finding.verdict,
        "note": finding.note,
    }
