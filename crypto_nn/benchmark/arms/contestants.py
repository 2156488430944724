"""Arms that are no plain recipe: fewer features, a model for each horizon, a memory looked into."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from crypto_nn.benchmark.arms.recall import EXPECTED, SAME, regime_recall
from crypto_nn.benchmark.contestants import NetworkContestant, train_in_fold
from crypto_nn.benchmark.forecasts import Forecast, Rows
from crypto_nn.errors import ConfigError
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold
from crypto_nn.training.record import Recipe

VERSION = 1  # of this file's classes: part of what names their forecasts


@dataclass(frozen=True)
class NarrowContestant:
    """A network that is shown only some of the features."""

    name: str
    recipe: Recipe
    features: tuple[str, ...]
    kind: Literal["baseline", "model"] = "model"
    seeded: bool = True

    @property
    def window(self) -> int:
        return self.recipe.reach

    @property
    def fingerprint(self) -> str:
        return f"{_network(self).fingerprint} narrow {VERSION} {_digest(self.features)}"

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        shown = with_features(panel, self.features)
        return _network(self).fit_predict(shown, fold, seed, rows, folder)


@dataclass(frozen=True)
class SeparateContestant:
    """A network of its own for each horizon, none of which knows of the others."""

    name: str
    recipe: Recipe
    kind: Literal["baseline", "model"] = "model"
    seeded: bool = True

    @property
    def window(self) -> int:
        return self.recipe.reach

    @property
    def fingerprint(self) -> str:
        return f"{_network(self).fingerprint} separate {VERSION}"

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        train = self.recipe.train.model_copy(update={"horizon_weights": None})
        alone = NetworkContestant(self.name, replace(self.recipe, train=train))
        parts = [
            alone.fit_predict(only_horizon(panel, h), fold, seed, rows, folder / f"{h}m")
            for h in panel.horizons
        ]
        summed = ("parameters", "train_seconds", "epochs")
        facts = {name: sum(part.facts[name] for part in parts) for name in summed}
        for horizon, part in zip(panel.horizons, parts):
            facts |= {k: v for k, v in part.facts.items() if k == f"temperature_{horizon}m"}
        return Forecast(np.concatenate([p.probabilities_RHC for p in parts], axis=1), facts)


@dataclass(frozen=True)
class RecallingContestant:
    """A network with an episodic memory, which is asked what kind of days it recalls.

    Its facts tell how large a share of what it recalls is of the regime of volatility that the
    window is in, and how large that share would be by chance.
    """

    name: str
    recipe: Recipe
    kind: Literal["baseline", "model"] = "model"
    seeded: bool = True

    @property
    def window(self) -> int:
        return self.recipe.reach

    @property
    def fingerprint(self) -> str:
        return f"{_network(self).fingerprint} recall {VERSION}"

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        inference, facts = train_in_fold(self.recipe, panel, fold, seed, folder)
        same, expected = regime_recall(inference, panel, fold, rows)
        facts |= {SAME: same, EXPECTED: expected}
        return Forecast(inference.predict(panel, rows), facts)


def with_features(panel: Panel, names: Sequence[str]) -> Panel:
    """The panel with no other features than these, in its own order.

    Raises:
        ConfigError: a name is not among them, or none is given.
    """
    unknown = sorted(set(names) - set(panel.names))
    if unknown or not names:
        raise ConfigError(
            f"An arm asks for {', '.join(unknown) or 'no'} features; there are "
            f"{', '.join(panel.names)}. Name some of these."
        )
    columns = [position for position, name in enumerate(panel.names) if name in set(names)]
    kept = tuple(panel.names[position] for position in columns)
    return replace(panel, names=kept, x_NF=np.ascontiguousarray(panel.x_NF[:, columns]))


def only_horizon(panel: Panel, horizon: int) -> Panel:
    """The panel with the labels of one horizon."""
    own = slice(column := panel.horizons.index(horizon), column + 1)
    return replace(
        panel,
        horizons=(horizon,),
        returns_NH=panel.returns_NH[:, own],
        scores_NH=panel.scores_NH[:, own],
        t1_NH=panel.t1_NH[:, own],
        classes_NH=panel.classes_NH[:, own],
    )


def _network(arm: NarrowContestant | SeparateContestant | RecallingContestant) -> NetworkContestant:
    return NetworkContestant(arm.name, arm.recipe)


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()[:16]
