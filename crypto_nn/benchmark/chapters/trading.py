"""Table 2: what trading on the predictions would have earned, net of costs."""

from collections.abc import Iterator, Sequence

import numpy as np

from crypto_nn.benchmark.chapters.drawings import (
    break_even_drawing,
    equity_drawing,
    everyone_drawing,
)
from crypto_nn.benchmark.chapters.material import Material, minutes
from crypto_nn.benchmark.leaderboard import COMBINED, Standing
from crypto_nn.benchmark.words import bps, number, percent
from crypto_nn.pictures.document import Block, Details, Facts, Heading, Table, Words


def trading_blocks(material: Material) -> Iterator[Block]:
    """What is left at the headline cost, horizon by horizon, and what luck explains of it."""
    config = material.result.config
    cost = f"{config.headline_cost_bps:g}"
    yield Heading("2. Trading, net of costs")
    yield Words(
        f"At {cost} bp per round trip unless a column says otherwise. Break-even is the cost at "
        "which nothing would have been left; drawdown the deepest fall below an earlier high; "
        "Sharpe ratios are annual. majority and prior hardly ever change sides: theirs is what "
        "the market did, and their break-even cost means little."
    )
    first = material.best(horizon := _most_earned(material))
    if first is not None:
        yield equity_drawing(material.result, first.model, horizon)
    for place, each in enumerate(_horizons(material)):
        ahead = minutes(each) if each == COMBINED else f"{minutes(each)} ahead"
        yield Details(ahead, list(_horizon(material, each)), is_open=place == 0)
    yield from _luck(material)


def _horizons(material: Material) -> list[int]:
    there = {standing.horizon for standing in material.everyone}
    return [*material.result.horizons, *([COMBINED] if COMBINED in there else [])]


def _most_earned(material: Material) -> int:
    """The horizon at which the best predictor's break-even cost is highest."""

    def cost_of(horizon: int) -> float:
        first = material.best(horizon)
        found = np.nan if first is None else first["break_even_bps"].estimate
        return -np.inf if np.isnan(found) else found

    return max(material.result.horizons, key=cost_of)


def _horizon(material: Material, horizon: int) -> Iterator[Block]:
    there = material.at(horizon)
    if horizon == COMBINED:
        unit = f"sharpe_{material.result.config.headline_cost_bps:g}bp"
        there = sorted(there, key=lambda s: (-np.nan_to_num(s[unit].estimate, nan=-1e9), s.model))
        yield Words("One account that follows all horizons at once, each with an equal share.")
    quiet = material.quiet([standing.model for standing in there])
    yield _figures(material, there, quiet)
    if horizon in material.result.break_even:
        yield break_even_drawing(material.result, horizon)
    yield everyone_drawing(material, horizon)
    more = [_costs(material, there, quiet), _more(material, there, quiet)]
    yield Details("The Sharpe ratio at every cost, and more", more)


def _figures(material: Material, there: Sequence[Standing], quiet: frozenset[int]) -> Block:
    unit = f"{material.result.config.headline_cost_bps:g}bp"
    columns = ["", "Sharpe, annual", "max drawdown", "win rate", "profit factor", "return",
               "break-even", "turnover a day", "deflated Sharpe"]  # fmt: skip
    rows = [
        [
            s.model,
            number(s[f"sharpe_{unit}"], 1),
            percent(s[f"max_drawdown_{unit}"].estimate),
            percent(s[f"win_rate_{unit}"].estimate),
            number(s[f"profit_factor_{unit}"].estimate, 2),
            percent(s[f"return_{unit}"].estimate),
            bps(s["break_even_bps"].estimate),
            number(s["turnover_per_day"].estimate, 1),
            number(s["deflated_sharpe"].estimate, 3),
        ]
        for s in there
    ]
    return Table(columns, rows, "", quiet)


def _costs(material: Material, there: Sequence[Standing], quiet: frozenset[int]) -> Block:
    costs = material.result.config.costs_bps
    rows = [[s.model, *(number(s[f"sharpe_{cost:g}bp"], 1) for cost in costs)] for s in there]
    columns = ["", *(f"{cost:g} bp" for cost in costs)]
    return Table(columns, rows, "Annual Sharpe ratio by cost of a round trip", quiet)


def _more(material: Material, there: Sequence[Standing], quiet: frozenset[int]) -> Block:
    unit = f"{material.result.config.headline_cost_bps:g}bp"
    columns = ["", "Sortino", "Calmar", "round trips", "mean gain", "mean loss", "PSR",
               "least days to tell", "Sharpe, sized by confidence",
               "break-even, sized so"]  # fmt: skip
    rows = [
        [
            s.model,
            number(s[f"sortino_{unit}"].estimate, 1),
            number(s[f"calmar_{unit}"].estimate, 2),
            number(s["round_trips"].estimate, 0),
            bps(s[f"mean_gain_bps_{unit}"].estimate),
            bps(s[f"mean_loss_bps_{unit}"].estimate),
            number(s["psr"].estimate, 3),
            number(s["min_track_record_days"].estimate, 0),
            number(s[f"sharpe_confidence_{unit}"], 1),
            bps(s["break_even_confidence_bps"].estimate),
        ]
        for s in there
    ]
    return Table(columns, rows, "More figures", quiet)


def _luck(material: Material) -> Iterator[Block]:
    """How much of the best result the number of tries explains."""
    result = material.result
    rows = [("trials counted", f"{result.provenance.num_trials:,}")]
    for horizon, probability in result.overfitting.items():
        ahead = minutes(horizon)
        rows.append((f"PBO, {ahead}", percent(probability, 0)))
    yield Details(
        "Luck: deflated Sharpe ratios, and the probability of backtest overfitting",
        [
            Words(
                "PBO is the share of all ways to halve the days in which the model that earned "
                "most before costs in one half was below the models' median in the other: about "
                "50 % where the choice tells nothing. The deflated Sharpe ratio is the probability "
                "that the true one lies above the best that as many trials without skill would "
                "show."
            ),
            Facts(rows),
        ],
    )
