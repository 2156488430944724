"""Self-retraining, leak-proof ML data platform for crypto price direction."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
_ROOMS = {
    "DataPipelineConnector": "crypto_nn.sources.connector",
    "RealtimeDataStream": "crypto_nn.sources.realtime",
    "backtest": "crypto_nn.notebook",
    "load_bars": "crypto_nn.notebook",
    "load_features": "crypto_nn.notebook",
    "load_model": "crypto_nn.notebook",
    "load_windows": "crypto_nn.notebook",
    "predict": "crypto_nn.notebook",
}
__all__ = ["__version__", *_ROOMS]


def __getattr__(name: str) -> Any:
    """What a notebook asks for is imported when it is asked for, so that importing is light."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return __all__
