"""What the live page is told about one symbol, all at once: `GET /page/state`."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from crypto_nn.server.messages import Direction

Verdict = Literal["better", "no better", "worse", "too few"]


class Told(BaseModel):
    """What all parts share: frozen, and no other fields than the stated ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Candle(Told):
    """A closed bar: `ts` is its open (UTC), prices in the quote currency."""

    ts: AwareDatetime
    o: float
    h: float
    l: float  # noqa: E741  the spelling of exchanges
    c: float
    v: float


class Became(Told):
    """What a version said at a bar for a horizon, and what became of it.

    Attributes:
        outcome: the direction that came; null until the horizon has passed.
        move_bps: log return over the horizon in basis points; null until it has passed.
        in_sample: whether the version learned from this minute: then it proves nothing.
    """

    ts: AwareDatetime
    horizon: int
    model_version: str
    p_down: float
    p_flat: float
    p_up: float
    predicted: Direction
    confidence: float
    outcome: Direction | None
    move_bps: float | None
    in_sample: bool


class Bin(Told):
    """Answers of like confidence: the mean confidence, the share that came true, how many."""

    confidence: float
    accuracy: float
    rows: int


class Score(Told):
    """How a version did at one horizon, on answers that it did not learn from.

    Attributes:
        rows: answers whose outcome is known; neighbours overlap, so about rows / horizon count.
        accuracy: share of right directions.
        majority: what always saying the commonest direction of the same rows would have had.
        chance: what guessing has: one third.
        margin: two standard errors of accuracy minus majority, overlap counted; null if too few.
        verdict: accuracy against majority, beyond that margin.
        ece: mean distance of confidence and accuracy over `reliability`.
    """

    horizon: int
    model_version: str
    rows: int
    accuracy: float
    majority: float
    chance: float
    margin: float | None
    verdict: Verdict
    ece: float
    reliability: tuple[Bin, ...]


class Event(Told):
    """Something that happened to a version of the symbol's universe."""

    at: AwareDatetime
    action: str
    version: str
    reason: str


class Shadow(Told):
    """A version that is compared with the champion: losses in nats, evidence as e-values."""

    version: str
    role: str
    day: str
    rows: int
    champion_loss: float | None
    shadow_loss: float | None
    e_better: float | None
    e_worse: float | None


class DriftDay(Told):
    """How far a day lies from what the champion learned from; an alarm is due above 1."""

    day: str
    score: float | None
    drifted: bool
    reason: str
    worst_feature: str | None


class Moved(Told):
    """A column of the last drift report, by its score."""

    name: str
    kind: str
    score: float


class OpenAlert(Told):
    """An alert that is not resolved."""

    at: AwareDatetime
    kind: str
    title: str
    message: str


class Latency(Told):
    """From the closed bar to the answer over the last hour of answers, in milliseconds."""

    p50_ms: float
    p99_ms: float
    answers: int


class Freshness(Told):
    """How old the newest bar is.

    Attributes:
        state: empty (no bar was ever seen), ready, or stale (a bar is late).
        bar_time: open of the newest bar.
        age_s: seconds since it closed.
        due_s: beyond this age it is stale.
    """

    state: Literal["empty", "ready", "stale"]
    bar_time: AwareDatetime | None
    age_s: float | None
    due_s: float


class PageState(Told):
    """Everything that the page shows of a symbol at a moment; what is not there is empty.

    Attributes:
        at: when it was looked at.
        symbols: what else can be asked for.
        unreadable: in a sentence, what could not be read; empty where all was.
    """

    at: AwareDatetime
    symbol: str
    symbols: tuple[str, ...]
    universe: str
    freshness: Freshness
    candles: tuple[Candle, ...] = ()
    answers: tuple[Became, ...] = ()
    scores: tuple[Score, ...] = ()
    champion: Event | None = None
    challenger: Event | None = None
    events: tuple[Event, ...] = ()
    shadows: tuple[Shadow, ...] = ()
    drift: tuple[DriftDay, ...] = ()
    moved: tuple[Moved, ...] = ()
    alerts: tuple[OpenAlert, ...] = ()
    latency: Latency | None = None
    unreadable: Annotated[str, Field(max_length=500)] = ""
