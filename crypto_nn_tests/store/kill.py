"""Kill a process at a moment of one's choice, and see what it leaves behind.

Children are forked by a server that has imported everything and has opened nothing: DuckDB
does not outlive a fork. Each says "go" when it is about to commit and "done" when it has.
"""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

KILLS = int(os.environ.get("CRYPTO_NN_KILLS", "20"))
SEED = int(os.environ.get("CRYPTO_NN_SEED", "20240131"))

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["crypto_nn.store", "crypto_nn_tests.store.workers"])

Commit = Callable[[], Any]
Prepare = Callable[..., Commit]


def _child(pipe: Connection, prepare: Prepare, arguments: tuple[Any, ...]) -> None:
    commit = prepare(*arguments)
    pipe.send("go")
    pipe.send(("done", commit()))
    pipe.recv()  # live on until killed or told


def commit_then_kill(prepare: Prepare, *arguments: Any, after: float | None) -> bool:
    """Run a commit in a child, kill it after so many seconds; whether it had said that it was done.

    With `after` None the child kills itself, at a crash point that `prepare` has laid.
    """
    ours, theirs = CONTEXT.Pipe()
    child = CONTEXT.Process(target=_child, args=(theirs, prepare, arguments), daemon=True)
    child.start()
    theirs.close()
    assert ours.recv() == "go"
    if after is not None:
        time.sleep(after)
        child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    done = _said_done(ours)
    ours.close()
    return done


def _said_done(pipe: Connection) -> bool:
    with suppress(EOFError, ConnectionResetError):
        return pipe.poll() and pipe.recv()[0] == "done"
    return False


def run(prepare: Prepare, *arguments: Any) -> Any:
    """Run a commit in a child to its end; what it returned."""
    return run_timed(prepare, *arguments)[0]


def run_timed(prepare: Prepare, *arguments: Any) -> tuple[Any, float]:
    """Run a commit in a child to its end; what it returned and how long it took."""
    ours, theirs = CONTEXT.Pipe()
    child = CONTEXT.Process(target=_child, args=(theirs, prepare, arguments), daemon=True)
    child.start()
    theirs.close()
    assert ours.recv() == "go"
    began = time.monotonic()
    result = ours.recv()[1]
    seconds = time.monotonic() - began
    ours.send("bye")
    child.join()
    ours.close()
    return result, seconds


class Moments:
    """Random moments to kill at, which keep about the end of a commit within their reach.

    How long a commit takes changes with what else the machine does. So the reach grows where a
    child died too early and shrinks where it had finished; about one in three has finished.
    """

    def __init__(self, reach: float) -> None:
        self._reach = reach
        self._chance = random.Random(SEED)

    def next(self) -> float:
        return self._chance.uniform(0.0, 1.2 * self._reach)

    def learn(self, done: bool) -> None:
        self._reach *= 0.85 if done else 1.1


def killed(prepare: Prepare, trials: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, bool]]:
    """Kill one commit per trial at a random moment: the trial's number, and whether it was done.

    The first trial is run to its end, to learn how long a commit takes.
    """
    moments: Moments | None = None
    for number, arguments in enumerate(trials):
        if moments is None:
            moments = Moments(run_timed(prepare, *arguments)[1])
            yield number, True
            continue
        done = commit_then_kill(prepare, *arguments, after=moments.next())
        moments.learn(done)
        yield number, done
