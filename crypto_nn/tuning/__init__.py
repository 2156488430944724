"""WHICH SETTINGS: a search over a model's settings in which every trial is counted.

Loading this package loads neither optuna nor torch.
"""

from importlib import import_module
from typing import Any

from crypto_nn.tuning.config import Range, TuningConfig

_OPTIMIZERS = ("HyperparameterOptimizer", "MultiObjectiveOptimizer")
__all__ = ["Range", "TuningConfig", *_OPTIMIZERS]


def __getattr__(name: str) -> Any:
    """The optimizers are imported when they are asked for."""
    if name not in _OPTIMIZERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("crypto_nn.tuning.optimizer"), name)


def __dir__() -> list[str]:
    return __all__
