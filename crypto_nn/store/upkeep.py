"""Housekeeping of the lake: few files, few snapshots, nothing orphaned."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

import duckdb

from crypto_nn.errors import LakeError
from crypto_nn.store.atomic import sync_since
from crypto_nn.store.catalogue import Catalogue, Connection
from crypto_nn.store.quoting import literal, quote

LIVE_SECONDS = 12 * 3600
"""How long a snapshot that only appended live rows stays readable: longer than any training runs,
which pins its snapshot at the end. There are thousands of them a day, and each slows queries."""

UNFOLDED_ROWS = 100_000
"""So many live rows that nobody has folded are moved from the catalogue into a file."""


@dataclass(frozen=True)
class Upkeep:
    """What one round of housekeeping did.

    Attributes:
        rows_reclaimed: removed rows that lay in the catalogue itself, which no snapshot can read.
    """

    snapshots_expired: int
    files_merged: int
    files_removed: int
    rows_reclaimed: int = 0


def keep_up(
    catalogue: Catalogue,
    pinned: frozenset[int],
    keep: int,
    grace: timedelta,
    streamed: Collection[str] = (),
) -> Upkeep:
    """Merge, expire and clean up while holding the write lock; see `Lake.maintain`.

    Snapshots are expired by number, not by age: an age would take pinned ones with it.

    Args:
        streamed: tables that are appended to row by row; commits that only do this do not count
            among the `keep` newest, and stay for `LIVE_SECONDS`.
    """
    if keep < 1:
        raise LakeError(f"keep is {keep}; at least the newest snapshot must stay.")
    cursor = catalogue.cursor()
    try:
        with catalogue.lock():
            began = time.time()
            _flush(cursor, streamed)
            merged = cursor.execute("CALL ducklake_merge_adjacent_files('lake')").fetchall()
            sync_since(catalogue.data, began)
            expired = _expire(cursor, pinned, keep, streamed)
            reclaimed = _reclaim(cursor)
            removed = _remove(cursor, grace)
    except duckdb.Error as error:
        raise _stopped(catalogue, error) from error
    finally:
        cursor.close()
    return Upkeep(expired, len(merged), removed, reclaimed)


def forget_live(
    catalogue: Catalogue, pinned: frozenset[int], streamed: Collection[str]
) -> tuple[int, int]:
    """Expire old snapshots that only appended live rows; see `Lake.forget_live`."""
    cursor = catalogue.cursor()
    try:
        with catalogue.lock():
            return _expire(cursor, pinned, None, streamed), _reclaim(cursor)
    except duckdb.Error as error:
        raise _stopped(catalogue, error) from error
    finally:
        cursor.close()


def _stopped(catalogue: Catalogue, error: duckdb.Error) -> LakeError:
    return LakeError(
        f"Housekeeping of the lake in {catalogue.root} stopped: {error} "
        "No rows are lost; run it again."
    )


def _flush(cursor: Connection, streamed: Collection[str]) -> None:
    """Move rows that nobody folds (a symbol given up, say) from the catalogue into a file."""
    stored = cursor.execute("SELECT table_name FROM ducklake_table_info('lake')").fetchall()
    for name in {row[0] for row in stored} & set(streamed):
        counted = cursor.execute(f"SELECT count(*) FROM lake.main.{quote(name)}").fetchone()
        if counted and counted[0] >= UNFOLDED_ROWS:
            cursor.execute(
                f"CALL ducklake_flush_inlined_data('lake', table_name => {literal(name)})"
            )


def _expire(
    cursor: Connection, pinned: frozenset[int], keep: int | None, streamed: Collection[str]
) -> int:
    """Expire old live snapshots, and all others but the `keep` newest (None keeps them all)."""
    found = cursor.execute(_SNAPSHOTS, [list(streamed), LIVE_SECONDS]).fetchall()
    counted = [version for version, live, _ in found if not live]
    first = counted[-keep] if keep and len(counted) >= keep else 0
    newest = found[-1][0]  # what the lake is now
    old = [
        version
        for version, live, young in found
        if version not in pinned and version != newest
        if not (young if live else version >= first)
    ]
    for at in range(0, len(old), 5_000):
        listed = ", ".join(map(str, old[at : at + 5_000]))
        cursor.execute(f"CALL ducklake_expire_snapshots('lake', versions => [{listed}])")
    return len(old)


# Each snapshot, whether all that it did was to append to streamed tables, and whether it is young.
_SNAPSHOTS = """
WITH streamed AS (
 SELECT table_id::VARCHAR AS id FROM ducklake_table_info('lake')
 WHERE list_contains(?::VARCHAR[], table_name)
), ids AS (SELECT coalesce(list(id), []) AS ids FROM streamed)
SELECT snapshot_id,
 cardinality(changes) > 0 AND list_has_all(['inlined_insert'], map_keys(changes))
  AND list_has_all(ids, flatten(map_values(changes))) AS live,
 snapshot_time > now() - to_seconds(?::BIGINT) AS young
FROM ducklake_snapshots('lake'), ids ORDER BY snapshot_id
"""


def _reclaim(cursor: Connection) -> int:
    """Delete the rows within the catalogue that no snapshot can read; returns how many.

    DuckLake 1.5.5 leaves them there for good (github.com/duckdb/ducklake, issue 1390), or makes
    a file of them when it flushes. This is what later versions do when snapshots expire.
    """
    tables = cursor.execute(f"SELECT table_name FROM {_META}.ducklake_inlined_data_tables")
    reclaimed = 0
    for (name,) in tables.fetchall():
        done = cursor.execute(
            f"DELETE FROM {_META}.{quote(name)} AS r WHERE end_snapshot IS NOT NULL AND NOT EXISTS"
            f" (FROM {_META}.ducklake_snapshot AS s"
            "  WHERE s.snapshot_id >= r.begin_snapshot AND s.snapshot_id < r.end_snapshot)"
        ).fetchone()
        reclaimed += done[0] if done else 0
    return reclaimed


_META = "__ducklake_metadata_lake"


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
