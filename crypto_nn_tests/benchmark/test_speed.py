"""Speed and memory: measured in a process of its own, once, and told apart by what they are of."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crypto_nn.benchmark import speed, speed_process
from crypto_nn.benchmark.contestants import BaselineContestant, NetworkContestant
from crypto_nn.benchmark.speed import measure_all, network_question, question_of
from crypto_nn.benchmark.speed_process import BASELINE_ROWS, Question, noise
from crypto_nn.errors import ConfigError, ModelError
from crypto_nn.models import MODELS
from crypto_nn.training import Recipe
from crypto_nn_tests.training.tasks import TINY

NAMES, HORIZONS = ("a", "b", "c_5m", "d"), (5, 15)
RECIPE = Recipe("LSTMPricePredictor", TINY)
TIMES = {"latency_p50_ms_batch1", "latency_p99_ms_batch1", "latency_p50_ms_batch32",
         "windows_per_second_batch1", "windows_per_second_batch32"}  # fmt: skip
MEMORY = {"memory_mb_batch1", "memory_mb_batch32"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few answers, and the threads of before."""
    threads = torch.get_num_threads()
    for name, value in {"ROUND_S": 1e-3, "WARM_UP_S": 1e-3, "BATCHES": {1: 5, 32: 2}}.items():
        monkeypatch.setattr(speed_process, name, value)
    yield
    torch.set_num_threads(threads)


def asked(monkeypatch: pytest.MonkeyPatch, question: Question) -> dict[str, float]:
    """What the process answers to a question, in this one."""
    said = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(asdict(question))))
    monkeypatch.setattr("sys.stdout", said)
    speed_process.main()
    monkeypatch.undo()
    facts: dict[str, float] = json.loads(said.getvalue())
    return facts


def test_a_network_has_speed_memory_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """All facts of the contract; they fit together, and the size is that of the weights."""
    question = network_question(RECIPE, NAMES, HORIZONS, ("BTC-USDT",))
    facts = asked(monkeypatch, question)
    linux = Path("/proc/self/status").exists()
    assert set(facts) == {"parameters", *TIMES, *(MEMORY if linux else ())}
    network = MODELS["LSTMPricePredictor"].load()(TINY, question.inputs)
    assert facts["parameters"] == sum(weight.numel() for weight in network.parameters())
    assert facts["latency_p99_ms_batch1"] >= facts["latency_p50_ms_batch1"] > 0
    assert all(value > 0 for value in facts.values())


PEAK = """
import numpy as np
from crypto_nn.benchmark import speed_process

before = np.ones(30_000_000)
del before
speed_process._forget_peak()
start = speed_process._megabytes("VmRSS")
taken = np.ones(10_000_000)
del taken
print(speed_process._megabytes("VmHWM") - start)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells peaks of memory")
def test_memory_is_the_peak_of_answering() -> None:
    """What was taken and given back before does not count; what an answer takes does."""
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    assert 75 < float(done.stdout) < 100


def test_a_disturbed_answer_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer during which the core was given away is left out, unless too few are left."""
    disturbed = {3, 7}
    counts = iter(np.cumsum([0, *(number in disturbed for number in range(20))]).tolist() * 2)
    monkeypatch.setattr(speed_process, "_switches", lambda: next(counts))
    assert len(speed_process.time_answers(lambda: None, 20)) == 18
    monkeypatch.setattr(speed_process, "FEWEST_UNDISTURBED", 19)
    assert len(speed_process.time_answers(lambda: None, 20)) == 20


@pytest.mark.parametrize("name", ["majority", "persistence"])
def test_a_baseline_has_speed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Fitted on noise; it has no weights to count, and keeps what it was fitted with in memory."""
    question = question_of(BaselineContestant(name), NAMES, HORIZONS, ("BTC-USDT",))
    assert question is not None
    assert set(asked(monkeypatch, question)) == TIMES


def test_noise_is_a_panel() -> None:
    """Whole windows, every class, nothing missing."""
    panel = noise(Question("majority", None, NAMES, HORIZONS, 1, 100))
    assert len(panel) == BASELINE_ROWS
    assert len(panel.window_ends(100)) == BASELINE_ROWS - 99
    assert set(np.unique(panel.classes_NH)) == {0, 1, 2}


class Counted:
    """Measures nothing, and counts how often it was asked."""

    def __init__(self) -> None:
        self.models: list[str] = []

    def __call__(self, question: Question) -> dict[str, float]:
        self.models.append(question.model)
        return {"latency_p50_ms_batch1": float(len(self.models))}


def test_nothing_is_measured_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another seed or rate is the same network; other settings, code, machine, shapes are not."""
    counted = Counted()
    monkeypatch.setattr(speed, "_measured", counted)
    contestants = (NetworkContestant("one", RECIPE), BaselineContestant("prior"))
    shape: tuple[Any, ...] = (NAMES, HORIZONS, ("BTC-USDT",), tmp_path)
    first = measure_all(contestants, *shape)
    assert first == {"one": {"latency_p50_ms_batch1": 1.0}, "prior": {"latency_p50_ms_batch1": 2.0}}
    assert measure_all(contestants, *shape) == first
    train = RECIPE.train.model_copy(update={"seed": 9, "learning_rate": 0.1})
    twin = NetworkContestant("twin", replace(RECIPE, train=train))
    assert measure_all([twin], *shape)["twin"] == first["one"]
    assert len(counted.models) == 2
    wider = replace(RECIPE, config=TINY.model_copy(update={"hidden": 9}))
    measure_all([NetworkContestant("one", wider)], *shape)
    measure_all(contestants[:1], NAMES[:-1], *shape[1:])
    monkeypatch.setattr(speed, "machine", lambda: {"processor": "another"})
    measure_all(contestants[:1], *shape)
    monkeypatch.setattr(speed, "code_hash", lambda: "another")
    measure_all(contestants[:1], *shape)
    assert len(counted.models) == 6
    (tmp_path / "speed.json").write_text("{")
    measure_all(contestants[:1], *shape)
    assert len(counted.models) == 7


def test_who_is_neither_network_nor_baseline_is_left_out(tmp_path: Path) -> None:
    """There is nothing to measure of it."""
    stranger = replace(BaselineContestant("prior"), name="coin")
    assert measure_all([stranger], NAMES, HORIZONS, ("BTC-USDT",), tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_bars_that_no_feature_is_of_are_a_mistake() -> None:
    """Told before a process is started."""
    name = "CrossTimeframeTransformer"
    recipe = Recipe(name, MODELS[name].presets["small"])
    with pytest.raises(ConfigError, match=r"model\.settings\.bars"):
        network_question(recipe, ("a",), HORIZONS, ("BTC-USDT",))


def test_a_process_that_fails_says_why() -> None:
    """A process of its own was started, and the end of what it said is told."""
    with pytest.raises(ModelError, match=r"nobody could not be measured: .*KeyError: 'nobody'"):
        speed._measured(Question("nobody", None, NAMES, HORIZONS, 1, 100))
