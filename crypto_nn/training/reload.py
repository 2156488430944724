"""A version taken from the model store again, as training returned it."""

import json

import numpy as np

from crypto_nn.features.splits import TRAIN
from crypto_nn.store.models import ModelStore
from crypto_nn.training.record import EpochRecord, Lineage, TrainedVersion
from crypto_nn.training.scores import Scores
from crypto_nn.training.version import CONFIG, HISTORY


def reload_version(models: ModelStore, model: str, version: str) -> TrainedVersion:
    """The record of a version that is kept, as `train_version` returned it."""
    files = models.load(model, version)
    config = json.loads(files[CONFIG])
    train = config["fold"]["roles"][TRAIN]
    lineage = Lineage(**config["lineage"])
    return TrainedVersion(
        version=version,
        model=model,
        files=files,
        metrics=Scores.from_dict(config["scores"]).metrics(),
        history=tuple(EpochRecord(**record) for record in json.loads(files[HISTORY])),
        config=config,
        lineage=lineage,
        parameters=config["parameters"],
        validation_loss=config["validation_loss"],
        train_start=np.datetime64(train[0], "us"),
        train_end=np.datetime64(train[1], "us"),
        code_hash=config["code_hash"],
        config_hash=lineage.config_hash or "",
    )
