"""Whether the files of two trainings hold the same, but for what the clock wrote into them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from crypto_nn.inference.registry import flattened

SECONDS = "seconds"
OF_THE_CLOCK: Mapping[str, str] = {
    "history.json": "the field `seconds` of each epoch",
    "training.json": "the fields `seconds`",
    "card.md": "how many seconds the epochs took",
}
"""By file, what a clock decided in it, which is left out of every comparison."""

MOST_TOLD = 4
RESULTS = ("scores.", "temperature.", "validation_loss")
_CARD_SECONDS = re.compile(rb"^(- \d+ epochs? in )\d+( s, seed )", re.MULTILINE)

Likeness = Literal["same", "differs", "made again"]


@dataclass(frozen=True)
class FileLikeness:
    """What became of one file.

    Attributes:
        name: of the file.
        likeness: "same" bytes, or "differs"; "made again" where the one that was kept is damaged
            and nothing is known of it that could be compared.
        detail: what differs, or what the comparison rests on; may be empty.
    """

    name: str
    likeness: Likeness
    detail: str = ""


def without_clock(name: str, content: bytes) -> bytes:
    """The file without what `OF_THE_CLOCK` says of it; the file itself where it has none."""
    if name not in OF_THE_CLOCK:
        return content
    if name.endswith(".md"):
        return _CARD_SECONDS.sub(rb"\1?\2", content)
    return json.dumps(_without_seconds(json.loads(content)), sort_keys=True, indent=1).encode()


def compare_file(name: str, kept: bytes, made: bytes) -> FileLikeness:
    """Two contents of a file, one kept and one made now."""
    if kept == made:
        return FileLikeness(name, "same")
    try:
        if without_clock(name, kept) == without_clock(name, made):
            return FileLikeness(name, "same", f"left out: {OF_THE_CLOCK[name]}")
        return FileLikeness(name, "differs", _difference(name, kept, made))
    except (ValueError, SafetensorError) as error:
        return FileLikeness(name, "differs", f"what is kept cannot be read ({error})")


def _without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_seconds(v) for k, v in value.items() if k != SECONDS}
    return [_without_seconds(each) for each in value] if isinstance(value, list) else value


def _difference(name: str, kept: bytes, made: bytes) -> str:
    if name.endswith(".json"):
        return fields_that_differ(json.loads(kept), json.loads(made))
    if name.endswith(".safetensors"):
        return _tensors_that_differ(kept, made)
    return _lines_that_differ(kept.decode(), made.decode())


def fields_that_differ(kept: Any, made: Any) -> str:
    """The first fields, by dotted path, in which two JSON values differ, and how many more do."""
    ours, theirs = (dict(flattened(_by_place(_without_seconds(each)))) for each in (kept, made))
    paths = [p for p in dict.fromkeys([*ours, *theirs]) if ours.get(p) != theirs.get(p)]
    paths.sort(key=lambda path: path.startswith(RESULTS))  # what is asked before what comes of it
    return _listed([f"{path} {ours.get(path)} → {theirs.get(path)}" for path in paths])


def _by_place(value: Any) -> Any:
    """Lists as dicts by position, so that one path leads to each number."""
    if isinstance(value, dict):
        return {key: _by_place(each) for key, each in value.items()}
    if isinstance(value, list):
        return {str(place): _by_place(each) for place, each in enumerate(value)}
    return value


def _tensors_that_differ(kept: bytes, made: bytes) -> str:
    ours, theirs = load_tensors(kept), load_tensors(made)
    if {n: t.shape for n, t in ours.items()} != {n: t.shape for n, t in theirs.items()}:
        return "other tensors, or other shapes"
    odd = [name for name in ours if not ours[name].equal(theirs[name])]
    largest = max((ours[n].double() - theirs[n].double()).abs().max().item() for n in odd or ours)
    return f"{len(odd)} of {len(ours)} tensors, by {largest:.2g} at most"


def _lines_that_differ(kept: str, made: str) -> str:
    ours, theirs = kept.splitlines(), made.splitlines()
    if len(ours) != len(theirs):
        return f"{len(ours)} lines → {len(theirs)}"
    return _listed([f"{a!r} → {b!r}" for a, b in zip(ours, theirs) if a != b])


def _listed(found: list[str]) -> str:
    more = f"; and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
    return "; ".join(found[:MOST_TOLD]) + more
