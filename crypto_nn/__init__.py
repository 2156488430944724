"""Self-retraining, leak-proof ML data platform for crypto price direction."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "backtest", "load_bars", "load_features", "load_model", "predict"]


def __getattr__(name: str) -> Any:
    """What a notebook asks for is imported when it is asked for, so that importing is light."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from crypto_nn import notebook

    return getattr(notebook, name)


def __dir__() -> list[str]:
    return __all__
