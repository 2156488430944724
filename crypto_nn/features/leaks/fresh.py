"""A function that has never seen the future: its answer in a process of its own.

What a function keeps between calls (a global, a cache, a file read once) may hold bars that it was
shown before. In a copy of this process, made before the first call, it has seen none.
"""

import contextlib
import gc
import multiprocessing
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.features.leaks.result import REFUSALS, Compute, Result, run

_PATIENCE_S = 20.0


def fresh_results(
    compute: Compute, bars: Bars, cuts: Sequence[int], names: Sequence[str] | None
) -> dict[int, Result]:
    """The result for the bars before each cut, each from a process that has computed nothing else.

    Nothing where such processes cannot be made safely: on other systems than Linux, beside
    running threads, or within a worker that may not have children.
    """
    if (
        sys.platform != "linux"
        or threading.active_count() > 1
        or multiprocessing.current_process().daemon
    ):
        return {}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for cut in cuts:
            path = Path(folder) / f"{cut}.npz"
            child = multiprocessing.get_context("fork").Process(
                target=_answer, args=(compute, bars[:cut], names, path)
            )
            child.start()
            child.join(_PATIENCE_S)
            if child.is_alive():
                child.kill()
                child.join()
                break
            if child.exitcode == 0 and path.exists():
                with np.load(path) as kept:
                    found[cut] = Result(tuple(kept["names"].tolist()), kept["values_NF"])
    return found


def _answer(compute: Compute, bars: Bars, names: Sequence[str] | None, path: Path) -> None:
    gc.disable()  # objects of libraries that started threads must not be freed in a copy
    with contextlib.suppress(*REFUSALS):
        result = run(compute, bars, names)
        np.savez(path, names=np.array(result.names, dtype=str), values_NF=result.values_NF)
