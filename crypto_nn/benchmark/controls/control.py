"""What a control says: what was due, what came, and whether it may be believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from crypto_nn.benchmark.scores import null


class ControlConfig(BaseModel):
    """How thoroughly the platform is put to the test."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: int = Field(
        default=200, ge=20, le=100_000, description="Markets without an edge that are judged."
    )
    seed: int = Field(default=0, ge=0, description="Of all chance; another seed, other markets.")
    networks: bool = Field(
        default=True, description="Whether DLinear, which takes longest, is among the contestants."
    )
    examinations: int = Field(
        default=3, ge=1, description="Seeds with which each planted leak is looked for."
    )
    workers: int = Field(default=2, ge=1, description="Processes that judge markets side by side.")


@dataclass(frozen=True)
class Finding:
    """One figure of a control beside what is due.

    Attributes:
        subject: what was measured.
        due: what is due, in words.
        value, low, high: what came, with its 95 % interval; NaN where there is none.
        passed: whether what came is what is due.
        note: what a reader should know beside it.
    """

    subject: str
    due: str
    value: float
    low: float
    high: float
    passed: bool
    note: str = ""


@dataclass(frozen=True)
class Control:
    """A claim about the platform, and what it rests on.

    Attributes:
        name: as the asset check has it.
        claim: the claim as a sentence.
        findings: figures that must all be as they are due.
        details: figures behind them, which decide nothing on their own.
    """

    name: str
    claim: str
    findings: tuple[Finding, ...]
    details: tuple[Finding, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every figure is as it is due; a control of no figure shows nothing."""
        return bool(self.findings) and all(finding.passed for finding in self.findings)


def to_arrow(controls: Sequence[Control], config: ControlConfig, made_at: Any) -> pa.Table:
    """The rows of the table `controls`, one for each figure.

    Args:
        made_at: when they were measured, UTC.
    """
    rows = [
        {
            "control": control.name,
            "subject": finding.subject,
            "due": finding.due,
            "value": null(finding.value),
            "low": null(finding.low),
            "high": null(finding.high),
            "passed": finding.passed,
            "decides": decides,
            "note": finding.note,
            "runs": config.runs,
            "seed": config.seed,
            "made_at": made_at,
        }
        for control in controls
        for decides, findings in ((True, control.findings), (False, control.details))
        for finding in findings
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


SCHEMA = pa.schema(
    [
        ("control", pa.string()),
        ("subject", pa.string()),
        ("due", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("passed", pa.bool_()),
        ("decides", pa.bool_()),
        ("note", pa.string()),
        ("runs", pa.int64()),
        ("seed", pa.int64()),
        ("made_at", pa.timestamp("us")),
    ]
)
