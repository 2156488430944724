"""Windows gathered by index from one tensor of all rows; a set of windows never exists."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from crypto_nn.models.inputs import Inputs
from crypto_nn.models.prediction import Answers, Windows


@dataclass(frozen=True)
class WindowTensors:
    """All rows of a panel as tensors, from which windows are gathered.

    Attributes:
        x_NF: scaled features, float32; NaN where a row lies in no window.
        t_N: bar opens, int64 microseconds since 1970.
        symbol_N: position in the version's list of symbols, int64.
        inputs: what a window is.
    """

    x_NF: Tensor
    t_N: Tensor
    symbol_N: Tensor
    inputs: Inputs

    def gather(self, ends_B: Tensor) -> Windows:
        """The windows whose newest rows are `ends_B`; each has `inputs.reach` rows behind it."""
        ends_B = ends_B.to(self.x_NF.device)
        slower = {
            bars.timeframe: self._rows(ends_B, bars.length, bars.minutes)[..., list(bars.columns)]
            for bars in self.inputs.slower
        }
        x_BTF = self._rows(ends_B, self.inputs.window, 1)
        return Windows(x_BTF, self.t_N[ends_B], self.symbol_N[ends_B], slower)

    def _rows(self, ends_B: Tensor, length: int, step: int) -> Tensor:
        """For each end the rows end − (length − 1)·step … end − step, end: (B, length, F)."""
        offsets_T = torch.arange(1 - length, 1, device=ends_B.device) * step
        rows_BT = ends_B[:, None] + offsets_T
        # index_select over flat rows is 40 times as fast on a CPU as x[rows].
        return self.x_NF.index_select(0, rows_BT.flatten()).view(len(ends_B), length, -1)

    def to(self, device: str) -> "WindowTensors":
        return replace(
            self,
            x_NF=self.x_NF.to(device),
            t_N=self.t_N.to(device),
            symbol_N=self.symbol_N.to(device),
        )


@dataclass(frozen=True)
class LearningTask:
    """What `fit` learns from: windows, their answers, and which of them are for what.

    Attributes:
        windows: all rows.
        classes_NH: 0 down, 1 flat, 2 up, -1 not known; int64.
        scores_NH: vol-scaled forward returns, NaN where not known; float32.
        returns_NH: forward log returns, NaN where not known; float32.
        sigma_N: volatility of one minute as known at the bar's close; float32.
        known_at_N: when the last of a row's answers is known, int64 microseconds since 1970.
        train_ends, validation_ends: newest rows of the windows of each part; int64.
        class_weights_HC: weights by rarity, or None.
    """

    windows: WindowTensors
    classes_NH: Tensor
    scores_NH: Tensor
    returns_NH: Tensor
    sigma_N: Tensor
    known_at_N: Tensor
    train_ends: Tensor
    validation_ends: Tensor
    class_weights_HC: Tensor | None = None

    @property
    def inputs(self) -> Inputs:
        """What a window is."""
        return self.windows.inputs

    def answers(self, ends_B: Tensor) -> Answers:
        """What came of the windows whose newest rows these are."""
        ends_B = ends_B.to(self.classes_NH.device)
        return Answers(
            self.classes_NH[ends_B],
            self.scores_NH[ends_B],
            self.returns_NH[ends_B],
            self.sigma_N[ends_B],
            self.known_at_N[ends_B],
        )

    def to(self, device: str) -> "LearningTask":
        names = ("windows", "classes_NH", "scores_NH", "returns_NH", "sigma_N", "known_at_N")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


class WindowSampler:
    """Draws the windows of each epoch in a random order, and can go on from any position.

    Of every `stride` windows one is used, from a random first one, and of those at most
    `max_windows`, without repetition within an epoch.
    """

    def __init__(self, ends: Tensor, stride: int, max_windows: int, seed: int) -> None:
        self.ends = ends
        self.stride = stride
        self.num_windows = min(max_windows, len(ends) // stride)
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.int64)
        self.position = 0

    def begin_epoch(self) -> None:
        """Draw a new order and stand at its first window."""
        first = int(torch.randint(self.stride, (1,), generator=self.generator))
        candidates = self.ends[first :: self.stride]
        drawn = torch.randperm(len(candidates), generator=self.generator)[: self.num_windows]
        self.order = candidates[drawn]
        self.position = 0

    def take(self, count: int) -> Tensor:
        """The next `count` windows of this epoch; fewer at its end."""
        taken = self.order[self.position : self.position + count]
        self.position += len(taken)
        return taken

    def tensors(self) -> dict[str, Tensor]:
        return {"sampler.order": self.order, "sampler.generator": self.generator.get_state()}

    def load(self, tensors: dict[str, Tensor], position: int) -> None:
        self.order = tensors["sampler.order"]
        self.generator.set_state(tensors["sampler.generator"])
        self.position = position
