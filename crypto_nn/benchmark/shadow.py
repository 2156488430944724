"""A champion and a shadow on the same rows of days that neither has learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from crypto_nn.benchmark.gate import GateConfig
from crypto_nn.errors import FeatureError, ModelError
from crypto_nn.features.labels import MINUTE
from crypto_nn.metrics.classification import row_log_loss
from crypto_nn.metrics.paired import e_process
from crypto_nn.store.lake import Lake
from crypto_nn.store.tables import TABLES

if TYPE_CHECKING:
    from crypto_nn.inference.out_of_sample import Answers

CHALLENGER, PREDECESSOR = "challenger", "predecessor"
TABLE = "shadow_scores"
DAY = np.timedelta64(1, "D")
PATIENCE = 2 * DAY  # so long a day waits for the bars after it


class CannotAnswer(ModelError):
    """A version is damaged, of another feature set, or its answers are no probabilities."""

    def __init__(self, version: str, why: str) -> None:
        super().__init__(f"{version} cannot answer: {why}")
        self.version, self.why = version, why


class Versions(Protocol):
    """What has to be known of stored versions."""

    def learned_until(self, version: str) -> np.datetime64:
        """The end of what a version was made from; ModelError or FeatureError: it cannot answer."""

    def answers(
        self, version: str, symbol: str, start: np.datetime64, end: np.datetime64
    ) -> "Answers":
        """What it says in [start, end); ModelError or FeatureError: it cannot answer."""

    def newest(self, symbol: str) -> np.datetime64 | None:
        """The newest bar of a symbol."""


@dataclass(frozen=True)
class Pair:
    """Two versions of a universe that are compared on the days [start, end).

    Attributes:
        role: "challenger", or "predecessor", which watches its successor.
    """

    universe: str
    champion: str
    shadow: str
    role: str
    start: np.datetime64
    end: np.datetime64


@dataclass(frozen=True)
class DayScore:
    """One day: mean log-losses over horizons (nats), and the answers that they are means of."""

    day: str
    rows: int
    champion_loss: float
    shadow_loss: float


@dataclass(frozen=True)
class Standing:
    """What the days so far say.

    Attributes:
        days: that were compared, up to the one that decided.
        gain: how much lower the shadow's loss was, mean of the days, nats.
        e_better, e_worse: evidence that the shadow is better, that it is worse.
        verdict: "better", "worse" or "open".
    """

    days: int
    gain: float
    e_better: float
    e_worse: float
    verdict: str

    def told(self, config: GateConfig) -> str:
        """In words."""
        side = "lower" if self.gain >= 0 else "higher"
        return (
            f"on {self.days} days its log-loss was {abs(self.gain):.5f} nats {side} than the "
            f"champion's; evidence {self.e_better:.3g} that it is better, {self.e_worse:.3g} that "
            f"it is worse ({config.evidence_due:g} decides)"
        )


def stand(days: Sequence[DayScore], config: GateConfig) -> Standing:
    """What these days say, in order: up to the first on which either evidence decides."""
    gains = np.array([day.champion_loss - day.shadow_loss for day in days])
    evidence = e_process(gains, config.paired)
    found = evidence.first(config.evidence_due, config.min_days)
    verdict = "open" if found is None else "better" if found[1] else "worse"
    count = len(days) if found is None else found[0] + 1
    if not count:
        return Standing(0, 0.0, 1.0, 1.0, verdict)
    better, worse = (float(e_T[count - 1]) for e_T in (evidence.better_T, evidence.worse_T))
    return Standing(count, float(gains[:count].mean()), better, worse, verdict)


def scores_of(lake: Lake, pair: Pair) -> list[DayScore]:
    """The days of a pair that are on record, in order."""
    if not lake.has(TABLE):
        return []
    columns = ("day", "rows", "champion_loss", "shadow_loss")
    where = {"universe": pair.universe, "champion": pair.champion, "shadow": pair.shadow,
             "role": pair.role}  # fmt: skip
    rows = lake.read(TABLE, columns, where).to_pylist()
    days = sorted((DayScore(**row) for row in rows), key=lambda each: each.day)
    return [each for each in days if pair.start <= np.datetime64(each.day) < pair.end]


def over_until(versions: Versions, symbols: Sequence[str], now: np.datetime64) -> np.datetime64:
    """The first day that is not over yet.

    A day is over once every symbol has a bar of a later day, and two days after its end in any
    case: a feed that is down for good does not hold up the others.
    """
    today = now.astype("datetime64[D]")
    newest = [versions.newest(symbol) for symbol in symbols]
    last = min((ts.astype("datetime64[D]") for ts in newest if ts is not None), default=today)
    slowest = today - PATIENCE if any(ts is None for ts in newest) else last
    return min(today, max(slowest, today - PATIENCE + DAY))


def score(
    lake: Lake,
    versions: Versions,
    pair: Pair,
    symbols: Sequence[str],
    config: GateConfig,
    now: np.datetime64,
) -> int:
    """Score the days of a pair that are over and not on record, in order; how many there were.

    Days before the last on record are never gone back to: evidence is made in order of time. All
    new days are written in one transaction; a killed call leaves none, and the next does the same.
    """
    done = scores_of(lake, pair)
    first = pair.start if not done else np.datetime64(done[-1].day) + DAY
    newest = [ts for ts in map(versions.newest, symbols) if ts is not None]
    last = max(newest).astype("datetime64[D]") + DAY if newest else first
    until = min(pair.end, over_until(versions, symbols, now), last)
    fresh = []
    for day in np.arange(first, until, DAY):
        scored = _score_day(versions, pair, symbols, day)
        if scored is not None:
            fresh.append(scored)
    if fresh:
        lake.append(TABLE, _to_arrow(pair, done, fresh, config, now))
    return len(fresh)


def ask(
    versions: Versions, version: str, symbol: str, start: np.datetime64, end: np.datetime64
) -> "Answers":
    """What a version says in [start, end).

    Raises:
        CannotAnswer: it cannot be loaded, learned from other features, or says what are no
            probabilities.
    """
    try:
        answers = versions.answers(version, symbol, start, end)
    except (ModelError, FeatureError) as error:
        raise CannotAnswer(version, str(error)) from error
    p_RHC = answers.p_RHC
    odd = ~np.isfinite(p_RHC).all(axis=(1, 2)) | (p_RHC < 0).any(axis=(1, 2))
    odd |= ~np.isclose(p_RHC.sum(axis=2), 1.0, atol=1e-6).all(axis=1)
    if odd.any():
        raise CannotAnswer(
            version,
            f"{int(odd.sum())} of its {len(odd)} answers for {symbol} from {start} are no "
            "probabilities. Train another version.",
        )
    return answers


def _score_day(
    versions: Versions, pair: Pair, symbols: Sequence[str], day: np.datetime64
) -> DayScore | None:
    """Both on the same rows of a day; None where there is no row with a known outcome."""
    start, end = day.astype("datetime64[us]"), (day + DAY).astype("datetime64[us]")
    losses: list[list[tuple[float, float, int]]] = []
    for symbol in symbols:
        ours, theirs = (
            ask(versions, version, symbol, start, end) for version in (pair.champion, pair.shadow)
        )
        if ours.horizons != theirs.horizons:
            raise CannotAnswer(
                pair.shadow,
                f"it looks {theirs.horizons} minutes ahead and {pair.champion} {ours.horizons}. "
                "Train it for the same horizons.",
            )
        losses.append(_losses(ours, theirs, end))
    sums = np.array(losses, dtype=np.float64).sum(axis=0)  # (H, 3): over symbols
    known = sums[sums[:, 2] > 0]
    if not len(known):
        return None
    champion, shadow = (known[:, :2] / known[:, 2:]).mean(axis=0)
    return DayScore(str(day), int(known[:, 2].sum()), float(champion), float(shadow))


def _losses(
    ours: "Answers", theirs: "Answers", end: np.datetime64
) -> list[tuple[float, float, int]]:
    """Per horizon: the sum of either's losses over the rows that both answered, and their number.

    Versions may differ in where flat ends (k): the loss is the mean over both ways to tell what
    happened, so that neither is judged by the other's alone. Rows whose label ends after the day
    are left out, so that days do not overlap.
    """
    latest = end - (max(ours.horizons) + 1) * MINUTE
    shared, rows, others = np.intersect1d(
        ours.ts_R, theirs.ts_R, assume_unique=True, return_indices=True
    )
    in_time = shared <= latest
    rows, others = rows[in_time], others[in_time]
    found = []
    for h in range(len(ours.horizons)):
        first, second = ours.classes_RH[rows, h], theirs.classes_RH[others, h]
        known = (first >= 0) & (second >= 0)
        pairs = []
        for p_RHC, picked in ((ours.p_RHC, rows), (theirs.p_RHC, others)):
            p_RC = p_RHC[picked[known], h]
            both = [row_log_loss(p_RC, told[known]).sum() for told in (first, second)]
            pairs.append(float(sum(both) / 2))
        found.append((pairs[0], pairs[1], int(known.sum())))
    return found


def _to_arrow(
    pair: Pair,
    done: Sequence[DayScore],
    fresh: Sequence[DayScore],
    config: GateConfig,
    now: np.datetime64,
) -> pa.Table:
    days = [*done, *fresh]
    gains = [day.champion_loss - day.shadow_loss for day in days]
    evidence = e_process(gains, config.paired)
    rows = [
        {
            "universe": pair.universe,
            "champion": pair.champion,
            "shadow": pair.shadow,
            "role": pair.role,
            "day": day.day,
            "rows": day.rows,
            "champion_loss": day.champion_loss,
            "shadow_loss": day.shadow_loss,
            "e_better": float(evidence.better_T[place]),
            "e_worse": float(evidence.worse_T[place]),
            "made_at": now.astype("datetime64[us]").item(),
        }
        for place, day in enumerate(days)
        if place >= len(done)
    ]
    schema = pa.schema([(c.name, c.arrow) for c in TABLES[TABLE].columns])
    return pa.Table.from_pylist(rows, schema=schema)
