"""Which groups of features a model leans on, out of fold, at each horizon.

A group's columns are dealt from other days of the test while all else stays; how much more
surprised the model is then is what the group was worth to it (permutation importance, Breiman
2001; Fisher, Rudin and Dominici 2019). Groups are dealt as a whole, because columns of a group
stand in for each other.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.contestants import BaselineContestant, NetworkContestant
from crypto_nn.benchmark.forecasts import Contestant, Rows, question
from crypto_nn.benchmark.intervals import interval
from crypto_nn.benchmark.rounds import Round, Sitting
from crypto_nn.benchmark.rows import MINUTE, exams, permuted
from crypto_nn.benchmark.walk_forward import Listener, Step
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import TEST, Fold, rows_of
from crypto_nn.metrics.classification import row_log_loss
from crypto_nn.metrics.significance import Interval
from crypto_nn.store.atomic import write_bytes

Float = NDArray[np.float64]
Predict = Callable[[Panel, Rows], Float]
Groups = Mapping[str, tuple[str, ...]]
CLOCK = "clock"
DAY_MINUTES = 1440
VERSION = 1


class ImportanceConfig(BaseModel):
    """How often features are dealt, and on which test rows that is looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stride: int = Field(default=30, ge=1, le=1440, description="minutes between test rows")
    repeats: int = Field(default=2, ge=1, description="deals of each group in each fold")
    seed: int = Field(default=0, ge=0, description="seed of the deals")


@dataclass(frozen=True)
class Importance:
    """What a group is worth to a model at a horizon.

    Attributes:
        increase: of the log loss when the group's columns are dealt from other days, mnat a row.
    """

    model: str
    group: str
    horizon: int
    increase: Interval


@dataclass(frozen=True)
class Likeness:
    """Whether a model leans on the same groups at two horizons.

    Spearman's correlation of the groups' ranks, always between one half of the days and the
    other. Noise lowers it, most where a horizon is hard to tell anything of: horizons that lean
    on the same groups reach the geometric mean of each one's correlation with itself (Spearman
    1904). Only the gap to that tells horizons apart.

    Attributes:
        horizons: the pair; all pairs at once where empty.
        between: correlation of one horizon's ranks with the other's.
        within: correlation of a horizon's ranks with its own, the geometric mean of the two.
        gap: within - between; above 0 the horizons lean on different groups.
    """

    model: str
    horizons: tuple[int, ...]
    between: Interval
    within: Interval
    gap: Interval


class Learner(Protocol):
    """Whoever learns once in a fold and can then be asked again and again."""

    @property
    def contestant(self) -> Contestant: ...

    def learn(self, panel: Panel, fold: Fold, seed: int, folder: Path) -> Predict:
        """Learn from the fold's rows before its test."""
        ...


@dataclass(frozen=True)
class NetworkLearner:
    """A network, trained as the contestant of its recipe is."""

    contestant: NetworkContestant

    def learn(self, panel: Panel, fold: Fold, seed: int, folder: Path) -> Predict:
        from crypto_nn.inference.predictor import ModelInference
        from crypto_nn.training.version import train_version

        recipe = self.contestant.recipe
        train = recipe.train.model_copy(update={"seed": seed})
        made = train_version(panel, fold, replace(recipe, train=train), folder, with_card=False)
        return ModelInference(made.files, train.threads).predict


@dataclass(frozen=True)
class BaselineLearner:
    """A baseline, fitted on every row before the test."""

    contestant: BaselineContestant

    def learn(self, panel: Panel, fold: Fold, seed: int, folder: Path) -> Predict:
        from crypto_nn.models.baselines import BASELINES

        before = np.zeros(len(panel), dtype=np.bool_)
        for role in fold.roles:
            if role.name != TEST:
                before |= rows_of(fold, role.name, panel.ts_N, panel.t1_NH)
        rows = np.flatnonzero(panel.finite_N & before)
        return BASELINES[self.contestant.name]().fit(panel, rows).predict


def feature_groups(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The groups of the catalogue; those of slower bars by their timeframe, the rest as `own`."""
    from crypto_nn.features.catalogue import default_feature_set
    from crypto_nn.features.config import FeatureConfig

    shipped = default_feature_set(FeatureConfig(reference="BTC-USDT")).features
    group_of = {
        one.name: f"slow {one.timeframe}" if one.group == "slow" else one.group for one in shipped
    }
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        group = group_of.get(name, "own")
        found[group] = (*found.get(group, ()), name)
    return found


def group_importance(
    panel: Panel,
    folds: Sequence[Fold],
    learners: Sequence[Learner],
    groups: Groups,
    config: BenchmarkConfig,
    workdir: Path,
    chosen: ImportanceConfig | None = None,
    progress: Listener | None = None,
) -> tuple[tuple[Importance, ...], tuple[Likeness, ...]]:
    """What each group of features is worth to each learner, on the test rows of every fold.

    A fold of a learner is kept under `workdir` once it is done. Seeds: the first of `config`.

    Args:
        groups: columns by the group's name, which are dealt together.
        chosen: rows and deals.
        progress: is told of each fold of each learner.

    Raises:
        ConfigError: no fold, or a fold without test rows.
    """
    chosen = chosen or ImportanceConfig()
    if config.permute_labels:
        panel = permuted(panel, config.bootstrap_seed)
    window = max(learner.contestant.window for learner in learners)
    stride = config.test_stride * -(-chosen.stride // config.test_stride)
    round_ = Round(panel, exams(panel, folds, window, stride), (), config, workdir, window)
    sums: dict[str, list[Float]] = {learner.contestant.name: [] for learner in learners}
    steps = [(number, learner) for number in range(len(folds)) for learner in learners]
    for done, (number, learner) in enumerate(steps, start=1):
        name, fold = learner.contestant.name, folds[number].number
        found, of_fold = _kept(round_, number, learner, groups, chosen)
        sums[name].append(of_fold)
        if progress is not None:
            what = f"importance of feature groups to {name}"
            progress(Step(done, len(steps), what, fold, config.seeds[0], found))
    importances: list[Importance] = []
    likeness: list[Likeness] = []
    for name, per_fold in sums.items():
        sums_DGK = np.concatenate(per_fold)
        importances += _importances(name, panel.horizons, tuple(groups), sums_DGK, config)
        if len(groups) > 2 and len(panel.horizons) > 1:
            likeness += likenesses(name, panel.horizons, sums_DGK, config)
    return tuple(importances), tuple(likeness)


def dealt(
    panel: Panel, columns: Sequence[int], minutes: int, start: np.datetime64, end: np.datetime64
) -> Panel:
    """The panel with some columns taken from `minutes` later, going round within [start, end).

    Every symbol's bars move alike, so that windows stay whole; where no bar is `minutes` later,
    the columns are NaN. Rows outside of [start, end) stay as they are.
    """
    x_NF = panel.x_NF.copy()
    span = end - start
    for symbol in panel.symbols:
        rows = panel.slice_of(symbol)
        stamps = panel.ts_N[rows]
        inside = np.flatnonzero((stamps >= start) & (stamps < end))
        wanted = start + (stamps[inside] - start + minutes * MINUTE) % span
        place = np.minimum(np.searchsorted(stamps, wanted), max(len(stamps) - 1, 0))
        found = stamps[place] == wanted
        for column in columns:
            old = panel.x_NF[rows, column]
            x_NF[rows.start + inside, column] = np.where(found, old[place], np.nan)
    return replace(panel, x_NF=x_NF)


def _kept(
    round_: Round, number: int, learner: Learner, groups: Groups, chosen: ImportanceConfig
) -> tuple[bool, Float]:
    """Whether the sums of one fold were on disk, and the sums (D, G, H + 1)."""
    sitting = round_.sit(number)
    exam, seed = sitting.exam, round_.config.seeds[0]
    asked = question(sitting.data, exam.fold, learner.contestant, seed, exam.rows)
    facts = [VERSION, asked, {g: list(names) for g, names in groups.items()}, chosen.model_dump()]
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    path = round_.workdir / "importance" / f"{key}.json"
    if path.exists():
        return True, np.array(json.loads(path.read_bytes()), dtype=np.float64)
    folder = round_.workdir / "training" / key[:16]
    sums_DGK = _measure(sitting, learner, groups, chosen, seed, folder)
    write_bytes(path, json.dumps(sums_DGK.tolist()).encode())
    shutil.rmtree(folder, ignore_errors=True)
    return False, sums_DGK


def _measure(
    sitting: Sitting,
    learner: Learner,
    groups: Groups,
    chosen: ImportanceConfig,
    seed: int,
    folder: Path,
) -> Float:
    """Sums by test day of the loss added by each group at each horizon, and of rows, last."""
    fold, rows = sitting.exam.fold, sitting.exam.rows
    predict = learner.learn(sitting.blind, fold, seed, folder)
    piece, rows_in = _test_part(sitting.blind, fold, rows, learner.contestant.window)
    came_RH = sitting.answers.classes_RH
    as_it_is_RH = _losses(predict(piece, rows_in), came_RH)
    days, day_R = np.unique(piece.ts_N[rows_in].astype("datetime64[D]"), return_inverse=True)
    sums = np.zeros((len(days), len(groups), came_RH.shape[1] + 1))
    for place, (changed, whole) in _deals(piece, fold, rows_in, learner, groups, chosen):
        more_RH = _losses(predict(changed, rows_in[whole]), came_RH[whole]) - as_it_is_RH[whole]
        for column, more_R in enumerate([*more_RH.T, np.ones(len(more_RH))]):
            sums[:, place, column] += np.bincount(day_R[whole], more_R, len(days))
    return sums


def _deals(
    piece: Panel,
    fold: Fold,
    rows: Rows,
    learner: Learner,
    groups: Groups,
    chosen: ImportanceConfig,
) -> Iterator[tuple[int, tuple[Panel, NDArray[np.bool_]]]]:
    """Each group dealt, with the rows whose windows are whole then.

    Days move as they are, minute to minute. What is the same at the same minute of any day, the
    clock, moves within the day too.
    """
    test = fold.role(TEST)
    days = int((test.end - test.start) / (DAY_MINUTES * MINUTE))
    rng = np.random.default_rng([chosen.seed, fold.number])
    for place, (group, names) in enumerate(groups.items()):
        columns = [piece.names.index(name) for name in names]
        for _ in range(chosen.repeats):
            minutes = DAY_MINUTES * int(rng.integers(1, max(2, days)))
            if group == CLOCK:
                minutes += int(rng.integers(1, DAY_MINUTES))
            changed = dealt(piece, columns, minutes, test.start, test.end)
            whole = np.zeros(len(piece), dtype=np.bool_)
            whole[changed.window_ends(learner.contestant.window)] = True
            if whole[rows].any():
                yield place, (changed, whole[rows])


def _test_part(panel: Panel, fold: Fold, rows: Rows, window: int) -> tuple[Panel, Rows]:
    """The rows of the test with the context of their windows, and where the asked ones are."""
    test = fold.role(TEST)
    inside = (panel.ts_N >= test.start - window * MINUTE) & (panel.ts_N < test.end)
    place_N = np.cumsum(inside) - 1
    return panel.take(inside), place_N[rows]


def _losses(p_RHC: Float, came_RH: NDArray[np.int64]) -> Float:
    columns = range(came_RH.shape[1])
    return np.column_stack([row_log_loss(p_RHC[:, h], came_RH[:, h]) for h in columns])


def _importances(
    model: str,
    horizons: Sequence[int],
    groups: Sequence[str],
    sums_DGK: Float,
    config: BenchmarkConfig,
) -> Iterator[Importance]:
    for place, group in enumerate(groups):
        for column, horizon in enumerate(horizons):
            pair_SDK = sums_DGK[None, :, place, [column, -1]]
            found = interval(pair_SDK, lambda s: 1000 * s[..., 0] / s[..., 1], config)
            yield Importance(model, group, horizon, found)


def likenesses(
    model: str, horizons: Sequence[int], sums_DGK: Float, config: BenchmarkConfig
) -> Iterator[Likeness]:
    """Each pair of horizons, then all pairs at once."""
    days, num_groups, width = sums_DGK.shape
    odd_D = np.arange(days) % 2
    halves = np.stack([sums_DGK * (odd_D == half)[:, None, None] for half in (0, 1)], axis=1)
    flat_SDK = halves.reshape(1, days, -1)
    pairs = list(combinations(range(len(horizons)), 2))

    def figure_of(some: Sequence[tuple[int, int]], what: str) -> Callable[[Float], Float]:
        def figure(sums: Float) -> Float:
            ranks = _ranks(sums.reshape(*sums.shape[:-1], 2, num_groups, width))
            within = _mean([_ceiling(ranks, a, b) for a, b in some])
            between = _mean([(_alike(ranks, a, b) + _alike(ranks, b, a)) / 2 for a, b in some])
            told: dict[str, Float] = {
                "within": within,
                "between": between,
                "gap": within - between,
            }
            return told[what]

        return figure

    for some in [*([pair] for pair in pairs), *([pairs] if len(pairs) > 1 else [])]:
        found = {
            what: interval(flat_SDK, figure_of(some, what), config)
            for what in ("between", "within", "gap")
        }
        named = tuple(horizons[h] for h in some[0]) if len(some) == 1 else ()
        yield Likeness(model, named, **found)


def _ranks(sums: Float) -> Float:
    """Ranks of groups by mean increase, less their mean, in each half (…, 2, G, H)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[..., :-1] / sums[..., -1:]
    ranks = means.argsort(axis=-2).argsort(axis=-2).astype(np.float64)
    ranks -= (ranks.shape[-2] - 1) / 2
    known: Float = np.where(np.isfinite(means).all(axis=-2, keepdims=True), ranks, np.nan)
    return known


def _alike(ranks: Float, a: int, b: int) -> Float:
    """Spearman's correlation of horizon a in the first half with b in the second."""
    first, second = ranks[..., 0, :, a], ranks[..., 1, :, b]
    found: Float = (first * second).sum(axis=-1) / (first**2).sum(axis=-1)
    return found


def _ceiling(ranks: Float, a: int, b: int) -> Float:
    """What two horizons that lean on the same groups would reach, noise being what it is."""
    own = np.maximum(_alike(ranks, a, a), 0.0) * np.maximum(_alike(ranks, b, b), 0.0)
    ceiling: Float = np.sqrt(own)
    return ceiling


def _mean(values: Sequence[Any]) -> Any:
    return sum(values) / len(values)
