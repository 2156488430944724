"""Windows gathered by index from one tensor of all rows; a set of windows never exists."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from crypto_nn.errors import ConfigError, TrainingError
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.prediction import Answers, Windows
from crypto_nn.training.config import TrainConfig


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

    def gather(self, ends_B: Tensor, out: Tensor | None = None) -> Windows:
        """The windows whose newest rows are `ends_B`; each has `inputs.reach` rows behind it.

        `out` is memory for the base windows (B, window · F), which they then are in.
        """
        ends_B = ends_B.to(self.x_NF.device)
        slower = {
            bars.timeframe: self._rows(ends_B, bars.length, bars.minutes)[..., list(bars.columns)]
            for bars in self.inputs.slower
        }
        return Windows(self._base(ends_B, out), self.t_N[ends_B], self.symbol_N[ends_B], slower)

    def _base(self, ends_B: Tensor, out: Tensor | None) -> Tensor:
        """Each window's rows lie one after the other: it is one long row of an overlapping view."""
        (rows, features), window = self.x_NF.shape, self.inputs.window
        long_RW = self.x_NF.as_strided((rows - window + 1, window * features), (features, 1))
        starts_B = ends_B - (window - 1)
        if out is None:
            x_BW = long_RW.index_select(0, starts_B)
        else:
            x_BW = torch.index_select(long_RW, 0, starts_B, out=out)
        return x_BW.view(-1, window, features)

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


class WindowReader:
    """Gathers windows into memory that is used again: each batch overwrites the one before.

    Fresh memory for each batch takes the system longer to give than the copying does. A backward
    pass through a batch that has been overwritten is refused by autograd.
    """

    def __init__(self, windows: WindowTensors) -> None:
        self.windows = windows
        self._memory = windows.x_NF.new_empty(0, 0)

    def __call__(self, ends_B: Tensor) -> Windows:
        """As `WindowTensors.gather`; what the last call gave is gone."""
        size = self.windows.inputs.window * self.windows.x_NF.shape[1]
        if len(ends_B) > len(self._memory):
            self._memory = self.windows.x_NF.new_empty(len(ends_B), size)
        return self.windows.gather(ends_B, self._memory[: len(ends_B)])


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
        horizons: how many minutes ahead each answer is.
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
    horizons: tuple[int, ...]
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

    def only(self, horizon: int) -> "LearningTask":
        """The same with the answers at one horizon.

        Raises:
            ConfigError: there are no answers at this horizon.
        """
        if horizon not in self.horizons:
            raise ConfigError(
                f"There are no answers at {horizon} minutes; there are at "
                f"{', '.join(map(str, self.horizons))}. Choose one of these, or add it to "
                "labels.horizons and materialise `labels`."
            )
        column = self.horizons.index(horizon)
        own = slice(column, column + 1)
        inputs = replace(self.inputs, num_horizons=1)
        weights = self.class_weights_HC
        return replace(
            self,
            windows=replace(self.windows, inputs=inputs),
            classes_NH=self.classes_NH[:, own],
            scores_NH=self.scores_NH[:, own],
            returns_NH=self.returns_NH[:, own],
            horizons=(horizon,),
            class_weights_HC=None if weights is None else weights[own],
        )

    def to(self, device: str) -> "LearningTask":
        names = ("windows", "classes_NH", "scores_NH", "returns_NH", "sigma_N", "known_at_N")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


class WindowSampler:
    """Draws the windows of each epoch in a random order, and can go on from any position.

    Of every `stride` windows one is used, from a random first one, and of those at most
    `max_windows`, without repetition within an epoch. Given the symbol of each window, no symbol
    gets more than its equal share of `max_windows`; one with fewer windows has all of them used.
    """

    def __init__(
        self,
        ends: Tensor,
        stride: int,
        max_windows: int,
        seed: int,
        symbol_R: Tensor | None = None,
    ) -> None:
        self.ends = ends
        self.stride = stride
        self.num_windows = min(max_windows, len(ends) // stride)
        self.symbol_R = symbol_R
        self.most_of: dict[int, int] = {}
        if symbol_R is not None:
            symbols, counts = symbol_R.unique(return_counts=True)
            share = max_windows // len(symbols)
            self.most_of = {
                symbol: min(share, count // stride)
                for symbol, count in zip(symbols.tolist(), counts.tolist())
            }
            self.num_windows = sum(self.most_of.values())
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.int64)
        self.position = 0

    def begin_epoch(self) -> None:
        """Draw a new order and stand at its first window."""
        first = int(torch.randint(self.stride, (1,), generator=self.generator))
        candidates = self.ends[first :: self.stride]
        drawn = torch.randperm(len(candidates), generator=self.generator)
        if self.symbol_R is not None:
            drawn = self._shared_out(drawn, self.symbol_R[first :: self.stride])
        self.order = candidates[drawn[: self.num_windows]]
        self.position = 0

    def _shared_out(self, drawn: Tensor, symbol_R: Tensor) -> Tensor:
        """The same order without what a symbol has beyond its share."""
        keep_R = torch.zeros(len(drawn), dtype=torch.bool)
        for symbol, most in self.most_of.items():
            own_R = symbol_R[drawn] == symbol
            keep_R |= own_R & (own_R.cumsum(0) <= most)
        return drawn[keep_R]

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


def sampler_of(task: LearningTask, config: TrainConfig) -> WindowSampler:
    """What draws a task's training windows as the settings say.

    Raises:
        TrainingError: symbols are to be drawn equally often, and there are more than windows.
    """
    ends = task.train_ends
    symbol_R = task.windows.symbol_N.cpu()[ends] if config.balance_symbols else None
    symbols = 0 if symbol_R is None else len(symbol_R.unique())
    if config.max_windows < symbols:
        raise TrainingError(
            f"training.max_windows is {config.max_windows}, and training.balance_symbols shares "
            f"them out among {symbols} symbols: none would have a window. Set max_windows to "
            f"{symbols} or more, or balance_symbols to false."
        )
    return WindowSampler(ends, config.stride, config.max_windows, config.seed, symbol_R)
