"""What a version says at minutes it may never have seen, and what became of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars.calendar import TS
from crypto_nn.errors import FeatureError
from crypto_nn.features.panel import MINUTE, Panel
from crypto_nn.inference.predictor import ModelInference, Probabilities_RHC
from crypto_nn.store.lake import Lake
from crypto_nn.training.dataset import load_panel

UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Answers:
    """R answers of one version to one symbol, oldest first.

    A row belongs to the day on which its bar opens, also where its label becomes known on the
    next; which days a version was fitted to is for who asks to keep apart (`Fold.role`).

    Attributes:
        symbol, version: whose.
        horizons: minutes ahead, in the order of the answers.
        ts_R: opens of the newest bar of each window, datetime64[us], UTC.
        p_RHC: calibrated probabilities of down, flat and up.
        classes_RH: what happened: 0 down, 1 flat, 2 up; −1 where it is not known (yet).
    """

    symbol: str
    version: str
    horizons: tuple[int, ...]
    ts_R: NDArray[np.datetime64]
    p_RHC: Probabilities_RHC
    classes_RH: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ts_R)

    def day_R(self) -> NDArray[np.datetime64]:
        """The UTC day to which each row belongs."""
        return self.ts_R.astype("datetime64[D]")

    @classmethod
    def join(cls, parts: Iterable["Answers"]) -> "Answers":
        """Stretches of one version and symbol, in order of time, as one."""
        found = list(parts)
        first = found[0]
        rows = {
            field.name: np.concatenate([getattr(each, field.name) for each in found])
            for field in fields(cls)[3:]
        }
        return cls(first.symbol, first.version, first.horizons, **rows)

    def between(self, start: np.datetime64, end: np.datetime64) -> "Answers":
        """The rows whose bar opens in [start, end)."""
        lo, hi = np.searchsorted(self.ts_R, np.array([start, end], dtype=TS))
        rows = {field.name: getattr(self, field.name)[lo:hi] for field in fields(self)[3:]}
        return Answers(self.symbol, self.version, self.horizons, **rows)


def answers_between(
    lake: Lake,
    model: ModelInference,
    symbol: str,
    names: Sequence[str],
    start: np.datetime64,
    end: np.datetime64,
    stride_minutes: int,
    label_kind: str,
) -> Answers:
    """The version's answers at every stride-th minute of [start, end) with an unbroken window.

    Args:
        lake: features, labels and bars of the symbol.
        model: the version; its own k says what was flat, where labels are of kind "volatility".
        names: the features, in the order of the feature set.
        stride_minutes: minutes whose count since 1970 is a multiple of it are asked, so that a
            row does not depend on where the stretch begins.
        label_kind: `labels.kind` of the experiment.

    Raises:
        LakeError: a table or a feature is not there.
        FeatureError: the version learned from other features, horizons or symbols.
    """
    panel = load_panel(lake, [symbol], names, start - model.reach * MINUTE, end)
    return answers_of(model, panel, symbol, start, end, stride_minutes, label_kind)


def answers_of(
    model: ModelInference,
    panel: Panel,
    symbol: str,
    start: np.datetime64,
    end: np.datetime64,
    stride_minutes: int,
    label_kind: str,
) -> Answers:
    """The same from a panel that is loaded already.

    Each day is answered on its own, so that its bits do not depend on the days around it.
    """
    ends = _asked(panel, model.reach, panel.slice_of(symbol), start, end, stride_minutes)
    p_RHC = _by_day(model, panel, ends)
    classes_RH = _classes(model, panel, ends, label_kind)
    return Answers(symbol, model.version, model.horizons, panel.ts_N[ends], p_RHC, classes_RH)


def _classes(
    model: ModelInference, panel: Panel, ends: NDArray[np.int64], label_kind: str
) -> NDArray[np.int64]:
    if not len(ends):  # a table without rows may have columns of other horizons
        return np.empty((0, len(model.horizons)), dtype=np.int64)
    if panel.horizons != model.horizons:
        raise FeatureError(
            f"Version {model.version} answers for {model.horizons} minutes ahead, and the labels "
            f"here are for {panel.horizons}. Materialise `labels` with its horizons, or train a "
            "new version on these."
        )
    k = model.k if label_kind == "volatility" else None
    classes_NH = panel.classes_NH if k is None else panel.classes_at(k)
    return classes_NH[ends].astype(np.int64)


def _asked(
    panel: Panel,
    reach: int,
    own: slice,
    start: np.datetime64,
    end: np.datetime64,
    stride_minutes: int,
) -> NDArray[np.int64]:
    ends = panel.window_ends(reach)
    ts = panel.ts_N[ends]
    minutes = ts.astype("datetime64[m]").astype(np.int64)
    asked = (ends >= own.start) & (ends < own.stop) & (ts >= start) & (ts < end)
    picked: NDArray[np.int64] = ends[asked & (minutes % stride_minutes == 0)]
    return picked


def _by_day(model: ModelInference, panel: Panel, ends: NDArray[np.int64]) -> Probabilities_RHC:
    days: NDArray[Any] = panel.ts_N[ends].astype("datetime64[D]")
    cuts = np.flatnonzero(days[1:] != days[:-1]) + 1
    answers = [np.empty((0, len(model.horizons), 3))]
    for rows in np.split(ends, cuts) if len(ends) else ():
        first = int(rows[0]) - model.reach + 1
        piece = panel.take(slice(first, int(rows[-1]) + 1))
        answers.append(model.predict(piece, rows - first))
    return np.concatenate(answers)
