"""Planted leaks: how much each inflates a score, and whether what guards the platform finds it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import cast

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Bars
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.controls.control import Control, Finding
from crypto_nn.benchmark.controls.markets import FEW, REACH, SHORT, START
from crypto_nn.benchmark.controls.planted import PLANTED
from crypto_nn.benchmark.day_sums import day_sums
from crypto_nn.benchmark.rows import MINUTE, exams, refitted
from crypto_nn.benchmark.verdict import compare
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.labels import UNKNOWN, LabelConfig, compute_labels
from crypto_nn.features.leaks import check_features, examine
from crypto_nn.features.panel import Panel, Part
from crypto_nn.features.scaling import RobustScaler
from crypto_nn.features.splits import walk_forward
from crypto_nn.metrics.classification import class_prior
from crypto_nn.metrics.significance import Interval
from crypto_nn.models.baselines import thin
from crypto_nn.sources.synthetic import SyntheticConfig, generate

Float = NDArray[np.float64]
Leak = Callable[[Bars], Float]
HORIZONS = (5, 60)
JUDGE = BenchmarkConfig(test_stride=5, resamples=500)
BLANK_EVERY = 500  # one vwap in so many is missing: what leaks, leaks there
MOST_ROWS = 10_000
LOOK_BARS = 6_000  # that the command `crypto-nn leaks` is given here
CHECK_BARS = 7 * 1440  # as the asset check takes them
SECONDS = 0.3


@dataclass(frozen=True)
class Planted:
    """What one leak did, and who found it.

    Attributes:
        gains: nats a row that its column seems to tell at each horizon, in a market where nothing
            can be told.
        found: with how many of `seeds` the examination of `crypto-nn leaks` found it.
        checked: with how many the check of each materialisation, `features_are_causal`, did.
    """

    name: str
    gains: Mapping[int, Interval]
    found: int
    checked: int
    seeds: int

    @property
    def inflates(self) -> bool:
        """Whether a score is better for it, at some horizon."""
        return any(gain.low > 0 for gain in self.gains.values())

    @property
    def horizon(self) -> int:
        """Where it tells most."""
        return max(self.gains, key=lambda horizon: self.gains[horizon].low)

    @property
    def caught(self) -> bool:
        """Whether both found it, whatever the seed."""
        return self.found == self.checked == self.seeds


def planted_leaks(
    seed: int, examinations: int = 3, leaks: Mapping[str, Leak] = PLANTED
) -> Control:  # fmt: skip
    """Plant each leak in a market without an edge: what it inflates must be caught, not by luck.

    A column of the same making that knows only the past must inflate nothing and be flagged by
    nobody: an examination that flags everything would find every leak, too.
    """
    bars = leaky_bars(seed)
    trial = InflationTrial(bars)
    found = [
        Planted(name, trial.gains(leak), *looked_for(leak, bars, examinations), examinations)
        for name, leak in leaks.items()
    ]
    gains, seen = trial.gains(honest_mean), looked_for(honest_mean, bars, examinations)
    return control_of(found, Planted("honest", gains, *seen, examinations))


def control_of(found: Sequence[Planted], honest: Planted) -> Control:
    """What is concluded from what each leak, and a column that is none, did."""
    examinations = honest.seeds
    inflating = [one for one in found if one.inflates]
    caught = sum(one.caught for one in inflating)
    by_command = sum(one.found == examinations for one in found)
    findings = (
        _count("leaks that inflate a score and are caught", caught, len(inflating), "both by "
               "`crypto-nn leaks` and by features_are_causal, with every seed"),
        _count("planted leaks found by `crypto-nn leaks`", by_command, len(found),
               "whether they inflate a score or not, with every seed"),
        _count("honest columns flagged", honest.found + honest.checked, 0, "a mean of past closes"),
    )  # fmt: skip
    return Control(
        "leaks_that_inflate_are_caught",
        "every planted leak that makes a score look better is caught, and honest columns are not",
        findings,
        tuple(_detail(one) for one in [*found, honest]),
    )


def _count(subject: str, count: int, due: int, note: str) -> Finding:
    passed = count == due and (due > 0 or subject.startswith("honest"))
    return Finding(subject, f"{due}", count, np.nan, np.nan, passed, note)


def _detail(one: Planted) -> Finding:
    note = ("inflates; " if one.inflates else "does not inflate; ") + (
        f"found {one.found} and checked {one.checked} times of {one.seeds}")  # fmt: skip
    due = "caught if it inflates" if one.name != "honest" else "no gain, never found"
    passed = one.caught or not one.inflates
    if one.name == "honest":
        passed = not one.inflates and one.found == one.checked == 0
    gain = one.gains[one.horizon]
    return Finding(
        f"{one.name}, {one.horizon}m", due, gain.estimate, gain.low, gain.high, passed, note
    )


def leaky_bars(seed: int) -> Bars:
    """A market without an edge, with outages, in which a vwap is missing now and then."""
    days = sum(days for _, days in SHORT.lengths) + 1
    config = SyntheticConfig(
        seed=seed, edge=0.5, start=START, end=START + timedelta(days=days), gap_rate=1.0,
        gap_minutes=10.0,
    )  # fmt: skip
    bars = generate(config, config.symbols[0])
    assert bars.vwap is not None
    vwap_N = bars.vwap.copy()
    vwap_N[BLANK_EVERY // 2 :: BLANK_EVERY] = np.nan
    return replace(bars, vwap=vwap_N)


def honest_mean(bars: Bars) -> Float:
    """The mean of the last ten closes, as far as there are ten."""
    sums_N = np.cumsum(bars.close)
    means_N = sums_N / np.arange(1, len(bars) + 1)
    means_N[10:] = (sums_N[10:] - sums_N[:-10]) / 10
    return means_N


class InflationTrial:
    """A quick logistic regression with and without a column, on the same later rows."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        columns = default_feature_set(FeatureConfig()).only(FEW)
        labels = compute_labels(bars, LabelConfig(horizons=HORIZONS), complete=True)
        x_NF = columns.compute(bars, complete=True)
        part = Part.from_arrays(x_NF, columns.names, labels, bars)
        panel = Panel.from_parts({bars.symbol: part})
        fold = walk_forward(panel.ts_N[0], panel.ts_N[-1] + MINUTE, SHORT, REACH)[0]
        self.panel, _ = refitted(panel, fold, 1)
        exam = exams(self.panel, [fold], 1, JUDGE.test_stride)[0]
        self.known, self.test = exam.known, exam.rows
        days, self.day_R = np.unique(
            self.panel.ts_N[self.test].astype("datetime64[D]"), return_inverse=True
        )
        self.num_days = len(days)
        self.plain = self._sums(None)

    def gains(self, leak: Leak) -> dict[int, Interval]:
        """Nats a row that the column seems to add at each horizon, with its paired interval."""
        ours = self._sums(leak(self.bars))
        return {
            horizon: compare("with", horizon, ours[horizon], {"without": plain}, JUDGE).gains[
                "without"
            ]
            for horizon, plain in self.plain.items()
        }

    def _sums(self, column_N: Float | None) -> dict[int, Float]:
        x_NF = np.asarray(self.panel.x_NF, dtype=np.float64)
        if column_N is not None:
            x_NF = np.column_stack([x_NF, *_as_features(column_N, self.bars.close)])
        scaler = RobustScaler.fit(x_NF, self.known)
        return {
            horizon: self._sums_of(x_NF, scaler, column)
            for column, horizon in enumerate(self.panel.horizons)
        }

    def _sums_of(self, x_NF: Float, scaler: RobustScaler, column: int) -> Float:
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        classes_N = self.panel.classes_NH[:, column].astype(np.int64)
        train = thin(self.known[classes_N[self.known] != UNKNOWN], MOST_ROWS)
        with threadpool_limits(1):
            model = LogisticRegression(C=1.0, max_iter=500)
            model.fit(scaler.transform(x_NF[train]), classes_N[train])
            p_RC = model.predict_proba(scaler.transform(x_NF[self.test]))
        prior_RC = np.repeat(class_prior(classes_N[train])[None], len(self.test), axis=0)
        return day_sums(p_RC, classes_N[self.test], prior_RC, self.day_R, self.num_days)[None]


def _as_features(column_N: Float, close_N: Float) -> list[Float]:
    """The column itself, its last change, and where it is of the price's size its distance."""
    shapes = [column_N, np.diff(column_N, prepend=column_N[:1])]
    with np.errstate(invalid="ignore", divide="ignore"):
        distance_N = np.log(column_N / close_N)
    known_N = distance_N[np.isfinite(distance_N)]
    if len(known_N) > len(close_N) / 2 and np.abs(known_N).max() < 0.5:
        shapes.append(distance_N)
    return [np.nan_to_num(shape_N, posinf=0.0, neginf=0.0) for shape_N in shapes]


@dataclass(frozen=True)
class _Alone:
    """One column in the place of a feature set."""

    leak: Leak
    names: tuple[str, ...] = ("planted",)
    warm_up: int = 240

    def compute(self, bars: Bars, complete: bool = False) -> Float:
        return self.leak(bars)[:, None]


def looked_for(leak: Leak, bars: Bars, examinations: int) -> tuple[int, int]:
    """With how many seeds the command's examination finds a column, and the asset check's."""
    alone = cast(FeatureSet, _Alone(leak))
    found = checked = 0
    for seed in range(examinations):
        found += bool(examine(leak, bars[:LOOK_BARS], seed=seed, seconds=SECONDS).leaks)
        checked += bool(check_features(alone, bars[-CHECK_BARS:], seed=seed))
    return found, checked
