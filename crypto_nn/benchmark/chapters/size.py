"""Table 3: what each contestant weighs, and how long an answer takes."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from crypto_nn.benchmark.chapters.material import Material
from crypto_nn.benchmark.chapters.predictions import family
from crypto_nn.benchmark.leaderboard import facts
from crypto_nn.benchmark.words import number
from crypto_nn.pictures.document import Block, Heading, Table, Words

COLUMNS = {
    "parameters": ("parameters", 0),
    "train_seconds": ("training a fold, s", 0),
    "latency_p50_ms_batch1": ("p50 ms, batch 1", 2),
    "latency_p99_ms_batch1": ("p99 ms, batch 1", 2),
    "windows_per_second_batch1": ("windows/s, batch 1", 0),
    "memory_mb_batch1": ("memory MB, batch 1", 0),
    "latency_p50_ms_batch32": ("p50 ms, batch 32", 2),
    "latency_p99_ms_batch32": ("p99 ms, batch 32", 2),
    "windows_per_second_batch32": ("windows/s, batch 32", 0),
    "memory_mb_batch32": ("memory MB, batch 32", 0),
}


def size_blocks(material: Material) -> Iterator[Block]:
    """Only the figures that were measured."""
    found = facts(material.result.table())
    known = {name: found[name] for name in material.result.kinds if name in found}
    shown = [key for key in COLUMNS if any(key in of for of in known.values())]
    names = [name for name, of in known.items() if any(key in of for key in shown)]
    if not names:
        return
    if not any("latency" in key for key in shown):
        yield Heading("3. Size")
        yield Words("Speed was not measured (setting: benchmark.speed).")
        yield _table(material, known, names, shown)
        return
    yield Heading("3. Size and speed")
    yield Words(
        f"Measured one after the other, each in a process and on a thread of its own, on: "
        f"{material.result.provenance.machine or 'not stated'}; windows of 100 rows, predictions "
        "for all horizons at once. Seconds of training are those of the folds as they were run, "
        f"{material.result.config.workers} side by side."
    )
    yield _table(material, known, names, shown)


def _table(
    material: Material,
    known: Mapping[str, Mapping[str, float]],
    names: Sequence[str],
    shown: Sequence[str],
) -> Table:
    rows = [
        [
            name,
            family(material, name),
            *(number(known[name].get(key, np.nan), COLUMNS[key][1]) for key in shown),
        ]
        for name in names
    ]
    columns = ["", "family", *(COLUMNS[key][0] for key in shown)]
    return Table(columns, rows, "", material.quiet(names))
