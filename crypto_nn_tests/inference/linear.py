"""A made-up version without torch: logits that are fixed weights times the window."""

from dataclasses import dataclass

import numpy as np

from crypto_nn.features.scaling import RobustScaler
from crypto_nn.inference.answering import Answering, Asked, Logits, VersionFacts
from crypto_nn.models import Inputs


@dataclass(frozen=True)
class Linear:
    """Fixed weights, by seed."""

    seed: int
    horizons: int

    def logits(self, asked: Asked) -> Logits:
        """One row at a time, so that the batch it is in cannot change a bit."""
        rng = np.random.default_rng(self.seed)
        weights = rng.standard_normal((asked.x_BTF.shape[1] * asked.x_BTF.shape[2], 3)) / 50
        rows = [np.nan_to_num(x_TF).ravel().clip(-5, 5) @ weights for x_TF in asked.x_BTF]
        answers = np.repeat(np.array(rows, np.float32).reshape(-1, 1, 3), self.horizons, axis=1)
        return answers


def linear(
    names: tuple[str, ...],
    fingerprint: str,
    symbols: tuple[str, ...] = ("BTC-USDT",),
    window: int = 12,
    seed: int = 0,
    horizons: tuple[int, ...] = (5, 15),
) -> Answering:
    """A version that answers at once."""
    width = len(names)
    scaler = RobustScaler.fit(np.random.default_rng(1).standard_normal((500, width)))
    facts = VersionFacts(
        f"v{seed}",
        "Linear",
        symbols,
        names,
        fingerprint,
        horizons,
        Inputs(width, len(horizons), len(symbols), window, ()),
        scaler,
        np.ones(len(horizons)),
        {"labels": "same", "k": None},
    )
    return Answering(facts, Linear(seed, len(horizons)))
