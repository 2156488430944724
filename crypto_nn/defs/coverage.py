"""A picture of which minutes are there, on the page of the asset `bars`."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from crypto_nn import pictures
from crypto_nn.defs.lineage import Rebuild
from crypto_nn.defs.resources import Platform
from crypto_nn.store.gaps import hours_of

MAX_MONTHS = 120  # more are read by `crypto-nn gaps` alone


def coverage_picture(
    platform: Platform, wanted: Mapping[str, Sequence[str]], rebuild: Rebuild
) -> dict[str, Any]:
    """The months of a run, where any of them has been made."""
    if not rebuild.rebuilt:
        return {}
    parts: list[pictures.Hours] = []
    read = 0
    for symbol, months in wanted.items():
        read += len(months)
        if parts and read > MAX_MONTHS:
            break
        source = platform.experiment().symbol(symbol).source
        parts.append(hours_of(platform.lake, platform.raw, symbol, source, months))
    drawn = pictures.coverage(parts)
    title = f"Minutes that are there: {', '.join(part.symbol for part in parts)}"
    return {"coverage": dg.MetadataValue.md(pictures.markdown(drawn, title))}
