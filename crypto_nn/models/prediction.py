"""What a model is given and what it answers.

Shapes: B windows, T moments, F features, H horizons, C classes (down, flat, up), D state size.
"""

from dataclasses import dataclass, field

from torch import Tensor

NUM_CLASSES = 3


@dataclass(frozen=True)
class Windows:
    """What is known of each symbol at one moment: its recent features, up to the last closed bar.

    Attributes:
        x_BTF: scaled features, the last row being the newest closed bar.
        t_B: open of that bar, int64 microseconds since 1970 (UTC).
        symbol_B: position of the symbol in the version's list, int64.
    """

    x_BTF: Tensor
    t_B: Tensor
    symbol_B: Tensor


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
