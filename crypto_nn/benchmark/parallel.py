"""Forecasts side by side: processes that share one panel on disk and leave what they made there."""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from crypto_nn.errors import TrainingError
from crypto_nn.features.panel import Panel
from crypto_nn.store.atomic import write_bytes

META, FOLDER = "panel.json", "panel-"
AnyTask = TypeVar("AnyTask")
AnyResult = TypeVar("AnyResult")
_ARRAYS = tuple(field.name for field in fields(Panel))[3:]


@dataclass(frozen=True)
class Task:
    """One forecast to make: which fold (position), which contestant (position), which seed."""

    exam: int
    contestant: int
    seed: int


Made = tuple[Task, bool]
"""A task, and whether its forecast had been there already."""


def save_panel(panel: Panel, folder: Path) -> None:
    """Write a panel as plain arrays that other processes can map into memory."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _ARRAYS:
        np.save(folder / f"{name}.npy", getattr(panel, name), allow_pickle=False)
    meta = {name: list(getattr(panel, name)) for name in ("symbols", "names", "horizons")}
    write_bytes(folder / META, json.dumps(meta).encode())


def load_panel(folder: Path) -> Panel:
    """The panel that `save_panel` wrote; its arrays are mapped, not read."""
    meta = json.loads((folder / META).read_text())
    found: dict[str, Any] = {name: tuple(values) for name, values in meta.items()}
    for name in _ARRAYS:
        found[name] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return Panel(**found)


@contextmanager
def shared_panel(panel: Panel, workdir: Path) -> Iterator[Path]:
    """The panel in a folder of this process alone, for as long as workers need it.

    What processes that are no more have left behind is removed.
    """
    for left in workdir.glob(f"{FOLDER}*"):
        if not _runs(int(left.name.removeprefix(FOLDER))):
            shutil.rmtree(left, ignore_errors=True)
    folder = workdir / f"{FOLDER}{os.getpid()}"
    save_panel(panel, folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def in_processes(
    begin: Callable[..., None],
    arguments: tuple[Any, ...],
    work: Callable[[AnyTask], AnyResult],
    tasks: Sequence[AnyTask],
    workers: int,
) -> Iterator[AnyResult]:
    """Each task as it is done, by `workers` processes that `begin(*arguments)` made ready.

    The first error ends the others after what they are at, and is raised here; workers end with
    the process that started them, also where it is killed.

    Raises:
        TrainingError: a worker died, such as by SIGKILL when memory ran out.
    """
    from loky import ProcessPoolExecutor  # the standard one can wait for ever for a dead worker
    from loky.process_executor import BrokenProcessPool

    pool = ProcessPoolExecutor(
        workers, initializer=_begin, initargs=(os.getpid(), begin, arguments)
    )
    try:
        waiting: set[Future[AnyResult]] = {pool.submit(work, task) for task in tasks}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in done)
    except BrokenProcessPool as error:
        raise TrainingError(
            "A worker of the benchmark died, most likely because memory ran out. What was forecast "
            "is kept: run the same command again, with fewer benchmark.workers."
        ) from error
    finally:
        pool.shutdown(wait=True, kill_workers=True)


def _begin(parent: int, begin: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    from loky import process_executor

    # It starts a worker anew that has grown, and takes pages of the mapped panel for a leak.
    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    begin(*arguments)


def _end_with(parent: int) -> None:
    """Leave at once when the parent is gone: nobody will ask for another forecast."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
