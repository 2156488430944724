"""Live bars of any source, without holes."""

from crypto_nn.sources.realtime.config import RealtimeConfig
from crypto_nn.sources.realtime.stream import RealtimeDataStream
from crypto_nn.sources.realtime.updates import (
    Closed,
    Delivery,
    Gap,
    Revised,
    StateChange,
    StreamStats,
    SymbolStats,
    Update,
)

__all__ = [
    "Closed",
    "Delivery",
    "Gap",
    "RealtimeConfig",
    "RealtimeDataStream",
    "Revised",
    "StateChange",
    "StreamStats",
    "SymbolStats",
    "Update",
]
