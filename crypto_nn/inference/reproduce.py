"""A kept version trained once more from what was written down of it: the same bytes, or why not.

A version's name is a hash of the rows that it learned from, of its settings and of the code that
trained it. So, before anything is trained, these are compared with what is here: where they differ,
or the machine does, other bytes would say nothing.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import ValidationError

from crypto_nn.errors import ConfigError, CryptoNNError, ModelError
from crypto_nn.features.panel import MINUTE, Panel
from crypto_nn.features.splits import Fold
from crypto_nn.inference.kept import NOT_IN_TABLE, KeptVersion, read_kept
from crypto_nn.inference.likeness import (
    OF_THE_CLOCK,
    FileLikeness,
    compare_file,
    fields_that_differ,
    without_clock,
)
from crypto_nn.inference.predictor import fold_of
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore
from crypto_nn.training.dataset import load_panel
from crypto_nn.training.environment import fingerprint
from crypto_nn.training.identity import code_hash, data_hash, version_id
from crypto_nn.training.preparation import Prepared, prepare
from crypto_nn.training.progress import ProgressListener
from crypto_nn.training.record import Lineage, Recipe
from crypto_nn.training.trainer import check_device
from crypto_nn.training.version import CARD, CONFIG, train_version

Verdict = Literal["same", "different", "not comparable"]
THREADS = "threads"


@dataclass(frozen=True, eq=False)
class Reproduction:
    """What came of training a version once more.

    Attributes:
        kept: the version as the store has it.
        unlike: inputs and circumstances that are not those of then, in words; where there are any,
            other bytes prove nothing.
        notes: what else one should know: where the rows were read, what is damaged.
        version: the name that the training now has earned; None where nothing was trained.
        files: how each file compares.
        made: the files of now.
    """

    kept: KeptVersion
    unlike: tuple[str, ...]
    notes: tuple[str, ...] = ()
    version: str | None = None
    files: tuple[FileLikeness, ...] = ()
    made: Mapping[str, bytes] | None = None

    @property
    def verdict(self) -> Verdict:
        """ "same" where all bytes are that can be compared."""
        if self.unlike:
            return "not comparable"
        return "different" if any(f.likeness == "differs" for f in self.files) else "same"

    def repaired(self) -> dict[str, bytes]:
        """The files to keep: those that were whole, and those made now for the damaged ones.

        Raises:
            ModelError: nothing is damaged, or what was made now is not what was lost.
        """
        version = self.kept.version
        if not self.kept.damaged:
            raise ModelError(f"Nothing of version {version} is damaged; there is nothing to mend.")
        if self.verdict != "same" or self.made is None:
            raise ModelError(
                f"Version {version} was left as it is: the training of now is {self.verdict}, so "
                "that its files are no replacement. Restore the folder from a backup."
            )
        return {**self.made, **self.kept.files}


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows that a version learned from, as far as they are still there."""

    panel: Panel | None
    version: str | None
    unlike: tuple[str, ...]
    notes: tuple[str, ...]


def reproduce(
    models: ModelStore,
    lake: Lake,
    name: str,
    anyway: bool = False,
    progress: bool | ProgressListener = False,
) -> Reproduction:
    """Train a version again from its record and compare every file.

    The rows are read from the lake as it was at the recorded snapshot; where that cannot be read
    any more, or holds other rows, as it is now. The hash of the rows tells whether they are the
    same. torch uses as many threads as then.

    Args:
        models, lake: where versions and rows are kept; neither is written to.
        name: a version, its beginning, or `champion:<universe>`.
        anyway: train also where code or machine are others; the verdict stays "not comparable".
        progress: as for `train_version`.

    Raises:
        ModelError: there is no such version, nothing tells how it was trained, or the version that
            it began from is gone.
        TrainingError: training failed.
    """
    kept = read_kept(models, lake, name)
    damaged = tuple(f"{file} is damaged: {how}" for file, how in kept.damaged.items())
    unlike = (*_unlike_code(kept.config), *_unlike_machine(kept.config))
    if unlike and not anyway:
        return Reproduction(kept, unlike, damaged)
    recipe = _recipe(kept)
    with _threads(kept.config) as told:
        rows = _rows(lake, kept, recipe, fold_of(kept.config))
        unlike, notes = (*unlike, *rows.unlike), (*damaged, *told, *rows.notes)
        if not unlike and rows.version != kept.version:
            unlike = (f"the settings: those recorded, on these rows, make {rows.version}",)
        if rows.panel is None or (rows.version != kept.version and not anyway):
            return Reproduction(kept, unlike, notes)
        trained = train_version(
            rows.panel,
            fold_of(kept.config),
            recipe,
            lineage=Lineage(**kept.config["lineage"]),
            progress=progress,
            start=_start(models, kept, recipe),
            with_card=kept.has(CARD) or not kept.sha256,
        )
    files = tuple(_compared(kept, trained.files))
    if recipe.train.device_type != "cpu" and any(f.likeness == "differs" for f in files):
        unlike += (f"bits made on {recipe.train.device} depend on the GPU, which is not recorded",)
    return Reproduction(kept, unlike, notes, trained.version, files, trained.files)


def _unlike_code(config: Mapping[str, Any]) -> Iterator[str]:
    if config["code_hash"] != code_hash():
        yield (
            f"the code: {config['code_hash'][:12]}… trained it, and here features/, models/ and "
            f"training/ are {code_hash()[:12]}…, so that the version's name will be another one "
            "too. Run the release or commit that trained it"
        )


def _unlike_machine(config: Mapping[str, Any]) -> Iterator[str]:
    """What bits depend on beside data, code and settings; threads are set as they were."""
    then, now = config.get("environment", {}), fingerprint()
    for name in now:
        if name != THREADS and then.get(name) != now[name]:
            yield f"{name}: {then.get(name, 'not recorded')} then, {now[name]} here"


@contextmanager
def _threads(config: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """As many threads of torch as then; what there is to say of it."""
    here = torch.get_num_threads()
    then = int(config.get("environment", {}).get(THREADS, here))
    torch.set_num_threads(then)
    try:
        yield (f"torch has {here} threads here, and used {then} as then",) if here != then else ()
    finally:
        torch.set_num_threads(here)


def _recipe(kept: KeptVersion) -> Recipe:
    """What was asked for, as this release understands it, on a device that is here."""
    try:
        recipe = Recipe.from_dict(kept.config)
        check_device(recipe.train)
    except (ValidationError, ConfigError, ModelError, KeyError) as error:
        raise ModelError(
            f"Version {kept.version} cannot be trained here: {error}. Use the release and a "
            "machine like those that trained it."
        ) from None
    return recipe


def _start(models: ModelStore, kept: KeptVersion, recipe: Recipe) -> dict[str, bytes] | None:
    """The files of the version that training begins from, where it begins from one."""
    parent = recipe.train.pretrained
    if parent is None:
        return None
    try:
        return models.load(models.find(parent), parent)
    except ModelError as error:
        raise ModelError(
            f"Version {kept.version} began from the weights of {parent}, which cannot be loaded: "
            f"{error}"
        ) from None


def _rows(lake: Lake, kept: KeptVersion, recipe: Recipe, fold: Fold) -> _Rows:
    """The panel whose hash is the recorded one: of the recorded snapshot, else of now."""
    config = kept.config
    notes: list[str] = []
    unlike: list[str] = []
    snapshot: int | None = config["lineage"]["snapshot"]
    for at in dict.fromkeys((snapshot, None)):
        where = "the lake as it is now" if at is None else f"lake snapshot {at}"
        try:
            panel = load_panel(
                lake,
                config["symbols"],
                config["feature_names"],
                fold.start - recipe.reach * MINUTE,
                fold.end,
                at,
            )
            prepared = prepare(panel, fold, recipe)
        except CryptoNNError as error:
            expired = f"No snapshot found at version {at}" in str(error)
            told = "has expired" if expired else f"cannot be used: {error}"
            (unlike if at is None else notes).append(f"{where} {told}")
            continue
        found, due = data_hash(prepared), config["data_hash"]
        if found == due:
            return _Rows(panel, version_id(prepared, recipe), (), (*notes, f"rows of {where}"))
        unlike.append(
            f"the data: rows of {where} have the hash {found[:12]}…, and {due[:12]}… were learned "
            f"from ({_what_changed(config, prepared) or 'as many rows, with other values'})"
        )
    return _Rows(None, None, tuple(unlike), tuple(notes))


def _what_changed(config: Mapping[str, Any], prepared: Prepared) -> str:
    """Of the rows, what the record has to compare: how many there are, and what is flat."""
    now = {
        "rows": {role: len(ends) for role, ends in prepared.ends.items()},
        "k": None if prepared.k is None else list(prepared.k),
    }
    return fields_that_differ({name: config[name] for name in now}, now)


def _compared(kept: KeptVersion, made: Mapping[str, bytes]) -> Iterator[FileLikeness]:
    """Each file that was kept, or made now, beside the other."""
    for name in sorted({*kept.files, *kept.sha256, *made}):
        if name not in made:
            yield FileLikeness(name, "differs", "training does not make it any more")
        elif name in kept.files:
            yield compare_file(name, kept.files[name], made[name])
        elif name in kept.sha256 and without_clock(name, made[name]) is made[name]:
            yield _compared_by_hash(name, made[name], kept.sha256[name])
        else:
            yield _without_original(kept, name, made[name])


def _compared_by_hash(name: str, made: bytes, due: str) -> FileLikeness:
    if hashlib.sha256(made).hexdigest() == due:
        return FileLikeness(name, "same", "the SHA-256 of the manifest; what is kept is damaged")
    return FileLikeness(name, "differs", "another SHA-256 than the manifest's")


def _without_original(kept: KeptVersion, name: str, made: bytes) -> FileLikeness:
    """A file of now where that of then is damaged, and its hash is unknown or holds a clock."""
    if kept.sha256 and name not in kept.sha256:
        return FileLikeness(name, "differs", "the version has no such file")
    if name == CONFIG:
        now = {key: value for key, value in json.loads(made).items() if key != NOT_IN_TABLE}
        odd = fields_that_differ(dict(kept.config), now)
        compared = f"compared with the table checkpoints, which has all but the {NOT_IN_TABLE}"
        return FileLikeness(name, "differs" if odd else "same", odd or compared)
    clock = f"; it holds {OF_THE_CLOCK[name]}" if name in OF_THE_CLOCK else ""
    return FileLikeness(name, "made again", f"what is kept cannot be compared{clock}")
