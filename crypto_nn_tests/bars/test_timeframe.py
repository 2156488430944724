"""A timeframe divides the day, and is written one way."""

import numpy as np
import pytest

from crypto_nn.bars import H1, M1, M5, M15, Timeframe
from crypto_nn.errors import BarsError


@pytest.mark.parametrize(
    ("text", "minutes"), [("1m", 1), ("5m", 5), ("15m", 15), ("1h", 60), ("4h", 240), ("1d", 1440)]
)
def test_what_is_written_is_what_is_read(text: str, minutes: int) -> None:
    """Reading and writing are inverse, and the step is the time between opens."""
    timeframe = Timeframe.parse(text)
    assert (timeframe.minutes, str(timeframe)) == (minutes, text)
    assert timeframe.step == np.timedelta64(minutes, "m")


def test_timeframes_are_ordered_by_length() -> None:
    """A slower timeframe is the greater one."""
    assert sorted([H1, M5, M1, M15]) == [M1, M5, M15, H1]
    assert str(Timeframe(60)) == "1h"


@pytest.mark.parametrize("text", ["7m", "0m", "5", "m", "5 m", "1w", "2d", "-5m", "05m"])
def test_what_does_not_divide_a_day_is_refused(text: str) -> None:
    """Seven minutes would drift against midnight; weeks and bare numbers are no timeframes."""
    with pytest.raises(BarsError, match="5m, 15m, 1h, 4h or 1d"):
        Timeframe.parse(text)
