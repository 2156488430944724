"""What a version is asked and what it answers, without torch: windows in, probabilities out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars.calendar import TS
from crypto_nn.errors import FeatureError
from crypto_nn.features.live_windows import Window
from crypto_nn.features.scaling import RobustScaler
from crypto_nn.metrics.calibration import soften
from crypto_nn.models import Inputs, find_slower
from crypto_nn.training.record import Recipe

Logits = NDArray[np.float32]
Probabilities = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Asked:
    """B questions as a network sees them: `models.prediction.Windows`, as arrays.

    Attributes:
        x_BTF: scaled features, float32, the newest closed bar last.
        t_B: open of that bar, int64 microseconds since 1970 (UTC).
        symbol_B: position of the symbol in the version's list, int64.
        slower: by timeframe, features of its newest closed bars (B, L, columns).
    """

    x_BTF: NDArray[np.float32]
    t_B: NDArray[np.int64]
    symbol_B: NDArray[np.int64]
    slower: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.t_B)


class Network(Protocol):
    """Weights that answer: torch's, or an exported graph."""

    def logits(self, asked: Asked) -> Logits:
        """What it says before calibration, (B, H, 3)."""


@dataclass(frozen=True, eq=False)
class VersionFacts:
    """What is known of a version beside its weights.

    Attributes:
        version: its identity.
        model: its name, as in `crypto_nn.models.MODELS`.
        symbols: those that it learned from, and knows.
        feature_names: what it must be given, in order.
        fingerprint: of the feature set that it learned from.
        horizons: minutes ahead, in the order of its answers.
        inputs: the shape of what its network sees.
        scaler: fitted on its training rows.
        temperature_H: what its logits are divided by.
        config: its whole `config.json`.
    """

    version: str
    model: str
    symbols: tuple[str, ...]
    feature_names: tuple[str, ...]
    fingerprint: str
    horizons: tuple[int, ...]
    inputs: Inputs
    scaler: RobustScaler
    temperature_H: NDArray[np.float64]
    config: Mapping[str, Any]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "VersionFacts":
        """The facts in a version's `config.json`."""
        recipe, names = Recipe.from_dict(config), tuple(config["feature_names"])
        inputs = Inputs(
            len(names),
            len(config["horizons"]),
            len(config["symbols"]),
            config["window"],
            find_slower(recipe.config.slower, names),
        )
        return cls(
            config["version"],
            recipe.model,
            tuple(config["symbols"]),
            names,
            recipe.fingerprint,
            tuple(config["horizons"]),
            inputs,
            RobustScaler.from_json(json.dumps(config["scaler"])),
            np.array(config["temperature"], dtype=np.float64),
            config,
        )

    @property
    def reach(self) -> int:
        """Minutes, without a hole, that an answer looks back on: rows of a `Window` for it."""
        return self.inputs.reach

    def ask(self, symbols: Sequence[str], windows: Sequence[Window]) -> Asked:
        """Windows of `reach` unscaled rows each, as the network sees them.

        Raises:
            FeatureError: a symbol is not known, a window is of another shape, or has a value that
                is no number.
        """
        known = {symbol: number for number, symbol in enumerate(self.symbols)}
        strangers = sorted({symbol for symbol in symbols if symbol not in known})
        if strangers:
            raise FeatureError(
                f"Version {self.version} has not learned {', '.join(strangers)}; it knows "
                f"{', '.join(self.symbols)}. Train a universe that has it."
            )
        due = (self.reach, len(self.feature_names))
        for window in windows:
            if window.x_TF.shape != due:
                raise FeatureError(
                    f"Version {self.version} looks back on {due[0]} rows of {due[1]} features, and "
                    f"a window of {window.x_TF.shape} was given. Give it windows of its reach."
                )
            if not np.isfinite(window.x_TF).all():
                raise FeatureError(
                    f"The window that ends at {window.ts} has a value that is no finite number. "
                    "Ask only for windows that are whole."
                )
        rows_BRF = np.empty((len(windows), *due), dtype=np.float32)
        for number, window in enumerate(windows):
            rows_BRF[number] = self.scaler.transform(window.x_TF)
        t_B = np.array([w.ts for w in windows], dtype=TS).astype(np.int64)
        symbol_B = np.array([known[symbol] for symbol in symbols], dtype=np.int64)
        slower = {
            bars.timeframe: np.ascontiguousarray(
                rows_BRF[:, due[0] - bars.reach :: bars.minutes][..., list(bars.columns)]
            )
            for bars in self.inputs.slower
        }
        x_BTF = np.ascontiguousarray(rows_BRF[:, due[0] - self.inputs.window :])
        return Asked(x_BTF, t_B, symbol_B, slower)

    def calibrated(self, logits_BHC: Logits) -> Probabilities:
        """Probabilities of down, flat and up (B, H, 3)."""
        answers = [
            soften(logits_BHC[:, column], temperature)
            for column, temperature in enumerate(self.temperature_H)
        ]
        return np.stack(answers, axis=1)


@dataclass(frozen=True, eq=False)
class Answering:
    """A version that answers windows: its facts, and a network in whatever form."""

    facts: VersionFacts
    network: Network

    def probabilities(self, symbols: Sequence[str], windows: Sequence[Window]) -> Probabilities:
        """Calibrated probabilities (B, H, 3) for windows of `facts.reach` unscaled rows.

        Raises `FeatureError` as `VersionFacts.ask` does.
        """
        return self.facts.calibrated(self.network.logits(self.facts.ask(symbols, windows)))
