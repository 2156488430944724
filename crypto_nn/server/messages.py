"""What the WebSocket tells a page or program: new bars, new answers, and how fresh all is.

Every message is one JSON object with a `type`; a quiet socket gets `{"type": "ping"}` as well.
Times are UTC in ISO 8601; `ts` is the open of a bar, and `known_at` its close, before which nobody
could know it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

Direction = Literal["down", "flat", "up"]
DIRECTIONS: tuple[Direction, ...] = ("down", "flat", "up")
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Message(BaseModel):
    """What all messages share: they are frozen, and have no other fields than the stated ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: what `Hub.publish` takes."""
        return self.model_dump(mode="json")


class HorizonAnswer(Message):
    """What a version says of one horizon.

    Attributes:
        horizon: minutes ahead.
        p_down, p_flat, p_up: calibrated probabilities; they sum to 1.
        predicted: the likeliest direction.
        confidence: its calibrated probability.
        epistemic: disagreement of an ensemble's members in nats; null of a single network.
    """

    horizon: Annotated[int, Field(gt=0)]
    p_down: Share
    p_flat: Share
    p_up: Share
    predicted: Direction
    confidence: Share
    epistemic: Number | None = None


class BarMessage(Message):
    """A bar has closed, or a closed one was revised: the newer one of the same `ts` counts.

    Attributes:
        symbol: base and quote, such as BTC-USDT.
        ts: open of the bar.
        o, h, l, c: prices in the quote currency.
        v: volume in the base currency.
    """

    type: Literal["bar"] = "bar"
    symbol: str
    ts: AwareDatetime
    o: Number
    h: Number
    l: Number  # noqa: E741  the spelling of exchanges
    c: Number
    v: Number


class AnswerMessage(Message):
    """A version has answered for a bar.

    Attributes:
        symbol: base and quote, such as BTC-USDT.
        ts: open of the newest bar that it saw.
        known_at: close of that bar.
        universe: for which the version answers.
        model_version: the version.
        role: champion or challenger.
        latency_ms: from the closed bar to the answer; null where it was not measured.
        answers: one per horizon.
    """

    type: Literal["answer"] = "answer"
    symbol: str
    ts: AwareDatetime
    known_at: AwareDatetime
    universe: str
    model_version: str
    role: Literal["champion", "challenger"] = "champion"
    latency_ms: Number | None = None
    answers: tuple[HorizonAnswer, ...]


class StateMessage(Message):
    """How fresh a symbol is, sent when it changes.

    Attributes:
        symbol: base and quote, such as BTC-USDT.
        state: warming (not enough bars yet), ready, or stale (bars are late or missing).
        bar_time: open of the newest bar; null where there is none.
        staleness_s: seconds since that bar closed.
        model_version: the champion; null before the first promotion.
        reason: one sentence for a person; empty where all is well.
    """

    type: Literal["state"] = "state"
    symbol: str
    state: Literal["warming", "ready", "stale"]
    bar_time: AwareDatetime | None = None
    staleness_s: Number | None = None
    model_version: str | None = None
    reason: str = ""


ServerMessage = Annotated[BarMessage | AnswerMessage | StateMessage, Field(discriminator="type")]
_READER: TypeAdapter[BarMessage | AnswerMessage | StateMessage] = TypeAdapter(ServerMessage)


def read_message(
    content: str | bytes | Mapping[str, Any],
) -> BarMessage | AnswerMessage | StateMessage:
    """A message as its class.

    Raises:
        pydantic.ValidationError: it is none of the three, or a field is missing or out of range.
    """
    if isinstance(content, str | bytes):
        return _READER.validate_json(content)
    return _READER.validate_python(content)


def horizon_answer(
    horizon: int, p_C: tuple[float, float, float], epistemic: float | None = None
) -> HorizonAnswer:
    """The answer for one horizon from its probabilities of down, flat and up."""
    likeliest = max(range(len(DIRECTIONS)), key=lambda number: p_C[number])
    down, flat, up = p_C
    return HorizonAnswer(
        horizon=horizon,
        p_down=down,
        p_flat=flat,
        p_up=up,
        predicted=DIRECTIONS[likeliest],
        confidence=p_C[likeliest],
        epistemic=epistemic,
    )


def utc(naive: datetime) -> datetime:
    """A naive UTC time, as the lake keeps it, with its zone said."""
    return naive.replace(tzinfo=UTC)
