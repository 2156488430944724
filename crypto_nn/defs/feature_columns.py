"""Which columns of a month of features would come out differently now: these are computed, no more.

A column follows from its definition and code, from the bars since its anchor and, where it looks at
another market, from this one's closes. Each is on record as a hash: one text holds those of all
columns, which is the same text for all months; bars are hashed once for each anchor.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Bars
from crypto_nn.bars.bars import REQUIRED
from crypto_nn.bars.calendar import month_bounds
from crypto_nn.features import FeatureSet
from crypto_nn.features.feature import OWN
from crypto_nn.features.source_code import code_of
from crypto_nn.store.lineage import Parts, digest

NAMED = 3
"""So many columns are named where it is told what has changed."""

_NOTHING: Parts = MappingProxyType({})


class FeatureColumns:
    """The columns of a feature set, each with what it follows from."""

    def __init__(self, feature_set: FeatureSet) -> None:
        self.feature_set = feature_set
        self.names = feature_set.names
        prints = feature_set.column_fingerprints
        self._hashes = {
            one.name: digest([prints[one.name], code_of(one)])[:12] for one in feature_set.features
        }
        days = feature_set.anchor_days
        self._days = {one.name: days[one.timeframe] for one in feature_set.features}
        self._crossed = {  # what a member of one's own looks at is not known
            one.name for one in feature_set.features if one.group in ("cross", OWN)
        }

    def definitions(self) -> dict[str, str]:
        """What the columns follow from beside the bars."""
        return {"columns": _written(self._hashes)}

    def made_of(self, history: Bars, month: str, complete: bool) -> dict[str, str]:
        """What the columns of a month follow from.

        Args:
            history: the bars since the anchor, with those of the reference where there is one.
            month: such as "2024-01".
            complete: whether no month is missing before them.
        """
        days, start = set(self._days.values()), month_bounds(month)[0]
        made_of = self.definitions() | {"complete": str(complete)}
        required = [getattr(history, name) for name in REQUIRED]
        made_of["bars"] = _written(_hashes_since(history, start, days, required))
        if history.reference is not None:
            far = {days for name, days in self._days.items() if name in self._crossed}
            both = [history.ts, history.reference]
            made_of["reference"] = _written(_hashes_since(history, start, far, both))
        return made_of

    def due(self, before: Parts, now: Parts) -> tuple[str, ...]:
        """The columns that would come out differently.

        Args:
            before: what a month was made of.
            now: what it would be made of; parts that are left out are taken to be the same.
        """
        had = _read(before.get("columns", ""))
        other = {name for name in self.names if had.get(name) != self._hashes[name]}
        other = other.union(*self._moved(before, now).values())
        return tuple(name for name in self.names if name in other)

    def changes(self, before: Parts, now: Parts) -> str:
        """What has changed, in words; "" where no column would come out differently."""
        had = _read(before.get("columns", ""))
        new = [name for name in self.names if name not in had]
        other = [name for name in self.names if name in had and had[name] != self._hashes[name]]
        moved = [part for part, names in self._moved(before, now).items() if names]
        return ", ".join(filter(None, (_told(new, "new"), _told(other, "different"), *moved)))

    def _moved(self, before: Parts, now: Parts) -> dict[str, set[str]]:
        """By part that is not the columns' own, those of them that it makes different."""
        bars = _other_days(before, now, "bars") if "bars" in now else set()
        closes = _other_days(before, now, "reference") if "bars" in now else set()
        complete = before.get("complete") == now.get("complete", before.get("complete"))
        return {
            "bars": {name for name in self.names if self._days[name] in bars},
            "reference": {name for name in self._crossed if self._days[name] in closes},
            "complete": set() if complete else set(self.names),
        }

    def without(self, gone: Collection[str], made_of: Parts) -> dict[str, str]:
        """What a month is made of that no longer has some columns."""
        had = _read(made_of.get("columns", ""))
        kept = {name: text for name, text in had.items() if name not in gone}
        return {**made_of, "columns": _written(kept)}


def _other_days(before: Parts, now: Parts, what: str) -> set[int]:
    """The anchors, in days before the month, since which the bars are others by now."""
    had, has = _read(before.get(what, "")), _read(now.get(what, ""))
    return {int(days) for days in had.keys() | has.keys() if had.get(days) != has.get(days)}


def _told(names: list[str], what: str) -> str:
    """ "column cmf_20 is new", "columns a, b, c and 12 others are new"."""
    if len(names) < 2:
        return f"column {names[0]} is {what}" if names else ""
    left = len(names) - NAMED
    if left <= 0:
        return f"columns {', '.join(names[:-1])} and {names[-1]} are {what}"
    others = f"{left} others" if left > 1 else "1 other"
    return f"columns {', '.join(names[:NAMED])} and {others} are {what}"


def _written(hashes: Mapping[str, str]) -> str:
    """Hashes by name as one text."""
    return " ".join(f"{name}:{text}" for name, text in hashes.items())


@lru_cache(maxsize=1024)
def _read(text: str) -> Parts:
    pairs = (pair.partition(":") for pair in text.split())
    return MappingProxyType({name: found for name, _, found in pairs}) if text else _NOTHING


def _hashes_since(
    history: Bars,
    start: np.datetime64,
    days: Collection[int],
    columns: Iterable[NDArray[np.generic]],
) -> dict[str, str]:
    """Of the month's rows and those of so many days before it, one hash for each number of days.

    The rows are taken day by day into the past, so that each comes of one pass over all.
    """
    listed, found, seen = list(columns), {}, hashlib.sha256()
    high = len(history)
    for back in range(max(days, default=-1) + 1):
        low = int(np.searchsorted(history.ts, start - np.timedelta64(back, "D")))
        for column in listed if low < high else ():
            seen.update(np.ascontiguousarray(column[low:high]).view(np.uint8).data)
        if back in days:
            found[str(back)] = seen.copy().hexdigest()[:16]
        high = low
    return found
