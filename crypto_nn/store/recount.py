"""What lies in the tables after bars were made, looked at once more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from crypto_nn.bars import Bars
from crypto_nn.bars.bars import REQUIRED
from crypto_nn.store.lake import Lake
from crypto_nn.store.raw import RawStore

MONTHS_AT_ONCE = 6
"""Each question to the lake takes some 15 ms before a row is read."""


@dataclass(frozen=True)
class Recount:
    """Rows in each store, and what is wrong with the bars as they are stored.

    Attributes:
        received: raw rows.
        accepted: rows of `bars`.
        quarantined: rows of `quarantined_bars`.
        problems: why bars are not clean, if they are not.
    """

    received: int = 0
    accepted: int = 0
    quarantined: int = 0
    problems: tuple[str, ...] = ()

    @property
    def lost(self) -> int:
        """Raw rows that are in neither table."""
        return self.received - self.accepted - self.quarantined

    def __add__(self, other: "Recount") -> "Recount":
        return Recount(
            self.received + other.received,
            self.accepted + other.accepted,
            self.quarantined + other.quarantined,
            self.problems + other.problems,
        )


def recount(
    lake: Lake,
    raw: RawStore,
    symbol: str,
    months: Sequence[str],
    source: str,
    show: Callable[[pa.Table], None] | None = None,
) -> Recount:
    """Count the rows of some months in each store, and look at each bar as it is stored.

    Args:
        show: is given the rows of `bars` with all their columns, a few months at a time.

    Raises:
        LakeError: a month was never ingested, or its bars were never made.
    """
    total = Recount()
    for start in range(0, len(months), MONTHS_AT_ONCE):
        some = months[start : start + MONTHS_AT_ONCE]
        where = {"symbol": symbol, "month": some}
        table = lake.read("bars", REQUIRED if show is None else None, where)
        if show is not None:
            show(table)
        problem = Bars.from_arrow(table, symbol).problem()
        total += Recount(
            received=sum(raw.count(symbol, month, source) for month in some),
            accepted=table.num_rows,
            quarantined=lake.count("quarantined_bars", where),
            problems=(f"{symbol}: {problem}",) if problem else (),
        )
    return total
