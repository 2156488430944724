"""One version: from rows and a recipe to files that the model store keeps."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as save_tensors

from crypto_nn.features.labels import UNKNOWN
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import CALIBRATION, TRAIN, VALIDATION, Fold
from crypto_nn.models import Inputs, build
from crypto_nn.models.baselines import BASELINES
from crypto_nn.training.card import model_card
from crypto_nn.training.checkpoints import CheckpointFolder
from crypto_nn.training.environment import fingerprint, reproducible
from crypto_nn.training.evaluation import evenly, predict_logits
from crypto_nn.training.identity import code_hash, data_hash, settings_hash, version_id
from crypto_nn.training.inspected import INSPECTION
from crypto_nn.training.inspection import inspect_model
from crypto_nn.training.loop import Fitted
from crypto_nn.training.preparation import Prepared, prepare
from crypto_nn.training.progress import ProgressListener
from crypto_nn.training.record import Lineage, Recipe, TrainedVersion
from crypto_nn.training.scores import Scores, fit_temperatures, score_all
from crypto_nn.training.trainer import check_device, create_trainer
from crypto_nn.training.transfer import Start, begin, find_start, freeze_backbone
from crypto_nn.training.windows import LearningTask, WindowTensors

FORMAT = 1
WEIGHTS, CONFIG, HISTORY, CARD = "model.safetensors", "config.json", "history.json", "card.md"

__all__ = ["train_version", "version_id"]


def train_version(
    panel: Panel,
    fold: Fold,
    recipe: Recipe,
    workdir: Path | None = None,
    lineage: Lineage | None = None,
    progress: bool | ProgressListener = False,
    start: Mapping[str, bytes] | None = None,
    with_card: bool = True,
) -> TrainedVersion:
    """Train what the recipe says on the fold's training rows, and set its confidence.

    The scaler, k and class weights are fitted on training rows, the stopping epoch is chosen on
    validation rows, and one temperature per horizon on calibration rows (Guo et al. 2017). Rows
    of a test part are never looked at.

    Args:
        panel: the symbols' features and labels, at least over the fold.
        fold: which rows are for what; it needs train, validation and calibration.
        recipe: model, its settings, how it learns, what it learns.
        workdir: where checkpoints are kept, in a folder of the version's name; training that was
            stopped there goes on. Without it nothing is kept until the end.
        lineage: where the version comes from; recorded with it.
        progress: True for a bar on the terminal, or a function that is told of each step.
        start: files of the version that `recipe.train.pretrained` names.
        with_card: False where nobody will read about it, as in a fold of the benchmark: no
            baseline is fitted beside it, and neither card nor inspection is among its files.

    Raises:
        ConfigError: this machine does not have the device of the settings.
        FeatureError: the version to begin from learned from other features.
        ModelError: the version to begin from does not fit, or knows too much.
        TrainingError: there is nothing to learn from, or training failed; nothing is kept then.
        TrainingInterrupted: SIGTERM or SIGINT came; a checkpoint was written.
    """
    check_device(recipe.train)
    begun = find_start(start, recipe, fold, panel.names)
    lineage = replace(lineage or Lineage(), pretrained=recipe.train.pretrained)
    prepared = prepare(panel, fold, recipe)
    version = version_id(prepared, recipe)
    task = learning_task(prepared, recipe)
    with reproducible(recipe.train):
        model, transfer = first_model(prepared, recipe, begun)
    checkpoints = None
    if workdir is not None:
        checkpoints = CheckpointFolder(workdir / version, version, recipe.train.keep_checkpoints)
    fitted = create_trainer(recipe.train).fit(model, task, checkpoints, progress)
    model.load_state_dict(fitted.weights)
    with reproducible(recipe.train):
        temperature = _temperatures(model.cpu(), task, prepared, recipe)
        rows, answers_RHC = _answers(model, task, recipe, temperature)
        inspection = inspect_model(model, task, prepared.panel, temperature) if with_card else None
    del task  # the scaled features: the baselines need room for theirs
    scores = score_all(prepared, rows, answers_RHC, BASELINES if with_card else ())
    config = _config(version, prepared, recipe, fold, lineage)
    config |= {
        "temperature": temperature,
        "best_epoch": fitted.best_epoch,
        "validation_loss": fitted.validation_loss,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "scores": scores.to_dict(),
        "transfer": transfer,
    }
    made = _version(config, recipe, fold, lineage, fitted, scores)
    if inspection is None:
        return made
    told = {
        INSPECTION: inspection.model_dump_json(indent=1).encode(),
        CARD: model_card(config, scores, fitted.history, inspection).encode(),
    }
    return replace(made, files={**made.files, **told})


def learning_task(prepared: Prepared, recipe: Recipe) -> LearningTask:
    """What `fit` learns from, as tensors."""
    panel, ends = prepared.panel, prepared.ends
    weights = None
    if recipe.train.class_weights:
        weights = torch.from_numpy(prepared.class_weights_HC.astype(np.float32))
    return LearningTask(
        window_tensors(
            panel,
            prepared.scaler.transform(panel.x_NF),
            panel.symbol_N,
            recipe.inputs(panel),
        ),
        torch.from_numpy(prepared.classes_NH.astype(np.int64)),
        torch.from_numpy(panel.scores_NH.astype(np.float32)),
        torch.from_numpy(panel.returns_NH.astype(np.float32)),
        torch.from_numpy(panel.sigma_N.astype(np.float32)),
        torch.from_numpy(_microseconds(panel.t1_NH).max(axis=1)),
        torch.from_numpy(ends[TRAIN]),
        torch.from_numpy(ends[VALIDATION]),
        panel.horizons,
        weights,
    )


def window_tensors(panel: Panel, scaled_NF: Any, symbol_N: Any, inputs: Inputs) -> WindowTensors:
    """The rows of a panel as tensors; `symbol_N` counts into the version's own symbols."""
    return WindowTensors(
        torch.from_numpy(np.ascontiguousarray(scaled_NF, dtype=np.float32)),
        torch.from_numpy(_microseconds(panel.ts_N)),
        torch.from_numpy(np.asarray(symbol_N).astype(np.int64)),
        inputs,
    )


def _microseconds(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    return times.astype("datetime64[us]").astype(np.int64)


def first_model(
    prepared: Prepared, recipe: Recipe, start: Start | None = None
) -> tuple[torch.nn.Module, dict[str, Any] | None]:
    """The model as its first step of training finds it, and what it took from another version."""
    model = build(recipe.model, recipe.config, recipe.inputs(prepared.panel))
    transfer = None if start is None else begin(model, start, prepared)
    if recipe.train.freeze == "backbone":
        freeze_backbone(model, transfer["begun_anew"] if transfer else ())
    return model, transfer


def _temperatures(
    model: torch.nn.Module, task: LearningTask, prepared: Prepared, recipe: Recipe
) -> list[float]:
    ends = torch.from_numpy(prepared.ends[CALIBRATION])
    logits_RHC = predict_logits(model, task.windows, ends).double().numpy()
    return fit_temperatures(logits_RHC, prepared.classes_NH[prepared.ends[CALIBRATION]])


def _answers(
    model: torch.nn.Module, task: LearningTask, recipe: Recipe, temperature: list[float]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows of the validation part, and calibrated probabilities for them (R, H, C)."""
    ends = evenly(task.validation_ends, recipe.train.max_validation_windows)
    logits_RHC = predict_logits(model, task.windows, ends).double()
    scaled_RHC = logits_RHC / torch.tensor(temperature, dtype=torch.float64)[:, None]
    return ends.numpy(), scaled_RHC.softmax(dim=-1).numpy()


def _config(
    version: str, prepared: Prepared, recipe: Recipe, fold: Fold, lineage: Lineage
) -> dict[str, Any]:
    panel = prepared.panel
    return {
        "format": FORMAT,
        "version": version,
        **recipe.to_dict(),
        "feature_names": list(panel.names),
        "symbols": list(panel.symbols),
        "horizons": list(panel.horizons),
        "window": recipe.train.window,
        "k": prepared.k,
        "scaler": json.loads(prepared.scaler.to_json()),
        "fold": {
            "number": fold.number,
            "layout": fold.layout,
            "purge": fold.purge,
            "embargo": fold.embargo,
            "roles": {r.name: [str(r.start), str(r.end)] for r in fold.roles},
        },
        "rows": {role: len(ends) for role, ends in prepared.ends.items()},
        "unknown_labels": int((prepared.classes_NH == UNKNOWN).sum()),
        "lineage": asdict(lineage),
        "data_hash": data_hash(prepared),
        "code_hash": code_hash(),
        "environment": fingerprint(),
    }


def _version(
    config: Mapping[str, Any],
    recipe: Recipe,
    fold: Fold,
    lineage: Lineage,
    fitted: Fitted,
    scores: Scores,
) -> TrainedVersion:
    history = [asdict(record) for record in fitted.history]
    files = {
        WEIGHTS: save_tensors(fitted.weights),
        CONFIG: _json(config),
        HISTORY: _json(history),
        **fitted.state.to_files(),
    }
    train = fold.role(TRAIN)
    return TrainedVersion(
        version=config["version"],
        model=recipe.model,
        files=files,
        metrics=scores.metrics(),
        history=fitted.history,
        config=config,
        lineage=lineage,
        parameters=config["parameters"],
        validation_loss=fitted.validation_loss,
        train_start=train.start,
        train_end=train.end,
        code_hash=config["code_hash"],
        config_hash=lineage.config_hash or settings_hash(recipe),
    )


def _json(facts: Any) -> bytes:
    return json.dumps(facts, sort_keys=True, allow_nan=False, indent=1).encode()
