"""Housekeeping of the lake: few files, few snapshots, nothing orphaned."""

import time
from dataclasses import dataclass
from datetime import timedelta

import duckdb

from crypto_nn.errors import LakeError
from crypto_nn.store.atomic import sync_since
from crypto_nn.store.catalogue import Catalogue, Connection


@dataclass(frozen=True)
class Upkeep:
    """What one round of housekeeping did."""

    snapshots_expired: int
    files_merged: int
    files_removed: int


def keep_up(catalogue: Catalogue, pinned: frozenset[int], keep: int, grace: timedelta) -> Upkeep:
    """Merge, expire and clean up while holding the write lock; see `Lake.maintain`.

    Snapshots are expired by number, not by age: an age would take pinned ones with it.
    """
    if keep < 1:
        raise LakeError(f"keep is {keep}; at least the newest snapshot must stay.")
    cursor = catalogue.cursor()
    try:
        with catalogue.lock():
            began = time.time()
            merged = cursor.execute("CALL ducklake_merge_adjacent_files('lake')").fetchall()
            sync_since(catalogue.data, began)
            expired = _expire(cursor, pinned, keep)
            removed = _remove(cursor, grace)
    except duckdb.Error as error:
        raise LakeError(
            f"Housekeeping of the lake in {catalogue.root} stopped: {error} "
            "No rows are lost; run it again."
        ) from error
    finally:
        cursor.close()
    return Upkeep(expired, len(merged), removed)


def _expire(cursor: Connection, pinned: frozenset[int], keep: int) -> int:
    found = cursor.execute(
        "SELECT snapshot_id FROM ducklake_snapshots('lake') ORDER BY snapshot_id"
    ).fetchall()
    versions = [row[0] for row in found]
    old = [version for version in versions[:-keep] if version not in pinned]
    if old:
        listed = ", ".join(map(str, old))
        cursor.execute(f"CALL ducklake_expire_snapshots('lake', versions => [{listed}])")
    return len(old)


def _remove(cursor: Connection, grace: timedelta) -> int:
    # DuckLake 1.5 compares times in a SQLite catalogue as text, in which every hour of the same
    # day counts as earlier; a day more keeps at least what is due to be kept.
    seconds = (grace + timedelta(days=1)).total_seconds()
    which = f"older_than => now() - INTERVAL '{seconds:.0f} seconds'"
    if not grace:
        which = "cleanup_all => true"
    dropped = cursor.execute(f"CALL ducklake_cleanup_old_files('lake', {which})").fetchall()
    orphans = cursor.execute(f"CALL ducklake_delete_orphaned_files('lake', {which})").fetchall()
    return len(dropped) + len(orphans)
