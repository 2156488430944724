"""Stored versions, asked about days of the lake."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.bars.calendar import TS
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore

if TYPE_CHECKING:
    from crypto_nn.features import FeatureSet
    from crypto_nn.inference.out_of_sample import Answers
    from crypto_nn.inference.predictor import ModelInference


@dataclass(frozen=True, eq=False)
class StoredVersions:
    """Versions of the model store on features of the lake; nothing is loaded or asked twice.

    Attributes:
        names, fingerprint: of the feature set whose features the lake holds.
        label_kind: `labels.kind` of the experiment.
    """

    lake: Lake
    models: ModelStore
    names: tuple[str, ...]
    fingerprint: str
    label_kind: str
    stride_minutes: int
    _loaded: "dict[str, ModelInference]" = field(default_factory=dict)
    _answered: "dict[tuple[object, ...], Answers]" = field(default_factory=dict)
    _newest: dict[str, np.datetime64 | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        lake: Lake,
        models: ModelStore,
        feature_set: "FeatureSet",
        label_kind: str,
        stride_minutes: int,
    ) -> "StoredVersions":
        """Versions that are given the features of this set."""
        names, fingerprint = feature_set.names, feature_set.fingerprint
        return cls(lake, models, names, fingerprint, label_kind, stride_minutes)

    def load(self, version: str) -> "ModelInference":
        """The version; ModelError where it is damaged, FeatureError if of another feature set."""
        from crypto_nn.inference.predictor import ModelInference

        if version not in self._loaded:
            self._loaded[version] = ModelInference.load(self.models, version, self.fingerprint)
        return self._loaded[version]

    def learned_until(self, version: str) -> np.datetime64:
        """The end of the fold that it was made from."""
        return self.load(version).fold.end

    def answers(
        self, version: str, symbol: str, start: np.datetime64, end: np.datetime64
    ) -> "Answers":
        """What it says at every stride-th minute of [start, end), and what became of it."""
        from crypto_nn.inference.out_of_sample import answers_between

        model, asked = self.load(version), (version, symbol, start, end)
        if asked not in self._answered:
            self._answered[asked] = answers_between(
                self.lake, model, symbol, self.names, start, end, self.stride_minutes,
                self.label_kind,
            )  # fmt: skip
        return self._answered[asked]

    def newest(self, symbol: str) -> np.datetime64 | None:
        """The newest minute with features."""
        if symbol not in self._newest:
            self._newest[symbol] = self._find_newest(symbol)
        return self._newest[symbol]

    def _find_newest(self, symbol: str) -> np.datetime64 | None:
        there = self.lake.has("features")
        known = self.lake.partitions("features", ("symbol", "month")) if there else ()
        months = [month for name, month in known if name == symbol]
        if not months:
            return None
        where = {"symbol": symbol, "month": max(months)}
        newest: np.datetime64 = self.lake.read("features", ("ts",), where)["ts"].to_numpy()[-1]
        return newest.astype(TS)
