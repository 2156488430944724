"""What training is asked for, and what comes of it: records without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crypto_nn.features.labels import LabelConfig
from crypto_nn.features.panel import Panel
from crypto_nn.models import Inputs, ModelConfig, find, find_slower
from crypto_nn.training.config import TrainConfig

TRAIN_DEFAULT = TrainConfig()
LABELS_DEFAULT = LabelConfig()


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a version beside its data: which model, learning what, and how.

    `fingerprint` is that of the feature set that made the panel (`FeatureSet.fingerprint`).
    """

    model: str
    config: ModelConfig
    train: TrainConfig = TRAIN_DEFAULT
    labels: LabelConfig = LABELS_DEFAULT
    fingerprint: str = ""

    @property
    def reach(self) -> int:
        """How many minutes, without a hole, an answer looks back on."""
        return self.config.reach(self.train.window)

    def inputs(self, panel: Panel) -> Inputs:
        """The shape of what the model sees of such a panel.

        Raises:
            ConfigError: the model asks for a timeframe that no feature is of.
        """
        return Inputs(
            len(panel.names),
            len(panel.horizons),
            len(panel.symbols),
            self.train.window,
            find_slower(self.config.slower, panel.names),
        )

    def from_nothing(self) -> "Recipe":
        """The same without weights of another version to begin from."""
        train = self.train.model_copy(update={"pretrained": None, "freeze": "nothing"})
        return replace(self, train=train)

    def to_dict(self) -> dict[str, Any]:
        """Every setting, as JSON can hold it."""
        return {
            "model": self.model,
            "model_config": self.config.model_dump(mode="json"),
            "training": self.train.model_dump(mode="json"),
            "labels": self.labels.model_dump(mode="json"),
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "Recipe":
        """The recipe that `to_dict` wrote; other keys are left aside."""
        return cls(
            facts["model"],
            find(facts["model"]).configure(facts["model_config"]),
            TrainConfig.model_validate(facts["training"]),
            LabelConfig.model_validate(facts["labels"]),
            facts["fingerprint"],
        )


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from; recorded with it, but not part of its identity.

    Attributes:
        snapshot: the lake's snapshot that the panel was read from.
        parent: the version that it is meant to follow.
        universe: the named list of symbols that it learned from.
        config_hash: hash of the experiment's YAML.
        pretrained: the version whose weights it began from.
    """

    snapshot: int | None = None
    parent: str | None = None
    universe: str | None = None
    config_hash: str | None = None
    pretrained: str | None = None


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: mean training loss, validation loss (mean log-loss, nats), last learning rate.

    `validation_accuracy` is balanced: the mean recall of the classes, over horizons. It is None in
    histories from before it was recorded.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    learning_rate: float
    seconds: float
    skipped: int
    validation_accuracy: float | None = None


@dataclass(frozen=True)
class TrainedVersion:
    """A version that has learned: what the model store keeps, and what tables tell of it.

    Attributes:
        version: identity made from its inputs; the same inputs give the same version.
        model: name of the model, as in `crypto_nn.models.MODELS`.
        files: name → bytes, for `ModelStore.save(model, version, files)`.
        metrics: by name, such as `log_loss_skill_5m`; of the validation rows.
        history: one record per epoch.
        config: everything that is needed to build and ask the model, as in `config.json`.
    """

    version: str
    model: str
    files: Mapping[str, bytes]
    metrics: Mapping[str, float]
    history: tuple[EpochRecord, ...]
    config: Mapping[str, Any]
    lineage: Lineage
    parameters: int
    validation_loss: float
    train_start: np.datetime64
    train_end: np.datetime64
    code_hash: str
    config_hash: str
