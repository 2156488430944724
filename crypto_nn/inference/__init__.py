"""How a model answers: stored versions, asked for probabilities. Torch loads only when needed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crypto_nn.inference.batch import BatchInference
    from crypto_nn.inference.ensemble import EnsembleInference
    from crypto_nn.inference.predictor import ModelInference
    from crypto_nn.inference.streaming import StreamingInference

_WHERE = {
    "BatchInference": "batch",
    "EnsembleInference": "ensemble",
    "ModelInference": "predictor",
    "StreamingInference": "streaming",
}


def __getattr__(name: str) -> Any:
    """A way to ask, loaded when it is first named."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


__all__ = ["BatchInference", "EnsembleInference", "ModelInference", "StreamingInference"]
