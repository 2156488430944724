"""One account that follows all horizons of a contestant at once."""

from collections.abc import Sequence

import numpy as np

from crypto_nn.benchmark.backtest import Backtest
from crypto_nn.benchmark.profits import Profits

COMBINED = 0
"""The horizon under which figures of the combination are kept."""


def combine(paths: Sequence[Backtest]) -> Backtest:
    """Follow the horizons of one symbol in one account, each with an equal share of the capital.

    The position is the mean of what each horizon alone would hold at that time; a horizon that is
    out of the market counts as 0. Orders that fill in one bar are netted before anything is
    traded: where one horizon buys what another sells, nothing is traded and nothing is paid.

    Args:
        paths: of one symbol and one market, one for each horizon.

    Returns:
        One path with a segment from each fill of any horizon to the next.
    """
    ts, first = np.unique(np.concatenate([path.ts for path in paths]), return_index=True)
    price = np.concatenate([path.price for path in paths])[first]
    held = np.zeros(len(ts))
    for path in paths:
        segment = np.searchsorted(path.ts, ts, side="right")  # 0: its first order is still to come
        held += np.concatenate([[0.0], path.position])[segment]
    return Backtest(ts, held / len(paths), price)


def combined(runs: Sequence[Profits]) -> Profits:
    """The combination of all symbols, from one run for each horizon of one contestant and seed.

    Runs are of the same symbols in the same order; positions at both sizes are combined.
    """
    paths = tuple(map(combine, zip(*(run.paths for run in runs), strict=True)))
    sized = tuple(map(combine, zip(*(run.by_confidence for run in runs), strict=True)))
    return Profits(paths, runs[0].days, sized)


def combined_runs(runs_HS: Sequence[Sequence[Profits]]) -> list[Profits]:
    """The combination of each seed, from the runs of each horizon (and in it of each seed)."""
    return [combined(of_a_seed) for of_a_seed in zip(*runs_HS, strict=True)]
