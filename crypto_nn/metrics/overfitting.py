"""Whether the best of several strategies on past days is any good on others."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crypto_nn.bars import Float
from crypto_nn.errors import ConfigError

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Overfitting:
    """What became of the strategy that was chosen, over all ways to halve the days.

    Attributes:
        probability: share of the ways in which the best strategy of one half of the days was below
            the median of all in the other: about one half where choosing tells nothing, near 0
            where the same strategy is the best everywhere. A rank at the median counts half.
            NaN where there are fewer than two strategies or too few days.
        logits_S: for each way, the log odds of the chosen one's rank in the other half; below 0
            it was among the worse.
        chosen_S: which strategy was chosen.
        inside_S, outside_S: its Sharpe ratio per period, in the half that chose and in the other.
    """

    probability: float
    logits_S: Float
    chosen_S: NDArray[np.int64]
    inside_S: Float
    outside_S: Float

    @property
    def loss(self) -> float:
        """Share of the ways in which the chosen strategy lost money in the other half."""
        return float((self.outside_S < 0).mean()) if len(self.outside_S) else math.nan


def pbo(returns_TN: ArrayLike, blocks: int = 16) -> Overfitting:
    """The probability of backtest overfitting of choosing the strategy with the best Sharpe ratio.

    Days are cut into `blocks` runs of equal length (what is left over at the beginning is not
    used). Every half of the blocks once chooses the best strategy, and the other half shows its
    rank: combinatorially symmetric cross-validation (Bailey, Borwein, López de Prado and Zhu 2017).
    Ratios that are equal share their rank; a strategy that never moved has a ratio of 0. The cost
    is that of C(blocks, blocks / 2) × N ratios: 12,870 × N for 16 blocks.

    Args:
        returns_TN: simple returns of N strategies in the same T periods.
        blocks: an even number of at least 2.

    Raises:
        ConfigError: `blocks` is odd or below 2, or a return is not finite.
    """
    returns = np.asarray(returns_TN, dtype=np.float64)
    if blocks < 2 or blocks % 2:
        raise ConfigError(f"blocks is {blocks}; an even number of at least 2 is due.")
    if not np.isfinite(returns).all():
        raise ConfigError("A return is not finite: leave out strategies that have no returns.")
    length = len(returns) // blocks
    if returns.ndim != 2 or returns.shape[1] < 2 or length * blocks < 4:
        none = np.zeros(0)
        return Overfitting(math.nan, none, none.astype(np.int64), none, none)
    inside_SK = _halves(blocks)
    inside_SN, outside_SN = _sharpe_ratios(returns[len(returns) - length * blocks :], inside_SK)
    way = np.arange(len(inside_SK))
    chosen_S = inside_SN.argmax(axis=1)
    picked_S1 = outside_SN[way, chosen_S][:, None]
    below_S, equal_S = (outside_SN < picked_S1).sum(axis=1), (outside_SN == picked_S1).sum(axis=1)
    share_S = (below_S + (equal_S + 1) / 2) / (returns.shape[1] + 1)
    logits_S = np.log(share_S / (1 - share_S))
    worse_S = (share_S < 0.5) + (share_S == 0.5) / 2
    return Overfitting(
        probability=float(worse_S.mean()),
        logits_S=logits_S,
        chosen_S=chosen_S.astype(np.int64),
        inside_S=inside_SN[way, chosen_S],
        outside_S=picked_S1[:, 0],
    )


def _halves(blocks: int) -> Flags:
    """Every way to take half of the blocks (S, K)."""
    ways = np.array(list(combinations(range(blocks), blocks // 2)))
    taken = np.zeros((len(ways), blocks), dtype=np.bool_)
    np.put_along_axis(taken, ways, True, axis=1)
    return taken


def _sharpe_ratios(returns_TN: Float, inside_SK: Flags) -> tuple[Float, Float]:
    """The ratio of each strategy in the taken blocks, and in the others (S, N) each."""
    num_blocks = inside_SK.shape[1]
    shape = (num_blocks, len(returns_TN) // num_blocks, returns_TN.shape[1])
    # Scaled to unit size and centred, so that the sums of squares keep their digits.
    scale_N = np.abs(returns_TN).max(axis=0)
    unit_TN = returns_TN / np.where(scale_N > 0, scale_N, 1)
    middle_N = unit_TN.mean(axis=0)
    parts = (unit_TN - middle_N).reshape(shape)
    sums_KN, squares_KN = parts.sum(axis=1), (parts**2).sum(axis=1)
    found = []
    for taken_SK in (inside_SK, ~inside_SK):
        weights = taken_SK.astype(np.float64)
        count = shape[1] * num_blocks // 2
        mean_SN = weights @ sums_KN / count
        variance_SN = (weights @ squares_KN / count - mean_SN**2) * count / (count - 1)
        moved = variance_SN > 1e-20  # below it lie the last bits of equal returns
        spread_SN = np.sqrt(np.where(moved, variance_SN, 1.0))
        found.append(np.where(moved, (mean_SN + middle_N) / spread_SN, 0.0))
    return found[0], found[1]
