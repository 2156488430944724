"""A trained version: its files in the model store, its facts in tables."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa
from filelock import FileLock, Timeout

from crypto_nn import pictures
from crypto_nn.defs.governor import note_decision
from crypto_nn.defs.io_managers import Partitions, TableReader, Tables
from crypto_nn.defs.partitions import EXPERIMENT, universes
from crypto_nn.defs.resources import Overrides, Platform
from crypto_nn.errors import ConfigError
from crypto_nn.experiments import Experiment
from crypto_nn.features.labels import MINUTE
from crypto_nn.features.splits import Fold, Splits
from crypto_nn.pictures.document import Drawing
from crypto_nn.pictures.document_html import to_html
from crypto_nn.store.atomic import make_folder, write_bytes
from crypto_nn.store.runs import KNOWN, recorded
from crypto_nn.training.inspected import INSPECTION, Inspection
from crypto_nn.training.progress import told_in_lines
from crypto_nn.training.record import Lineage, Recipe, TrainedVersion

if TYPE_CHECKING:
    from crypto_nn.features.panel import Panel

LOCKS = "locks"
LOOK_S = 0.2  # how often who waits looks whether the other has ended


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
    pool="training",
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

    note_decision(context, platform)
    universe = context.partition_key
    experiment = platform.experiment(config)
    fold = Splits.from_arrow(splits.read(where={"universe": universe})).nightly
    trained, panel = _train(context, platform, experiment, fold)
    parts = [tables_of(platform, universe, trained)]
    yield dg.Output(Partitions(parts, lambda: _describe(platform, trained)))
    again = ModelInference.load(platform.models, trained.version).validation_loss(panel)
    yield dg.AssetCheckResult(
        check_name="checkpoint_reproduces_its_validation_loss",
        passed=abs(again - trained.validation_loss) < 1e-6,
        metadata={"reloaded": again, "trained": trained.validation_loss},
    )


def _train(
    context: dg.AssetExecutionContext, platform: Platform, experiment: Experiment, fold: Fold
) -> "tuple[TrainedVersion, Panel]":
    """The version of these settings, trained or found; and the rows that it learns from."""
    from crypto_nn.training.dataset import load_panel
    from crypto_nn.training.identity import version_id
    from crypto_nn.training.preparation import prepare
    from crypto_nn.training.reload import reload_version
    from crypto_nn.training.version import train_version

    universe, snapshot = context.partition_key, platform.lake.snapshot()
    names, members = platform.feature_set(experiment).names, experiment.members(universe)
    recipe, facts = recipe_of(experiment, platform), _facts(context, experiment, snapshot)
    with recorded(platform.lake, universe, context.run.run_id, facts, platform.now) as run:
        check_embargo(experiment, fold)
        start = fold.start - experiment.reach * MINUTE
        panel = load_panel(platform.lake, members, names, start, fold.end, snapshot)
        version = version_id(prepare(panel, fold, recipe), recipe)
        run["version"] = version
        with alone_with(platform.work, version, context.log.info):
            if platform.models.has(recipe.model, version):
                context.log.info("%s exists already: same data, settings and code.", version)
                trained = reload_version(platform.models, recipe.model, version)
                run["state"] = KNOWN
            else:
                parent = parent_of(platform, universe)
                lineage = Lineage(snapshot, parent, universe, experiment.digest())
                begin = _pretrained(platform, recipe)
                tell = told_in_lines(context.log.info)
                trained = train_version(panel, fold, recipe, platform.work, lineage, tell, begin)
                platform.models.save(trained.model, trained.version, trained.files)
                shutil.rmtree(platform.work / version, ignore_errors=True)
        run |= _outcome(trained)
    return trained, panel


@contextmanager
def alone_with(work: Path, version: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Be the only process of this machine that trains a version; wait for another that does.

    Whoever waited finds the version in the store. A process that was killed lets go by itself, and
    who comes after it goes on from its last checkpoint.
    """
    make_folder(work / LOCKS)
    lock = FileLock(work / LOCKS / f"{version}.lock", poll_interval=LOOK_S)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell(f"Another run is training {version}; this one waits for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _facts(
    context: dg.AssetExecutionContext, experiment: Experiment, snapshot: int
) -> dict[str, Any]:
    """What is written down of a training when it begins."""
    groups = {"features", "labels", "splits", "model", "training"}
    return {
        "model": experiment.model.name,
        "preset": experiment.model.preset,
        "reason": context.run.tags.get("reason"),
        "seed": experiment.training.seed,
        "settings": json.dumps(experiment.model_dump(mode="json", include=groups)),
        "config_hash": experiment.digest(),
        "snapshot": snapshot,
    }


def _outcome(trained: TrainedVersion) -> dict[str, Any]:
    """What is written down of a training when it ends."""
    return {
        "epochs": len(trained.history),
        "parameters": trained.parameters,
        "validation_loss": trained.validation_loss,
        "metrics": json.dumps(dict(trained.metrics)),
        "code_hash": trained.code_hash,
        "machine": json.dumps(trained.config["environment"]),
    }


def check_embargo(experiment: Experiment, fold: Fold) -> None:
    """A longer window than the splits were cut for would look into the part before."""
    due = experiment.reach + max(experiment.labels.horizons)
    if fold.embargo < due:
        raise ConfigError(
            f"{experiment.model.name} with training.window {experiment.training.window} looks "
            f"{experiment.reach} minutes back and needs an embargo of {due} minutes, and `splits` "
            f"was cut with {fold.embargo}. Materialise `splits` with the same settings first; "
            "`crypto-nn train` and the job `retrain` do."
        )


def parent_of(platform: Platform, universe: str) -> str | None:
    """The version that answers for a universe now."""
    from crypto_nn.inference.registry import champion_of

    champion = champion_of(platform.models, universe)
    return champion.version if champion else None


def _pretrained(platform: Platform, recipe: Recipe) -> dict[str, bytes] | None:
    """The files of the version that the recipe begins from, where it names one."""
    version = recipe.train.pretrained
    if version is None:
        return None
    return platform.models.load(platform.models.find(version), version)


def tables_of(platform: Platform, universe: str, trained: TrainedVersion) -> Tables:
    """The rows of a version in `checkpoints` and `training_history`."""
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
            "validation_accuracy": record.validation_accuracy,
        }
        for record in trained.history
    ]
    tables = {"checkpoints": pa.Table.from_pylist([facts]),
              "training_history": pa.Table.from_pylist(history)}  # fmt: skip
    return Tables(keys, tables)


def _describe(platform: Platform, trained: TrainedVersion) -> dict[str, Any]:
    from crypto_nn.training.card_page import card_page, pictures_of

    inspection = Inspection.model_validate_json(trained.files[INSPECTION])
    page = platform.reports / "models" / f"{trained.version}.html"
    write_bytes(page, to_html(card_page(trained, inspection)).encode())
    drawings = [block for block in pictures_of(inspection) if isinstance(block, Drawing)]
    title = f"Loss of {trained.model} {trained.version} (nats)"
    picture = pictures.loss_curves(
        [record.train_loss for record in trained.history],
        [record.validation_loss for record in trained.history],
        title=title,
    )
    looks = "\n\n".join(pictures.markdown(each.picture, each.alt) for each in drawings)
    return {
        "version": trained.version,
        "model": trained.model,
        "parameters": trained.parameters,
        "validation_loss": trained.validation_loss,
        "metrics": dg.MetadataValue.json(dict(trained.metrics)),
        "loss": dg.MetadataValue.md(pictures.markdown(picture, title)),
        **({"looks_at": dg.MetadataValue.md(looks)} if looks else {}),
        "card": dg.MetadataValue.md(trained.files["card.md"].decode()),
        "page": dg.MetadataValue.path(str(page)),
    }
