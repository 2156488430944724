"""What the arms found, as blocks of a report and as a page of its own."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from crypto_nn.benchmark.arms.learning import MEASURES
from crypto_nn.benchmark.arms.result import Answer, ArmsResult, Finding
from crypto_nn.benchmark.words import UNKNOWN, number, p_words
from crypto_nn.pictures.document import (
    Block,
    Details,
    Document,
    Drawing,
    Facts,
    Heading,
    Table,
    Words,
)
from crypto_nn.pictures.document_markdown import to_markdown

if TYPE_CHECKING:
    from crypto_nn.pictures.forest_plot import ForestRow

TITLE = "Stated learnings, measured"
PICTURE = "images/learnings.png"
REST = "ratio less 2, correlation, or points"


def arms_blocks(result: ArmsResult) -> list[Block]:
    """Verdicts, one picture of all differences, and what lies behind each of them."""
    return [
        Heading(TITLE),
        Words(_reading(result)),
        _verdicts(result),
        forest_drawing(result),
        *(_answer(each, result.horizons) for each in result.answers),
        *_importances(result),
        *_likeness(result),
        Details("How the arms were run, and what they cost", [Facts(_facts(result))]),
    ]


def learnings_markdown(result: ArmsResult) -> str:
    """The page `docs/learnings.md`, whose picture lies beside it."""
    document = Document(TITLE, result.facts.get("test", ""), arms_blocks(result)[1:])
    return to_markdown(document, lambda drawing: f"![{drawing.alt}]({PICTURE})")


def forest_drawing(result: ArmsResult) -> Drawing:
    """Every difference over all horizons with its interval, in one picture."""
    from crypto_nn.pictures.forest_plot import forest_plot

    groups: dict[str, list[ForestRow]] = {}
    for answer in result.answers:
        for finding in answer.findings:
            if finding.horizon is None:
                groups.setdefault(_unit(finding), []).append(_row(answer, finding))
    alt = "Gain of each arm over the other with its interval, over all horizons"
    title = "Above 0 favours the claim; filled points decide"
    ordered = sorted(groups.items(), key=lambda pair: pair[0] == REST)
    return Drawing(forest_plot(ordered, title), alt)


def _reading(result: ArmsResult) -> str:
    told = [a.verdict() for a in result.answers if a.findings]
    asked = len([verdict for verdict in told if verdict != "not measured"])
    return (
        "Each claim is two arms on the same test rows: everything is alike but what the claim is "
        "about. A gain above 0 favours the claim; its interval draws whole days. A claim holds "
        "where the intervals of all its deciding comparisons lie above 0, does not hold where one "
        "lies below, and else cannot be told: that it could not be told does not make it wrong. "
        f"{asked} claims were put to the test here without a correction for their number, so that "
        f"up to {0.025 * asked:.1f} of them would hold by chance if nothing mattered at all."
    )


def _verdicts(result: ArmsResult) -> Table:
    rows = []
    for answer in result.answers:
        by_horizon = [answer.verdict(h) if answer.at(h) else UNKNOWN for h in result.horizons]
        rows.append([answer.claim, answer.verdict(), *by_horizon])
    columns = ["claim", "over all", *(f"{h} minutes" for h in result.horizons)]
    return Table(columns, rows)


def _answer(answer: Answer, horizons: Sequence[int]) -> Block:
    blocks: list[Block] = [Words(answer.asked)]
    if answer.elsewhere:
        blocks.append(Words(f"Measured elsewhere: docs/{answer.elsewhere}."))
    groups: dict[tuple[str, ...], dict[int | None, Finding]] = {}
    for finding in answer.findings:
        role = "decides" if finding.decides else "beside"
        key = (f"{finding.ours} against {finding.theirs}", finding.measure, role)
        groups.setdefault(key, {})[finding.horizon] = finding
    if groups:
        rows = [
            [*key, *(_told(found.get(h)) for h in (None, *horizons))]
            for key, found in groups.items()
        ]
        columns = ["arms", "gain in", "", "over all", *(f"{h} minutes" for h in horizons)]
        blocks.append(Table(columns, rows))
    return Details(f"{answer.claim}: {answer.verdict()}", blocks)


def _told(finding: Finding | None) -> str:
    if finding is None:
        return UNKNOWN
    text = number(finding.gain, finding.digits, sign=True)
    return text + p_words(finding.gain.p_value)


def _importances(result: ArmsResult) -> Iterator[Block]:
    for model in dict.fromkeys(each.model for each in result.importances):
        found = {(i.group, i.horizon): i.increase for i in result.importances if i.model == model}
        groups = dict.fromkeys(group for group, _ in found)
        weight = {g: sum(found[g, h].estimate for h in result.horizons) for g in groups}
        rows = [
            [group, *(number(found[group, h], 2, sign=True) for h in result.horizons)]
            for group in sorted(groups, key=lambda name: (-weight[name], name))
        ]
        words = (
            "How much more surprised the model is, in mnat a row with interval, when a group's "
            "columns are dealt from other days of the test, each whole and to the same minutes; "
            "the clock's to other minutes too. A group whose columns others can stand in for "
            "counts little here, and may still help."
        )
        columns = ["group of features", *(f"{h} minutes" for h in result.horizons)]
        yield Details(f"Which features {model} leans on", [Words(words), Table(columns, rows)])


def _likeness(result: ArmsResult) -> Iterator[Block]:
    rows = [
        [
            each.model,
            " and ".join(map(str, each.horizons)) or "all pairs",
            number(each.within),
            number(each.between),
            number(each.gap, sign=True) + p_words(each.gap.p_value),
        ]
        for each in result.likeness
    ]
    if rows:
        words = (
            "Spearman's correlation of the groups' ranks in one half of the days with those in "
            "the other: of two horizons, and of each with itself (geometric mean), which is what "
            "two that lean on the same groups would reach."
        )
        columns = ["model", "minutes", "each with itself", "two horizons", "gap"]
        yield Details("How alike horizons are", [Words(words), Table(columns, rows)])


def _facts(result: ArmsResult) -> list[tuple[str, str]]:
    cost = [
        f"{name} {number(seconds, 0)}"
        for name, seconds in result.seconds.items()
        if not math.isnan(seconds)
    ]
    return [*result.facts.items(), ("seconds a fold", ", ".join(cost) or "not stated")]


def _unit(finding: Finding) -> str:
    calibration = finding.measure in (MEASURES["ece"], MEASURES["raw_ece"])
    if finding.measure == MEASURES["log_loss"]:
        return finding.measure
    return MEASURES["ece"] if calibration else REST


def _row(answer: Answer, finding: Finding) -> "ForestRow":
    from crypto_nn.pictures.forest_plot import ForestRow

    gain = finding.gain
    what = f"{answer.key}: {finding.ours} / {finding.theirs}"
    if _unit(finding) == REST:
        what = f"{answer.key}: {finding.ours}, {finding.measure}"
    elif finding.measure == MEASURES["raw_ece"]:
        what += ", before temperature"
    return ForestRow(what, gain.estimate, gain.low, gain.high, finding.decides)
