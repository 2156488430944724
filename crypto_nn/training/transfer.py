"""Beginning from the weights of another version: learned on one market, refined on another."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from crypto_nn.errors import FeatureError, ModelError
from crypto_nn.features.splits import TRAIN, VALIDATION, Fold
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.training.preparation import ROLES, Prepared
from crypto_nn.training.record import Recipe

WEIGHTS, CONFIG = "model.safetensors", "config.json"


@dataclass(frozen=True)
class Start:
    """The version that training begins from.

    Attributes:
        config: its `config.json`.
        weights: its weights, by name.
    """

    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]

    @property
    def version(self) -> str:
        return str(self.config["version"])

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Start":
        """The version that the model store keeps as these files.

        Raises:
            ModelError: they are not the files of a version.
        """
        try:
            return cls(json.loads(files[CONFIG]), load_tensors(files[WEIGHTS]))
        except (KeyError, ValueError, SafetensorError) as error:
            raise ModelError(
                f"The files to begin from are no version ({type(error).__name__}: {error}). Load "
                f"{WEIGHTS} and {CONFIG} of a version from the model store."
            ) from None


def find_start(
    files: Mapping[str, bytes] | None, recipe: Recipe, fold: Fold, names: tuple[str, ...]
) -> Start | None:
    """What the recipe says to begin from, checked; None where it begins from nothing.

    Args:
        files: those of the version that `training.pretrained` names.
        names: the features that will be learned from.

    Raises:
        FeatureError: that version learned from other features.
        ModelError: it is another version or model, or has seen what the fold must not know.
    """
    wanted = recipe.train.pretrained
    if wanted is None and files is None:
        return None
    start = None if files is None else Start.from_files(files)
    if start is None or start.version != wanted:
        given = "none" if start is None else f"those of {start.version}"
        raise ModelError(
            f"training.pretrained is {wanted}, and of the files of a version {given} were given. "
            "Give `train_version` the files of that version from the model store."
        )
    _check_model(start, recipe)
    _check_features(start, recipe, names)
    _check_time(start, fold)
    return start


def _check_model(start: Start, recipe: Recipe) -> None:
    config = recipe.to_dict()
    if start.config["model"] != recipe.model:
        raise ModelError(
            f"training.pretrained {start.version} is a {start.config['model']}, and model.name is "
            f"{recipe.model}. Choose a version of the same model."
        )
    theirs, ours = start.config["model_config"], config["model_config"]
    other = sorted(key for key in {*theirs, *ours} if theirs.get(key) != ours.get(key))
    if other:
        told = ", ".join(f"{key} {theirs.get(key)} there, {ours.get(key)} here" for key in other)
        raise ModelError(
            f"training.pretrained {start.version} has other settings of {recipe.model}: {told}. "
            "Take the same preset and settings under `model`."
        )


def _check_features(start: Start, recipe: Recipe, names: tuple[str, ...]) -> None:
    theirs = tuple(start.config["feature_names"])
    if theirs == names and start.config["fingerprint"] == recipe.fingerprint:
        return
    odd = sorted(set(theirs) ^ set(names)) or ["their order or formulas"]
    raise FeatureError(
        f"training.pretrained {start.version} learned from feature set "
        f"{start.config['fingerprint']!r}, and here it is {recipe.fingerprint!r}; the difference "
        f"is {', '.join(odd[:5])}. Use the feature set that the version was trained with."
    )


def _check_time(start: Start, fold: Fold) -> None:
    """What is begun from must not have learned what this fold is to be judged by."""
    ends = {role: np.datetime64(end, "us") for role, (_, end) in _roles(start).items()}
    seen, known = ends[TRAIN], max(ends[role] for role in ROLES)
    last = max(fold.role(role).end for role in ROLES)
    if seen <= fold.role(VALIDATION).start and known <= last:
        return
    raise ModelError(
        f"training.pretrained {start.version} learned from rows up to {seen} and was chosen by "
        f"rows up to {known}; fold {fold.number} ({fold.layout}) validates from "
        f"{fold.role(VALIDATION).start} and ends at {last}. It would know what it is judged by. "
        "Choose a version that ended earlier."
    )


def _roles(start: Start) -> Mapping[str, tuple[str, str]]:
    roles: Mapping[str, tuple[str, str]] = start.config["fold"]["roles"]
    return roles


@torch.no_grad()
def begin(model: nn.Module, start: Start, prepared: Prepared) -> dict[str, Any]:
    """Give a freshly built model the weights of a version, wherever their shapes fit.

    Answers must be of the same horizons: heads stand in their order, and what one learned of five
    minutes would say something else of fifteen.

    The vector of a symbol goes to the symbol of the same name; symbols that the version did not
    know begin with the mean of those that it did. Buffers, such as an episodic memory, begin
    empty: what is stored there was scaled and classed by the other market.

    Returns:
        What was done, to be recorded: the version, the symbols that were known, and the names of
        weights that had another shape and begin anew.

    Raises:
        ModelError: the version answers for other horizons.
    """
    _check_horizons(start, prepared)
    symbols, known = prepared.panel.symbols, tuple(start.config["symbols"])
    embeddings = symbol_weights(model)
    fresh = []
    for name, parameter in model.named_parameters():
        weight = start.weights.get(name)
        if weight is not None and name in embeddings:
            weight = _of_symbols(weight, known, symbols)
        if weight is None or weight.shape != parameter.shape:
            fresh.append(name)
        else:
            parameter.copy_(weight)
    return {
        "version": start.version,
        "symbols_known": [symbol for symbol in symbols if symbol in known],
        "begun_anew": fresh,
    }


def _check_horizons(start: Start, prepared: Prepared) -> None:
    theirs, ours = tuple(start.config["horizons"]), prepared.panel.horizons
    if theirs == ours:
        return
    there, here = (", ".join(map(str, minutes)) for minutes in (theirs, ours))
    raise ModelError(
        f"training.pretrained {start.version} answers for {there} minutes, and labels.horizons are "
        f"{here}. A head knows its own horizon alone: set labels.horizons to {there}, or choose a "
        "version of the same horizons."
    )


def symbol_weights(model: nn.Module) -> frozenset[str]:
    """The names of the weights that have one row for each symbol."""
    return frozenset(
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) and name.rpartition(".")[2] == "symbol"
    )


def _of_symbols(weight_SD: Tensor, known: tuple[str, ...], symbols: tuple[str, ...]) -> Tensor:
    mean_D = weight_SD.mean(dim=0)
    rows = [weight_SD[known.index(each)] if each in known else mean_D for each in symbols]
    return torch.stack(rows)


def freeze_backbone(model: nn.Module, begun_anew: Collection[str] = ()) -> None:
    """Let only heads and symbol vectors learn: what the others make of a window stays as it is.

    Args:
        model: its weights are those of a version.
        begun_anew: names of weights that are not, as `begin` tells of them.

    Raises:
        ModelError: the model has no heads of its own to learn, or weights that begin anew would
            never learn.
    """
    heads = [module for module in model.modules() if isinstance(module, HorizonHeads)]
    if not heads:
        raise ModelError(
            f"{type(model).__name__} has no heads apart from its backbone, so that with "
            "training.freeze backbone nothing would learn. Use freeze nothing."
        )
    model.requires_grad_(False)
    for head in heads:
        head.requires_grad_(True)
    symbols = symbol_weights(model)
    for name, weight in model.named_parameters():
        weight.requires_grad_(weight.requires_grad or name in symbols)
    stuck = [
        n for n, weight in model.named_parameters() if n in begun_anew and not weight.requires_grad
    ]
    if stuck:
        raise ModelError(
            f"training.freeze is backbone, and {len(stuck)} of the backbone's weights have another "
            f"shape than those of training.pretrained: {', '.join(stuck[:5])}. They would stay "
            "random. Use freeze nothing, or the training.window that the version learned with."
        )
