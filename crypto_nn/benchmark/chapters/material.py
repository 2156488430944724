"""What every chapter reads: the result, and everyone's figures by horizon."""

from collections.abc import Sequence
from dataclasses import dataclass

from crypto_nn.benchmark.leaderboard import COMBINED, Standing, standings
from crypto_nn.benchmark.result import BenchmarkResult

HEADLINE_SEEDS = 5  # fewer seeds make no headline


@dataclass(frozen=True, eq=False)
class Material:
    """A result, and its standings.

    Attributes:
        everyone: over all symbols, by horizon, the best log-loss skill first.
        by_symbol: the same of each symbol, where there are several.
        seeds: how often each contestant was trained.
    """

    result: BenchmarkResult
    everyone: tuple[Standing, ...]
    by_symbol: dict[str, tuple[Standing, ...]]
    seeds: dict[str, int]

    @classmethod
    def of(cls, result: BenchmarkResult) -> "Material":
        """Read a result once, for all chapters."""
        table = result.table()
        symbols = result.symbols if len(result.symbols) > 1 else ()
        seeds: dict[str, set[int]] = {name: set() for name in result.kinds}
        for score in result.scores:
            if score.seed is not None:
                seeds[score.model].add(score.seed)
        return cls(
            result,
            tuple(standings(table)),
            {symbol: tuple(standings(table, symbol)) for symbol in symbols},
            {name: len(of) for name, of in seeds.items()},
        )

    def at(self, horizon: int) -> list[Standing]:
        """Everyone at one horizon, the best first."""
        return [standing for standing in self.everyone if standing.horizon == horizon]

    def models_at(self, horizon: int) -> list[Standing]:
        """The models at one horizon, the best first."""
        return [standing for standing in self.at(horizon) if self.is_model(standing.model)]

    def best(self, horizon: int) -> Standing | None:
        """The model with the most log-loss skill; a baseline where no model is there."""
        return next(iter(self.models_at(horizon) or self.at(horizon)), None)

    def is_model(self, name: str) -> bool:
        """Whether a contestant is judged, and not there to be beaten."""
        return self.result.kinds[name] == "model"

    def quiet(self, names: Sequence[str]) -> frozenset[int]:
        """The places of baselines among these, to be set back in a table."""
        return frozenset(n for n, name in enumerate(names) if not self.is_model(name))

    @property
    def models(self) -> list[str]:
        """Every model, in the order of the contest."""
        return [name for name in self.result.kinds if self.is_model(name)]

    @property
    def few_seeds(self) -> bool:
        """Whether any model was trained too seldom to make a headline."""
        return any(self.seeds[name] < HEADLINE_SEEDS for name in self.models)


def minutes(horizon: int) -> str:
    """A horizon in words."""
    return "all horizons combined" if horizon == COMBINED else f"{horizon} minutes"
