"""All controls, one after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crypto_nn.benchmark.controls.control import Control, ControlConfig
from crypto_nn.benchmark.controls.known_edges import EDGES, known_edge
from crypto_nn.benchmark.controls.leaks import planted_leaks
from crypto_nn.benchmark.controls.nulls import (
    Rejections,
    false_verdicts,
    honest_tests,
    rejections,
    trials,
)

Listener = Callable[[str], None]
NAMES = (
    "paired_tests_reject_as_often_as_they_say",
    "nothing_is_better_where_nothing_can_be",
    *(f"edge_of_{100 * edge:.0f}_percent_is_recovered" for edge in EDGES),
    "leaks_that_inflate_are_caught",
)


@dataclass(frozen=True, eq=False)
class Controls:
    """What all controls said.

    Attributes:
        controls: in the order of `NAMES`.
        rejections: every paired test with its p-values, for pictures.
    """

    controls: tuple[Control, ...]
    rejections: tuple[Rejections, ...]
    config: ControlConfig

    @property
    def passed(self) -> bool:
        """Whether all of them hold."""
        return all(control.passed for control in self.controls)

    def rows(self) -> list[dict[str, Any]]:
        """One table: the control, what is due, what came with its interval, and the verdict."""
        return [
            {
                "control": control.name.replace("_", " "),
                "measured": finding.subject,
                "due": finding.due,
                "came": figure(finding.value),
                "interval": interval(finding.low, finding.high),
                "passed": "yes" if finding.passed else "NO",
            }
            for control in self.controls
            for finding in control.findings
        ]


def run_controls(config: ControlConfig, tell: Listener = lambda _: None) -> Controls:
    """Put the benchmark and the leak examination to the test; some minutes.

    Args:
        tell: is told what is being done.
    """
    tell(f"{config.runs} markets in which no direction can be known")
    done = trials(range(config.seed, config.seed + config.runs), config.networks, config.workers)
    found = rejections(done)
    controls = [honest_tests(found), false_verdicts(done)]
    for edge in EDGES:
        tell(f"a market with an edge of {edge:.0%}")
        controls.append(known_edge(edge, config.seed))
    tell("planted leaks")
    controls.append(planted_leaks(config.seed, config.examinations))
    return Controls(tuple(controls), tuple(found), config)


def interval(low: float, high: float) -> str:
    """Both ends of an interval; nothing where there is none."""
    return f"{figure(low)} to {figure(high)}" if low == low else ""


def figure(value: float) -> str:
    """A number in four digits."""
    return f"{value:.4g}"
