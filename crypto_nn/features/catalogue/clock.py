"""When it is."""

from crypto_nn.features import transforms as to
from crypto_nn.features.columns import Clock
from crypto_nn.features.feature import Feature, Output

_WORDS = {
    "day": "Time of day (UTC)",
    "week": "Time of week (UTC)",
    "hour": "Minute of the hour",
    "funding": "Time since the last funding of perpetual futures (00, 08, 16 UTC)",
}
_WAVES = {"sin": "sine", "cos": "cosine"}


def _of(position: int, name: str) -> Feature:
    cycle, _, wave = name.partition("_")
    if wave:
        words, unit = f"{_WORDS[cycle]}, {_WAVES[wave]}", "circle"
    else:
        words, unit = "1 on Saturday and Sunday (UTC), else 0", "flag"
    return Feature(name, to.as_is, (Output(Clock(), position),), words, unit=unit)


CLOCK = tuple(_of(position, name) for position, name in enumerate(Clock().outputs))
