"""One training step of the same model and the same windows, in our loop and in those of others."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from crypto_nn.features import default_feature_set
from crypto_nn.models import MODELS, Inputs, build, find_slower
from crypto_nn.models.prediction import Answers, Windows
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.loop import TrainingLoop
from crypto_nn.training.objective import make_objective
from crypto_nn.training.windows import LearningTask, WindowTensors

MINUTE_US = 60_000_000
HORIZONS = (5, 15, 60)


def task_of(name: str, preset: str, window: int, rows: int) -> LearningTask:
    """Noise with the shape of the shipped features, two symbols and three horizons."""
    names = default_feature_set().names
    slower = find_slower(MODELS[name].presets[preset].slower, names)
    inputs = Inputs(len(names), len(HORIZONS), 2, window, slower)
    random = np.random.default_rng(0)
    scores_NH = torch.from_numpy(random.standard_normal((rows, 3)).astype(np.float32))
    return LearningTask(
        WindowTensors(
            torch.from_numpy(random.standard_normal((rows, len(names))).astype(np.float32)),
            torch.arange(rows) * MINUTE_US,
            (torch.arange(rows) >= rows // 2).long(),
            inputs,
        ),
        torch.from_numpy(random.integers(0, 3, (rows, 3))),
        scores_NH,
        scores_NH * 5e-4,
        torch.full((rows,), 5e-4),
        torch.arange(rows) * MINUTE_US + 61 * MINUTE_US,
        torch.arange(inputs.reach, rows),
        torch.arange(inputs.reach, min(rows, inputs.reach + 100)),
        HORIZONS,
    )


def model_of(name: str, preset: str, task: LearningTask) -> nn.Module:
    torch.manual_seed(0)
    return build(name, MODELS[name].presets[preset], task.inputs)


@dataclass(frozen=True)
class Setting:
    """What all loops do alike."""

    name: str
    preset: str
    task: LearningTask
    config: TrainConfig


class Loop(ABC):
    """A way to train; `steps` does some, and says how long they took."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.config = setting.config
        self.model = model_of(setting.name, setting.preset, setting.task)

    @abstractmethod
    def steps(self, count: int) -> float:
        """Seconds of `count` steps: of CPU on a CPU, else of the clock."""

    def clock(self) -> float:
        if self.config.device == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()


class Ours(Loop):
    """`TrainingLoop.train_step`, with its averaged weights and its guards."""

    def __init__(self, setting: Setting, amp: str) -> None:
        super().__init__(setting)
        config = self.config.model_copy(update={"amp": amp})
        self.loop = TrainingLoop(self.model, setting.task, config, None)
        self.loop.sampler.begin_epoch()

    def steps(self, count: int) -> float:
        started = self.clock()
        for _ in range(count):
            if self.loop.sampler.position + self.config.batch_size > self.loop.sampler.num_windows:
                self.loop.sampler.begin_epoch()
            self.loop.train_step()
        return self.clock() - started


def materialised(task: LearningTask, most: int) -> TensorDataset:
    """Every window as a tensor of its own, as one does without gathering."""
    ends = task.train_ends[:most]
    windows, answers = task.windows.gather(ends), task.answers(ends)
    return TensorDataset(
        windows.x_BTF, windows.t_B, windows.symbol_B, *windows.slower.values(),
        answers.classes_BH, answers.scores_BH, answers.returns_BH, answers.sigma_B,
        answers.known_at_B,
    )  # fmt: skip


def unpacked(task: LearningTask, tensors: list[Tensor]) -> tuple[Windows, Answers]:
    names = [slower.timeframe for slower in task.inputs.slower]
    last = 3 + len(names)
    return Windows(*tensors[:3], dict(zip(names, tensors[3:last]))), Answers(*tensors[last:])


class Plain(Loop):
    """A loop as one writes it: a `DataLoader` over windows, forward, backward, clip, AdamW."""

    def __init__(self, setting: Setting, windows: TensorDataset) -> None:
        super().__init__(setting)
        self.model.to(self.config.device).train()
        self.objective = make_objective(setting.task, self.config).to(self.config.device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=self.config.learning_rate, weight_decay=0.01
        )
        self.loader = DataLoader(windows, self.config.batch_size, shuffle=True, drop_last=True)
        self.batches = iter(self.loader)

    def steps(self, count: int) -> float:
        started = self.clock()
        for _ in range(count):
            batch = next(self.batches, None)
            if batch is None:
                self.batches = iter(self.loader)
                batch = next(self.batches)
            self.step([tensor.to(self.config.device) for tensor in batch])
        return self.clock() - started

    def step(self, batch: list[Tensor]) -> None:
        windows, answers = unpacked(self.setting.task, batch)
        loss = self.objective(self.model(windows), answers)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimizer.step()


class Lightning(Loop):
    """Lightning's Trainer, everything off that is not training."""

    def __init__(self, setting: Setting, windows: TensorDataset, precision: str) -> None:
        super().__init__(setting)
        from peers.lightning_module import Module

        self.precision = precision
        self.module = Module(setting, self.model)
        self.loader = DataLoader(windows, self.config.batch_size, shuffle=True, drop_last=True)

    def steps(self, count: int) -> float:
        from peers.lightning_module import Stopwatch, trainer

        watch = Stopwatch(self.clock)
        trainer(watch, count + 1, self.precision, self.config).fit(self.module, self.loader)
        return watch.seconds
