"""Where bars come from. A new source is a new file, and a line in each list here."""

from typing import Annotated

from pydantic import Field

from crypto_nn.sources.binance import BinanceConfig
from crypto_nn.sources.clock import Clock
from crypto_nn.sources.files import FilesConfig, FileSource
from crypto_nn.sources.polygon import PolygonConfig
from crypto_nn.sources.source import Availability, BarSource
from crypto_nn.sources.supabase import SupabaseConfig, SupabaseSource
from crypto_nn.sources.synthetic import SyntheticConfig, SyntheticSource

SourceConfig = Annotated[
    BinanceConfig | FilesConfig | PolygonConfig | SupabaseConfig | SyntheticConfig,
    Field(discriminator="kind"),
]


def open_source(config: SourceConfig, clock: Clock | None = None) -> BarSource:
    """The source that a configuration describes. Nothing is read before it is asked.

    Args:
        clock: tells those sources the time that ask over a network and wait; the machine's own
            where it is not given.
    """
    if clock is not None and isinstance(config, BinanceConfig | PolygonConfig):
        return config.open(clock)
    return config.open()


__all__ = [
    "Availability",
    "BarSource",
    "BinanceConfig",
    "FileSource",
    "FilesConfig",
    "PolygonConfig",
    "SourceConfig",
    "SupabaseConfig",
    "SupabaseSource",
    "SyntheticConfig",
    "SyntheticSource",
    "open_source",
]
