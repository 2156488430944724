"""What predictions rest on: the bars of each day, in one hash each."""

import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.bars.bars import REQUIRED
from crypto_nn.features.labels import MINUTE
from crypto_nn.store.lineage import hash_of


def days_of(bars: Bars, until: np.datetime64) -> dict[str, str]:
    """A hash of each day's bars that opened by `until` (inclusive): what predictions rest on.

    Of the reference its closes count alone, as features see it.
    """
    bars = bars.between(bars.ts[0], until + MINUTE) if len(bars) else bars
    columns = [getattr(bars, name) for name in REQUIRED]
    if bars.reference is not None:
        columns.append(bars.reference + 0.0)
    days = bars.ts.astype("datetime64[D]")
    found, starts = np.unique(days, return_index=True)
    ends = [*starts[1:].tolist(), len(bars)]
    return {
        str(day): hash_of(*(column[lo:hi] for column in columns))[:16]
        for day, lo, hi in zip(found, starts.tolist(), ends)
    }
