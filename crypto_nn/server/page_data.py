"""What the live page shows, read out of a home: read-only, bounded, and never an error."""

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from crypto_nn.errors import CryptoNNError, SymbolError
from crypto_nn.inference import registry
from crypto_nn.monitoring.lake_reader import LakeReader
from crypto_nn.monitoring.ledger import open_of
from crypto_nn.server.messages import DIRECTIONS, utc
from crypto_nn.server.page_queries import Questions, Row
from crypto_nn.server.page_scores import scores
from crypto_nn.server.page_state import (
    Became,
    Candle,
    DriftDay,
    Event,
    Freshness,
    Latency,
    Moved,
    OpenAlert,
    PageState,
    Shadow,
)
from crypto_nn.store.models import ModelStore

BAR = timedelta(minutes=1)


@dataclass(frozen=True)
class PageBounds:
    """How much the page is shown.

    Attributes:
        candles: newest bars.
        scored_minutes: of answers that are scored.
        scored_rows: the most answers that are read at all.
        drift_days, moved, events, alerts: the last verdicts, columns, events and open alerts.
        stale_after_s: age of the newest closed bar beyond which it is late.
        kept_s: for so long a state is told again instead of being read anew.
    """

    candles: int = 360
    scored_minutes: int = 7 * 1440
    scored_rows: int = 40_000
    drift_days: int = 30
    moved: int = 6
    events: int = 12
    alerts: int = 20
    stale_after_s: float = 120.0
    kept_s: float = 2.0


class PageData:
    """The page's view of a home. It is safe to ask from several threads.

    Args:
        home: where everything is kept.
        catalogue: of the lake; None for the file in it.
        universe_of: the symbols that can be asked for, and the universe that answers for each.
        now: the clock, naive UTC.
    """

    def __init__(
        self,
        home: Path,
        catalogue: str | None,
        universe_of: Mapping[str, str],
        now: Callable[[], np.datetime64],
        bounds: PageBounds | None = None,
    ) -> None:
        self.universe_of, self.now, self.bounds = dict(universe_of), now, bounds or PageBounds()
        self._models = ModelStore(home / "models")
        self._reader = LakeReader(home / "lake", catalogue)
        self._lock = threading.Lock()
        self._kept: dict[str, PageState] = {}

    def state(self, symbol: str | None = None) -> PageState:
        """Everything about a symbol; of the first one where none is named.

        Raises:
            SymbolError: it is not one of the symbols that are served.
        """
        symbols = tuple(self.universe_of)
        symbol = symbol if symbol is not None else next(iter(symbols), None)
        if symbol not in self.universe_of:
            raise SymbolError(
                f"The symbol {symbol!r} is not served; served are {', '.join(symbols) or 'none'}. "
                "Ask for one of these, or add it under `symbols` in the YAML."
            )
        with self._lock:
            at = self.now().astype("datetime64[us]").item()
            kept = self._kept.get(symbol)
            if kept is None or not timedelta(0) <= utc(at) - kept.at < self._fresh:
                kept = self._kept[symbol] = self._look(symbol, at)
            return kept

    def close(self) -> None:
        """Let go of the lake."""
        with self._lock:
            self._reader.close()

    @property
    def _fresh(self) -> timedelta:
        return timedelta(seconds=self.bounds.kept_s)

    def _look(self, symbol: str, at: datetime) -> PageState:
        universe, unreadable = self.universe_of[symbol], list[str]()
        found: dict[str, Any] = {}
        try:
            found |= self._versions(universe)
        except (CryptoNNError, OSError, KeyError, ValueError) as error:
            unreadable.append(f"the model store ({type(error).__name__})")
        champion: Event | None = found.get("champion")
        newest: list[datetime] = []
        parts: tuple[Callable[[Questions], dict[str, Any]], ...] = (
            lambda questions: self._market(questions, newest, champion),
            lambda questions: self._watched(questions, universe, champion),
        )
        for part in parts:
            try:
                with self._reader.open() as connection:
                    found |= part(Questions(connection, symbol))
            except (duckdb.Error, CryptoNNError, OSError, ValueError) as error:
                if self._reader.root.exists():  # before the first run there is none, and no fault
                    unreadable.append(f"the lake ({type(error).__name__})")
        return PageState(
            at=utc(at),
            symbol=symbol,
            symbols=tuple(self.universe_of),
            universe=universe,
            freshness=self._freshness(newest[0] if newest else None, at),
            unreadable=" and ".join(dict.fromkeys(unreadable)),
            **found,
        )

    def _freshness(self, newest: datetime | None, at: datetime) -> Freshness:
        due_s = self.bounds.stale_after_s
        if newest is None:
            return Freshness(state="empty", bar_time=None, age_s=None, due_s=due_s)
        age_s = (at - newest - BAR).total_seconds()
        return Freshness(
            state="stale" if age_s > due_s else "ready",
            bar_time=utc(newest),
            age_s=age_s,
            due_s=due_s,
        )

    def _versions(self, universe: str) -> dict[str, Any]:
        events = [_event(event) for event in registry.history(self._models, universe)]
        champion = registry.champion_of(self._models, universe)
        challenger = registry.challenger_of(self._models, universe)
        return {
            "champion": _whose(champion, "promote"),
            "challenger": _whose(challenger, "shadow"),
            "events": tuple(events[-self.bounds.events :][::-1]),
        }

    def _market(
        self, questions: Questions, found: list[datetime], champion: Event | None
    ) -> dict[str, Any]:
        """Bars and answers; the newest bar is noted in `found` first, whatever fails after it."""
        newest, bounds = questions.newest(), self.bounds
        if newest is None:
            return {}
        found.append(newest)
        shown_since = newest - (bounds.candles - 1) * BAR
        rows = questions.answers(newest - bounds.scored_minutes * BAR, bounds.scored_rows)
        shown = [row for row in rows if row["ts"] >= shown_since]
        latency = questions.latency(newest - timedelta(hours=1))
        candles = questions.candles(shown_since, bounds.candles)
        return {
            "candles": tuple(Candle(**row | {"ts": utc(row["ts"])}) for row in candles),
            "answers": tuple(_became(row) for row in shown),
            "scores": scores(rows, champion.version) if champion else (),
            "latency": Latency(**latency[0]) if latency else None,
        }

    def _watched(
        self, questions: Questions, universe: str, champion: Event | None
    ) -> dict[str, Any]:
        bounds = self.bounds
        shadows = questions.shadows(universe, champion.version) if champion else []
        alerts = open_of(questions.alerts())[-bounds.alerts :]
        return {
            "shadows": tuple(Shadow(**_finite(row)) for row in shadows),
            "drift": tuple(DriftDay(**_finite(row)) for row in questions.drift(bounds.drift_days)),
            "moved": tuple(Moved(**row) for row in questions.moved(bounds.moved)),
            "alerts": tuple(
                OpenAlert(
                    at=utc(alert.at.astype("datetime64[us]").item()),
                    kind=alert.kind,
                    title=alert.title,
                    message=alert.message,
                )
                for alert in alerts[::-1]
            ),
        }


def _became(row: Row) -> Became:
    outcome = row["outcome"]
    told = _finite(row) | {
        "ts": utc(row["ts"]),
        "predicted": DIRECTIONS[row["predicted_class"]],
        "outcome": None if outcome is None else DIRECTIONS[outcome],
    }
    del told["predicted_class"]
    return Became(**told)


def _finite(row: Row) -> Row:
    """Null for what is no number: JSON has no NaN."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }


def _event(event: Mapping[str, str]) -> Event:
    at = datetime.fromisoformat(event["at"].removesuffix("Z"))
    return Event(
        at=utc(at), action=event["action"], version=event["version"], reason=event["reason"]
    )


def _whose(found: registry.Champion | None, action: str) -> Event | None:
    if found is None:
        return None
    return _event(
        {"at": found.at, "action": action, "version": found.version, "reason": found.reason}
    )
