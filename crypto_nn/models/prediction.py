"""What a model is given, what it answers, and what came of it.

Shapes: B windows, T moments, F features, L slower bars, H horizons, C classes (down, flat, up),
D state size.
"""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

NUM_CLASSES = 3
MINUTE_US = 60_000_000


@dataclass(frozen=True)
class Windows:
    """What is known of each symbol at one moment: its recent features, up to the last closed bar.

    Attributes:
        x_BTF: scaled features, the last row being the newest closed bar.
        t_B: open of that bar, int64 microseconds since 1970 (UTC).
        symbol_B: position of the symbol in the version's list, int64.
        slower: by timeframe, such as "15m", that timeframe's features of its newest closed bars
            (B, L, columns), for models that ask for them (`Inputs.slower`).
    """

    x_BTF: Tensor
    t_B: Tensor
    symbol_B: Tensor
    slower: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """What a model says about each horizon.

    Attributes:
        logits_BHC: unscaled log-probabilities of down, flat and up.
        log_variance_BH: log of the variance that the model expects of each horizon's return, in
            units of the market's current volatility; None where a model does not say.
        inspect: named tensors that show how the answer came about, such as `attention` (B, T).
    """

    logits_BHC: Tensor
    log_variance_BH: Tensor | None = None
    inspect: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """What came of each window; never shown to a model before it has answered.

    Attributes:
        classes_BH: 0 down, 1 flat, 2 up, −1 not known; int64.
        scores_BH: returns in units of the volatility to be expected; NaN where not known.
        returns_BH: log returns; NaN where not known.
        sigma_B: volatility of one minute when the window closed, as a log return.
        known_at_B: when the last of a window's answers was known, int64 microseconds since 1970.
    """

    classes_BH: Tensor
    scores_BH: Tensor
    returns_BH: Tensor
    sigma_B: Tensor
    known_at_B: Tensor


@runtime_checkable
class Remembers(Protocol):
    """A model with a memory that training writes into; answering never does."""

    def remember(self, windows: Windows, prediction: Prediction, answers: Answers) -> None:
        """Take in windows, what was said of them and what came: after a step of training."""
