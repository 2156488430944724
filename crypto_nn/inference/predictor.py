"""A stored version, ready to be asked."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from crypto_nn.errors import FeatureError, ModelError
from crypto_nn.features.panel import Panel
from crypto_nn.features.scaling import RobustScaler
from crypto_nn.features.splits import VALIDATION, Fold, Role
from crypto_nn.metrics.calibration import soften
from crypto_nn.models import Inputs, build, find, find_slower
from crypto_nn.store.models import ModelStore
from crypto_nn.training.evaluation import BATCH, evenly, log_loss, predict_logits
from crypto_nn.training.preparation import prepare
from crypto_nn.training.record import Recipe
from crypto_nn.training.version import CONFIG, FORMAT, WEIGHTS, window_tensors
from crypto_nn.training.windows import WindowTensors

Probabilities_RHC = NDArray[np.float64]


class ModelInference:
    """One version that answers: the same windows always get the same probabilities.

    Attributes:
        version: its identity.
        model: its name, as in `crypto_nn.models.MODELS`.
        symbols: those that it learned from, and knows.
        feature_names: what it must be given, in order.
        horizons: minutes ahead, in the order of its answers.
        inputs: the shape of what its network sees.
        reach: minutes, without a hole, that an answer looks back on.
        k: what counted as flat at each horizon when it learned; None where labels have no k.
        config: everything else that was written down with it.

    Args:
        files: what the model store keeps of the version.
        threads: CPU threads while it answers; a server does best with 1 per worker.
    """

    def __init__(self, files: Mapping[str, bytes], threads: int | None = None) -> None:
        self.config: dict[str, Any] = _read_config(files)
        self.threads = threads
        self.version: str = self.config["version"]
        self.recipe = Recipe.from_dict(self.config)
        self.model = self.recipe.model
        self.symbols = tuple(self.config["symbols"])
        self.feature_names = tuple(self.config["feature_names"])
        self.horizons = tuple(self.config["horizons"])
        self.inputs = Inputs(
            len(self.feature_names),
            len(self.horizons),
            len(self.symbols),
            self.config["window"],
            find_slower(self.recipe.config.slower, self.feature_names),
        )
        self.reach = self.inputs.reach
        self.k = None if self.config["k"] is None else tuple(self.config["k"])
        self.scaler = RobustScaler.from_json(json.dumps(self.config["scaler"]))
        self.temperature_H = np.array(self.config["temperature"])
        self.network = self._network(files)

    @classmethod
    def load(
        cls,
        store: ModelStore,
        version: str,
        fingerprint: str | None = None,
        threads: int | None = None,
    ) -> "ModelInference":
        """The version as the store keeps it, after every hash was checked.

        Args:
            store: where versions are kept.
            version: which one.
            fingerprint: that of the feature set whose features it will be given.
            threads: as above.

        Raises:
            ModelError: there is no such version, or it is damaged.
            FeatureError: it learned from another feature set.
        """
        inference = cls(store.load(store.find(version), version), threads)
        if fingerprint is not None:
            inference.check_fingerprint(fingerprint)
        return inference

    def _network(self, files: Mapping[str, bytes]) -> torch.nn.Module:
        with torch.random.fork_rng(devices=[]):  # first weights are drawn, then replaced
            network = build(self.model, self.recipe.config, self.inputs)
        try:
            network.load_state_dict(load_tensors(files[WEIGHTS]))
        except (SafetensorError, RuntimeError) as error:
            raise ModelError(
                f"The weights of version {self.version} do not fit {self.model} as its config.json "
                f"describes it: {error}. Train it again with this release."
            ) from None
        return network.eval().requires_grad_(False)

    def check_fingerprint(self, fingerprint: str) -> None:
        """Raise `FeatureError` unless the features come from the set that it learned from."""
        if fingerprint != self.recipe.fingerprint:
            raise FeatureError(
                f"Version {self.version} learned from feature set {self.recipe.fingerprint!r}, and "
                f"the features here are of {fingerprint!r}. Materialise `features` with that set, "
                "or train a new version on this one."
            )

    def predict(
        self, panel: Panel, ends: NDArray[np.int64], batch_size: int = BATCH
    ) -> Probabilities_RHC:
        """Calibrated probabilities of down, flat and up for the windows that end in these rows.

        Args:
            panel: features of any symbols that the version knows.
            ends: positions in the panel of the newest bar of each window, as `panel.window_ends`
                gives them.
            batch_size: windows in one forward pass; the answers do not depend on it beyond 1e-6.

        Raises:
            FeatureError: features, horizons or symbols are others than it learned from, or a
                window has a gap or a value that is no number.
        """
        logits_RHC = self.logits(panel, ends, batch_size)
        answers = [
            soften(logits_RHC[:, column], temperature)
            for column, temperature in enumerate(self.temperature_H)
        ]
        return np.stack(answers, axis=1)

    def logits(
        self, panel: Panel, ends: NDArray[np.int64], batch_size: int = BATCH
    ) -> NDArray[np.float32]:
        """What the network says before calibration (R, H, 3); the errors of `predict`."""
        windows, rows = self.windows(panel, ends)
        if not len(rows):
            return np.empty((0, len(self.horizons), 3), dtype=np.float32)
        with self.thread_limit():
            return predict_logits(self.network, windows, rows, batch_size).numpy()

    def windows(self, panel: Panel, ends: NDArray[np.int64]) -> tuple[WindowTensors, torch.Tensor]:
        """The rows that these windows need, as the network sees them, and their ends among these.

        Raises the errors of `predict`.
        """
        ends = np.asarray(ends, dtype=np.int64)
        self._check(panel, ends)
        first, last = (int(ends.min()) - self.reach + 1, int(ends.max())) if len(ends) else (0, -1)
        piece = panel.take(slice(first, last + 1))
        scaled_NF = self.scaler.transform(piece.x_NF)
        symbol_N = self._own_symbols(panel)[piece.symbol_N]
        windows = window_tensors(piece, scaled_NF, symbol_N, self.inputs)
        return windows, torch.from_numpy(ends - first)

    def validation_loss(self, panel: Panel) -> float:
        """The validation loss that it was chosen by, computed again; its fold must lie in `panel`.

        Equal to `config["validation_loss"]` to within 1e-6 where weights, rows and scaling are
        what they were.
        """
        prepared = prepare(panel, self.fold, self.recipe)
        ends = torch.from_numpy(prepared.ends[VALIDATION])
        rows = evenly(ends, self.recipe.train.max_validation_windows).numpy()
        logits_RHC = self.logits(prepared.panel, rows)
        classes_RH = prepared.classes_NH[rows].astype(np.int64)
        return log_loss(torch.from_numpy(logits_RHC), torch.from_numpy(classes_RH))

    @property
    def fold(self) -> Fold:
        """The fold that it was made from."""
        return fold_of(self.config)

    def _own_symbols(self, panel: Panel) -> NDArray[np.int64]:
        """For each symbol of the panel its position in the version's list; −1 if not known."""
        known = {symbol: number for number, symbol in enumerate(self.symbols)}
        return np.array([known.get(symbol, -1) for symbol in panel.symbols])

    def _check(self, panel: Panel, ends: NDArray[np.int64]) -> None:
        if panel.names != self.feature_names:
            odd = sorted(set(panel.names) ^ set(self.feature_names)) or ["their order"]
            raise FeatureError(
                f"Version {self.version} learned from {len(self.feature_names)} features, and "
                f"{len(panel.names)} others were given; the difference is {', '.join(odd[:5])}. "
                "Use the feature set that it was trained with."
            )
        whole = np.zeros(len(panel), dtype=np.bool_)
        whole[panel.window_ends(self.reach)] = True
        outside = ends[(ends < 0) | (ends >= len(panel))]
        broken = outside if len(outside) else ends[~whole[ends]]
        if len(broken):
            row = int(broken[0])
            where = str(panel.ts_N[row]) if 0 <= row < len(panel) else f"row {row}"
            raise FeatureError(
                f"{len(broken)} of {len(ends)} windows have no unbroken run of {self.reach} bars "
                f"with finite features, the first ends at {where}. "
                f"Ask only for rows of panel.window_ends({self.reach})."
            )
        used = np.unique(panel.symbol_N[ends])
        strangers = [panel.symbols[n] for n in used if panel.symbols[n] not in self.symbols]
        if strangers:
            raise FeatureError(
                f"Version {self.version} has not learned {', '.join(strangers)}; it knows "
                f"{', '.join(self.symbols)}. Train a universe that has it."
            )

    @contextmanager
    def thread_limit(self) -> Iterator[None]:
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def fold_of(config: Mapping[str, Any]) -> Fold:
    """The fold that a version was made from, as its `config.json` has it."""
    facts = config["fold"]
    roles = tuple(
        Role(name, np.datetime64(start, "us"), np.datetime64(end, "us"))
        for name, (start, end) in facts["roles"].items()
    )
    roles = tuple(sorted(roles, key=lambda role: role.start))
    return Fold(facts["number"], facts["layout"], roles, facts["purge"], facts["embargo"])


def _read_config(files: Mapping[str, bytes]) -> dict[str, Any]:
    missing = [name for name in (WEIGHTS, CONFIG) if name not in files]
    if missing:
        raise ModelError(
            f"A version needs {WEIGHTS} and {CONFIG}; {', '.join(missing)} is not among "
            f"{', '.join(files) or 'no files'}. Load it from the model store."
        )
    config: dict[str, Any] = json.loads(files[CONFIG])
    if config.get("format") != FORMAT:
        raise ModelError(
            f"The version is of format {config.get('format')}, and this release reads {FORMAT}. "
            "Train it again, or use the release that made it."
        )
    find(config["model"])
    return config
