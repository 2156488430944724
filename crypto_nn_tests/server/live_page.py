"""A home with a scripted market, and a server of its live page alone, for tests and pictures."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import uvicorn
from fastapi import FastAPI, WebSocket

from crypto_nn.monitoring.alert import Alert
from crypto_nn.server.guards import guarded
from crypto_nn.server.hub import Hub
from crypto_nn.server.messages import AnswerMessage, BarMessage, HorizonAnswer, horizon_answer, utc
from crypto_nn.server.page_data import PageData
from crypto_nn.server.policy import Policy
from crypto_nn.server.problems import add_problems
from crypto_nn.server.routes import page
from crypto_nn.server.tokens import Tokens
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore
from crypto_nn.store.tables import TABLES

SYMBOL, OTHER = "BTC-USDT", "ETH-USDT"
UNIVERSES = {SYMBOL: "majors", OTHER: "majors"}
VERSION, CHALLENGER = "lstm-20240301-5f2a", "transformer-20240311-90cc"
NEWEST = np.datetime64("2024-03-14T10:00", "us")  # open of the newest bar
NOW = NEWEST + np.timedelta64(70, "s")
MINUTE, DAY = np.timedelta64(1, "m"), np.timedelta64(1, "D")
HORIZONS = (5, 15, 60)


@dataclass
class Market:
    """Prices without an edge, and answers to them, the same for the same seed."""

    num_bars: int
    seed: int = 8
    ts: np.ndarray[Any, Any] = field(init=False)
    close: np.ndarray[Any, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.chance = np.random.default_rng(self.seed)
        self.ts = NEWEST - MINUTE * np.arange(self.num_bars)[::-1]
        self.close = 71_000 * np.exp(np.cumsum(self.chance.normal(0, 5e-4, self.num_bars)))

    def bars(self) -> pa.Table:
        opens = np.concatenate([[71_000.0], self.close[:-1]])
        wick = np.abs(self.chance.normal(0, 15, (2, self.num_bars)))
        return pa.table(
            {
                "symbol": [SYMBOL] * self.num_bars,
                "month": ["2024-03"] * self.num_bars,
                "ts": self.ts,
                "open": opens,
                "high": np.maximum(opens, self.close) + wick[0],
                "low": np.minimum(opens, self.close) - wick[1],
                "close": self.close,
                "volume": self.chance.gamma(2, 6, self.num_bars),
                "source": ["synthetic"] * self.num_bars,
            }
        )

    def classes(self, horizon: int) -> tuple[list[int | None], list[float | None]]:
        """What came after each bar; None until it is known."""
        log = np.log(self.close)
        moves = log[horizon:] - log[:-horizon]
        band = 0.37 * 5e-4 * np.sqrt(horizon)
        came = (moves > band).astype(int) - (moves < -band) + 1
        open_ = [None] * min(horizon, self.num_bars)
        return [int(c) for c in came] + open_, [float(m) for m in moves] + open_

    def answers(self) -> list[dict[str, Any]]:
        """Random answers of the champion, somewhat too sure of themselves."""
        rows = []
        for horizon in HORIZONS:
            logits = self.chance.normal(0, 0.45, (self.num_bars, 3))
            p_NC = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            for ts, p_C in zip(self.ts, p_NC):
                rows.append(_said(ts, horizon, p_C))
        return rows


def _said(ts: Any, horizon: int, p_C: Any) -> dict[str, Any]:
    likeliest = int(np.argmax(p_C))
    return {
        "symbol": SYMBOL, "month": "2024-03", "ts": ts.item(), "horizon": horizon,
        "model_version": VERSION, "p_down": p_C[0], "p_flat": p_C[1], "p_up": p_C[2],
        "predicted_class": likeliest, "confidence": p_C[likeliest],
    }  # fmt: skip


def append(lake: Lake, name: str, rows: list[dict[str, Any]]) -> None:
    schema = pa.schema([(c.name, c.arrow) for c in TABLES[name].columns])
    lake.append(name, pa.Table.from_pylist(rows, schema=schema))


def write_home(home: Path, num_bars: int = 400) -> None:
    """Everything that the page shows, of one symbol; the other has nothing yet."""
    market, lake = Market(num_bars), Lake(home / "lake")
    lake.append("bars", market.bars())
    said = market.answers()
    fresh = NEWEST - 30 * MINUTE
    append(lake, "predictions", [row for row in said if row["ts"] < fresh.item()])
    served = [row for row in said if row["ts"] >= fresh.item()]
    for number, row in enumerate(served):
        told_at = row["ts"] + MINUTE.astype("timedelta64[us]").item()
        row |= {"latency_ms": 3.0 + number % 31 / 16, "served_at": told_at}
    append(lake, "served_predictions", served)
    columns: dict[str, Any] = {"symbol": [SYMBOL] * num_bars, "month": ["2024-03"] * num_bars}
    columns |= {"ts": market.ts, "sigma": np.full(num_bars, 5e-4)}
    for horizon in HORIZONS:
        came, moves = market.classes(horizon)
        columns[f"class_{horizon}m"] = pa.array(came, pa.int8())
        columns[f"return_{horizon}m"] = pa.array(moves, pa.float64())
    lake.append("labels", pa.table(columns))
    write_watched(lake)
    write_versions(home)
    lake.close()


def write_watched(lake: Lake) -> None:
    """Drift of three weeks, a shadow, and an open alert."""
    at, days = (
        NEWEST.item(),
        [str((NEWEST - n * DAY).astype("datetime64[D]")) for n in range(1, 22)],
    )
    scores = [0.42, 1.18, 0.66, 0.55, 0.71, 0.38, 0.47, 0.52, 0.6, 0.81, 0.93, 0.58, 0.44, 0.39,
              0.62, 0.7, 0.49, 0.41, 0.57, 0.66, 0.5]  # fmt: skip
    append(lake, "drift_decisions",
           [{"symbol": SYMBOL, "day": day, "model_version": VERSION, "drift_score": score,
             "drifted": score > 1, "reason": "calm", "made_at": at}
            for day, score in zip(days, scores)])  # fmt: skip
    moved = {"volume_z_60": 0.42, "rsi_14": 0.31, "atr_share_14": 0.28, "return_15": 0.12}
    append(lake, "drift_report",
           [{"symbol": SYMBOL, "day": days[0], "model_version": VERSION, "kind": "feature",
             "name": name, "score": score, "made_at": at}
            for name, score in moved.items()])  # fmt: skip
    append(lake, "shadow_scores",
           [{"universe": "majors", "champion": VERSION, "shadow": CHALLENGER, "role": "challenger",
             "day": days[0], "rows": 4200, "champion_loss": 1.0972, "shadow_loss": 1.0969,
             "e_better": 1.3, "e_worse": 0.7, "made_at": at}])  # fmt: skip
    alert = Alert(
        "drift", f"drift:{days[1]}", f"{SYMBOL} moved on {days[1]}",
        "volume_z_60 scored 1.18, and an alarm is due above 1. Nothing is to be done: a retraining "
        "was asked for.", NEWEST - DAY,
    )  # fmt: skip
    lake.append("alerts", alert.to_arrow())


def write_versions(home: Path) -> None:
    """A champion since two weeks, and its challenger."""
    events = [
        (13, VERSION, "promote", "The first version of the universe."),
        (3, CHALLENGER, "shadow", "Trained after drift; it is compared day by day."),
    ]
    told = [
        {"version": version, "action": action, "reason": reason, "at": str(NEWEST - days * DAY)}
        for days, version, action, reason in events
    ]
    ModelStore(home / "models").set_pointer("champion-majors", {"events": told})


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: np.datetime64 = NOW) -> None:
        self.now = now

    def __call__(self) -> np.datetime64:
        return self.now


def page_data(home: Path, clock: Clock | None = None) -> PageData:
    return PageData(home, None, UNIVERSES, clock or Clock())


class LivePage:
    """The page behind its guards, and a hub that is spoken to by hand."""

    def __init__(self, data: PageData, tokens: Tokens | None = None) -> None:
        self.data, self.hub = data, Hub()
        self.app = FastAPI()
        add_problems(self.app)
        self.app.include_router(page.router(data))

        @self.app.websocket("/ws")
        async def live(websocket: WebSocket) -> None:
            await self.hub.serve_socket(websocket)

        policy = Policy.for_host("127.0.0.1", tokens or Tokens(), page_files=page.PAGE_FILES)
        self.guarded = guarded(self.app, policy)
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its address, while it is served from a thread."""
        config = uvicorn.Config(self.guarded, port=0, log_level="error", ws="websockets-sansio")
        server = uvicorn.Server(config)
        started, stop = threading.Event(), threading.Event()

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            serving = asyncio.create_task(server.serve())
            while not server.started and not serving.done():
                await asyncio.sleep(0)
            started.set()
            await asyncio.to_thread(stop.wait)
            self.hub.close()
            server.should_exit = True
            await serving

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        try:
            assert started.wait(20)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            stop.set()
            thread.join(20)

    def publish(self, message: BarMessage | AnswerMessage) -> None:
        """Tell all open pages."""
        assert self._loop is not None
        told = asyncio.run_coroutine_threadsafe(self._publish(message), self._loop)
        assert told.result(10) > 0, "nobody listens"

    async def _publish(self, message: BarMessage | AnswerMessage) -> int:
        return self.hub.publish(message.to_dict())


def next_bar(minutes: int = 1, close: float = 74_321.0) -> BarMessage:
    ts = utc((NEWEST + minutes * MINUTE).item())
    return BarMessage(symbol=SYMBOL, ts=ts, o=close - 40, h=close + 5, l=close - 60, c=close, v=11)


def next_answer(minutes: int = 1) -> AnswerMessage:
    ts = NEWEST + minutes * MINUTE
    said: list[HorizonAnswer] = [horizon_answer(h, (0.04, 0.05, 0.91)) for h in HORIZONS]
    return AnswerMessage(
        symbol=SYMBOL, ts=utc(ts.item()), known_at=utc((ts + MINUTE).item()), universe="majors",
        model_version=VERSION, latency_ms=4.25, answers=tuple(said),
    )  # fmt: skip
