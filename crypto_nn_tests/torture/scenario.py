"""What one seed stands for: a market, a machine, and all that goes wrong between them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from crypto_nn_tests.exchange import Character, Market

START = "2024-04-30T23:20"  # a month ends within the first hour
QUIET_MINUTES = 25
SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD")
ASIDE = "XRP-USD"
"""A symbol whose history is fetched beside the stream, from the same budget."""

FeedTrouble = Literal[
    "drop", "reset", "half_open", "stall", "duplicates", "disorder", "garbage", "broken_frame",
    "refuse", "silent_greeting", "too_many", "auth_refused",
]  # fmt: skip
MachineTrouble = Literal["restart", "crash", "slow_consumer", "history"]
CLOSES = (1000, 1001, 1008, 1011, 1012, 1013)
ERRORS = (429, 429, 429, 500, 502, 503, 504, 520)
REST_KINDS = ("status", "cut", "truncated", "html", "error_body", "garbage", "bad_rows", "reset",
              "hang", "repeat", "same_cursor")  # fmt: skip


@dataclass(frozen=True)
class Trouble:
    """Something goes wrong at one moment, some of it for a while.

    Attributes:
        at: seconds after the start.
        kind: what.
        lasts: seconds, where it lasts.
        code: of a close.
    """

    at: float
    kind: str
    lasts: float = 0.0
    code: int = 0


@dataclass(frozen=True)
class RestStorm:
    """A while in which requests are answered badly.

    Attributes:
        at, lasts: when, in seconds after the start.
        kinds: what is chosen from for each request.
        share: of the requests that are hit.
    """

    at: float
    lasts: float
    kinds: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class Scenario:
    """All that a seed decides, before anything runs.

    Attributes:
        seed: says all the rest.
        symbols: what is streamed.
        minutes: of trading, the quiet end included.
        began: minutes of trading before the stream starts.
        channel: "XA", or "XAS".
        budget: requests per minute.
        page: most rows of one REST answer.
        troubles, storms, lags: what goes wrong, and when; a lag keeps REST behind by so much.
        wrong_s: how wrong the machine's wall clock is, by elapsed seconds.
    """

    seed: int
    symbols: tuple[str, ...]
    minutes: int
    began: int
    channel: Literal["XA", "XAS"]
    budget: int
    page: int
    character: Character
    troubles: tuple[Trouble, ...]
    storms: tuple[RestStorm, ...]
    lags: tuple[Trouble, ...]
    wrong_s: Callable[[float], float] = field(repr=False)
    clock: str = "right"

    @property
    def quiet_from(self) -> float:
        """From when on nothing goes wrong any more (seconds after the start)."""
        return (self.minutes - QUIET_MINUTES) * 60.0

    @property
    def ends(self) -> float:
        """When trading has ended and the last bar has long been published."""
        return self.minutes * 60.0 + 60.0

    def market(self) -> Market:
        """The market; all that is late or revised is out well before trading ends."""
        return Market.random(
            self.seed, (*self.symbols, ASIDE), START, self.minutes, self.character, QUIET_MINUTES
        )


def scenario(seed: int, minutes: int | None = None) -> Scenario:
    """The scenario of a seed."""
    random = Random(f"scenario {seed}")
    minutes = minutes or random.randint(70, 110)
    storm_s = (minutes - QUIET_MINUTES) * 60.0
    character = Character(
        missing=random.choice((0.0, 0.02, 0.05, 0.15)),
        late=random.choice((0.0, 0.02, 0.06)),
        late_s=random.choice((20.0, 100.0, 300.0, 900.0)),
        revised=random.choice((0.0, 0.03, 0.1)),
        revised_s=random.choice((10.0, 120.0, 1200.0)),
        prompt_s=random.choice((0.5, 2.0, 4.0)),
    )
    name, wrong_s = _clock(random, storm_s)
    began = random.choice((0, 3, 20))
    channel: Literal["XA", "XAS"] = "XAS" if random.random() < 0.15 else "XA"
    return Scenario(
        seed=seed,
        symbols=SYMBOLS[: random.randint(1, len(SYMBOLS))],
        minutes=minutes,
        began=began,
        channel=channel,
        budget=random.choice((5, 12, 60)),
        page=random.choice((3, 10, 5000)),
        character=character,
        troubles=tuple(_troubles(random, began * 60.0, storm_s, channel)),
        storms=tuple(_storms(random, storm_s)),
        lags=tuple(
            Trouble(
                random.uniform(0, storm_s), "lag", random.uniform(60, 900), random.randint(3, 90)
            )
            for _ in range(random.choice((0, 0, 1, 2)))
        ),
        wrong_s=wrong_s,
        clock=name,
    )


_LASTS = {
    "stall": (20, 400), "duplicates": (60, 600), "disorder": (60, 600), "refuse": (5, 300),
    "silent_greeting": (5, 120), "too_many": (5, 90), "auth_refused": (5, 60), "restart": (1, 400),
    "crash": (1, 400), "slow_consumer": (60, 900), "history": (0, 0),
}  # fmt: skip


def _troubles(random: Random, begin: float, end: float, channel: str) -> list[Trouble]:
    kinds = ["drop"] * 3 + ["reset", "half_open"] * 2 + ["stall", "duplicates", "disorder"] * 2
    kinds += ["garbage", "garbage", "broken_frame", "refuse", "silent_greeting", "too_many"]
    kinds += ["restart", "crash", "slow_consumer", "history"]
    if random.random() < 0.2:
        kinds.append("auth_refused")
    if channel == "XAS":  # a second that is never sent, and nothing tells of it, cannot be missed
        kinds = [kind for kind in kinds if kind != "stall"]
    found = []
    for _ in range(random.randint(2, 12)):
        kind = random.choice(kinds)
        low, high = _LASTS.get(kind, (0, 0))
        at = random.uniform(begin, max(end - high, begin + 1))
        lasts = random.uniform(low, high)
        found.append(Trouble(at, kind, lasts, random.choice(CLOSES) if kind == "drop" else 0))
    return sorted(found, key=lambda trouble: trouble.at)


def _storms(random: Random, end: float) -> list[RestStorm]:
    found = []
    for _ in range(random.choice((0, 1, 2, 3))):
        kinds = tuple(random.sample(REST_KINDS, random.randint(1, len(REST_KINDS))))
        lasts = random.choice((30.0, 120.0, 600.0))
        at = random.uniform(0, max(end - lasts, 1.0))
        found.append(RestStorm(at, lasts, kinds, random.choice((0.3, 0.7, 1.0))))
    if random.random() < 0.3:
        at = random.uniform(0, end - 60)
        found.append(RestStorm(at, random.uniform(10, 60), ("empty",), 1.0))
    return found


def _clock(random: Random, end: float) -> tuple[str, Callable[[float], float]]:
    kinds = ("right", "ahead", "behind", "jumps back", "jumps ahead", "drifts", "set right")
    kind = random.choice(kinds)
    offset, when = random.uniform(1, 600), random.uniform(0, end)
    if kind == "right":
        return kind, lambda elapsed: 0.0
    if kind == "drifts":
        return kind, lambda elapsed: elapsed / 86_400.0 * 100  # 100 s a day: a bad quartz
    if kind in ("ahead", "behind"):
        sign = 1.0 if kind == "ahead" else -1.0
        return f"{kind} by {offset:.0f} s", lambda elapsed: sign * offset
    if kind == "set right":
        sign = random.choice((-1.0, 1.0))
        words = f"{sign * offset:+.0f} s off, then set right"
        return words, lambda elapsed: 0.0 if elapsed >= when else sign * offset
    jump = -3600.0 if kind == "jumps back" else 3600.0
    return f"{kind} by 1 h", lambda elapsed: jump if elapsed >= when else 0.0
