"""Which versions there are, which one answers for a universe, and since when and why."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from crypto_nn.errors import ModelError
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore
from crypto_nn.store.tables import TABLES

KEPT_VERDICTS = 1000  # "keep" of each universe; whoever answered is remembered for good
SHORTEST_BEGINNING = 4
CHAMPION = "champion:"


@dataclass(frozen=True)
class Champion:
    """The version that answers for a universe since `at` (UTC, ISO 8601)."""

    universe: str
    version: str
    at: str
    reason: str


def champion_of(models: ModelStore, universe: str) -> Champion | None:
    """The version that answers for a universe, or None before the first promotion."""
    pointer = models.pointer(_pointer(universe))
    answered = [e for e in pointer["events"] if e["action"] != "keep"] if pointer else []
    if not answered:
        return None
    last = answered[-1]
    return Champion(universe, last["version"], last["at"], last["reason"])


def resolve(models: ModelStore, name: str) -> str:
    """The version that `name` means: a version, its beginning, or `champion:<universe>`.

    Raises:
        ModelError: there is no such version or champion, or several versions begin so.
    """
    if not name.startswith(CHAMPION):
        return _begins(models, name)
    universe = name.removeprefix(CHAMPION)
    champion = champion_of(models, universe)
    if champion is None:
        raise ModelError(
            f"{universe} has no champion yet. Materialise `champion`, or run "
            f"`crypto-nn train --universe {universe}`."
        )
    return champion.version


def settings_of(models: ModelStore, version: str) -> dict[str, Any]:
    """Everything in a version's `config.json`, after its hashes were checked."""
    files = models.load(models.find(version), version)
    settings: dict[str, Any] = json.loads(files["config.json"])
    return settings


def model_card(models: ModelStore, version: str) -> str:
    """The model card of a version, as Markdown."""
    return models.load(models.find(version), version)["card.md"].decode()


def promote(
    lake: Lake, models: ModelStore, universe: str, version: str, reason: str, now: np.datetime64
) -> Champion:
    """Let a version answer for a universe from now on.

    The pointer is swapped in one step and holds the history; the table `champion_history` is
    written from it.

    Raises:
        ModelError: there is no such version.
    """
    models.find(version)
    return _record(lake, models, universe, version, "promote", reason, now)


def rollback(
    lake: Lake, models: ModelStore, universe: str, reason: str, now: np.datetime64
) -> Champion:
    """Let the champion before the present one answer again.

    Raises:
        ModelError: there was none before.
    """
    pointer = models.pointer(_pointer(universe))
    answered = _line(pointer["events"]) if pointer else []
    if len(answered) < 2:
        raise ModelError(
            f"{universe} has had {len(answered)} champion(s); there is none to go back to."
        )
    return _record(lake, models, universe, answered[-2]["version"], "rollback", reason, now)


def keep(
    lake: Lake, models: ModelStore, universe: str, version: str, reason: str, now: np.datetime64
) -> None:
    """Write down that a candidate was judged and did not take over."""
    _record(lake, models, universe, version, "keep", reason, now)


def list_versions(lake: Lake, models: ModelStore) -> list[dict[str, Any]]:
    """All versions, newest first, with the champions marked."""
    if not lake.has("checkpoints"):
        return []
    columns = ("universe", "version", "model", "parameters", "trained_at", "validation_loss")
    rows: list[dict[str, Any]] = lake.read("checkpoints", columns).to_pylist()
    for row in rows:
        champion = champion_of(models, row["universe"])
        answers = champion is not None and champion.version == row["version"]
        row["champion"] = "since " + champion.at[:16] if champion and answers else ""
        row["trained_at"] = f"{row['trained_at']:%Y-%m-%d %H:%M}"
    return sorted(rows, key=lambda row: row["trained_at"], reverse=True)


def config_differences(models: ModelStore, one: str, other: str) -> list[dict[str, Any]]:
    """Settings in which two versions differ, by dotted path."""
    ours, theirs = (
        dict(flattened(settings_of(models, resolve(models, version)))) for version in (one, other)
    )
    return [
        {"setting": path, one: ours.get(path), other: theirs.get(path)}
        for path in sorted({*ours, *theirs})
        if ours.get(path) != theirs.get(path)
    ]


def _begins(models: ModelStore, beginning: str) -> str:
    versions = {version for name in models.names() for version in models.versions(name)}
    if beginning in versions or len(beginning) < SHORTEST_BEGINNING:
        models.find(beginning)
        return beginning
    found = sorted(version for version in versions if version.startswith(beginning))
    if len(found) == 1:
        return found[0]
    several = f"{', '.join(found)} begin so; write more of it" if found else "none begins so"
    raise ModelError(
        f"There is no single version {beginning!r} in {models.root}: {several}. "
        "List them with `crypto-nn models list`."
    )


def flattened(settings: Any, path: str = "") -> list[tuple[str, Any]]:
    """Settings within settings as pairs of a dotted path and what stands there."""
    if isinstance(settings, dict) and settings:
        return [
            item for key, value in settings.items() for item in flattened(value, f"{path}.{key}")
        ]
    return [(path.removeprefix("."), settings)]


def _pointer(universe: str) -> str:
    return f"champion-{universe}"


def _line(events: list[dict[str, str]]) -> list[dict[str, str]]:
    """Who answered in turn: a rollback takes the last one off again."""
    line: list[dict[str, str]] = []
    for event in events:
        if event["action"] == "promote":
            line.append(event)
        elif event["action"] == "rollback":
            del line[-1:]
    return line


def _without_old_verdicts(events: list[dict[str, str]]) -> list[dict[str, str]]:
    """All promotions and rollbacks, but only the newest verdicts that changed nothing."""
    kept = [place for place, event in enumerate(events) if event["action"] == "keep"]
    old = set(kept[:-KEPT_VERDICTS])
    return [event for place, event in enumerate(events) if place not in old]


def _record(
    lake: Lake,
    models: ModelStore,
    universe: str,
    version: str,
    action: str,
    reason: str,
    now: np.datetime64,
) -> Champion:
    pointer = models.pointer(_pointer(universe)) or {"events": []}
    event = {"version": version, "action": action, "reason": reason, "at": str(now)}
    events = _without_old_verdicts([*pointer["events"], event])
    models.set_pointer(_pointer(universe), {"events": events})
    schema = pa.schema([(c.name, c.arrow) for c in TABLES["champion_history"].columns])
    rows = [
        {**each, "universe": universe, "made_at": np.datetime64(each["at"], "us").item()}
        for each in events
    ]
    lake.replace(
        {"champion_history": pa.Table.from_pylist(rows, schema=schema)}, {"universe": universe}
    )
    return Champion(universe, version, event["at"], reason)
