"""The laws of indicators: what every member of `indicators.ALL` keeps, and any of your own must.

Each `check_…` returns nothing where the law is kept, and raises `LawError` with the first row that
breaks it. `LAWS` holds those that any indicator can be put to on any clean bars; `crypto-nn check`
runs them.
"""

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Bars, Float
from crypto_nn.bars.bars import PRICES
from crypto_nn.errors import CryptoNNError
from crypto_nn.indicators.indicator import Indicator

_NEGLIGIBLE = 1e-9  # standard deviations: what forgotten history may still be worth
_MANY = 3000  # bars after which a law that runs once per bar has seen enough


class LawError(CryptoNNError):
    """An indicator, or a model, breaks a law that all of its kind keep."""


class LawUntriedError(CryptoNNError):
    """These bars cannot tell whether an indicator keeps a law."""


def matrix(indicator: Indicator, bars: Bars) -> Float:
    """The outputs side by side, shape (N, outputs)."""
    return np.column_stack(indicator.compute(bars))


def check_has_form(indicator: Indicator, bars: Bars) -> None:
    """Each output has a name and is a float64 array as long as the bars; equal members are one."""
    names, arrays = indicator.outputs, indicator.compute(bars)
    _check(
        len(arrays) == len(names) == len(set(names)),
        f"{len(arrays)} outputs have the names {names}; one name each is due, none of them twice",
    )
    for name, array in zip(names, arrays):
        _check(isinstance(array, np.ndarray), f"{name} is {type(array).__name__}, not an array")
        _check(
            array.dtype == np.float64 and array.shape == (len(bars),),
            f"{name} is {array.dtype} {array.shape}; float64 ({len(bars)},) is due",
        )
    memory, warm_up = indicator.memory, indicator.warm_up
    _check(warm_up >= 0, f"warm_up is {warm_up}; a number of bars is due")
    _check(
        memory is None or memory > warm_up,
        f"memory is {memory} and warm_up {warm_up}; the first valid value needs warm_up + 1 bars, "
        "so memory is at least that, or None where history matters for ever",
    )
    _check_is_a_value(indicator)


def _check_is_a_value(indicator: Indicator) -> None:
    """Equal parameters, equal indicator: features share what is computed twice."""
    kind = type(indicator).__name__
    _check(is_dataclass(indicator), f"{kind} is not a dataclass; @dataclass(frozen=True) is due")
    twin = replace(indicator)  # type: ignore[type-var]
    _check(twin == indicator, f"two {kind} of the same parameters are not equal")
    _check(repr(twin) == repr(indicator), f"two {kind} of the same parameters differ in repr")
    try:
        same = hash(twin) == hash(indicator)
    except TypeError:
        raise LawError(f"{kind} cannot be hashed; @dataclass(frozen=True) is due") from None
    _check(same, f"two {kind} of the same parameters differ in hash")


def check_is_repeatable(indicator: Indicator, bars: Bars) -> None:
    """The same bars give the same bits, whatever was computed in between."""
    first = matrix(indicator, bars).copy()
    matrix(indicator, bars[: len(bars) // 2])
    _check_same(indicator, matrix(indicator, bars), first, "computed again", "the first time")


def check_stream_equals_batch(indicator: Indicator, bars: Bars, seed_bars: int) -> None:
    """One call over the history and one call per bar give the same bits."""
    live = indicator.stream(bars[:seed_bars])
    streamed = [live.update(bar) for bar in bars[seed_bars:]]
    _check_same(
        indicator,
        np.array(streamed, dtype=np.float64).reshape(-1, len(indicator.outputs)),
        matrix(indicator, bars)[seed_bars:],
        f"in the stream opened after {seed_bars} bars",
        "in history",
        first_row=seed_bars,
    )


def check_streams_are_independent(indicator: Indicator, bars: Bars) -> None:
    """Two streams of one indicator do not share their state, nor that of their history."""
    half = len(bars) // 2
    first, second = indicator.stream(bars[:half]), indicator.stream(bars[:half])
    alone = [first.update(bar) for bar in bars[half:]]
    third = indicator.stream(bars[:half])
    interleaved = [(second.update(bar), third.update(bar))[0] for bar in bars[half:]]
    _check_same(
        indicator, np.array(interleaved), np.array(alone), "beside another stream", "alone", half
    )


def check_prefix_invariant(indicator: Indicator, bars: Bars, step: int = 1) -> None:
    """Bars to come do not change any row that is already there."""
    whole = matrix(indicator, bars)
    for cut in range(0, len(bars), step):
        part = matrix(indicator, bars[:cut])
        _check_same(indicator, part, whole[:cut], f"of {cut} bars", f"of {len(bars)}")


def check_blind_to_the_future(indicator: Indicator, bars: Bars, cut: int, seed: int = 0) -> None:
    """Whatever the later bars are, the earlier rows stay as they are."""
    rng = np.random.default_rng(seed)
    factor_N, volume_N = np.ones(len(bars)), np.ones(len(bars))
    factor_N[cut:] = rng.uniform(0.5, 2.0, len(bars) - cut)
    volume_N[cut:] = rng.uniform(0.5, 2.0, len(bars) - cut)
    other = replace(
        bars,
        **{name: getattr(bars, name) * factor_N for name in PRICES},
        volume=bars.volume * volume_N,
    )
    after, before = matrix(indicator, other)[:cut], matrix(indicator, bars)[:cut]
    _check_same(indicator, after, before, f"once bars from row {cut} on are others", "before")


def check_leaves_input_alone(indicator: Indicator, bars: Bars) -> None:
    """The bars are only read, in history and in a stream's history; results are its own."""
    frozen = bars.take(np.arange(len(bars)))
    for column in frozen.columns().values():
        column.flags.writeable = False
    try:
        arrays = indicator.compute(frozen)
        indicator.stream(frozen)
    except ValueError as error:
        raise LawError(f"bars that may only be read were refused: {error}") from error
    for name, column in bars.columns().items():
        given = getattr(frozen, name)
        untouched = np.array_equal(given, column, equal_nan=name != "note")
        _check(untouched, f"the column {name} of the bars was written to")
        shared = any(np.shares_memory(array, given) for array in arrays)
        _check(not shared, f"an output is the column {name} of the bars itself; a copy is due")


def check_warm_up_is_exact(indicator: Indicator, bars: Bars) -> None:
    """The first `warm_up` rows are NaN in every output, and no later one is anything but finite."""
    values, warm_up = matrix(indicator, bars), indicator.warm_up
    for name, column in zip(indicator.outputs, values.T):
        early = np.flatnonzero(~np.isnan(column[:warm_up]))
        late = np.flatnonzero(~np.isfinite(column[warm_up:])) + warm_up
        if early.size:
            raise LawError(
                f"{name} is {column[early[0]]} in row {early[0]}, within its warm-up of {warm_up} "
                "bars; NaN is due there"
            )
        if late.size:
            raise LawError(
                f"{name} is {column[late[0]]} in row {late[0]}, and no number in {late.size} rows "
                f"after its warm-up of {warm_up} bars; one is due in each"
            )


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
        far = ~(away <= _NEGLIGIBLE * scale)
        if far.any():
            row, column = np.argwhere(far)[0]
            raise LawError(
                f"{indicator.outputs[column]}: started at row {start}, it is still "
                f"{away[row, column]:.3g} off (standard deviation {scale[column]:.3g}) after "
                f"{indicator.memory + row} bars; memory is said to be {indicator.memory}"
            )


def check_scale_law(indicator: Indicator, bars: Bars, power: int, volume_power: int) -> None:
    """In a currency worth half, and in a smaller unit of volume, values change by known powers."""
    other = replace(
        bars,
        **{name: getattr(bars, name) * 2.0 for name in PRICES},
        volume=bars.volume * 8.0,
    )
    due = matrix(indicator, bars) * 2.0**power * 8.0**volume_power
    found = matrix(indicator, other)
    close = np.isclose(found, due, rtol=1e-12, atol=1e-300, equal_nan=True)
    if not close.all():
        row, column = np.argwhere(~close)[0]
        raise LawError(
            f"{indicator.outputs[column]} is {found[row, column]!r} in row {row} at twice the "
            f"price and eight times the volume; {due[row, column]!r} is due"
        )


def _streams(indicator: Indicator, bars: Bars) -> None:
    few = bars[:_MANY]
    for seed_bars in sorted({0, 1, indicator.warm_up, len(few) // 2}):
        if seed_bars <= len(few):
            check_stream_equals_batch(indicator, few, seed_bars)


def _independence(indicator: Indicator, bars: Bars) -> None:
    check_streams_are_independent(indicator, bars[:_MANY])


def _forms(indicator: Indicator, bars: Bars) -> None:
    check_has_form(indicator, bars)
    check_has_form(indicator, bars[:0])


def _prefixes(indicator: Indicator, bars: Bars) -> None:
    few = bars[:_MANY]
    check_prefix_invariant(indicator, few, step=max(len(few) // 150, 1))


def _futures(indicator: Indicator, bars: Bars) -> None:
    for cut in np.linspace(1, len(bars) - 1, 12).astype(int):
        check_blind_to_the_future(indicator, bars, int(cut), seed=int(cut))


def _memories(indicator: Indicator, bars: Bars) -> None:
    if indicator.memory is None:
        raise LawUntriedError(
            "memory is None: history matters for ever; no feature can be made of it"
        )
    room = len(bars) - indicator.memory - 50
    if room <= 0:
        raise LawUntriedError(f"memory is {indicator.memory}, and there are {len(bars)} bars")
    check_memory(indicator, bars, np.linspace(0, room, 20).astype(np.int64))


def check_forgets_a_missing_reference(indicator: Indicator, bars: Bars, row: int) -> None:
    """A bar without a reference is felt for `memory` bars, and never before it."""
    assert bars.reference is not None
    if indicator.memory is None:
        return
    reference_N = bars.reference.copy()
    reference_N[row] = np.nan
    found, whole = matrix(indicator, replace(bars, reference=reference_N)), matrix(indicator, bars)
    told = f"without a reference in row {row}"
    _check_same(indicator, found[:row], whole[:row], told, "with it")
    late = row + indicator.memory
    _check_same(indicator, np.isnan(found[late:]), np.isnan(whole[late:]), told, "with it", late)


def _references(indicator: Indicator, bars: Bars) -> None:
    if bars.reference is None:
        raise LawUntriedError("these bars have no reference")
    for share in (0.1, 0.5):
        check_forgets_a_missing_reference(indicator, bars, int(share * len(bars)))


def _stands_still(indicator: Indicator, bars: Bars) -> None:
    """Prices that do not move and no volume, from the first bar on and after life has ended."""
    half = len(bars) // 2
    for start in (0, half):
        price_N = bars.close.copy()
        price_N[start:] = bars.close[start]
        flat = {name: getattr(bars, name).copy() for name in PRICES}
        for column in flat.values():
            column[start:] = bars.close[start]
        volume_N = bars.volume.copy()
        volume_N[start:] = 0.0
        check_warm_up_is_exact(indicator, replace(bars, **flat, volume=volume_N))


LAWS: Mapping[str, Callable[[Indicator, Bars], None]] = {
    "outputs are named float64 columns, one row per bar": _forms,
    "the same bars give the same bits": check_is_repeatable,
    "the stream gives the bits of history": _streams,
    "streams do not share state": lambda one, bars: check_streams_are_independent(
        one, bars[:_MANY]
    ),
    "more bars change no earlier row": _prefixes,
    "other later bars change no earlier row": _futures,
    "the bars are only read": check_leaves_input_alone,
    "NaN in the warm-up, finite ever after": check_warm_up_is_exact,
    "finite in a market that stands still": _stands_still,
    "older history than `memory` is forgotten": _memories,
    "a missing reference does not poison later rows": _references,
}
"""The laws of any indicator on any clean bars, each by the sentence that it holds one to."""


def _check(kept: bool | np.bool_, broken: str) -> None:
    if not kept:
        raise LawError(broken)


def _check_same(
    indicator: Indicator,
    found: NDArray[Any],
    due: NDArray[Any],
    of_found: str,
    of_due: str,
    first_row: int = 0,
) -> None:
    """Both have the same bits; NaN is NaN."""
    if found.shape != due.shape:
        raise LawError(f"shape {found.shape} {of_found}, {due.shape} {of_due}")
    same = (found == due) | (np.isnan(found) & np.isnan(due))
    if not same.all():
        row, column = np.argwhere(~same)[0]
        raise LawError(
            f"{indicator.outputs[column]} in row {first_row + row} is {found[row, column]!r} "
            f"{of_found} and {due[row, column]!r} {of_due}; {int((~same).any(axis=1).sum())} rows "
            "differ"
        )
