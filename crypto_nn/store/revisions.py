"""Which rows of a delivery are news, and under which revision they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bars, Float, Times
from crypto_nn.bars.calendar import TS

NUMBERS = ("open", "high", "low", "close", "volume", "vwap", "trades")
KNOWN = -1
"""Stands where a revision would, for a row that is known already."""

Mask = NDArray[np.bool_]
Positions = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Said:
    """What rows say, of which minute, and when that was received.

    Attributes:
        numbers: by name, NaN where there is none.
        note: what stood where a number or a time was due; None where no row has one.
    """

    ts: Times
    numbers: Mapping[str, Float]
    note: NDArray[np.object_] | None
    received_at: Times

    @classmethod
    def of(cls, bars: Bars, received_at: Times) -> "Said":
        """The rows of a delivery."""
        columns = bars.columns()
        blank = np.full(len(bars), np.nan)
        return cls(
            bars.ts.astype(TS),
            {name: columns.get(name, blank).astype(np.float64) for name in NUMBERS},
            columns.get("note"),
            received_at,
        )

    def take(self, rows: Mask | Positions) -> "Said":
        """Some of the rows."""
        return Said(
            self.ts[rows],
            {name: column[rows] for name, column in self.numbers.items()},
            None if self.note is None else self.note[rows],
            self.received_at[rows],
        )

    def then(self, later: "Said") -> "Said":
        """These rows and those after them."""
        notes = None
        if self.note is not None or later.note is not None:
            notes = np.concatenate([self._notes(), later._notes()])
        return Said(
            np.concatenate([self.ts, later.ts]),
            {n: np.concatenate([self.numbers[n], later.numbers[n]]) for n in NUMBERS},
            notes,
            np.concatenate([self.received_at, later.received_at]),
        )

    def same(self, rows: Positions, other: "Said", others: Positions) -> Mask:
        """Whether rows say the same, pair by pair; nothing is the same as nothing."""
        same = np.ones(len(rows), dtype=np.bool_)
        for name in NUMBERS:
            a, b = self.numbers[name][rows], other.numbers[name][others]
            same &= (a == b) | (np.isnan(a) & np.isnan(b))
        if self.note is not None or other.note is not None:
            same &= np.asarray(self._notes()[rows] == other._notes()[others], dtype=np.bool_)
        return same

    def identities(self) -> Positions:
        """A number for each row, the same for rows that say the same of the same minute."""
        frame = pd.DataFrame({"ts": self.ts, **self.numbers, "note": self._notes()})
        groups: Any = frame.groupby(list(frame), dropna=False, sort=False)
        return np.asarray(groups.ngroup(), dtype=np.intp)

    def _notes(self) -> NDArray[np.object_]:
        """One text or None for each row."""
        if self.note is None:
            return np.full(len(self), None, dtype=object)
        return np.array([t if isinstance(t, str) else None for t in self.note], dtype=object)

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True, eq=False)
class Kept:
    """Rows that are stored, each minute's in the order of storage."""

    said: Said
    revision: NDArray[np.int32]

    @classmethod
    def of(cls, table: pa.Table) -> "Kept":
        """The rows of a file, whose order is that of time, revision and arrival."""
        notes = table["note"]
        said = Said(
            table["ts"].to_numpy().astype(TS),
            {name: table[name].to_numpy() for name in NUMBERS},
            None if notes.null_count == len(notes) else notes.to_pandas().to_numpy(object),
            table["received_at"].to_numpy().astype(TS),
        )
        return cls(said, table["revision"].to_numpy())

    def then(self, said: Said, revision: NDArray[np.int32]) -> "Kept":
        """These rows and newer ones."""
        both, number = self.said.then(said), np.concatenate([self.revision, revision])
        order = np.lexsort((number, both.ts))
        return Kept(both.take(order), number[order])


def revise(kept: Kept, said: Said) -> NDArray[np.int32]:
    """For each row of a delivery the revision under which it is to be kept, or `KNOWN`.

    What is in force of a minute at a time is all that the newest delivery until then said of it;
    once the minute has passed, what was said before does not count.
    A delivery is known where it says nothing that is not in force when it is received, and ends
    with the same row (of several rows of a minute the last one counts). Rows of a minute that were
    received at the same time are one delivery, in one piece or in several. Each minute's numbers
    grow in the order of storage.
    """
    revisions = np.zeros(len(said), dtype=np.int32)
    rounds = _rounds(said)
    last = int(rounds.max(initial=0))
    if not len(kept.said) and not last:
        return revisions
    for number in range(last + 1):
        rows = np.flatnonzero(rounds == number)
        part = said if len(rows) == len(said) else said.take(rows)
        revisions[rows] = found = _revise_once(kept, part)
        if number < last:
            new = found != KNOWN
            kept = kept.then(part.take(new), found[new])
    return revisions


def _rounds(said: Said) -> Positions:
    """Parts with one time of receipt per minute, by number, in the order of receipt."""
    rounds = np.zeros(len(said), dtype=np.intp)
    if not len(said) or (said.received_at == said.received_at[0]).all():
        return rounds
    order = np.lexsort((said.received_at, said.ts))
    ts, received_at = said.ts[order], said.received_at[order]
    starts = np.append(True, ts[1:] != ts[:-1])
    later = ~starts & np.append(False, received_at[1:] != received_at[:-1])
    count = np.cumsum(later)
    number = count - count[np.maximum.accumulate(np.where(starts, np.arange(len(ts)), 0))]
    rounds[order] = np.where(np.isnat(ts), 0, number)
    return rounds


def _revise_once(kept: Kept, said: Said) -> NDArray[np.int32]:
    """`revise` for rows of which each minute's were received at one time."""
    readable = np.flatnonzero(~np.isnat(said.ts))
    minutes, group = np.unique(said.ts[readable], return_inverse=True)
    asked = np.empty(len(minutes), dtype=TS)
    asked[group] = said.received_at[readable]
    closes = minutes + M1.step

    place = np.minimum(np.searchsorted(minutes, kept.said.ts), max(len(minutes) - 1, 0))
    of_minute = (minutes[place] == kept.said.ts) if len(minutes) else np.zeros(len(place), bool)
    latest = np.full(len(minutes), -1, dtype=np.int32)
    latest[place[of_minute]] = kept.revision[of_minute]  # the last one is the highest

    told = np.flatnonzero(of_minute)
    when, then = kept.said.received_at[told], place[told]
    # What was said of a minute that was still running does not speak for the whole of it.
    told = told[(when <= asked[then]) & ((when >= closes[then]) | (asked[then] < closes[then]))]
    newest = np.full(len(minutes), np.iinfo(np.int64).min)
    np.maximum.at(newest, place[told], kept.said.received_at[told].astype(np.int64))
    in_force = told[kept.said.received_at[told].astype(np.int64) == newest[place[told]]]

    again = newest == asked.astype(np.int64)  # a part of what was received at this very time
    again = newest == asked.astype(np.int64)  # more of what was received at this very time
    new = _news(said, readable, group, kept.said, in_force, place[in_force], again)
    revisions = np.full(len(said), KNOWN, dtype=np.int32)
    revisions[readable] = np.where(new, latest[group] + 1, KNOWN)
    timeless = np.flatnonzero(np.isnat(said.ts))
    if timeless.size:
        had = np.flatnonzero(np.isnat(kept.said.ts))
        revisions[timeless] = np.where(_surplus(said, timeless, kept.said, had), 0, KNOWN)
    return revisions


def _news(
    said: Said,
    rows: Positions,
    group: Positions,
    kept: Said,
    in_force: Positions,
    force_group: Positions,
    again: Mask,
) -> Mask:
    """For each of these rows whether it is kept; groups are minutes, each with what is in force."""
    count = len(again)
    end, force_end = np.zeros(count, dtype=np.intp), np.zeros(count, dtype=np.intp)
    end[group], force_end[force_group] = rows, in_force  # the last of several counts
    num_said = np.bincount(group, minlength=count)
    num_kept = np.bincount(force_group, minlength=count)
    told = np.flatnonzero(num_kept)
    ends_alike = np.zeros(count, dtype=np.bool_)
    ends_alike[told] = said.same(end[told], kept, force_end[told])

    single = (num_said == 1) & (num_kept == 1)
    unlike = (num_kept == 0) | (~ends_alike & (single | ~again))
    new: Mask = unlike[group]
    several = ~unlike & ~single
    if several.any():
        ours, theirs = np.flatnonzero(several[group]), several[force_group]
        surplus = ours[_surplus(said, rows[ours], kept, in_force[theirs])]
        new[surplus] = True
        whole = np.zeros(count, dtype=np.bool_)
        whole[group[surplus]] = True
        new |= (whole & ~again)[group]  # all that a new delivery says of a minute
    return new


def _surplus(said: Said, rows: Positions, kept: Said, others: Positions) -> Mask:
    """Which of these rows are more than as often among the others."""
    identity = kept.take(others).then(said.take(rows)).identities()
    theirs, ours = identity[: len(others)], identity[len(others) :]
    had = np.bincount(theirs, minlength=len(identity))
    nth = pd.Series(ours).groupby(ours).cumcount().to_numpy() if len(ours) else ours
    return np.asarray(nth >= had[ours], dtype=np.bool_)
