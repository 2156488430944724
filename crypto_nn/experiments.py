"""The Experiment: every setting of the platform in one place, read from one YAML file."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from crypto_nn.automation import AutomationConfig
from crypto_nn.bars.calendar import check_month
from crypto_nn.bars.quality import QualityConfig
from crypto_nn.bars.symbol import check_symbol
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.gate import GateConfig
from crypto_nn.errors import ConfigError
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.labels import LabelConfig
from crypto_nn.features.splits import SplitConfig
from crypto_nn.mistakes import read_settings, told
from crypto_nn.models import MODELS
from crypto_nn.models.baselines import BASELINES
from crypto_nn.models.configs import ModelConfig
from crypto_nn.monitoring.alerts import AlertConfig
from crypto_nn.monitoring.drift import DriftConfig
from crypto_nn.monitoring.model_monitor import MonitorConfig
from crypto_nn.monitoring.retraining import RetrainConfig
from crypto_nn.serving import ServeConfig
from crypto_nn.sources import SourceConfig, SyntheticConfig
from crypto_nn.sources.realtime.config import RealtimeConfig
from crypto_nn.sources.recorder import RecorderConfig
from crypto_nn.sources.refill import RefillConfig
from crypto_nn.store.atomic import write_bytes
from crypto_nn.store.database.config import DatabaseConfig
from crypto_nn.training.config import TrainConfig
from crypto_nn.tuning.config import TuningConfig
from crypto_nn.tuning.space import SearchSpace
from crypto_nn.tuning.space import Settings as Searched

UNIVERSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class Settings(BaseModel):
    """What all groups of settings share: they never change, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _sources(sources: dict[str, SourceConfig]) -> dict[str, SourceConfig]:
    return sources


class SymbolConfig(Settings):
    """One symbol of the platform, and where its bars come from."""

    source: str = Field(description="A name from `sources`; the symbol's one primary venue.")
    first_month: str = Field(description="The first month to keep, such as 2023-01.")
    last_month: str | None = Field(
        default=None, description="The last month, where the data are historical; else open."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last_month is not None and self.last_month < self.first_month:
            raise ValueError(f"last_month {self.last_month} is before first_month")
        return self

    @field_validator("first_month", "last_month")
    @classmethod
    def _months(cls, month: str | None) -> str | None:
        return month if month is None else check_month(month)


class ModelChoice(Settings):
    """Which neural network is trained, and how large it is."""

    name: str = Field(default="LSTMPricePredictor", description="A name from `crypto_nn.models`.")
    preset: str = Field(default="small", description="A size that the model offers: small, full.")
    settings: dict[str, Any] = Field(
        default_factory=dict, description="Single settings that differ from the preset."
    )

    @classmethod
    def named(cls, text: str) -> "ModelChoice":
        """The choice that `Model` or `Model:preset` names; small where no preset is given."""
        name, _, preset = text.partition(":")
        return cls(name=name, preset=preset or "small")

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if self.name not in MODELS:
            raise ValueError(f"model {self.name!r} is not known; there are {', '.join(MODELS)}")
        presets = MODELS[self.name].presets
        if self.preset not in presets:
            raise ValueError(f"preset {self.preset!r} is not known; there are {', '.join(presets)}")
        try:
            self.config()
        except ValidationError as error:
            kind = MODELS[self.name].config
            raise ValueError(told(error, kind, "model.settings.")) from None
        return self

    def config(self) -> ModelConfig:
        """The model's own configuration: its preset with the changed settings."""
        preset = MODELS[self.name].presets[self.preset]
        return type(preset).model_validate(preset.model_dump() | self.settings)


class Experiment(Settings):
    """All settings together. The defaults run without a key, a file or a network."""

    sources: dict[str, SourceConfig] = Field(
        default_factory=lambda: _sources({"synthetic": SyntheticConfig()}),
        description="Where bars come from, by a name of your choice.",
    )
    symbols: dict[str, SymbolConfig] = Field(
        default_factory=lambda: {
            "SYN-USDT": SymbolConfig(
                source="synthetic",
                first_month=f"{SyntheticConfig().start:%Y-%m}",
                last_month=f"{SyntheticConfig().end - timedelta(minutes=1):%Y-%m}",
            )
        },
        description="What the platform follows.",
    )
    universes: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Named lists of symbols that one model learns jointly; each alone is one too.",
    )
    quality: QualityConfig = QualityConfig()
    realtime: RealtimeConfig = RealtimeConfig()
    recorder: RecorderConfig = RecorderConfig()
    refill: RefillConfig = RefillConfig()
    database: DatabaseConfig = DatabaseConfig()
    features: FeatureConfig = FeatureConfig()
    labels: LabelConfig = LabelConfig()
    splits: SplitConfig = SplitConfig()
    model: ModelChoice = ModelChoice()
    training: TrainConfig = TrainConfig()
    tuning: TuningConfig = TuningConfig()
    benchmark: BenchmarkConfig = BenchmarkConfig()
    gate: GateConfig = GateConfig()
    drift: DriftConfig = DriftConfig()
    monitor: MonitorConfig = MonitorConfig()
    retraining: RetrainConfig = RetrainConfig()
    alerts: AlertConfig = AlertConfig()
    serve: ServeConfig = ServeConfig()
    automation: AutomationConfig = AutomationConfig()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for symbol, config in self.symbols.items():
            check_symbol(symbol)
            if config.source not in self.sources:
                raise ValueError(
                    f"symbols.{symbol}.source is {config.source!r}; "
                    f"`sources` has {', '.join(self.sources)}"
                )
        reference = self.features.reference
        if reference is not None and reference not in self.symbols:
            raise ValueError(
                f"features.reference is {reference!r}, which the platform does not follow; "
                f"`symbols` has {', '.join(self.symbols)}. Add it, so that its bars come in"
            )
        try:
            self.training.weights_of(self.labels.horizons)
            for choice in self.tuned:
                self.search_space(choice)
        except ConfigError as error:
            raise ValueError(str(error).rstrip(".")) from None
        self._check_benchmark()
        for universe, members in self.universes.items():
            unknown = [symbol for symbol in members if symbol not in self.symbols]
            if unknown or not members:
                raise ValueError(
                    f"universes.{universe} names {unknown or 'nothing'}; "
                    f"`symbols` has {', '.join(self.symbols)}"
                )
            if not UNIVERSE.fullmatch(universe):
                raise ValueError(
                    f"universes has {universe!r}: a name is up to 80 of A-Z a-z 0-9 . _ -, and "
                    "begins with a letter or digit"
                )
            if universe in self.symbols:
                raise ValueError(f"universes.{universe} has the name of a symbol; choose another")
        return self

    def _check_benchmark(self) -> None:
        """Refuse models, presets and baselines that there are not."""
        for text in self.benchmark.models:
            try:
                ModelChoice.named(text)
            except ValidationError as error:
                reason = told(error, ModelChoice)
                raise ValueError(f"benchmark.models names {text!r}: {reason}") from None
        there = (*BASELINES, "DLinear")
        unknown = [name for name in self.benchmark.baselines if name not in there]
        if unknown:
            raise ValueError(
                f"benchmark.baselines names {', '.join(unknown)}; there are {', '.join(there)}"
            )

    @classmethod
    def load(cls, path: Path | None = None) -> "Experiment":
        """The experiment of a YAML file, or the defaults where there is none.

        Raises:
            ConfigError: the file is missing or not YAML, or a key or value is not allowed.
        """
        if path is None:
            return cls()
        content = _content(path)
        known = _LOADED.get((cls, path))
        if known is None or content is None or known[0] != content:
            known = (content, cls.parse(read_settings(path), str(path)))
            if content is not None and _content(path) == content:  # not replaced meanwhile
                _LOADED[cls, path] = known
        return known[1].model_copy(deep=True)  # it holds dictionaries, which a caller may change

    @classmethod
    def parse(cls, settings: Mapping[str, Any], origin: str = "settings") -> "Experiment":
        """The experiment of plain settings; a `ConfigError` names each key that is wrong."""
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            raise ConfigError(f"{origin}: {told(error, cls)}.") from None

    def changed(self, overrides: Mapping[str, Any]) -> "Experiment":
        """This experiment with single settings replaced, by dotted path.

        Example: `experiment.changed({"training.max_epochs": 3})`.
        """
        settings = self.model_dump()
        for path, value in overrides.items():
            *parents, last = path.split(".")
            level: Any = settings
            for parent in parents:
                level = level.get(parent) if isinstance(level, dict) else None
            if not isinstance(level, dict) or (
                last not in level and parents not in (["symbols"], ["sources"])
            ):
                known = ", ".join(level) if isinstance(level, dict) else ", ".join(settings)
                raise ConfigError(f"There is no setting {path!r}; there are {known}.")
            level[last] = value
        return self.parse(settings, "overrides")

    def to_yaml(self) -> str:
        """The whole experiment as YAML, defaults included."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    def digest(self, *parts: str) -> str:
        """A short hash of the named groups of settings (all where none is named)."""
        settings = self.model_dump(mode="json", include=set(parts) or None)
        text = json.dumps(settings, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def symbol(self, symbol: str) -> SymbolConfig:
        """The settings of one symbol."""
        if symbol not in self.symbols:
            known = ", ".join(self.symbols)
            raise ConfigError(
                f"There is no symbol {symbol!r}; there are {known}. "
                "Add it under `symbols` in the YAML."
            )
        return self.symbols[symbol]

    def members(self, universe: str) -> tuple[str, ...]:
        """The symbols of a universe; a symbol alone is the universe of its own name."""
        if universe in self.universes:
            return self.universes[universe]
        if universe in self.symbols:
            return (universe,)
        known = ", ".join((*self.universes, *self.symbols))
        raise ConfigError(f"There is no universe {universe!r}; there are {known}.")

    def universe_of(self, symbol: str) -> str:
        """The universe whose champion answers for a symbol."""
        for universe, members in self.universes.items():
            if symbol in members:
                return universe
        return self.members(symbol)[0]

    @property
    def reach(self) -> int:
        """How many minutes the farthest-looking of the models in use looks back.

        In use are the model, those of the benchmark, and those that are tuned, each as far as
        `tuning` may let it look.
        """
        compared = (ModelChoice.named(text).config() for text in self.benchmark.models)
        plain = (config.reach(self.training.window) for config in (self.model.config(), *compared))
        return max(*plain, *(self.search_space(choice).reach for choice in self.tuned))

    @property
    def tuned(self) -> tuple[ModelChoice, ...]:
        """The models that are tuned: the one in force, and those of `tuning.models`."""
        return (self.model, *(ModelChoice.named(text) for text in self.tuning.models))

    def search_space(self, choice: ModelChoice) -> SearchSpace:
        """Where `tuning` looks for better settings of a model.

        Raises:
            ConfigError: a setting of the space is not known, or a value is not allowed there.
        """
        training = {**self.training.model_dump(), **self.tuning.training}
        try:
            train = TrainConfig.model_validate(training)
        except ValidationError as error:
            raise ConfigError(told(error, TrainConfig, "tuning.training.")) from None
        ranges = self.tuning.space_of(choice.name)
        return SearchSpace.of(Searched(choice.config(), train), ranges)

    @property
    def active_universes(self) -> tuple[str, ...]:
        """The universes that are retrained every night: those that answer for some symbol."""
        return tuple(dict.fromkeys(self.universe_of(symbol) for symbol in self.symbols))


# What a process has read, by file: it is asked for over and over, and parsing takes 20 ms.
_LOADED: dict[tuple[type, Path], tuple[bytes | None, Any]] = {}


def _content(path: Path) -> bytes | None:
    """What a file holds; None where it cannot be read, for `read_settings` to say why."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def add_symbols(
    path: Path, symbols: Mapping[str, Mapping[str, Any]], sources: Mapping[str, Mapping[str, Any]]
) -> Experiment:
    """Add symbols and their sources to the YAML at `path`, which is made where it is missing.

    The file is replaced as a whole, and only by settings that are valid; comments are lost.

    Raises:
        ConfigError: the file or the result is not valid, or a symbol has another source already.
    """
    if path.exists():
        Experiment.load(path)
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    else:
        settings = {"sources": {}, "symbols": {}}
    present = settings.setdefault("symbols", {})
    for symbol, wanted in symbols.items():
        before = present.get(symbol)
        if before is not None and before["source"] != wanted["source"]:
            raise ConfigError(
                f"{symbol} comes from {before['source']!r} in {path}; it cannot also come from "
                f"{wanted['source']!r}, since venues must not be mixed. Use another home "
                "(CRYPTO_NN_HOME) and another YAML, or remove the symbol first."
            )
        present[symbol] = {**(before or {}), **wanted}
    settings.setdefault("sources", {}).update({name: dict(it) for name, it in sources.items()})
    experiment = Experiment.parse(settings, str(path))
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    write_bytes(path, text.encode())
    return experiment
