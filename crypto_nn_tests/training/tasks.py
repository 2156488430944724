"""The smallest training there is: seconds of work that has every part of the real one."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from crypto_nn.models import Inputs, LSTMConfig, build, find
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.loop import Fitted
from crypto_nn.training.record import EpochRecord
from crypto_nn.training.windows import LearningTask, WindowTensors

# The smallest members of four families, as name and settings; TINY is the first of them.
FAMILIES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "lstm": (
        "LSTMPricePredictor",
        {"width": 6, "hidden": 8, "layers": 2, "attention": 4, "head": 5, "dropout": 0.3},
    ),
    "transformer": (
        "TransformerPredictor",
        {"width": 8, "heads": 2, "layers": 1, "feed_forward": 8, "head": 5, "dropout": 0.3},
    ),
    "hybrid": (
        "HybridLSTMTransformer",
        {"width": 8, "heads": 2, "layers": 1, "feed_forward": 8, "head": 5, "dropout": 0.3,
         "lstm_layers": 1},
    ),
    "memory": (
        "EpisodicMemoryNetwork",
        {"width": 6, "hidden": 8, "layers": 1, "attention": 4, "head": 5, "dropout": 0.3,
         "episodes": 24, "neighbours": 4, "segments": 2, "key": 4},
    ),
}  # fmt: skip
TINY = LSTMConfig(width=6, hidden=8, layers=2, attention=4, head=5, dropout=0.3)
NUM_FEATURES, WINDOW = 4, 8
HORIZONS = (5, 15)  # minutes
INPUTS = Inputs(NUM_FEATURES, num_horizons=len(HORIZONS), num_symbols=1, window=WINDOW)
QUICK = TrainConfig(
    window=WINDOW,
    max_windows=160,
    batch_size=16,
    max_epochs=3,
    checkpoint_steps=4,
    learning_rate=5e-3,
    ema_decay=0.9,
    warm_up=0.2,
    threads=1,
)


def tiny_model(seed: int = 0, family: str = "lstm") -> nn.Module:
    name, settings = FAMILIES[family]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(name, find(name).configure(settings), INPUTS)


def noise_task(rows: int = 1_200, seed: int = 0) -> LearningTask:
    """Noise with a weak signal in the first feature, two horizons, some labels not known."""
    random = np.random.default_rng(seed)
    x_NF = random.standard_normal((rows, NUM_FEATURES)).astype(np.float32)
    scores_NH = random.standard_normal((rows, 2)) + 0.5 * x_NF[:, :1]
    classes_NH = np.digitize(scores_NH, [-0.43, 0.43])
    classes_NH[::17, 0] = -1
    split = int(rows * 0.7)
    return LearningTask(
        WindowTensors(
            torch.from_numpy(x_NF),
            torch.arange(rows) * 60_000_000,
            torch.zeros(rows, dtype=torch.int64),
            INPUTS,
        ),
        torch.from_numpy(classes_NH.astype(np.int64)),
        torch.from_numpy(scores_NH.astype(np.float32)),
        torch.from_numpy(5e-4 * scores_NH.astype(np.float32)),
        torch.full((rows,), 5e-4),
        torch.arange(rows) * 60_000_000 + 16 * 60_000_000,
        torch.arange(WINDOW - 1, split),
        torch.arange(split + WINDOW, rows),
        HORIZONS,
    )


def fingerprint_of(fitted: Fitted) -> tuple[str, str, list[EpochRecord]]:
    """Hash of the best weights, hash of the last state, and the history without clock times."""
    return hash_of(fitted.weights), hash_of(fitted.state.tensors), timeless(fitted)


def timeless(fitted: Fitted) -> list[EpochRecord]:
    return [replace(record, seconds=0.0) for record in fitted.history]


def hash_of(tensors: Mapping[str, Tensor]) -> str:
    seen = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        seen.update(name.encode())
        seen.update(tensor.contiguous().numpy().tobytes())
    return seen.hexdigest()
