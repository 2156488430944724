"""Files are old or new, durable once written, and nothing is left behind."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from crypto_nn.store.atomic import sweep, temporary_beside, write_bytes
from crypto_nn.store.models import ModelStore


def _temporary(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.name.endswith(".tmp")]


def test_a_file_is_on_the_disk_before_it_gets_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A12: write, fsync of the file, rename, fsync of the folder, in this order."""
    done: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(descriptor: int) -> None:
        fsync(descriptor)
        done.append(("fsync", os.fstat(descriptor).st_ino))

    def watched_replace(source: Path, target: Path) -> None:
        replace(source, target)
        done.append(("replace", target.stat().st_ino))

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    write_bytes(tmp_path / "a", b"new")

    file, folder = (tmp_path / "a").stat().st_ino, tmp_path.stat().st_ino
    assert done == [("fsync", file), ("replace", file), ("fsync", folder)]


def test_a_model_is_on_the_disk_before_it_gets_its_name_and_its_manifest_is_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A12 for folders: files, manifest, folder, rename, parent folder."""
    done: list[str] = []
    fsync, rename = os.fsync, os.rename

    def watched_fsync(descriptor: int) -> None:
        fsync(descriptor)
        name = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
        done.append("temporary" if name.endswith(".tmp") else name)

    def watched_rename(source: Path, target: Path) -> None:
        rename(source, target)
        done.append("rename")

    store = ModelStore(tmp_path)
    store.save("lstm", "v1", {})
    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "rename", watched_rename)
    store.save("lstm", "v2", {"b": b"2", "a": b"1"})

    assert done == ["a", "b", "manifest.json", "temporary", "rename", "lstm"]


@pytest.mark.parametrize("operation", ["open", "fsync", "replace", "rename", "mkdir"])
def test_whichever_call_fails_the_old_contents_stay_and_nothing_is_left(
    operation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A10: the Nth call of each kind says that the disk is full, for every N."""
    real, left = getattr(os, operation), [0]

    def failing(*arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **named)

    store = ModelStore(tmp_path / "models")
    write_bytes(tmp_path / "a", b"old")
    store.save("lstm", "v1", {"w": b"old"})
    for nth in range(1, 50):
        with monkeypatch.context() as patch:
            patch.setattr(os, operation, failing)
            left[0] = nth
            try:
                write_bytes(tmp_path / "a", b"new")
                store.save("lstm", f"v{nth + 1}", {"w": b"new", "x": b"new"})
            except OSError:
                pass
            else:
                break
        assert (tmp_path / "a").read_bytes() in (b"old", b"new")
        assert _temporary(tmp_path) == []
        for version in store.versions("lstm"):
            store.load("lstm", version)
    assert left[0] > 0, "every call was reached"
    assert (tmp_path / "a").read_bytes() == b"new"


def test_the_sweeper_takes_what_is_left_over_and_old_and_nothing_else(tmp_path: Path) -> None:
    """A13: temporary files and folders of dead writers, never a young or a finished one."""
    store = ModelStore(tmp_path)
    kept = store.save("lstm", "v1", {"w": b"1"})
    dead = [temporary_beside(kept), temporary_beside(tmp_path / "x.parquet")]
    dead[0].mkdir()
    (dead[0] / "w").write_bytes(b"half")
    dead[1].write_bytes(b"half")
    for path in dead:
        os.utime(path, (1_000_000, 1_000_000))
    young = temporary_beside(tmp_path / "y.parquet")
    young.write_bytes(b"being written")
    os.utime(young, (1_003_000, 1_003_000))
    lookalike = tmp_path / "report.tmp"
    lookalike.write_bytes(b"not ours")
    os.utime(lookalike, (1_000_000, 1_000_000))

    assert sweep(tmp_path, older_than=3600, now=1_004_000) == tuple(sorted(dead))
    assert sweep(tmp_path, older_than=3600, now=1_004_000) == ()
    assert young.exists()
    assert lookalike.exists()
    assert store.load("lstm", "v1") == {"w": b"1"}
