"""The day against what the champion learned from: does the market still look the same."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars.calendar import check_day
from crypto_nn.monitoring.calibration import attainable
from crypto_nn.monitoring.columns import Family, compare_columns
from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.days import KINDS, DayBlocks, Kind
from crypto_nn.monitoring.power import power_at_shifts
from crypto_nn.monitoring.report import CLOCK, IGNORED, ColumnDrift, DriftReport
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
    clock: Collection[str] = (),
) -> DriftReport:
    """How far a day has moved from those the model learned from, and whether that is drift.

    Whole days are ranked by their largest distance over all columns (`calibration.calibrate`).
    Kinds (features, predictions, performance) have reference days of their own and share `alpha`
    equally, so that the rate of false alarms holds for the report as a whole; a kind that cannot
    be compared leaves its share to the others, and `reason` says why it cannot. Infinite values
    count as missing. A day that lacks hours is compared with the same hours of the others
    (`selection.stack`). Whatever the data, there is a report: where nothing can be compared it says
    why in `reason`, with drift_score 0, p_value 1 and drifted False.

    Args:
        reference: its days on or after `day` are not used.
        today: rows of `day`; others are not used.
        config: level, floor, and which days.
        day: such as "2024-01-31".
        made_at: when the report is made, naive UTC.
        clock: columns that tell the time and nothing else, such as the sine of the minute of the
            day: they are left out, since the calendar alone moves them.

    Raises:
        BarsError: `day` is not a day.
    """
    date = np.datetime64(check_day(day), "D")
    without = dict.fromkeys(config.ignore, IGNORED) | dict.fromkeys(clock, CLOCK)
    families, refusals = _compare_kinds(reference.blocks, today, date, config, without)
    columns = _columns(families, refusals) + _left_out(reference.blocks, today, without)
    worst = _worst(columns)
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
        reason=_reason(worst, columns, families, refusals, config),
        alpha=config.alpha,
        false_alarm_rate=_total(each.calibrated.alarm_rate(each.alpha) for each in families),
        forward_alarm_rate=_total(each.calibrated.forward_rate(each.alpha) for each in families),
        power=_power(families, config),
        columns=tuple(columns),
        made_at=made_at,
        alarms_per_year=config.alarms_per_year,
    )


def _compare_kinds(
    reference: DayBlocks,
    today: DayBlocks,
    date: np.datetime64,
    config: DriftConfig,
    without: Collection[str],
) -> tuple[list[Family], list[Refusal]]:
    """Each kind that can be compared at its share of the level, and why the others cannot."""
    watched = {kind for name, kind in _kinds(reference, today).items() if name not in without}
    kinds = [kind for kind in KINDS if kind in watched]
    picked = [stack(reference, today, kind, date, config, without) for kind in kinds]
    stacks = [each for each in picked if isinstance(each, Stack)]
    refusals = [each for each in picked if isinstance(each, Refusal)]
    while True:
        stacks, too_short = _long_enough(stacks, config)
        refusals += too_short
        share = config.alpha / max(len(stacks), 1)
        families = [compare_columns(each, share, len(stacks), config) for each in stacks]
        idle = [family for family in families if not any(c.is_compared for c in family.columns)]
        if not idle or len(idle) == len(families):
            return families, refusals
        refusals += [refusal for family in idle for refusal in _nothing_in(family)]
        stacks = [family.stack for family in families if family not in idle]


def _long_enough(stacks: list[Stack], config: DriftConfig) -> tuple[list[Stack], list[Refusal]]:
    """The kinds with the days that their share of the level takes; others leave it to the rest.

    Features give way last: what a champion says never hides what the market does.
    """
    kept, refusals = list(stacks), []
    while kept:
        share = config.alpha / len(kept)
        if all(attainable(each.num_days - 1, share) for each in kept):
            break
        hopeless = [each for each in kept if not attainable(each.num_days - 1, config.alpha)]
        others = [each for each in kept if each.kind != "feature"]
        shortest = min(hopeless or others or kept, key=lambda each: each.num_days)
        names = (*shortest.names, *(name for name, _ in shortest.left_out))
        refusals.append(too_few_days(shortest.kind, names, shortest.num_days - 1, config, share))
        kept = [each for each in kept if each is not shortest]
    return kept, refusals


def _nothing_in(family: Family) -> list[Refusal]:
    """A kind of which no column can be compared leaves its share of the level to the others."""
    verdicts = dict.fromkeys(column.verdict for column in family.columns)
    kind = family.stack.kind
    return [
        Refusal(
            kind,
            tuple(column.name for column in family.columns if column.verdict == verdict),
            verdict,
            f"No {kind} column can be compared: {', '.join(verdicts)}." if not j else "",
        )
        for j, verdict in enumerate(verdicts)
    ]


def _columns(families: Sequence[Family], refusals: Sequence[Refusal]) -> list[ColumnDrift]:
    refused = [
        ColumnDrift(refusal.kind, name, verdict=refusal.verdict)
        for refusal in refusals
        for name in refusal.names
    ]
    return [column for family in families for column in family.columns] + refused


def _kinds(reference: DayBlocks, today: DayBlocks) -> dict[str, Kind]:
    """The kind of each column, in order."""
    both = ((blocks.names, blocks.kinds) for blocks in (reference, today))
    return {name: kind for names, kinds in both for name, kind in zip(names, kinds, strict=True)}


def _left_out(
    reference: DayBlocks, today: DayBlocks, without: Mapping[str, str]
) -> list[ColumnDrift]:
    return [
        ColumnDrift(kind, name, verdict=without[name])
        for name, kind in _kinds(reference, today).items()
        if name in without
    ]


def _worst(columns: Sequence[ColumnDrift]) -> ColumnDrift | None:
    """The column that decides: of those that drifted, or else of all, that of the largest score."""
    drifted = [column for column in columns if column.drifted]
    return max(drifted, key=lambda column: column.score, default=_furthest(columns))


def _furthest(columns: Sequence[ColumnDrift]) -> ColumnDrift | None:
    """The column whose score is that of the report."""
    compared = (column for column in columns if column.is_compared)
    return max(compared, key=lambda column: column.score, default=None)


def _reason(
    worst: ColumnDrift | None,
    columns: Sequence[ColumnDrift],
    families: Sequence[Family],
    refusals: Sequence[Refusal],
    config: DriftConfig,
) -> str:
    said = [refusal.reason for refusal in refusals if refusal.reason]
    furthest = _furthest(columns)
    if worst is None or furthest is None:
        verdicts = sorted({column.verdict for column in columns})
        return " ".join(said) or f"No column can be compared: {', '.join(verdicts) or 'none'}."
    figures = f"{worst.name} has score {worst.score:.2f} and effect {worst.effect:.2f} sd"
    small = f"too small to matter: {config.min_effect:g} sd are due"
    if worst.drifted:
        others = sum(column.drifted for column in columns) - 1
        head = f"Drift: {figures}; {others} other columns drifted."
    elif worst.score > config.threshold:
        head = f"No drift: {figures}, unusual, but {small}."
    else:
        head = f"No drift: {figures}, within what reference days do."
    if furthest is not worst:
        head += (
            f" The largest score, {furthest.score:.2f}, is that of {furthest.name}, whose effect "
            f"of {furthest.effect:.2f} sd is {small}."
        )
    return " ".join([head, *_cut(families), *said])


def _cut(families: Sequence[Family]) -> list[str]:
    """That the day lacks times that reference days have, in a sentence."""
    most = max(families, key=lambda family: family.stack.lacking).stack
    if not most.lacking:
        return []
    return [
        f"The day lacks times of day at which {100 * most.lacking:.1f} % of the reference's rows "
        f"of {most.kind} values are; it is compared without them."
    ]


def _power(families: Sequence[Family], config: DriftConfig) -> tuple[tuple[str, float], ...]:
    features = [family for family in families if family.stack.kind == "feature"]
    return power_at_shifts(features[0], config.power_days) if features else ()


def _total(rates: Iterable[float]) -> float:
    known = list(rates)
    return float(np.sum(known)) if known else float("nan")
