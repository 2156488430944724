"""The setting by which a model asks for windows of slower bars."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, PositiveInt

from crypto_nn.bars.timeframe import M1
from crypto_nn.errors import BarsError
from crypto_nn.models.inputs import minutes_of


def _in_order(lengths: dict[str, int]) -> dict[str, int]:
    """The same, fastest timeframe first, however the settings were written down."""
    try:
        minutes = {text: minutes_of(text) for text in lengths}
    except BarsError as error:
        raise ValueError(str(error)) from None
    fast = [text for text, each in minutes.items() if each <= M1.minutes]
    if fast:
        raise ValueError(f"{', '.join(fast)} is the base window; name slower timeframes")
    return {text: lengths[text] for text in sorted(lengths, key=minutes.__getitem__)}


SlowerBars = Annotated[dict[str, PositiveInt], AfterValidator(_in_order)]
"""How many closed bars of which slower timeframes, such as {"15m": 12}, fastest first."""

DEFAULT_BARS: Mapping[str, int] = MappingProxyType({"5m": 12, "15m": 12, "1h": 8})
"""An hour of five minutes, three of a quarter of an hour, and eight hours of hours."""
