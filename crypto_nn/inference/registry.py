"""Which versions there are, which one answers for a universe, and since when and why.

What happens to a universe's versions is a list of events in one pointer of the model store, which
is swapped as a whole: at every moment exactly one version answers, whoever is killed when. The
table `champion_history` is a copy of the list. Its actions:

- promote: the version answers from now on.
- rollback: the version, which answered before, answers again.
- shadow: the version is the challenger: it is compared with the champion day by day.
- reject: the challenger was shown to be worse, or can no longer answer.
- expire: the challenger's time is up, and it was not shown to be better.
- keep: a candidate was judged, and nothing changed.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout

from crypto_nn.errors import ModelError
from crypto_nn.store.atomic import make_folder
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import POINTERS, ModelStore
from crypto_nn.store.tables import TABLES

ANSWERS = ("promote", "rollback")  # after these another version answers
ENDS = (*ANSWERS, "reject", "expire")  # after these nobody shadows
LOCK_SECONDS = 60.0
JUDGING_SECONDS = 3600.0
TICK = np.timedelta64(1, "us")
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
    answered = [event for event in _events(models, universe) if event["action"] in ANSWERS]
    return _champion(universe, answered[-1]) if answered else None


def challenger_of(models: ModelStore, universe: str) -> Champion | None:
    """The version that is compared with the champion day by day, and since when; mostly None.

    A change of champion ends a comparison: it was with the one before.
    """
    found = None
    for event in _events(models, universe):
        if event["action"] == "shadow":
            found = event
        elif event["action"] in ENDS:
            found = None
    return None if found is None else _champion(universe, found)


def predecessor_of(models: ModelStore, universe: str) -> Champion | None:
    """The version that answered before the present champion was promoted, and since when not.

    None before the second promotion, and after a rollback: whoever was rolled back from does not
    come back by itself.
    """
    events = _events(models, universe)
    answered = [event for event in events if event["action"] in ANSWERS]
    line = _line(events)
    if len(line) < 2 or answered[-1]["action"] == "rollback":
        return None
    return Champion(universe, line[-2]["version"], line[-1]["at"], line[-1]["reason"])


def history(models: ModelStore, universe: str) -> list[dict[str, str]]:
    """All that happened, in order: `version`, `action`, `reason`, `at` (UTC, ISO 8601)."""
    return [dict(event) for event in _events(models, universe)]


def who_was_live(models: ModelStore, universe: str, at: np.datetime64) -> str | None:
    """The version that answered at a moment (UTC); None before the first promotion."""
    moment = at.astype("datetime64[us]")
    live = None
    for event in _events(models, universe):
        if np.datetime64(event["at"], "us") > moment:
            break
        live = event["version"] if event["action"] in ANSWERS else live
    return live


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
    lake: Lake,
    models: ModelStore,
    universe: str,
    version: str,
    reason: str,
    now: np.datetime64,
    instead_of: str | None = None,
) -> Champion:
    """Let a version answer for a universe from now on.

    The pointer is swapped in one step and holds the history; the table `champion_history` is
    written from it. Nothing happens where the version answers already.

    Args:
        instead_of: the champion that it was judged against; None where nobody judged.

    Raises:
        ModelError: there is no such version, or another than `instead_of` answers by now.
    """
    models.find(version)
    with _locked(models, universe):
        champion = champion_of(models, universe)
        if champion is not None and champion.version == version:
            repair(lake, models, universe)
            return champion
        return _record(lake, models, universe, (version, "promote", reason), now, instead_of)


def rollback(
    lake: Lake,
    models: ModelStore,
    universe: str,
    reason: str,
    now: np.datetime64,
    instead_of: str | None = None,
) -> Champion:
    """Let the champion before the present one answer again.

    Raises:
        ModelError: there was none before, it is not there any more, or another than `instead_of`
            answers by now.
    """
    with _locked(models, universe):
        version = before_champion(models, universe)
        models.find(version)
        return _record(lake, models, universe, (version, "rollback", reason), now, instead_of)


def before_champion(models: ModelStore, universe: str) -> str:
    """The version that a rollback brings back; raises `ModelError` where there is none."""
    answered = _line(_events(models, universe))
    if len(answered) < 2:
        raise ModelError(
            f"{universe} has had {len(answered)} champion(s); there is none to go back to."
        )
    return answered[-2]["version"]


def keep(
    lake: Lake, models: ModelStore, universe: str, version: str, reason: str, now: np.datetime64
) -> bool:
    """Write down that a candidate was judged and nothing changed; whether that was news.

    The same verdict on the same version is written once, until something else happens.
    """
    with _locked(models, universe):
        for event in reversed(_events(models, universe)):
            if event["action"] != "keep":
                break
            if (event["version"], event["reason"]) == (version, reason):
                return False
        _record(lake, models, universe, (version, "keep", reason), now)
        return True


def shadow(
    lake: Lake, models: ModelStore, universe: str, version: str, reason: str, now: np.datetime64
) -> Champion:
    """Let a version be the challenger from now on.

    Raises:
        ModelError: there is no such version, no champion to challenge, it answers itself, or
            there is a challenger already.
    """
    models.find(version)
    with _locked(models, universe):
        champion, challenger = champion_of(models, universe), challenger_of(models, universe)
        if champion is None or champion.version == version:
            raise ModelError(f"{version} has nobody to challenge in {universe}. Promote one first.")
        if challenger is not None:
            raise ModelError(
                f"{challenger.version} challenges {champion.version} in {universe} already, since "
                f"{challenger.at}. One at a time: wait for its verdict."
            )
        return _record(lake, models, universe, (version, "shadow", reason), now)


def dismiss(
    lake: Lake,
    models: ModelStore,
    universe: str,
    version: str,
    action: str,
    reason: str,
    now: np.datetime64,
) -> Champion:
    """End the challenger's time without letting it answer.

    Args:
        action: "reject" or "expire".

    Raises:
        ModelError: the version is not the challenger.
    """
    assert action in ("reject", "expire")
    with _locked(models, universe):
        challenger = challenger_of(models, universe)
        if challenger is None or challenger.version != version:
            raise ModelError(f"{version} is not the challenger of {universe}. Judge again.")
        return _record(lake, models, universe, (version, action, reason), now)


def repair(lake: Lake, models: ModelStore, universe: str) -> bool:
    """Make the table `champion_history` what the pointer says; whether it was something else.

    They differ where a process was killed between the two.
    """
    with _locked(models, universe):
        due = _rows(universe, _events(models, universe))
        where = {"universe": universe}
        there = lake.has("champion_history")
        if not due.num_rows and not there:
            return False
        if there and lake.read("champion_history", due.column_names, where).equals(due):
            return False
        lake.replace({"champion_history": due}, where)
        return True


@contextmanager
def judging(models: ModelStore, universe: str) -> Iterator[None]:
    """One judgement of a universe at a time: others wait until it is over.

    Raises:
        ModelError: the other one takes longer than an hour.
    """
    models.pointer(_pointer(universe))
    with _lock(models, f"judging-{universe}", JUDGING_SECONDS):
        yield


def list_versions(lake: Lake, models: ModelStore) -> list[dict[str, Any]]:
    """All versions, newest first, with champions and challengers marked."""
    if not lake.has("checkpoints"):
        return []
    columns = ("universe", "version", "model", "parameters", "trained_at", "validation_loss")
    rows: list[dict[str, Any]] = lake.read("checkpoints", columns).to_pylist()
    for row in rows:
        champion = champion_of(models, row["universe"])
        answers = champion is not None and champion.version == row["version"]
        row["champion"] = "since " + champion.at[:16] if champion and answers else ""
        challenger = challenger_of(models, row["universe"])
        if challenger is not None and challenger.version == row["version"]:
            row["champion"] = "shadows since " + challenger.at[:16]
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
    """All that changed something, but only the newest verdicts that changed nothing."""
    kept = [place for place, event in enumerate(events) if event["action"] == "keep"]
    old = set(kept[:-KEPT_VERDICTS])
    return [event for place, event in enumerate(events) if place not in old]


def _events(models: ModelStore, universe: str) -> list[dict[str, str]]:
    pointer = models.pointer(_pointer(universe))
    events: list[dict[str, str]] = pointer["events"] if pointer else []
    return events


def _champion(universe: str, event: dict[str, str]) -> Champion:
    return Champion(universe, event["version"], event["at"], event["reason"])


@contextmanager
def _lock(models: ModelStore, name: str, seconds: float) -> Iterator[None]:
    folder = models.root / POINTERS
    make_folder(folder)
    try:
        with FileLock(folder / f".{name}.lock", timeout=seconds, is_singleton=True):
            yield
    except Timeout as error:
        raise ModelError(
            f"{error.lock_file} is held by another process for more than {seconds:.0f} s. Wait for "
            "its run to end, or stop it; a lock ends with its process."
        ) from None


@contextmanager
def _locked(models: ModelStore, universe: str) -> Iterator[None]:
    """Nobody else writes to the history between reading and writing it; may be nested."""
    models.pointer(_pointer(universe))  # the name is checked before a file is made of it
    with _lock(models, _pointer(universe), LOCK_SECONDS):
        yield


def _rows(universe: str, events: list[dict[str, str]]) -> pa.Table:
    schema = pa.schema([(c.name, c.arrow) for c in TABLES["champion_history"].columns])
    rows = [
        {**each, "universe": universe, "made_at": np.datetime64(each["at"], "us").item()}
        for each in events
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def _record(
    lake: Lake,
    models: ModelStore,
    universe: str,
    what: tuple[str, str, str],
    now: np.datetime64,
    instead_of: str | None = None,
) -> Champion:
    """Add an event (version, action, reason); the caller holds the lock.

    Times rise from event to event, also where the clock was put back, so that the order of the
    table is that of the history, and one version answers at every moment.
    """
    version, action, reason = what
    reason = reason.encode("utf-8", "replace").decode()  # a terminal may give other bytes
    champion = champion_of(models, universe)
    if instead_of is not None and (champion is None or champion.version != instead_of):
        answers = champion.version if champion else "nobody"
        raise ModelError(
            f"{version} was judged against {instead_of}, and {answers} answers for {universe} by "
            "now: the verdict is void. Judge again."
        )
    before = _events(models, universe)
    at = now.astype("datetime64[us]")
    if before:
        at = max(at, np.datetime64(before[-1]["at"], "us") + TICK)
    event = {"version": version, "action": action, "reason": reason, "at": str(at)}
    events = _without_old_verdicts([*before, event])
    models.set_pointer(_pointer(universe), {"events": events})
    lake.replace({"champion_history": _rows(universe, events)}, {"universe": universe})
    return _champion(universe, event)
