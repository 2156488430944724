"""Keeping the stores small: merge files, forget old snapshots, remove what nothing needs."""

import time
from pathlib import Path

import dagster as dg

from crypto_nn.defs.resources import Platform
from crypto_nn.inference.retention import remove_spent, starts
from crypto_nn.store.atomic import sweep
from crypto_nn.store.lake import Lake

KEPT_SNAPSHOTS = 300  # some days of hourly refreshes, so that a training's own is among them
WORK_SECONDS = 14 * 86_400


def _forget(work: Path) -> list[Path]:
    """Remove unfinished work that nobody has touched for two weeks."""
    old = time.time() - WORK_SECONDS
    files = [path for path in work.rglob("*") if path.is_file() and path.stat().st_mtime < old]
    for path in files:
        path.unlink(missing_ok=True)
    return files


def pinned_snapshots(lake: Lake) -> list[int]:
    """The snapshots that checkpoints learned from."""
    if not lake.has("checkpoints"):
        return []
    found = lake.read("checkpoints", ("snapshot",))["snapshot"].drop_null()
    return sorted(set(found.to_pylist()))


@dg.op(description="Merge small files, expire snapshots that no checkpoint needs, sweep leftovers.")
def tidy_up(context: dg.OpExecutionContext, platform: Platform) -> None:
    """The snapshots that kept checkpoints learned from stay readable."""
    pinned = pinned_snapshots(platform.lake)
    done = platform.lake.maintain(pinned, keep=KEPT_SNAPSHOTS)
    experiment = platform.experiment()
    needed = starts(platform.lake, platform.models, experiment.training.pretrained)
    kept = experiment.automation.keep_versions
    gone = remove_spent(platform.lake, platform.models, kept, needed)
    swept = [*sweep(platform.raw.root), *platform.models.sweep(), *_forget(platform.work)]
    context.log.info("%s; %d stale temporary files removed; pinned %s", done, len(swept), pinned)
    if gone:
        context.log.info("Versions removed: %s", ", ".join(each.version for each in gone))
    mirrored = platform.mirror.flush(force=True)
    if mirrored.waiting or mirrored.set_aside:
        context.log.warning("The database lacks rows: %s", mirrored.metadata())


@dg.job(tags={"reason": "upkeep"})
def upkeep() -> None:
    """Keep the lake and the stores small without touching what a version was trained on."""
    tidy_up()
