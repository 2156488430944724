"""A trained version: its files in the model store, its facts in tables."""

import json
import shutil
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow as pa

from crypto_nn import pictures
from crypto_nn.defs.io_managers import Partitions, TableReader, Tables
from crypto_nn.defs.partitions import EXPERIMENT, universes
from crypto_nn.defs.resources import Overrides, Platform
from crypto_nn.errors import ConfigError
from crypto_nn.experiments import Experiment
from crypto_nn.features.labels import MINUTE
from crypto_nn.features.splits import Fold, Splits
from crypto_nn.training.record import Lineage, Recipe, TrainedVersion


def recipe_of(experiment: Experiment, platform: Platform) -> Recipe:
    """What the experiment says about a model, as training takes it."""
    return Recipe(
        model=experiment.model.name,
        config=experiment.model.config(),
        train=experiment.training,
        labels=experiment.labels,
        fingerprint=platform.feature_set(experiment).fingerprint,
    )


@dg.asset(
    partitions_def=universes,
    io_manager_key="lake",
    group_name="training",
    kinds={"pytorch"},
    owners=["team:ml"],
    code_version=EXPERIMENT.digest("model", "training", "labels"),
    check_specs=[
        dg.AssetCheckSpec(
            "checkpoint_reproduces_its_validation_loss", asset="checkpoint", blocking=True
        )
    ],
)
def checkpoint(
    context: dg.AssetExecutionContext, platform: Platform, config: Overrides, splits: TableReader
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """A version trained on the nightly layout: weights, settings, history, model card.

    The version's name is a hash of data, settings and code, so that launching twice makes one
    version. A run that was killed goes on from its last checkpoint.
    """
    from crypto_nn.inference.predictor import ModelInference
    from crypto_nn.training.dataset import load_panel
    from crypto_nn.training.identity import version_id
    from crypto_nn.training.preparation import prepare
    from crypto_nn.training.reload import reload_version
    from crypto_nn.training.version import train_version

    universe = context.partition_key
    experiment = platform.experiment(config)
    names = platform.feature_set(experiment).names
    recipe = recipe_of(experiment, platform)
    fold = Splits.from_arrow(splits.read(where={"universe": universe})).nightly
    _check_embargo(experiment, fold)
    snapshot, members = platform.lake.snapshot(), experiment.members(universe)
    start = fold.start - experiment.reach * MINUTE
    panel = load_panel(platform.lake, members, names, start, fold.end, snapshot)
    version = version_id(prepare(panel, fold, recipe), recipe)
    if version in platform.models.versions(recipe.model):
        context.log.info("%s exists already: same data, settings and code.", version)
        trained = reload_version(platform.models, recipe.model, version)
    else:
        lineage = Lineage(snapshot, _parent(platform, universe), universe, experiment.digest())
        trained = train_version(panel, fold, recipe, platform.work, lineage, _tell(context))
        platform.models.save(trained.model, trained.version, trained.files)
        shutil.rmtree(platform.work / version, ignore_errors=True)
    parts = [_tables(platform, universe, trained)]
    yield dg.Output(Partitions(parts, lambda: _describe(trained)))
    again = ModelInference.load(platform.models, version).validation_loss(panel)
    yield dg.AssetCheckResult(
        check_name="checkpoint_reproduces_its_validation_loss",
        passed=abs(again - trained.validation_loss) < 1e-6,
        metadata={"reloaded": again, "trained": trained.validation_loss},
    )


def _check_embargo(experiment: Experiment, fold: Fold) -> None:
    """A longer window than the splits were cut for would look into the part before."""
    due = experiment.reach + max(experiment.labels.horizons)
    if fold.embargo < due:
        raise ConfigError(
            f"{experiment.model.name} with training.window {experiment.training.window} looks "
            f"{experiment.reach} minutes back and needs an embargo of {due} minutes, and `splits` "
            f"was cut with {fold.embargo}. Set model and window in the YAML and materialise "
            "`splits` again."
        )


def _parent(platform: Platform, universe: str) -> str | None:
    from crypto_nn.inference.registry import champion_of

    champion = champion_of(platform.models, universe)
    return champion.version if champion else None


def _tell(context: dg.AssetExecutionContext) -> Any:
    told = {"epoch": 0}

    def tell(progress: Any) -> None:
        if progress.epoch > told["epoch"]:
            told["epoch"] = progress.epoch
            context.log.info(
                "epoch %d of %d: loss %.4f, validation %.4f",
                progress.epoch, progress.epochs, progress.train_loss, progress.validation_loss,
            )  # fmt: skip

    return tell


def _tables(platform: Platform, universe: str, trained: TrainedVersion) -> Tables:
    keys = {"universe": universe, "version": trained.version}
    kept = platform.lake.has("checkpoints") and platform.lake.read("checkpoints", where=keys)
    trained_at = kept["trained_at"][0].as_py() if kept else None
    facts = {
        **keys,
        "model": trained.model,
        "parent": trained.lineage.parent,
        "snapshot": trained.lineage.snapshot,
        "trained_at": trained_at or platform.now().item(),
        "launched_at": platform.now().item(),
        "train_start": trained.train_start.item(),
        "train_end": trained.train_end.item(),
        "validation_loss": trained.validation_loss,
        "parameters": trained.parameters,
        "metrics": json.dumps(dict(trained.metrics)),
        "config": json.dumps({k: v for k, v in trained.config.items() if k != "scaler"}),
        "code_hash": trained.code_hash,
        "config_hash": trained.config_hash,
    }
    history = [
        {
            **keys,
            "epoch": record.epoch,
            "train_loss": record.train_loss,
            "validation_loss": record.validation_loss,
            "learning_rate": record.learning_rate,
            "seconds": record.seconds,
        }
        for record in trained.history
    ]
    tables = {"checkpoints": pa.Table.from_pylist([facts]),
              "training_history": pa.Table.from_pylist(history)}  # fmt: skip
    return Tables(keys, tables)


def _describe(trained: TrainedVersion) -> dict[str, Any]:
    title = f"Loss of {trained.model} {trained.version} (nats)"
    picture = pictures.loss_curves(
        [record.train_loss for record in trained.history],
        [record.validation_loss for record in trained.history],
        title=title,
    )
    return {
        "version": trained.version,
        "model": trained.model,
        "parameters": trained.parameters,
        "validation_loss": trained.validation_loss,
        "metrics": dg.MetadataValue.json(dict(trained.metrics)),
        "loss": dg.MetadataValue.md(pictures.markdown(picture, title)),
        "card": dg.MetadataValue.md(trained.files["card.md"].decode()),
    }
