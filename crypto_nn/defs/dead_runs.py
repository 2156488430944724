"""Runs whose process is gone: they are ended, so that they hold neither place nor pool for ever.

Dagster's launcher notices a worker that dies while the code server lives. When both die, or the
machine, or a command that runs jobs in its own process, nobody would notice until the run's
longest time is over.
"""

import os
import socket
from pathlib import Path

import dagster as dg

PROCESS = "process"
"""The tag that names the process of a run: machine, process id, its start, the run's id."""

WHY = "The process of this run is gone: it was killed, or its machine went down."


def mark_process(instance: dg.DagsterInstance, run_id: str) -> None:
    """Write down that this process executes a run."""
    if instance.has_run(run_id):
        instance.add_run_tags(run_id, {PROCESS: _name(os.getpid(), run_id)})


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail the runs of this machine whose process is gone, and free their pools; their ids.

    Runs of other machines, and those that have not said who executes them, are left alone: they
    end at `dagster/max_runtime`.
    """
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]), limit=1000):
        if _is_dead(run):
            instance.report_run_failed(run, WHY)
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    return ended


def _is_dead(run: dg.DagsterRun) -> bool:
    machine, pid, _, run_id = f"{run.tags.get(PROCESS, '')}||||".split("|")[:4]
    if machine != socket.gethostname() or run_id != run.run_id or not pid.isdecimal():
        return False  # a run that is launched again inherits the tags of the first
    return _name(int(pid), run_id) != run.tags[PROCESS]


def _name(pid: int, run_id: str) -> str:
    """The name of a process: another one that has its number later has another name."""
    return f"{socket.gethostname()}|{pid}|{_started(pid)}|{run_id}"


def _started(pid: int) -> str:
    """When a process started, in ticks since the machine did; "" where it is gone or a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc").exists() else _answers(pid)
    return "" if state[0] in "ZX" else state[19]


def _answers(pid: int) -> str:
    """Where there is no /proc: whether the process is there at all."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "there"
    return "there"
