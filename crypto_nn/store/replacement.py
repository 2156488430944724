"""Partitions that are replaced together, in as few statements as they need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

RowIds = Sequence[int] | NDArray[np.int64]
Keys = Mapping[str, str]


class Part(Protocol):
    """The rows of one partition, of one or several tables; see `Lake.replace`."""

    @property
    def partition(self) -> Keys: ...
    @property
    def tables(self) -> Mapping[str, pa.Table]: ...
    @property
    def own(self) -> Mapping[str, Keys]: ...
    @property
    def remove(self) -> Mapping[str, RowIds]: ...


@dataclass(frozen=True)
class OnePart:
    """A `Part`."""

    partition: Keys
    tables: Mapping[str, pa.Table]
    own: Mapping[str, Keys] = field(default_factory=dict)
    remove: Mapping[str, RowIds] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """Rows of one table, and the partitions whose rows they become.

    The partitions name the same columns, have the same value in all of these but `differs`, and
    are each there once.
    """

    name: str
    rows: tuple[pa.Table, ...]
    partitions: tuple[Keys, ...]
    differs: str = ""

    @property
    def where(self) -> dict[str, str | list[str]]:
        """What tells the rows of these partitions from all others."""
        found: dict[str, str | list[str]] = dict(self.partitions[0])
        if self.differs:
            found[self.differs] = [partition[self.differs] for partition in self.partitions]
        return found

    def joined(self, name: str, rows: pa.Table, partition: Keys) -> "Step | None":
        """This step with one more partition; None where that cannot be one statement."""
        first = self.partitions[0]
        if name != self.name or first.keys() != partition.keys() or not first:
            return None
        if not rows.schema.equals(self.rows[0].schema):
            return None
        unlike = {key for key in first if first[key] != partition[key]}
        differs = self.differs or next(iter(unlike), "")
        if unlike - {differs} or any(partition == other for other in self.partitions):
            return None
        return Step(name, (*self.rows, rows), (*self.partitions, partition), differs)


def steps_of(fitted: Sequence[tuple[str, pa.Table, Keys]]) -> list[Step]:
    """The steps by which rows take the place of partitions, table by table, in order."""
    by_name: dict[str, list[Step]] = {}
    for name, rows, partition in fitted:
        steps = by_name.setdefault(name, [])
        longer = steps[-1].joined(name, rows, partition) if steps else None
        steps[-1:] = [longer] if longer else [*steps[-1:], Step(name, (rows,), (partition,))]
    return [step for steps in by_name.values() for step in steps]
