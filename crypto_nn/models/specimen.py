"""A model as its laws see it: freshly made, or after some use, and windows of noise to ask it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from crypto_nn.models.configs.base import ModelConfig
from crypto_nn.models.entry import ModelEntry
from crypto_nn.models.inputs import Inputs, find_slower
from crypto_nn.models.prediction import (
    MINUTE_US,
    NUM_CLASSES,
    Answers,
    Prediction,
    Remembers,
    Windows,
)

WINDOW, NUM_HORIZONS, NUM_SYMBOLS = 16, 3, 2
BASE_FEATURES, SLOWER_FEATURES = 7, 2  # of one minute; of each slower timeframe
FEW_BARS = 4
USUAL = ("5m", "15m", "1h")
START = 28_400_000 * MINUTE_US  # some minute of 2024
_LONGEST = 60  # minutes until the last answer of a window is known


@dataclass(frozen=True)
class Specimen:
    """One model of one size, which can be made anew as often as a law needs it.

    Attributes:
        make: a freshly initialised one; its weights depend on torch's seed.
        inputs: what it sees.
    """

    make: Callable[[], nn.Module]
    inputs: Inputs

    @classmethod
    def of(cls, entry: ModelEntry, preset: str | None = None) -> "Specimen":
        """A model of one of its presets, the first one if none is named.

        Where its settings have `bars`, windows of slower bars are short, so that laws are quick.
        """
        config = entry.presets[preset or next(iter(entry.presets))]
        if "bars" in type(config).model_fields:
            config = config.model_copy(update={"bars": dict.fromkeys(config.slower, FEW_BARS)})
        inputs = inputs_of(config)
        return cls(lambda: entry.load()(config, inputs), inputs)

    def fresh(self, seed: int = 0) -> nn.Module:
        """A model as it is before it has learned, without dropout, in eval mode."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return without_dropout(self.make()).eval()

    def used(self, seed: int = 0) -> nn.Module:
        """The same after some use: its weights are moved, and what has a memory remembers."""
        model = self.fresh(seed)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed + 1)
            for parameter in model.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
            if isinstance(model, Remembers):
                model.train()
                for batch in range(4):
                    windows = self.noise(32, seed=100 + batch, minutes=-1_000 + 200 * batch)
                    model.remember(windows, model(windows), answers_to(windows, seed=batch))
        return model.eval()

    @cached_property
    def windows(self) -> Windows:
        """Five windows of noise."""
        return self.noise(5)

    def noise(self, batch: int, seed: int = 0, minutes: int = 0) -> Windows:
        """Windows of noise, one a minute, of all symbols in turn; `minutes` after `START`."""
        found = random_windows(batch, self.inputs, seed)
        return replace(found, t_B=found.t_B + minutes * MINUTE_US)


def inputs_of(config: ModelConfig, window: int = WINDOW) -> Inputs:
    """What a model of these settings sees: few features, of all timeframes that it asks for."""
    timeframes = dict.fromkeys((*USUAL, *config.slower))
    names = [f"f{i}" for i in range(BASE_FEATURES)]
    names += [f"f{i}_{text}" for text in timeframes for i in range(SLOWER_FEATURES)]
    slower = find_slower(config.slower, names)
    return Inputs(len(names), NUM_HORIZONS, NUM_SYMBOLS, window, slower)


def random_windows(batch: int, inputs: Inputs, seed: int = 0) -> Windows:
    """Windows of noise, one a minute, of all symbols in turn."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, generator=generator)

    bars = {each.timeframe: draw(each.length, len(each.columns)) for each in inputs.slower}
    order_B = torch.arange(batch, dtype=torch.int64)
    x_BTF = draw(inputs.window, inputs.num_features)
    return Windows(x_BTF, START + order_B * MINUTE_US, order_B % inputs.num_symbols, bars)


def answers_to(windows: Windows, seed: int = 0, num_horizons: int = NUM_HORIZONS) -> Answers:
    """Noise that came of them, some of it not known."""
    generator = torch.Generator().manual_seed(seed)
    shape = len(windows.t_B), num_horizons
    scores_BH = torch.randn(shape, generator=generator)
    classes_BH = torch.randint(NUM_CLASSES, shape, generator=generator)
    classes_BH[::7, 0], scores_BH[::7, 0] = -1, torch.nan
    sigma_B = torch.full(shape[:1], 5e-4)
    returns_BH = scores_BH * sigma_B[:, None]
    known_at_B = windows.t_B + (1 + _LONGEST) * MINUTE_US
    return Answers(classes_BH, scores_BH, returns_BH, sigma_B, known_at_B)


def without_dropout(model: nn.Module) -> nn.Module:
    """The same model, whose known dropout layers drop nothing."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.LSTM):
            module.dropout = 0.0
    return model


def said_by(answer: Prediction) -> Tensor:
    """Everything that is said of each horizon: logits, and the log-variance if any (B, H, …)."""
    if answer.log_variance_BH is None:
        return answer.logits_BHC
    return torch.cat([answer.logits_BHC, answer.log_variance_BH[..., None]], dim=-1)


def with_each(windows: Windows, change: Callable[[Tensor], Tensor]) -> Windows:
    """The same, with this done to the base window and to those of slower bars."""
    slower = {text: change(tensor) for text, tensor in windows.slower.items()}
    return replace(windows, x_BTF=change(windows.x_BTF), slower=slower)


def taken(windows: Windows, rows: Tensor) -> Windows:
    """These of the windows, in this order."""
    bars = with_each(windows, lambda tensor: tensor[rows])
    return replace(bars, t_B=windows.t_B[rows], symbol_B=windows.symbol_B[rows])


def moved(windows: Windows, name: str, moment: int) -> Windows:
    """The same, with one bar of one of its windows changed."""
    tensor = windows.slower.get(name, windows.x_BTF).clone()
    tensor[:, moment] += 2.0
    if name not in windows.slower:
        return replace(windows, x_BTF=tensor)
    return replace(windows, slower={**windows.slower, name: tensor})


def tensors_of(windows: Windows) -> tuple[Tensor, ...]:
    """All that windows are made of."""
    return windows.x_BTF, windows.t_B, windows.symbol_B, *windows.slower.values()
