"""Which versions stay on disk: the newest, the best, those that answered, those that are needed."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from crypto_nn.inference.registry import ANSWERS, CHAMPION, challenger_of, champion_of
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore
from crypto_nn.store.runs import NAME, RUNNING


@dataclass(frozen=True)
class Spent:
    """A version that nothing needs any more."""

    universe: str
    model: str
    version: str
    trained_at: str
    validation_loss: float


def starts(lake: Lake, models: ModelStore, pretrained: str | None) -> frozenset[str]:
    """The versions that trainings begin from: the next one, and all that the lake says are running.

    A training that was killed before it could say so counts as running.

    Args:
        pretrained: `training.pretrained` of the settings in force, a version or `champion:…`.
    """
    rows = lake.read(NAME, ("settings",), {"state": RUNNING}).to_pylist() if lake.has(NAME) else []
    running = (json.loads(row["settings"] or "{}").get("training", {}) for row in rows)
    named = {pretrained, *(training.get("pretrained") for training in running)}
    return frozenset(_version(models, name) for name in named if name)


def spent_versions(
    lake: Lake, models: ModelStore, keep: int, needed: Collection[str] = ()
) -> list[Spent]:
    """The versions that may go, oldest first.

    Of each universe these stay: the newest `keep`; of each model the one with the lowest
    validation loss; the best that a search for settings found; every version that answers or ever
    answered, so that `rollback` finds it; and the challenger while it shadows.
    A version that the table `checkpoints` does not know is never touched. Rows of tables stay.

    Args:
        keep: how many of the newest stay.
        needed: versions that stay whatever they are, such as those of `starts`.
    """
    if not lake.has("checkpoints"):
        return []
    columns = ("universe", "model", "version", "trained_at", "validation_loss")
    rows = lake.read("checkpoints", columns).to_pylist()
    rows = [row for row in rows if models.has(row["model"], row["version"])]
    stay = _served(lake, models) | _found(lake) | set(needed)
    for _, group in groupby(sorted(rows, key=_universe), key=_universe):
        stay |= _newest_and_best(list(group), keep)
    return [
        Spent(row["universe"], row["model"], row["version"], f"{row['trained_at']:%Y-%m-%d %H:%M}",
              row["validation_loss"])
        for row in sorted(rows, key=lambda row: row["trained_at"])
        if row["version"] not in stay
    ]  # fmt: skip


def remove_spent(
    lake: Lake, models: ModelStore, keep: int, needed: Collection[str] = ()
) -> list[Spent]:
    """Remove what `spent_versions` names; what is removed cannot be loaded any more."""
    spent = spent_versions(lake, models, keep, needed)
    for version in {each.version: each for each in spent}.values():
        models.remove(version.model, version.version)
    return spent


def _newest_and_best(rows: list[dict[str, Any]], keep: int) -> set[str]:
    newest = sorted(rows, key=lambda row: row["trained_at"], reverse=True)[:keep]
    best: dict[str, dict[str, Any]] = {}
    for row in rows:
        lowest = best.setdefault(row["model"], row)
        if row["validation_loss"] < lowest["validation_loss"]:
            best[row["model"]] = row
    return _versions(newest) | _versions(best.values())


def _served(lake: Lake, models: ModelStore) -> set[str]:
    if not lake.has("champion_history"):
        return set()
    events = lake.read("champion_history", ("universe", "version", "action")).to_pylist()
    champions = [champion_of(models, universe) for universe in {e["universe"] for e in events}]
    answering = {champion.version for champion in champions if champion}
    shadowing = {challenger_of(models, universe) for universe in {e["universe"] for e in events}}
    answering |= {challenger.version for challenger in shadowing if challenger}
    return answering | _versions(event for event in events if event["action"] in ANSWERS)


def _found(lake: Lake) -> set[str]:
    """The best versions of searches for settings."""
    if not lake.has("tuning_study"):
        return set()
    return set(lake.read("tuning_study", ("best_version",))["best_version"].drop_null().to_pylist())


def _version(models: ModelStore, name: str) -> str:
    champion = champion_of(models, name[len(CHAMPION) :]) if name.startswith(CHAMPION) else None
    return champion.version if champion else name


def _versions(rows: Iterable[dict[str, Any]]) -> set[str]:
    return {row["version"] for row in rows}


def _universe(row: dict[str, Any]) -> str:
    return str(row["universe"])
