"""Polygon.io (now Massive): crypto minute bars by REST and WebSocket, with a key."""

from crypto_nn.sources.polygon.config import PolygonConfig

__all__ = ["PolygonConfig"]
