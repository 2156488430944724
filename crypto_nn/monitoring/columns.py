"""All columns of one kind on one day, against the same columns on the reference days."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_nn.monitoring import statistics
from crypto_nn.monitoring.calibration import Calibrated, calibrate
from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.report import COMPARED, NEW_VALUES, ColumnDrift
from crypto_nn.monitoring.selection import Stack
from crypto_nn.monitoring.statistics import Effect

_LEAST_UNIT = 0.02  # days nearer than this to the mean distribution are all alike


@dataclass(frozen=True, eq=False)
class Column:
    """One column, measured: its distance on each day (today last), its effect, its verdict."""

    name: str
    distance_B: NDArray[np.float64]
    effect: Effect
    verdict: str
    shape: statistics.Distances | None = None


@dataclass(frozen=True, eq=False)
class Family:
    """The columns of one kind, ranked together at their share of the level."""

    stack: Stack
    alpha: float
    measured: tuple[Column, ...]
    calibrated: Calibrated
    columns: tuple[ColumnDrift, ...]


def compare_columns(stack: Stack, alpha: float, num_kinds: int, config: DriftConfig) -> Family:
    """Measure each column, then rank the day by the largest of all."""
    measured = tuple(_measure(stack, j, config) for j in range(len(stack.names)))
    distance_BF = np.zeros((stack.num_days, max(len(measured), 1)))
    for j, column in enumerate(measured):
        distance_BF[:, j] = column.distance_B
    floor = 0.0 if stack.kind == "performance" else _LEAST_UNIT
    calibrated = calibrate(distance_BF, floor, alpha)
    rows = [
        _row(stack, column, calibrated, j, num_kinds, config) for j, column in enumerate(measured)
    ]
    rows += [ColumnDrift(stack.kind, name, verdict=verdict) for name, verdict in stack.left_out]
    return Family(stack, alpha, measured, calibrated, tuple(rows))


def _row(
    stack: Stack, column: Column, found: Calibrated, j: int, num_kinds: int, config: DriftConfig
) -> ColumnDrift:
    if column.verdict not in (COMPARED, NEW_VALUES):
        return ColumnDrift(stack.kind, column.name, verdict=column.verdict)
    score, size = float(found.score_F[j]), column.effect.size
    return ColumnDrift(
        kind=stack.kind,
        name=column.name,
        statistic=float(column.distance_B[-1]),
        effect=size,
        ks=column.effect.ks,
        wasserstein=column.effect.wasserstein,
        psi=column.effect.psi,
        chi_square=column.effect.chi_square,
        cramers_v=column.effect.cramers_v,
        p_value=min(1.0, num_kinds * float(found.p_F[j])),
        score=score,
        drifted=score > config.threshold and size >= config.min_effect,
        verdict=column.verdict,
    )


def _measure(stack: Stack, j: int, config: DriftConfig) -> Column:
    x_N, name = stack.x_FN[j], stack.names[j]
    known_N = np.isfinite(x_N)
    count_B = np.bincount(stack.block_N[known_N], minlength=stack.num_days)
    verdict = _verdict(count_B, config)
    if verdict != COMPARED:
        return Column(name, np.zeros(stack.num_days), Effect(), verdict)
    x_N, block_N = x_N[known_N], stack.block_N[known_N]
    if stack.kind == "performance":
        means_B = statistics.day_means(x_N, block_N, stack.num_days, config.min_rows)
        excess_B = np.maximum(means_B - np.nanmedian(means_B), 0.0)
        return Column(name, excess_B, statistics.mean_effect(means_B), verdict)
    most = len(x_N) if name in stack.categorical else config.max_categories
    found = statistics.distances(x_N, block_N, stack.num_days, config.min_rows, most)
    if len(found.points_G) == 1:
        return Column(name, np.zeros(stack.num_days), Effect(), "constant")
    effect = statistics.categorical_effect if found.categorical else statistics.numeric_effect
    today = int(np.searchsorted(block_N, stack.num_days - 1))  # rows are in order of days
    return Column(
        name,
        found.distance_B,
        effect(x_N[:today], x_N[today:]),
        NEW_VALUES if found.new_values else verdict,
        found,
    )


def _verdict(count_B: NDArray[np.int64], config: DriftConfig) -> str:
    """Whether a column has enough values on enough days, today above all."""
    if not count_B[-1]:
        return "missing today"
    if count_B[-1] < config.min_rows:
        return "too few values today"
    if not count_B[:-1].any():
        return "not in the reference"
    enough_B = count_B[:-1] >= config.min_rows
    if not enough_B.any() or enough_B.mean() < config.min_column_share:
        return "too few reference days"
    return COMPARED
