"""The law of indicators: what every member of `indicators.ALL` must keep, and any user's own."""

from dataclasses import replace

import numpy as np
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from crypto_nn.bars import Bars, Float
from crypto_nn.indicators import Indicator


def matrix(indicator: Indicator, bars: Bars) -> Float:
    """The outputs side by side, shape (N, outputs)."""
    return np.column_stack(indicator.compute(bars))


def check_has_form(indicator: Indicator, bars: Bars) -> None:
    """Each output has a name and is a float64 array as long as the bars; equal members are one."""
    arrays = indicator.compute(bars)
    assert len(arrays) == len(indicator.outputs) == len(set(indicator.outputs))
    assert all(array.dtype == np.float64 and array.shape == (len(bars),) for array in arrays)
    assert indicator.warm_up >= 0
    assert indicator.memory is None or indicator.memory > indicator.warm_up
    twin = replace(indicator)  # type: ignore[type-var]
    assert twin == indicator
    assert hash(twin) == hash(indicator)
    assert repr(twin) == repr(indicator)


def check_stream_equals_batch(indicator: Indicator, bars: Bars, seed_bars: int) -> None:
    """One call over the history and one call per bar give the same bits."""
    live = indicator.stream(bars[:seed_bars])
    streamed = [live.update(bar) for bar in bars[seed_bars:]]
    assert_array_equal(
        np.array(streamed).reshape(-1, len(indicator.outputs)),
        matrix(indicator, bars)[seed_bars:],
    )


def check_streams_are_independent(indicator: Indicator, bars: Bars) -> None:
    """Two streams of one indicator do not share their state, nor that of their history."""
    half = len(bars) // 2
    first, second = indicator.stream(bars[:half]), indicator.stream(bars[:half])
    alone = [first.update(bar) for bar in bars[half:]]
    third = indicator.stream(bars[:half])
    interleaved = [(second.update(bar), third.update(bar))[0] for bar in bars[half:]]
    assert_array_equal(alone, interleaved)


def check_prefix_invariant(indicator: Indicator, bars: Bars, step: int = 1) -> None:
    """Bars to come do not change any row that is already there."""
    whole = matrix(indicator, bars)
    for cut in range(0, len(bars), step):
        assert_array_equal(matrix(indicator, bars[:cut]), whole[:cut])


def check_blind_to_the_future(indicator: Indicator, bars: Bars, cut: int, seed: int = 0) -> None:
    """Whatever the later bars are, the earlier rows stay as they are."""
    rng = np.random.default_rng(seed)
    factor_N, volume_N = np.ones(len(bars)), np.ones(len(bars))
    factor_N[cut:] = rng.uniform(0.5, 2.0, len(bars) - cut)
    volume_N[cut:] = rng.uniform(0.5, 2.0, len(bars) - cut)
    other = replace(
        bars,
        **{name: getattr(bars, name) * factor_N for name in ("open", "high", "low", "close")},
        volume=bars.volume * volume_N,
    )
    assert_array_equal(matrix(indicator, other)[:cut], matrix(indicator, bars)[:cut])


def check_leaves_input_alone(indicator: Indicator, bars: Bars) -> None:
    """The bars are only read, in history and in a stream's history; results are its own."""
    frozen = bars.take(np.arange(len(bars)))
    for column in frozen.columns().values():
        column.flags.writeable = False
    arrays = indicator.compute(frozen)
    indicator.stream(frozen)
    for name, column in bars.columns().items():
        assert_array_equal(getattr(frozen, name), column)
    inputs = bars.columns().values()
    assert not any(np.shares_memory(array, column) for array in arrays for column in inputs)


def check_warm_up_is_exact(indicator: Indicator, bars: Bars) -> None:
    """The first `warm_up` rows are NaN in every output, and no later one is anything but finite."""
    values = matrix(indicator, bars)
    assert np.isnan(values[: indicator.warm_up]).all()
    assert np.isfinite(values[indicator.warm_up :]).all()


def check_memory(indicator: Indicator, bars: Bars, starts: NDArray[np.int64]) -> None:
    """Once `memory` bars are seen, earlier ones matter less than 1e-9 standard deviations."""
    if indicator.memory is None:
        return
    whole = matrix(indicator, bars)
    scale = np.nanstd(whole, axis=0)
    last = indicator.memory - 1
    for start in starts:
        part = matrix(indicator, bars[start : start + indicator.memory + 50])
        away = np.abs(part[last:] - whole[start + last : start + len(part)])
        assert (away <= 1e-9 * scale).all(), f"from row {start}: {(away / scale).max()}"


def check_scale_law(indicator: Indicator, bars: Bars, power: int, volume_power: int) -> None:
    """In a currency worth half, and in a smaller unit of volume, values change by known powers."""
    other = replace(
        bars,
        **{name: getattr(bars, name) * 2.0 for name in ("open", "high", "low", "close")},
        volume=bars.volume * 8.0,
    )
    due = matrix(indicator, bars) * 2.0**power * 8.0**volume_power
    np.testing.assert_allclose(matrix(indicator, other), due, rtol=1e-12, atol=1e-300)
