"""The gate: a new version answers only where it is better than the one that answers now."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from crypto_nn.inference.routing import RoutingConfig
from crypto_nn.metrics.classification import row_log_loss
from crypto_nn.metrics.paired import PairedTest
from crypto_nn.metrics.significance import Interval, Resampling, paired_day_block_bootstrap


class GateConfig(BaseModel):
    """How sure one must be that a new version is better before it answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float = Field(
        default=0.8, gt=0.5, lt=1, description="of the two-sided interval that must lie below 0"
    )
    resamples: int = Field(default=2000, ge=100, description="of the day-block bootstrap")
    shadow: bool = Field(
        default=True,
        description="Whether a new version shadows the champion on days that come; "
        "else it is compared once, on calibration rows.",
    )
    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="Chance that a shadow that is no better is ever promoted; of looking each day.",
    )
    min_days: int = Field(
        default=7, ge=1, description="No verdict on a shadow before so many days."
    )
    max_shadow_days: int = Field(
        default=60, ge=1, description="A challenger that is not shown better by then is let go."
    )
    rollback_days: int = Field(
        default=30,
        ge=0,
        description="So long the champion before watches the new one, and comes back if better.",
    )
    block_days: int = Field(
        default=1,
        ge=1,
        description="Days in a row that count as one; more where good days follow good days.",
    )
    stride_minutes: int = Field(
        default=5, ge=1, description="Every so many minutes both versions are asked."
    )
    routing: RoutingConfig = RoutingConfig()

    @property
    def evidence_due(self) -> float:
        """The evidence that a verdict takes."""
        return 1 / self.alpha

    @property
    def paired(self) -> PairedTest:
        """How days are compared."""
        return PairedTest(block_days=self.block_days)


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate takes over, why, and the paired difference in log-loss (nats)."""

    promote: bool
    reason: str
    difference: Interval | None = None


def judge(
    candidate_NHC: NDArray[np.floating],
    champion_NHC: NDArray[np.floating],
    classes_NH: NDArray[np.integer],
    days_N: NDArray[np.datetime64],
    config: GateConfig,
) -> Verdict:
    """Compare two versions on rows that neither was fitted to, day by day.

    Args:
        candidate_NHC, champion_NHC: probabilities on the same rows, per horizon and class.
        classes_NH: what happened; rows with an unknown class (−1) are left out.
        days_N: the UTC day of each row; days are drawn as blocks.
    """
    known_NH = classes_NH >= 0
    if not known_NH.any():
        return Verdict(False, "there is no row on which both could be compared")
    losses = []
    for h in range(classes_NH.shape[1]):
        rows = known_NH[:, h]
        ours = row_log_loss(candidate_NHC[rows, h], classes_NH[rows, h])
        theirs = row_log_loss(champion_NHC[rows, h], classes_NH[rows, h])
        losses.append((ours, theirs, days_N[rows]))
    ours, theirs, days = (np.concatenate(column) for column in zip(*losses))
    resampling = Resampling(resamples=config.resamples, level=config.level)
    difference = paired_day_block_bootstrap(ours, theirs, days, resampling=resampling)
    side = "lower" if difference.estimate < 0 else "higher"
    told = (
        f"its log-loss is {abs(difference.estimate):.5f} nats {side} than the champion's "
        f"[{difference.low:+.5f}, {difference.high:+.5f}] at {config.level:.0%}"
    )
    if difference.high < 0:
        return Verdict(True, f"better: {told}", difference)
    shown = "worse" if difference.low > 0 else "not shown to be better"
    return Verdict(False, f"{shown}: {told}", difference)
