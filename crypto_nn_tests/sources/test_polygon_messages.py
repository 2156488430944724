"""What the socket says, read: nothing is taken for a bar that is none, and seconds make minutes."""

import json
from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.bars import Bars
from crypto_nn.sources.polygon.messages import Seconds, read_aggregate, read_frame, to_bars
from crypto_nn_tests.exchange import GARBAGE, Aggregate
from crypto_nn_tests.exchange.market import compose
from crypto_nn_tests.exchange.market import to_bars as told_bars
from crypto_nn_tests.market import MARKET, needs_market

T0 = 1_714_521_600_000
MINUTE = 60_000
GOOD = {"ev": "XA", "pair": "BTC-USD", "v": 3, "vw": 1.5, "z": 0, "o": 1, "c": 2, "h": 2.5,
        "l": 0.5, "s": T0, "e": T0 + MINUTE}  # fmt: skip


@pytest.mark.parametrize("frame", GARBAGE)
def test_garbage_tells_of_no_bar(frame: str | bytes) -> None:
    """Neither the frame nor any event of it is taken for an aggregate."""
    events = read_frame(frame) or []
    assert all(read_aggregate(event) is None for event in events if isinstance(event, dict))


NO_NUMBERS: list[Any] = [None, "1", True, [], 10**400, "NaN"]
NO_STARTS: list[Any] = [None, str(T0), True, T0 / 1000, T0 * 1000, -T0, T0 + 0.5, 10**400, [T0],
                        float("nan"), float("inf")]  # fmt: skip
BAD = [*[(name, value) for name in "ohlcv" for value in NO_NUMBERS],
       *[("s", value) for value in NO_STARTS]]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_one_bad_cell_makes_no_bar(name: str, value: Any) -> None:
    """A text that looks like a number is none; a start must be in milliseconds of our age."""
    assert read_aggregate(GOOD) is not None
    assert read_aggregate(GOOD | {name: value}) is None
    assert read_aggregate({key: cell for key, cell in GOOD.items() if key != name}) is None


@pytest.mark.parametrize("vwap", [None, "1", True, "NaN", 10**400])
def test_a_bad_vwap_is_left_out_of_its_bar(vwap: Any) -> None:
    """It is optional."""
    read = read_aggregate(GOOD | {"vw": vwap})
    assert read is not None
    assert np.isnan(read[-1])
    assert read[:-1] == (T0, 1, 2.5, 0.5, 2, 3)


def test_constants_that_are_no_json_are_texts() -> None:
    """NaN and Infinity, which JSON does not have, are not numbers either."""
    text = json.dumps([GOOD | {"o": float("nan")}, GOOD | {"h": float("inf")}])
    events = read_frame(text)
    assert events is not None
    assert [read_aggregate(event) for event in events] == [None, None]


class TestRecorded:
    """What Polygon really sent, once."""

    pytestmark = needs_market

    def test_recorded_messages_are_read(self) -> None:
        """Five minutes as Polygon sent them, the last a later word on the first."""
        path = MARKET / "polygon" / "ws_XA_BTC-USD_recorded_2020-07-16.jsonl"
        rows = [read_aggregate(json.loads(line)) for line in path.read_text().splitlines()]
        bars = to_bars("BTC-USD", [row for row in rows if row is not None])
        assert len(bars) == 5
        assert bars[:4].problem() == ""
        assert bars.ts[0] == np.datetime64("2020-07-16T16:42", "us")
        assert bars.ts[4] == bars.ts[0]
        assert (bars.volume[0], bars.volume[4]) == (725.09209352, 725.19209352)
        assert (bars.close[0], bars.close[4]) == (9134.3, 9134.2)


def second(at: int, chance: Random) -> Aggregate:
    """A second of trading on a grid on which sums and products are exact."""
    prices = sorted(chance.randrange(64_000, 65_000) / 64 for _ in range(4))
    volume = chance.randrange(1, 64) / 64
    return Aggregate(
        T0 + at * 1000, prices[1], prices[3], prices[0], prices[2], volume, prices[1], 1
    )


def row(told: Aggregate) -> Any:
    """As the socket's reader gives it."""
    return tuple(told[:-1])


def give(reader: Seconds, told: list[Aggregate], delay_s: float = 0.2) -> Bars:
    """All that comes out of these seconds, each received so long after its end."""
    given = [reader.take("BTC-USD", [row(one)], one.t / 1000 + 1 + delay_s) for one in told]
    return Bars.concat([Bars.empty("BTC-USD"), *[bars for bars in given if bars is not None]])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 4 * 60 - 1), min_size=1), st.integers(0, 90))
def test_minutes_are_what_their_seconds_make(seed: int, starts: list[int], shuffled: int) -> None:
    """In any near order, and with doubles, the last word on each minute is that of all seconds."""
    chance = Random(seed)
    first, after = second(-60, chance), second(5 * 60, chance)
    told = [second(at, chance) for at in sorted(set(starts))]
    sent = sorted(told + told[::3], key=lambda one: one.t + chance.uniform(0, shuffled * 1000))
    reader = Seconds(3.0, Counter())
    bars = give(reader, [first, *sent, after])
    minutes: dict[int, list[Aggregate]] = {}
    for one in told:
        minutes.setdefault(one.t // MINUTE * MINUTE, []).append(one)
    expected = told_bars("BTC-USD", [compose(parts, t) for t, parts in minutes.items()])
    last = {ts: at for at, ts in enumerate(bars.ts.tolist())}
    final = bars.take(np.array([last[ts] for ts in expected.ts.tolist()], dtype=np.int64))
    assert set(last) == set(expected.ts.tolist())
    for name in ("ts", "open", "high", "low", "close", "volume", "vwap"):
        np.testing.assert_array_equal(getattr(final, name), getattr(expected, name))


def test_the_minute_of_the_beginning_is_never_given_out() -> None:
    """Its first seconds may have been missed: half a minute would be passed off as a whole one."""
    chance = Random(1)
    reader = Seconds(3.0, Counter())
    bars = give(reader, [second(at, chance) for at in (30, 59, 60, 61, 120)])
    assert bars.ts.tolist() == [np.datetime64(T0 + MINUTE, "ms").item()]


def test_a_late_second_does_not_hide_when_the_connection_began() -> None:
    """It comes first, of a minute before; the minute that was under way must not be given out."""
    chance = Random(1)
    reader = Seconds(3.0, Counter())
    assert reader.take("BTC-USD", [row(second(50, chance))], T0 / 1000 + 91.2) is None
    bars = give(reader, [second(at, chance) for at in (91, 110, 120, 150, 181)])
    assert bars.ts.tolist() == [np.datetime64(T0 + 2 * MINUTE, "ms").item()]


def test_a_minute_waits_for_its_grace_only() -> None:
    """It is given out so long after its end, by how late messages come."""
    chance = Random(1)
    reader = Seconds(3.0, Counter())
    give(reader, [second(at, chance) for at in (0, 60, 90)], delay_s=0.5)
    reader.take("ETH-USD", [row(second(121, chance))], T0 / 1000 + 122.5)
    due = T0 / 1000 + 120 + 0.5 + 3.0
    assert reader.due() == pytest.approx(due)
    assert reader.overdue(due - 0.01) == []
    (bars,) = reader.overdue(due + 1e-6)
    assert bars.ts.tolist() == [np.datetime64(T0 + MINUTE, "ms").item()]
    assert reader.due() == np.inf


def test_a_minute_that_the_connection_may_not_have_outlived_is_never_given_out() -> None:
    """It may have died within the minute, and half of it would be passed off as the whole."""
    chance = Random(1)
    reader = Seconds(3.0, Counter())
    give(reader, [second(at, chance) for at in (0, 60, 90)])
    assert reader.due() == np.inf
    assert reader.overdue(T0 / 1000 + 10_000) == []


def test_a_late_second_gives_its_minute_anew() -> None:
    """As a revision; once the minute is forgotten, the second is counted and nothing is given."""
    chance, counts = Random(1), Counter[str]()
    reader = Seconds(3.0, counts)
    seconds = {at: second(at, chance) for at in (0, 60, 70, 80, 130, 200, 260, 320, 380, 440)}
    give(reader, [seconds[at] for at in (0, 60, 80, 130)])
    late = give(reader, [seconds[70]])
    expected = compose([seconds[at] for at in (60, 70, 80)], T0 + MINUTE)
    assert late[0][1:7] == expected[1:7]
    give(reader, [seconds[at] for at in (200, 260, 320, 380, 440)])
    assert len(give(reader, [seconds[70]])) == 0
    assert counts == {"late_seconds": 1}
    assert len(reader._minutes["BTC-USD"]) <= 5
