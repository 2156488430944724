"""Files that are either old or new, never half: temporary file, fsync, rename, fsync of folder."""

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")


def temporary_beside(path: Path) -> Path:
    """A fresh hidden name in the same folder, which `sweep` will know as left over."""
    return path.with_name(f".{path.name}.{uuid4().hex}.tmp")


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Make `path` what `write` writes, so that a reader or a crash sees the old or the new file.

    Args:
        path: the file; its folder is created where it is missing.
        write: is given a temporary path in the same folder and writes the whole file there.

    Raises:
        OSError: the disk is full or refuses; the old file is untouched and nothing is left behind.
    """
    make_folder(path.parent)
    temporary = temporary_beside(path)
    try:
        write(temporary)
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)  # a SIGKILL leaves it: hence `sweep`


def write_bytes(path: Path, content: bytes) -> None:
    """Make `path` hold exactly `content`, atomically and durably."""
    write_atomic(path, lambda temporary: _write_all(temporary, content))


def _write_all(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def make_folder(folder: Path) -> None:
    """Create a folder and what is missing above it, so that it outlives a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Wait until the file or folder is on the disk itself."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_since(root: Path, since: float) -> None:
    """Put on the disk every file below `root` that others wrote since then (seconds since 1970)."""
    since -= 1.0  # file systems keep coarser clocks
    for folder, _, files in os.walk(root):
        if os.stat(folder).st_mtime < since:
            continue
        for path in (Path(folder, name) for name in files):
            if _changed(path) >= since:
                sync(path)
        sync(Path(folder))


def sweep(root: Path, older_than: float = 3600.0, now: float | None = None) -> tuple[Path, ...]:
    """Remove temporary files and folders that killed writers left; returns what was removed.

    Args:
        root: where to look, with everything below.
        older_than: seconds since the last change; a younger one may belong to a running writer.
        now: seconds since 1970, the clock's own where it is not given.
    """
    last = (time.time() if now is None else now) - older_than
    removed = []
    for folder, folders, files in os.walk(root):
        for name in [name for name in (*folders, *files) if _TEMPORARY.fullmatch(name)]:
            path = Path(folder, name)
            if _changed(path) <= last and _remove(path):
                removed.append(path)
        folders[:] = [name for name in folders if not _TEMPORARY.fullmatch(name)]
    return tuple(sorted(removed))


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return float("nan")  # its writer has just renamed or removed it


def _remove(path: Path) -> bool:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return not path.exists()
