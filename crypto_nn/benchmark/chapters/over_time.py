"""Whether skill held: month by month, in calm and wild markets, fold by fold, by symbol."""

from collections.abc import Iterator

import numpy as np

from crypto_nn.benchmark.chapters.drawings import months_drawing
from crypto_nn.benchmark.chapters.material import Material, minutes
from crypto_nn.benchmark.leaderboard import fold_figures
from crypto_nn.benchmark.scores import REGIMES
from crypto_nn.benchmark.words import percent
from crypto_nn.pictures.document import Block, Details, Heading, Table, Words


def over_time_blocks(material: Material) -> Iterator[Block]:
    """Months as colours, regimes as a table, folds and symbols folded away."""
    yield Heading("When it holds")
    horizons = material.result.horizons
    first, *others = horizons
    yield months_drawing(material, first)
    if others:
        yield Details("Months at the other horizons", [months_drawing(material, h) for h in others])
    yield Words(
        "Calm, normal and wild are the terciles of volatility over each fold's training rows, of "
        "the symbol itself; a test may hold more of one than of another."
    )
    for horizon in horizons:
        yield Details(
            f"{minutes(horizon)} ahead: log-loss skill by regime of volatility",
            [_regimes(material, horizon)],
        )
    yield from _folds(material)
    yield from _symbols(material)


def _regimes(material: Material, horizon: int) -> Block:
    there = material.at(horizon)
    rows = [
        [s.model, *(percent(s[f"log_loss_skill@{r}"], 2, sign=True) for r in REGIMES)]
        for s in there
    ]
    shares = [there[0][f"rows@{regime}"].estimate for regime in REGIMES]
    total = np.nansum(shares) or np.nan
    columns = [f"{r} ({percent(share / total, 0)})" for r, share in zip(REGIMES, shares)]
    return Table(["share of rows", *columns], rows, "", material.quiet([s.model for s in there]))


def _folds(material: Material) -> Iterator[Block]:
    result = material.result
    numbers = [fold.number for fold in result.folds]
    if len(numbers) < 2:
        return
    skills = fold_figures(result.table(), "log_loss_skill")
    blocks: list[Block] = []
    for horizon in result.horizons:
        names = [standing.model for standing in material.at(horizon)]
        rows = [
            [
                name,
                *(
                    percent(skills.get((name, horizon), {}).get(fold, np.nan), 2, sign=True)
                    for fold in numbers
                ),
            ]
            for name in names
        ]
        columns = ["", *(f"fold {fold}" for fold in numbers)]
        caption = f"Log-loss skill, {minutes(horizon)} ahead"
        blocks.append(Table(columns, rows, caption, material.quiet(names)))
    yield Details("Fold by fold", blocks)


def _symbols(material: Material) -> Iterator[Block]:
    if not material.by_symbol:
        return
    blocks: list[Block] = []
    for horizon in material.result.horizons:
        found = {
            symbol: {s.model: s["log_loss_skill"] for s in there if s.horizon == horizon}
            for symbol, there in material.by_symbol.items()
        }
        names = [standing.model for standing in material.at(horizon)]
        rows = [
            [
                name,
                *(percent(of[name], 2, sign=True) if name in of else "–" for of in found.values()),
            ]
            for name in names
        ]
        caption = f"Log-loss skill, {minutes(horizon)} ahead"
        blocks.append(Table(["", *found], rows, caption, material.quiet(names)))
    yield Details("Symbol by symbol", blocks)
