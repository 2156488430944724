"""What the arms end with: findings with intervals, and verdicts in words."""

import gzip
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.importance import Importance, Likeness
from crypto_nn.errors import BenchmarkError
from crypto_nn.metrics.significance import Interval

FORMAT = 1
Told = Literal["holds", "does not hold", "cannot be told", "measured elsewhere", "not measured"]


@dataclass(frozen=True)
class Finding:
    """One comparison at one horizon.

    Attributes:
        measure: what was compared, with its unit.
        horizon: minutes ahead; None is over all horizons.
        ours, theirs: the arm that the claim favours, and the other.
        gain: by how much ours is better, with interval; above 0 favours the claim.
        decides: whether the claim stands and falls with it.
        digits: of the gain, as it is printed.
    """

    measure: str
    horizon: int | None
    ours: str
    theirs: str
    gain: Interval
    decides: bool = True
    digits: int = 2


@dataclass(frozen=True)
class Answer:
    """What was measured of one stated learning.

    A claim of several comparisons holds only where each favours it, so that no correction for
    their number is due (an intersection-union test, Berger 1982).

    Attributes:
        key: short name.
        claim: as it was stated.
        asked: how it was asked.
        findings: comparisons by horizon, and over all of them.
        elsewhere: the page on which it is measured, where that is not here.
    """

    key: str
    claim: str
    asked: str
    findings: tuple[Finding, ...] = ()
    elsewhere: str = ""

    def at(self, horizon: int | None) -> tuple[Finding, ...]:
        """The findings that decide at a horizon; None: over all."""
        return tuple(f for f in self.findings if f.decides and f.horizon == horizon)

    def verdict(self, horizon: int | None = None) -> Told:
        """What the comparisons at a horizon say; without one, those over all horizons."""
        if self.elsewhere:
            return "measured elsewhere"
        return told(finding.gain for finding in self.at(horizon))


def told(gains: Iterable[Interval]) -> Told:
    """What intervals of gains say of the claim that they are all above 0."""
    found = list(gains)
    if not found:
        return "not measured"
    if all(gain.low > 0 for gain in found):
        return "holds"
    if any(gain.high < 0 for gain in found):
        return "does not hold"
    return "cannot be told"


def span(days: NDArray[np.datetime64], folds: int) -> str:
    """Test days in words."""
    return f"{days[0]} to {days[-1]}, {len(days)} days, {folds} folds"


@dataclass(frozen=True)
class ArmsResult:
    """All answers, and what one must know to believe them.

    Attributes:
        answers: one for each stated learning, in order.
        importances: of each group of features, by model and horizon.
        likeness: how alike the groups' ranks are at two horizons, by model.
        facts: what was asked, by name, in words: symbols, folds, days, seeds …
        seconds: what one fold cost, by contestant: the mean over folds and seeds.
        horizons: minutes ahead.
    """

    answers: tuple[Answer, ...]
    importances: tuple[Importance, ...]
    likeness: tuple[Likeness, ...]
    facts: Mapping[str, str]
    seconds: Mapping[str, float]
    horizons: tuple[int, ...]
    format: int = field(default=FORMAT)

    def is_of(self, days: NDArray[np.datetime64], folds: int) -> bool:
        """Whether it was asked on these test days, cut into so many folds."""
        return self.facts.get("test") == span(days, folds)

    def to_bytes(self) -> bytes:
        """The result as gzip'd JSON: the same result gives the same bytes."""
        text = json.dumps(_nulls(asdict(self)), allow_nan=False)
        return gzip.compress(text.encode(), compresslevel=9, mtime=0)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "ArmsResult":
        """The result that `to_bytes` wrote.

        Raises:
            BenchmarkError: these bytes are no such file, or one of another version.
        """
        try:
            found = json.loads(gzip.decompress(raw))
        except (OSError, EOFError, ValueError) as error:
            raise BenchmarkError(
                f"These {len(raw)} bytes are no result of arms ({error}). Give the file that "
                "`crypto-nn benchmark --arms` wrote."
            ) from None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            kind = found.get("format") if isinstance(found, dict) else type(found).__name__
            raise BenchmarkError(
                f"The result of arms is of format {kind}, and this release reads {FORMAT}. Run "
                "`crypto-nn benchmark --arms` again: its forecasts are kept."
            )
        return cls(
            answers=tuple(_answer(each) for each in found["answers"]),
            importances=tuple(
                Importance(**each | {"increase": _interval(each["increase"])})
                for each in found["importances"]
            ),
            likeness=tuple(_likeness(each) for each in found["likeness"]),
            facts=found["facts"],
            seconds=found["seconds"],
            horizons=tuple(found["horizons"]),
        )


def _answer(facts: Mapping[str, Any]) -> Answer:
    findings = tuple(Finding(**f | {"gain": _interval(f["gain"])}) for f in facts["findings"])
    return Answer(**{**facts, "findings": findings})


def _likeness(facts: Mapping[str, Any]) -> Likeness:
    named = {name: _interval(facts[name]) for name in ("between", "within", "gap")}
    return Likeness(**{**facts, "horizons": tuple(facts["horizons"]), **named})


def _interval(facts: Mapping[str, float | None]) -> Interval:
    return Interval(**{name: math.nan if v is None else v for name, v in facts.items()})


def _nulls(value: Any) -> Any:
    """The same with None for every NaN, which JSON does not have."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        return {key: _nulls(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_nulls(each) for each in value]
    return value
