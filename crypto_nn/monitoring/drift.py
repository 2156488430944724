"""The day against what the champion learned from: does the market still look the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars.calendar import check_day
from crypto_nn.monitoring.calibration import attainable
from crypto_nn.monitoring.columns import Family, compare_columns
from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.days import KINDS, DayBlocks, Kind
from crypto_nn.monitoring.power import power_at_shifts
from crypto_nn.monitoring.report import ColumnDrift, DriftReport
from crypto_nn.monitoring.selection import Refusal, Stack, stack, too_few_days

__all__ = ["ColumnDrift", "DayBlocks", "DriftConfig", "DriftReport", "Kind", "Reference", "compare"]


@dataclass(frozen=True, eq=False)
class Reference:
    """What a model learned from: the days that later days are compared with.

    Attributes:
        symbol, model_version: whose.
        blocks: columns of any kind. Features of the days it trained on; predictions and losses
            only of days that it did not train on, since it knows the others by heart.
    """

    symbol: str
    model_version: str
    blocks: DayBlocks


def compare(
    reference: Reference,
    today: DayBlocks,
    config: DriftConfig,
    *,
    day: str,
    made_at: np.datetime64,
) -> DriftReport:
    """How far a day has moved from those the model learned from, and whether that is drift.

    Whole days are ranked by their largest distance over all columns (`calibration.calibrate`).
    Kinds (features, predictions, performance) have reference days of their own and share `alpha`
    equally, so that the rate of false alarms holds for the report as a whole. Infinite values
    count as missing. Whatever the data, there is a report: where nothing can be compared it says
    why in `reason`, with drift_score 0, p_value 1 and drifted False.

    Args:
        reference: its days on or after `day` are not used.
        today: rows of `day`; others are not used.
        config: level, floor, and which days.
        day: such as "2024-01-31".
        made_at: when the report is made, naive UTC.

    Raises:
        BarsError: `day` is not a day.
    """
    date = np.datetime64(check_day(day), "D")
    families, refusals = _compare_kinds(reference.blocks, today, date, config)
    columns = _columns(families, refusals)
    worst = _worst(columns, config)
    return DriftReport(
        symbol=reference.symbol,
        day=day,
        model_version=reference.model_version,
        drift_score=max((column.score for column in columns), default=0.0),
        p_value=min((column.p_value for column in columns), default=1.0),
        threshold=config.threshold,
        drifted=any(column.drifted for column in columns),
        effect=worst.effect if worst else 0.0,
        worst_feature=worst.name if worst else "",
        reference_days=min((family.stack.num_days - 1 for family in families), default=0),
        reason=_reason(worst, columns, refusals, config),
        alpha=config.alpha,
        false_alarm_rate=_total(each.calibrated.alarm_rate(each.alpha) for each in families),
        forward_alarm_rate=_total(each.calibrated.forward_rate(each.alpha) for each in families),
        power=_power(families, config),
        columns=tuple(columns),
        made_at=made_at,
    )


def _compare_kinds(
    reference: DayBlocks, today: DayBlocks, date: np.datetime64, config: DriftConfig
) -> tuple[list[Family], list[Refusal]]:
    """Each kind that can be compared at its share of the level, and why the others cannot."""
    kinds = [kind for kind in KINDS if kind in (*reference.kinds, *today.kinds)]
    picked = [stack(reference, today, kind, date, config) for kind in kinds]
    stacks = [each for each in picked if isinstance(each, Stack)]
    refusals = [each for each in picked if isinstance(each, Refusal)]
    alpha = config.alpha / max(len(stacks), 1)
    families = []
    for each in stacks:
        if attainable(each.num_days - 1, alpha):
            families.append(compare_columns(each, alpha, len(stacks), config))
        else:
            names = (*each.names, *(name for name, _ in each.left_out))
            refusals.append(too_few_days(each.kind, names, each.num_days - 1, config, alpha))
    return families, refusals


def _columns(families: Sequence[Family], refusals: Sequence[Refusal]) -> list[ColumnDrift]:
    refused = [
        ColumnDrift(refusal.kind, name, verdict=refusal.verdict)
        for refusal in refusals
        for name in refusal.names
    ]
    return [column for family in families for column in family.columns] + refused


def _worst(columns: Sequence[ColumnDrift], config: DriftConfig) -> ColumnDrift | None:
    """The column that decides: the largest score, of those that moved enough where any did."""
    compared = [column for column in columns if column.is_compared]
    large = [column for column in compared if column.effect >= config.min_effect]
    return max(large or compared, key=lambda column: column.score, default=None)


def _reason(
    worst: ColumnDrift | None,
    columns: Sequence[ColumnDrift],
    refusals: Sequence[Refusal],
    config: DriftConfig,
) -> str:
    said = [refusal.reason for refusal in refusals]
    if worst is None:
        verdicts = sorted({column.verdict for column in columns})
        return " ".join(said) or f"No column can be compared: {', '.join(verdicts) or 'none'}."
    figures = f"{worst.name} has score {worst.score:.2f} and effect {worst.effect:.2f} sd"
    if worst.drifted:
        others = sum(column.drifted for column in columns) - 1
        head = f"Drift: {figures}; {others} other columns drifted."
    elif max(column.score for column in columns) > config.threshold:
        head = f"No drift: a move is unusual, but too small to matter ({figures})."
    else:
        head = f"No drift: {figures}, within what reference days do."
    return " ".join([head, *said])


def _power(families: Sequence[Family], config: DriftConfig) -> tuple[tuple[str, float], ...]:
    features = [family for family in families if family.stack.kind == "feature"]
    return power_at_shifts(features[0], config.power_days) if features else ()


def _total(rates: Iterable[float]) -> float:
    known = list(rates)
    return float(np.sum(known)) if known else float("nan")
