"""The report: everything one needs to believe a benchmark, or to doubt it."""

from collections.abc import Iterator, Sequence

import numpy as np

from crypto_nn.benchmark.leaderboard import Standing, standings
from crypto_nn.benchmark.result import BenchmarkResult
from crypto_nn.benchmark.tables import (
    by_symbol_blocks,
    confidence_blocks,
    horizon_blocks,
    over_time_blocks,
    speed_blocks,
)
from crypto_nn.benchmark.words import percent
from crypto_nn.pictures.document import (
    Block,
    Code,
    Document,
    Facts,
    Heading,
    Table,
    Tone,
    Verdicts,
    Words,
)
from crypto_nn.pictures.document_html import to_html
from crypto_nn.pictures.document_markdown import to_markdown

HEADLINE_SEEDS = 5  # fewer seeds make no headline
SIZING = {
    "sign": "one unit long or short, whichever side is likelier",
    "class": "one unit on the predicted side, none where flat is predicted",
    "confidence": "p(up) - p(down) units",
}


def report_html(result: BenchmarkResult, made_at: np.datetime64) -> str:
    """The report as one page that needs no other file and no network."""
    return to_html(compose(result, made_at))


def report_markdown(
    result: BenchmarkResult, made_at: np.datetime64, with_pictures: bool = False
) -> str:
    """The report as Markdown, with its pictures inside where wanted."""
    return to_markdown(compose(result, made_at), with_pictures)


def compose(result: BenchmarkResult, made_at: np.datetime64) -> Document:
    """What the report says, before it is a page."""
    table = result.table()
    everyone = standings(table)
    blocks: list[Block] = [Verdicts(list(_verdicts(result, everyone)))]
    blocks += _setting(result)
    for horizon in result.horizons:
        blocks += horizon_blocks(result, everyone, horizon)
    blocks += confidence_blocks(result, everyone)
    blocks += over_time_blocks(result, table)
    blocks += by_symbol_blocks(result, table)
    blocks += speed_blocks(result, table)
    blocks += _reading(result)
    when = str(made_at.astype("datetime64[m]")).replace("T", " ")
    title = f"Benchmark of {result.provenance.universe or ', '.join(result.symbols)}"
    span = f"{result.days[0]} to {result.days[-1]}, {len(result.days)} test days"
    return Document(title, f"Test {span} · made {when} UTC", blocks)


def _verdicts(result: BenchmarkResult, everyone: Sequence[Standing]) -> Iterator[tuple[Tone, str]]:
    if result.config.permute_labels:
        yield "warning", "Control run: labels were dealt to other days. Nothing can be learned."
    for standing in everyone:
        if standing.is_baseline:
            continue
        verdict = standing.verdict
        tone: Tone = "warning" if verdict.better is None else "neutral"
        skill = percent(standing["log_loss_skill"], 2, sign=True)
        accuracy = percent(standing["accuracy"].estimate)
        majority = percent(standing["majority"].estimate)
        yield (
            "good" if verdict.better else tone,
            f"{standing.model}, {standing.horizon} minutes: {verdict.text}. Log-loss skill "
            f"{skill}; accuracy {accuracy}, majority {majority}.",
        )
    if not any(not standing.is_baseline for standing in everyone):
        yield "neutral", "Baselines only: no model was entered."
    seeds = len(result.config.seeds)
    if seeds < HEADLINE_SEEDS:
        count = "one seed" if seeds == 1 else f"{seeds} seeds"
        yield (
            "warning",
            f"Networks were trained with {count}; a headline needs {HEADLINE_SEEDS}. "
            "Take the figures as what these runs did.",
        )


def _setting(result: BenchmarkResult) -> list[Block]:
    config, source = result.config, result.provenance
    costs = ", ".join(f"{cost:g}" for cost in config.costs_bps)
    rows = [
        ("symbols", ", ".join(result.symbols)),
        ("venue", source.venue or "not stated"),
        ("classes", source.label or "down, flat, up as in the table `labels`"),
        ("k by fold", _k_words(result)),
        ("test rows", f"every {config.test_stride} minutes, the same for all contestants"),
        ("execution", "decided at a bar's close, filled at the close of the next bar"),
        ("position", SIZING[config.sizing] + ", held for the horizon"),
        ("costs", f"{costs} bp per round trip (fees + slippage)"),
        ("intervals", f"{100 * config.level:g} %, {config.resamples:,} draws of whole days"),
        ("seeds", ", ".join(map(str, config.seeds))),
        ("trials so far", f"{source.num_trials:,} versions and trials"),
        ("lake snapshot", "not stated" if source.snapshot is None else str(source.snapshot)),
        ("code", source.code_version or "not stated"),
        ("machine", source.machine or "not stated"),
    ]
    folds = [
        [str(fold.number), *(_span(role.start, role.end) for role in fold.roles)]
        for fold in result.folds
    ]
    names = [role.name for role in result.folds[0].roles]
    blocks: list[Block] = [Heading("What was asked"), Facts(rows)]
    blocks.append(Table(["fold", *names], folds, "Folds (UTC); everything is fitted inside one"))
    if source.command:
        blocks += [Words("Made again by:"), Code(source.command)]
    return blocks


def _k_words(result: BenchmarkResult) -> str:
    if not any(result.k_FH):
        return "the labels' own"
    each = (
        f"fold {fold.number}: " + ", ".join(f"{k:.3f}" for k in k_H)
        for fold, k_H in zip(result.folds, result.k_FH)
    )
    horizons = ", ".join(f"{h}m" for h in result.horizons)
    return f"a third of the training rows is flat ({horizons}); " + "; ".join(each)


def _span(start: np.datetime64, end: np.datetime64) -> str:
    last = (end - np.timedelta64(1, "us")).astype("datetime64[D]")
    return f"{start.astype('datetime64[D]')} to {last}"


def _reading(result: BenchmarkResult) -> Iterator[Block]:
    yield Heading("How to read this")
    yield Words(
        "Log-loss skill is the share of surprise that a prediction takes away from one who knows "
        "only how often each class came in training; honest models of minutes reach some tenths "
        "of a percent. Majority is the accuracy of always naming the commonest class of the test "
        "rows: accuracy means nothing without it. Direction is the share of moves, flat ones left "
        "out, whose side was the likelier of up and down; 50 % is chance."
    )
    yield Words(
        "Intervals draw whole days with replacement and are widened for few days. A model is "
        "better than every baseline only where the interval of its paired gain in log loss lies "
        "above 0 against each of them. Baselines learn from every row before the test; networks "
        "stop and are calibrated on the later part of those rows."
    )
    yield Words(
        "Trading fills a whole bar after the decision and pays half of the round-trip cost per "
        "unit traded; several symbols share the capital equally. PSR is the probability that the "
        f"true Sharpe ratio is above 0 at {result.config.headline_cost_bps:g} bp; the deflated one "
        "that it is above the best that as many trials without skill would show by luck."
    )
