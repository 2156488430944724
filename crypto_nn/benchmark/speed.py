"""How fast contestants answer and what memory that takes, each measured once on this machine."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crypto_nn.benchmark.forecasts import Contestant
from crypto_nn.benchmark.speed_process import Question
from crypto_nn.errors import ModelError
from crypto_nn.models.baselines import BASELINES
from crypto_nn.store.atomic import write_bytes
from crypto_nn.training.environment import fingerprint
from crypto_nn.training.identity import code_hash, digest
from crypto_nn.training.record import Recipe

WINDOW = 100  # minutes
FILE = "speed.json"
FORMAT = 1
PROCESS = "crypto_nn.benchmark.speed_process"

Facts = Mapping[str, float]


def measure_speed(
    recipe: Recipe,
    names: Sequence[str],
    horizons: Sequence[int],
    symbols: Sequence[str],
    window: int = WINDOW,
) -> dict[str, float]:
    """Speed and memory of the answers of a network, on one thread, in a process of its own.

    Its weights are random: they make an answer neither faster nor slower. Times are of forward
    passes, from tensors to logits; see `speed_process.measure`.

    Args:
        recipe: the network; how it learns makes no difference.
        names: the features it sees.
        horizons: minutes ahead, one answer each.
        symbols: those it tells apart.
        window: minutes it looks back on.

    Returns:
        `parameters`, and for batches of 1 and 32 `latency_p50_ms_batch…`, `windows_per_second_…`
        and (on Linux) `memory_mb_…`; for a batch of 1 `latency_p99_ms_batch1` too.

    Raises:
        ConfigError: the network asks for bars that no feature is of.
        ModelError: the process failed, for want of memory, say.
    """
    return _measured(network_question(recipe, names, horizons, symbols, window))


def measure_all(
    contestants: Sequence[Contestant],
    names: Sequence[str],
    horizons: Sequence[int],
    symbols: Sequence[str],
    folder: Path,
    window: int = WINDOW,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, dict[str, float]]:
    """Facts of every contestant that is a network or a baseline, by its name, one after the other.

    What was measured before on this machine, with the same code, settings and shapes, is read from
    `speed.json` in the folder. Nothing else should run meanwhile.

    Args:
        contestants: those of the benchmark; others than networks and baselines are left out.
        names, horizons, symbols, window: as for `measure_speed`.
        folder: the benchmark's own.
        say: is told of each contestant before it is measured.

    Raises:
        ConfigError, ModelError: as `measure_speed`.
    """
    found: dict[str, dict[str, float]] = {}
    for contestant in contestants:
        question = question_of(contestant, names, horizons, symbols, window)
        if question is None:
            continue
        key, known = key_of(question), _known(folder / FILE)
        if key not in known:
            say(f"speed of {contestant.name}")
            known[key] = {"model": question.model, "facts": _measured(question)}
            write_bytes(folder / FILE, json.dumps(known, sort_keys=True, indent=1).encode())
        found[contestant.name] = dict(known[key]["facts"])
    return found


def question_of(
    contestant: Contestant,
    names: Sequence[str],
    horizons: Sequence[int],
    symbols: Sequence[str],
    window: int = WINDOW,
) -> Question | None:
    """What to measure of a contestant; None where it is neither a network nor a baseline."""
    recipe = getattr(contestant, "recipe", None)
    if isinstance(recipe, Recipe):
        return network_question(recipe, names, horizons, symbols, window)
    if contestant.name in BASELINES:
        shape = tuple(names), tuple(horizons)
        return Question(contestant.name, None, *shape, len(symbols), window)
    return None


def network_question(
    recipe: Recipe,
    names: Sequence[str],
    horizons: Sequence[int],
    symbols: Sequence[str],
    window: int = WINDOW,
) -> Question:
    """What to measure of a network; arguments and errors as in `measure_speed`."""
    settings = recipe.config.model_dump(mode="json")
    shape = tuple(names), tuple(horizons)
    question = Question(recipe.model, settings, *shape, len(symbols), window)
    assert question.inputs.window == window  # made here, so that a mistake is told at once
    return question


def key_of(question: Question) -> str:
    """By what a measurement is known: what was asked, the code, and the machine."""
    return digest(
        {
            "format": FORMAT,
            "question": asdict(question),
            "code": code_hash(),
            "machine": machine(),
        }
    )[:32]


def machine() -> dict[str, Any]:
    """What decides how fast it is here, as far as it can be told."""
    cpuinfo, name = Path("/proc/cpuinfo"), platform.processor()
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    here = {key: value for key, value in fingerprint().items() if key != "threads"}
    return {**here, "processor": name, "cores": os.cpu_count()}


def _known(path: Path) -> dict[str, Any]:
    """What was measured before; nothing where the file is not there or damaged."""
    try:
        known: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return known


def _measured(question: Question) -> dict[str, float]:
    ran = subprocess.run(  # noqa: S603 (our own module)
        [sys.executable, "-m", PROCESS],
        input=json.dumps(asdict(question)),
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        last = ran.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise ModelError(
            f"The speed of {question.model} could not be measured: the process ended with "
            f"{ran.returncode} ({last[0]}). Where memory is short, leave the model out."
        )
    facts: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return facts
