"""Polygon itself, for who has a key: `POLYGON_API_KEY=… pytest -m network`."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from crypto_nn.bars import M1, Bars
from crypto_nn.environment import secret
from crypto_nn.errors import SourceRefused
from crypto_nn.sources import PolygonConfig
from crypto_nn.sources.polygon.source import PolygonSource

pytestmark = pytest.mark.network
HOUR = np.timedelta64(1, "h")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PolygonSource:
    """The real service, where a key is set; with the patience of the free plan."""
    if secret("POLYGON_API_KEY") is None:
        pytest.skip("asks Polygon for real; set POLYGON_API_KEY")
    monkeypatch.setenv("CRYPTO_NN_HOME", str(tmp_path))
    return PolygonConfig(symbols=("BTC-USD",)).open()


def test_yesterdays_bars_are_there(source: PolygonSource) -> None:
    """An hour of yesterday has its minutes, clean, and asked for twice they are the same."""
    start = np.datetime64("now", "us").astype("M8[D]").astype("M8[us]") - 12 * HOUR
    once, again = (
        Bars.concat(list(source.fetch("BTC-USD", M1, start, start + HOUR))) for _ in range(2)
    )
    assert len(once.check_clean()) > 50
    np.testing.assert_array_equal(once.close, again.close)


def test_the_minute_under_way_is_not_there(source: PolygonSource) -> None:
    """The last bar closed before now by the exchange's clock."""
    now = np.datetime64("now", "us")
    try:
        bars = Bars.concat(
            [Bars.empty("BTC-USD"), *source.fetch("BTC-USD", M1, now - HOUR, now + HOUR)]
        )
    except SourceRefused as refused:
        pytest.skip(f"the plan has no recent bars: {refused}")
    end = np.datetime64("now", "us") + np.timedelta64(5, "s")
    assert not len(bars) or bars.ts[-1] + M1.step <= end


def test_a_live_bar_comes(source: PolygonSource) -> None:
    """Somebody trades bitcoin in three minutes, and the bar is of now."""

    async def first() -> Bars:
        async with aclosing(source.stream(("BTC-USD",))) as stream:  # type: ignore[type-var]
            return await asyncio.wait_for(anext(stream), 180.0)

    try:
        bars = asyncio.run(first())
    except SourceRefused as refused:
        pytest.skip(f"the plan has no live bars: {refused}")
    age = np.datetime64("now", "us") - bars.check_clean().ts[-1]
    assert np.timedelta64(0) < age < HOUR
