"""Is one of two better, day by day: evidence that may be looked at every day."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crypto_nn.bars import Float

LARGEST_LOG = 700.0  # of an evidence that is still a finite number


@dataclass(frozen=True)
class PairedTest:
    """How two are compared.

    Attributes:
        block_days: days in a row that make one observation; more than 1 where days hang together.
        start_blocks: first observations that only say how large differences are.
        width: which advantages it looks for: the spread of λ in units of 1 / scale.
        largest: differences of more than so many scales count as that many.
    """

    block_days: int = 1
    start_blocks: int = 3
    width: float = 0.5
    largest: float = 6.0


DEFAULT = PairedTest()


@dataclass(frozen=True, eq=False)
class EProcess:
    """Evidence after each day, 1 at the start.

    Attributes:
        better_T: against "the gains are not above zero".
        worse_T: against "they are not below zero".
        mean_T: mean of the gains so far, uncut.
    """

    better_T: Float
    worse_T: Float
    mean_T: Float

    def first(self, level: float, min_days: int = 1) -> tuple[int, bool] | None:
        """The position of the first day on which either evidence has reached the level.

        The mean must lie on the same side: many small gains and one large loss are no advantage.

        Args:
            level: 1 / α.
            min_days: no verdict before so many days.

        Returns:
            The position, and whether it was the better one; None where neither has.
        """
        better_T = (self.better_T >= level) & (self.mean_T > 0)
        reached_T = better_T | ((self.worse_T >= level) & (self.mean_T < 0))
        reached_T[: max(min_days - 1, 0)] = False
        if not reached_T.any():
            return None
        day = int(reached_T.argmax())
        return day, bool(better_T[day])


def e_process(gains_T: ArrayLike, test: PairedTest = DEFAULT) -> EProcess:
    """Evidence that gains are above, and that they are below zero, after each day.

    Of each observation g (a day, or the sum of `block_days` days) x = g / s is taken, where the
    scale s is the root mean square of the observations before it, and x is cut at ±`largest`.
    If x is symmetric about 0, or about something lower, whatever came before,
    exp(λ Σx − λ² Σx² / 2) is a supermartingale for every λ > 0 (de la Peña 1999): dividing by what
    was known before and cutting evenly keep the symmetry, and f(u) = exp(u − u²/2) has
    f(a) + f(b) ≤ 2 wherever a + b ≤ 0. Mixed over a half-normal λ of spread `width` it is the
    evidence: starting at 1, it ever reaches 1/α with a chance of at most α (Ville 1939), so one
    may stop on any day. No variance is assumed to exist; heavy tails and changing volatility do
    no harm. What it does need is that each day is as likely to lie above its centre as below,
    given the days before: gains that follow each other (autocorrelation) break that.

    Args:
        gains_T: loss of the one that is to be beaten minus that of the other, day by day.

    Raises:
        ValueError: a gain is not finite.
    """
    gains = np.asarray(gains_T, dtype=np.float64)
    if gains.ndim != 1 or not np.isfinite(gains).all():
        raise ValueError(f"Gains must be one finite number a day, and these are {gains!r}.")
    num_blocks = len(gains) // test.block_days
    blocks = gains[: num_blocks * test.block_days].reshape(-1, test.block_days).sum(axis=1)
    x = _scaled(blocks, test)
    total, square = np.cumsum(x), np.cumsum(x**2)
    after = np.arange(1, len(gains) + 1) // test.block_days  # blocks that are whole by then
    better, worse = (_mixed(sign * total, square, test.width) for sign in (1, -1))
    mean_T = np.cumsum(gains) / np.arange(1, len(gains) + 1)
    return EProcess(np.append(1.0, better)[after], np.append(1.0, worse)[after], mean_T)


def _scaled(blocks: Float, test: PairedTest) -> Float:
    """Observations in units of those before them, cut; 0 for those that only set the scale."""
    count = np.arange(1, len(blocks) + 1)
    past = np.sqrt(np.cumsum(blocks**2) / count)
    scale = np.append(np.inf, past[:-1])[: len(blocks)]
    scale[: test.start_blocks] = np.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        x: NDArray[np.float64] = np.where(blocks == 0, 0.0, blocks / scale)
    return np.clip(x, -test.largest, test.largest)


def _mixed(total: Float, square: Float, width: float) -> Float:
    """∫ exp(λS − λ²V/2) over a half-normal λ, in closed form."""
    from scipy.special import log_ndtr

    spread = np.sqrt(square + width**-2)
    z = total / spread
    log_e = np.log(2) - 0.5 * np.log1p(width**2 * square) + z**2 / 2 + log_ndtr(z)
    evidence: Float = np.exp(np.minimum(log_e, LARGEST_LOG))
    return evidence
