"""Log return of the reference, and of a market beyond it."""

from collections import deque
from dataclasses import dataclass

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.cross import Cross
from crypto_nn.indicators.log_return import log_ratio_of, log_returns


@dataclass(frozen=True)
class ReferenceReturn(Cross):
    """What the leading market did over the period: ln(reference / reference before).

    NaN where the reference lacks either of the two bars.

    Source: A. W. Lo and A. C. MacKinlay, When Are Contrarian Profits Due to Stock Market
    Overreaction?, Review of Financial Studies 3, 1990 (large stocks lead small ones).
    """

    period: int = 1

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"reference_return_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (log_returns(self.reference(bars), self.period),)

    def fresh(self) -> "_LiveReference":
        return _LiveReference(self)


@dataclass(frozen=True)
class RelativeReturn(Cross):
    """How much more the market gained than the leading one over the period.

    ln(close / close before) - ln(reference / reference before); exactly 0 for a market that is its
    own reference; NaN where the reference lacks either of the two bars.

    Source: R. A. Levy, Relative Strength as a Criterion for Investment Selection, Journal of
    Finance 22, 1967.
    """

    period: int = 15

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"relative_return_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        reference_N = self.reference(bars)
        return (log_returns(bars.close, self.period) - log_returns(reference_N, self.period),)

    def fresh(self) -> "_LiveRelative":
        return _LiveRelative(self)


class _LiveReference:
    def __init__(self, indicator: ReferenceReturn) -> None:
        self._closes = deque([float("nan")] * indicator.period, maxlen=indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        close, before = bar.reference, self._closes[0]
        self._closes.append(close)
        return (log_ratio_of(close, before),)


class _LiveRelative:
    def __init__(self, indicator: RelativeReturn) -> None:
        nan = float("nan")
        self._closes = deque([(nan, nan)] * indicator.period, maxlen=indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        close, reference = bar.close, bar.reference
        before, reference_before = self._closes[0]
        self._closes.append((close, reference))
        own = log_ratio_of(close, before)
        other = log_ratio_of(reference, reference_before)
        return (own - other,)
