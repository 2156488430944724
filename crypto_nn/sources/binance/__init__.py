"""Binance spot: its public archive, and its REST klines for what is not archived yet. No key."""

from crypto_nn.sources.binance.config import BinanceConfig

__all__ = ["BinanceConfig"]
