"""What must be true of every run, whatever went wrong in it. Each check names what is not."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from crypto_nn.bars import Bar, Bars
from crypto_nn.bars.calendar import TS
from crypto_nn.features.panel import MINUTE
from crypto_nn.sources.realtime.updates import Closed, Gap, Revised
from crypto_nn_tests.exchange.market import Aggregate, Print, to_bars
from crypto_nn_tests.torture.features import FEATURES, WINDOW
from crypto_nn_tests.torture.machine import Life, Machine
from crypto_nn_tests.torture.records import as_bars
from crypto_nn_tests.torture.scenario import ASIDE
from crypto_nn_tests.torture.world import World

_NUMBERS = ("open", "high", "low", "close", "volume", "vwap")
_LAST_MINUTES = 2
_READY_S = 0.5
_SECONDS_KEPT_S = 150.0  # XAS: a second that comes later than this cannot be added any more


def check_all(world: World, machine: Machine, refreshed: Mapping[str, Bars]) -> list[str]:
    """Everything that is wrong with a run; empty where nothing is."""
    found: list[str] = []
    for life in machine.lives:
        found += told_once_and_in_order(world, life)
        found += bars_are_the_exchanges(world, life)
        found += gaps_are_the_exchanges_word(world, life)
        found += windows_are_history(world, life)
    found += all_was_told(world, machine)
    found += table_is_what_could_be_known(world, machine)
    found += refreshed_table_is_the_oracle(world, refreshed)
    found += gaps_of_the_table_are_those_of_the_market(world, machine)
    found += budget_is_kept(world, machine)
    found += history_is_whole_or_says_what_is_missing(world, machine)
    return found


def told_once_and_in_order(world: World, life: Life) -> Iterator[str]:
    """Each minute from `since` on is told once, as a bar or in a gap, without jumps."""
    due = dict(life.since)
    for at, update in life.told:
        if isinstance(update, Closed):
            start, end = update.bar.ts, update.bar.ts + MINUTE
        elif isinstance(update, Gap):
            start, end = update.start, update.end
        else:
            continue
        if start != due[update.symbol] or end <= start:
            yield f"{at:.1f} s: {update.symbol} tells {start}..{end}, {due[update.symbol]} was due"
        due[update.symbol] = end


def bars_are_the_exchanges(world: World, life: Life) -> Iterator[str]:
    """Each bar that is told was published, whole, before it is told; none is made up or unclosed.

    A REST that lags gives its running minute as if it were over; nobody can know at once, so this
    may be told, but the table must be right in the end.
    """
    early_s = world.scenario.character.prompt_s if world.scenario.channel == "XAS" else 0.0
    for at, update in life.told:
        if not isinstance(update, Closed | Revised):
            continue
        known = [one for one in _prints(world, update.symbol, update.bar.ts)
                 if one.at <= world.start_s + at + early_s]  # fmt: skip
        if any(_same(update.bar, one.bar) for one in known):
            continue
        lagging = world.unclosed[update.symbol, _ms(update.bar.ts)] if world.scenario.lags else []
        if not any(_same(update.bar, one) for one in lagging):
            yield f"{at:.1f} s: {update.symbol} {update.bar} is none of {[o.bar for o in known]}"


def gaps_are_the_exchanges_word(world: World, life: Life) -> Iterator[str]:
    """A gap is told only where REST was asked after the minute had ended, and had nothing.

    A consumer that is behind is told of a gap after its bar has come, and then of the bar.
    """
    late = {(u.symbol, u.bar.ts) for _, u in life.told if isinstance(u, Revised)}
    for at, update in life.told:
        if not isinstance(update, Gap):
            continue
        for t in range(_ms(update.start), _ms(update.end), 60_000):
            heard = [e for e, _ in world.heard[update.symbol, t] if life.began < e <= at]
            answers = [
                one
                for one in world.answered
                if one.symbol == update.symbol and one.start <= t <= one.end
                if life.began <= one.at <= at and world.start_s + one.at >= t / 1000 + 60
            ]
            if (update.symbol, _ts(t)) in late:
                continue
            called = f"{at:.1f} s: {update.symbol} {_ts(t)} is called a gap, but"
            if heard:
                yield f"{called} was told at {heard}"
            elif any(t in one.told for one in answers):
                yield f"{called} REST told it"
            elif not answers:
                yield f"{called} REST was not asked"


def windows_are_history(world: World, life: Life) -> Iterator[str]:
    """Each window is what the batch computation gives of the bars known then, and has no hole."""
    known: dict[str, dict[np.datetime64, Bar]] = {}
    count: dict[str, int] = defaultdict(int)
    shown: dict[tuple[str, int], Any] = {(one.symbol, one.known): one for one in life.windows}
    for symbol, bars in life.history.items():
        known[symbol] = {bar.ts: bar for bar in bars}
    due = 0
    for at, update in life.told:
        symbol = update.symbol
        count[symbol] += 1
        if not isinstance(update, Closed | Revised):
            continue
        of_symbol = known[symbol]
        of_symbol[update.bar.ts] = update.bar
        window = shown.get((symbol, count[symbol]))
        expected = _batch_window(symbol, of_symbol)
        if isinstance(update, Revised) and window is None:
            continue  # too old to be seen, or of the same values
        due += 1
        if (window is None) != (expected is None):
            yield f"{at:.1f} s: {symbol} window {window} after {update}; batch has {expected}"
        elif window is not None and expected is not None:
            ts, x_TF = expected
            if window.window.ts != ts or not np.array_equal(window.window.x_TF, x_TF):
                yield f"{at:.1f} s: {symbol} window at {window.window.ts} is not that of history"
            yield from _hole(world, symbol, ts, at)


def _hole(world: World, symbol: str, ts: np.datetime64, at: float) -> Iterator[str]:
    """A window must not span a minute that nobody told the machine of."""
    for t in range(_ms(ts) - (WINDOW - 1) * 60_000, _ms(ts) + 1, 60_000):
        if not _prints(world, symbol, _ts(t)):
            yield f"{at:.1f} s: the window of {symbol} at {ts} spans {_ts(t)}, which has no bar"


def _batch_window(symbol: str, known: Mapping[np.datetime64, Bar]) -> Any:
    """The last window by the rule of `Panel.window_ends`, from all bars known."""
    stamps = sorted(known)
    if len(stamps) < WINDOW or stamps[-1] - stamps[-WINDOW] != MINUTE * (WINDOW - 1):
        return None
    bars = as_bars(symbol, [known[stamp] for stamp in stamps])
    x_TF = FEATURES.compute(bars, complete=True)[-WINDOW:]
    return (stamps[-1], x_TF) if np.isfinite(x_TF).all() else None


def all_was_told(world: World, machine: Machine) -> Iterator[str]:
    """The last process is up to date in the end: nothing that is due is untold."""
    last = machine.lives[-1]
    if last.why:
        yield f"the last process ended by itself: {last.why}"
    final = world.start + MINUTE * world.scenario.minutes
    for symbol in world.scenario.symbols:
        due = last.since[symbol]
        for _, update in last.told:
            if update.symbol == symbol and isinstance(update, Closed | Gap):
                due = update.end if isinstance(update, Gap) else update.bar.ts + MINUTE
        if due < final - MINUTE * _LAST_MINUTES:
            yield f"{symbol} is told only up to {due}, but trading ended at {final}"


def table_is_what_could_be_known(world: World, machine: Machine) -> Iterator[str]:
    """The table has of each minute the newest print that the machine was ever told of."""
    for symbol in world.scenario.symbols:
        table = {_ms(bar.ts): bar for bar in machine.records.table(symbol)}
        for t in world.market.minutes(symbol):
            prints = world.market.prints_of(symbol, t)
            newest = max(_told_of(world, machine, symbol, t), default=-1)
            bar = table.pop(t, None)
            if bar is None and newest >= 0:
                yield f"the table lacks {symbol} {_ts(t)}, which was told"
            elif bar is not None and not any(
                _same(bar, one.bar) for one in prints[max(newest, 0) :]
            ):
                yield f"the table has {symbol} {bar}, and this was told: {prints[newest].bar}"
        for t in table:
            yield f"the table has {symbol} {_ts(t)}, in which nobody traded"


def _told_of(world: World, machine: Machine, symbol: str, t: int) -> Iterator[int]:
    """The prints of a minute that reached a machine that lived to record them."""
    late_s = t / 1000 + 60 - world.start_s + _SECONDS_KEPT_S
    for at, place in world.heard[symbol, t]:
        if _was_kept(machine, at) and (world.scenario.channel == "XA" or at < late_s):
            yield place
    for one in world.answered:
        if one.symbol == symbol and one.sure and t in one.told and _was_kept(machine, one.at):
            yield one.told[t]


def _was_kept(machine: Machine, at: float) -> bool:
    """Whether a process was there to hear something, and recorded it."""
    lived = any(life.began < at < life.ended - _READY_S for life in machine.lives)
    return lived and not any(a - _READY_S <= at <= b for a, b in machine.records.lost_since)


def refreshed_table_is_the_oracle(world: World, refreshed: Mapping[str, Bars]) -> Iterator[str]:
    """After the nightly refresh the table is the oracle, bit for bit."""
    for symbol in world.scenario.symbols:
        oracle, table = world.market.final(symbol), refreshed[symbol]
        if not np.array_equal(oracle.ts, table.ts):
            odd = sorted({str(ts) for ts in np.setxor1d(oracle.ts, table.ts)})
            yield f"after the refresh {symbol} and the oracle differ in {', '.join(odd)}"
            continue
        for name, column in oracle.columns().items():
            if not np.array_equal(column, table.columns()[name]):
                yield f"after the refresh {name} of {symbol} is not the oracle's"


def gaps_of_the_table_are_those_of_the_market(world: World, machine: Machine) -> Iterator[str]:
    """The table of gaps names exactly the minutes in which nobody traded."""
    for symbol in world.scenario.symbols:
        gaps, oracle = machine.records.gaps(symbol), world.market.final(symbol)
        if gaps is None:
            continue
        every = np.arange(oracle.ts[0], oracle.ts[-1], MINUTE).astype(TS)
        odd = gaps ^ set(np.setdiff1d(every, oracle.ts))
        if odd:
            yield f"the gaps of {symbol} and of the market differ in {sorted(map(str, odd))}"


def budget_is_kept(world: World, machine: Machine) -> Iterator[str]:
    """No window of a minute has more requests than the budget, by the exchange's own log."""
    stamps = [request.at for request in world.exchange.requests]
    most = world.scenario.budget
    for first, past in zip(stamps, stamps[most:]):
        if past - first < 60.0:
            after = first - world.start_s
            yield f"{most + 1} requests within {past - first:.3f} s from {after:.1f} s on"


def history_is_whole_or_says_what_is_missing(world: World, machine: Machine) -> Iterator[str]:
    """A batch fetch gives every bar that was out before it began, or says which it does not."""
    for job in machine.jobs:
        if job.ended == float("inf"):
            continue
        missing = () if job.error is None else job.error.missing
        got = np.concatenate([piece.ts for piece in job.pieces]) if job.pieces else np.array([], TS)
        if np.any(got[1:] <= got[:-1]):
            yield f"history from {job.began:.1f} s is not in order"
        if job.error is not None and (not missing or job.error.symbol != ASIDE):
            yield f"history gave up at {job.ended:.1f} s without saying what is missing"
        known = {_ms(ts) for ts in got}
        lag_s = max([lag.code for lag in world.scenario.lags], default=0)
        before = world.start_s + job.began - lag_s
        for t in world.market.minutes(ASIDE):
            ts = _ts(t)
            due = job.start <= ts < job.end and world.market.published(ASIDE, t, before)
            told_missing = any(start <= ts < end for start, end in missing)
            if due and (t in known) == told_missing and not _lied(world, job):
                word = "there" if t in known else "not there"
                yield f"history from {job.began:.1f} s: {ts} is {word}, missing: {missing}"


def _lied(world: World, job: Any) -> bool:
    """Whether an answer that is empty and says OK came in between: nobody can tell it is wrong."""
    return any(
        request.fault in ("empty", "repeat", "bad_rows")
        and job.began <= request.at - world.start_s <= job.ended
        for request in world.exchange.requests
    )


def _prints(world: World, symbol: str, ts: np.datetime64) -> list[Print]:
    return world.market.prints_of(symbol, _ms(ts))


def _same(bar: Bar, told: Aggregate) -> bool:
    """Whether a bar has these numbers; the socket does not tell how many trades."""
    (other,) = to_bars("NONE-USD", [told])
    return all(getattr(bar, name) == getattr(other, name) for name in _NUMBERS)


def _ms(ts: np.datetime64) -> int:
    return int(ts.astype("datetime64[ms]").astype(np.int64))


def _ts(t: int) -> np.datetime64:
    return np.datetime64(t, "ms").astype(TS)
