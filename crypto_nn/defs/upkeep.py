"""Keeping the stores small: merge files, forget old snapshots, remove what nothing needs."""

import dagster as dg

from crypto_nn.defs.resources import Platform
from crypto_nn.store.atomic import sweep


@dg.op(description="Merge small files, expire snapshots that no checkpoint needs, sweep leftovers.")
def tidy_up(context: dg.OpExecutionContext, platform: Platform) -> None:
    """The snapshots that kept checkpoints learned from stay readable."""
    lake = platform.lake
    pinned: list[int] = []
    if lake.has("checkpoints"):
        found = lake.read("checkpoints", ("snapshot",))["snapshot"].drop_null()
        pinned = sorted(set(found.to_pylist()))
    done = lake.maintain(pinned)
    swept = [*sweep(platform.raw.root), *platform.models.sweep()]
    context.log.info("%s; %d stale temporary files removed; pinned %s", done, len(swept), pinned)


@dg.job(tags={"reason": "upkeep"})
def upkeep() -> None:
    """Keep the lake and the stores small without touching what a version was trained on."""
    tidy_up()
