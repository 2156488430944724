"""A small Binance on loopback: its archive with checksums, its listing, and REST klines."""

import hashlib
import io
import json
import sys
import threading
import zipfile
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from crypto_nn.bars import M1, Bars, Times
from crypto_nn.bars.calendar import TS
from crypto_nn.sources.binance import BinanceConfig
from crypto_nn.sources.clock import Clock
from crypto_nn.sources.patience import Patience

MICROSECONDS_FROM = np.datetime64("2025-01-01", "us")
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore"
)

Reply = tuple[int, Mapping[str, str], bytes]
Fault = Callable[[str], Reply | None]
"""What is answered to a path instead; None: the truth."""


class HandClock:
    """A clock that goes only where it is moved, or as long as is slept."""

    def __init__(self, now: str) -> None:
        self._start, self.passed, self.wall_jump = np.datetime64(now, "us"), 0.0, 0.0
        self._lock = threading.Lock()

    def now(self) -> np.datetime64:
        """The wall clock, which may have been set."""
        return self._start + np.timedelta64(round((self.passed + self.wall_jump) * 1e6), "us")

    def monotonic(self) -> float:
        """Seconds since the test began."""
        return self.passed

    def sleep(self, seconds: float) -> None:
        """Time passes at once."""
        with self._lock:
            self.passed += seconds


def market(start: str, end: str, missing: tuple[tuple[str, str], ...] = (), seed: int = 1) -> Bars:
    """Bars as Binance makes them: prices of two decimals, volumes of five, vwap from what is paid.

    Some minutes are flat and without a trade.
    """
    ts: Times = np.arange(np.datetime64(start, "us"), np.datetime64(end, "us"), M1.step, dtype=TS)
    chance = np.random.default_rng(seed)
    close = np.round(30_000 + np.cumsum(chance.normal(0, 5, len(ts))), 2)
    opening = np.concatenate([[30_000.0], close[:-1]])
    high = np.round(np.maximum(opening, close) + chance.exponential(3, len(ts)), 2)
    low = np.round(np.minimum(opening, close) - chance.exponential(3, len(ts)), 2)
    volume = np.round(chance.exponential(10, len(ts)), 5)
    flat = chance.random(len(ts)) < 0.01
    volume[flat] = 0.0
    for prices in (close, high, low):
        prices[flat] = opening[flat]
    paid = np.round(volume * (high + low) / 2, 8)
    vwap = np.full(len(ts), np.nan)
    np.divide(paid, volume, out=vwap, where=volume > 0)
    trades = np.ceil(volume * 20)
    bars = Bars("BTC-USDT", M1, ts, opening, high, low, close, volume, vwap, trades)
    keep = np.ones(len(ts), dtype=bool)
    for low_end, high_end in missing:
        keep &= ~((ts >= np.datetime64(low_end)) & (ts < np.datetime64(high_end)))
    return bars.take(keep)


@cache
def klines_of(bars: Bars) -> list[list[Any]]:
    """Every bar as REST writes it, its numbers as texts; times in µs."""
    assert bars.vwap is not None
    assert bars.trades is not None
    paid = np.where(bars.volume > 0, bars.vwap * bars.volume, 0.0)
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume, paid)
    texts = [[f"{value:.8f}" for value in column.tolist()] for column in columns]
    stamps = bars.ts.astype(np.int64).tolist()
    return [
        [ts, *texts[:5], ts + 59_999_999, texts[5], int(trades), "0.00000000", "0.00000000", "0"]
        for ts, trades, *texts in zip(stamps, bars.trades.tolist(), *texts)
    ]


def in_ms(kline: list[Any]) -> list[Any]:
    """The same with times in ms."""
    return [kline[0] // 1000, *kline[1:6], kline[6] // 1000, *kline[7:]]


class FakeBinance:
    """Serves the klines of a market, as far as they have happened by its clock.

    Args:
        clock: the time at the exchange.
        markets: the bars of each ticker.
        months_late, days_late: how long after its end a month or day is published.
        skew_s: how much the exchange's clock is ahead of `clock`.

    Attributes:
        requests: the path and query of each request, in order.
        times: when each came (steady seconds of the clock).
        faults: asked in order before each answer; one that answers goes before the truth.
        rewrite: makes of the text of a zip's CSV what is really packed, by zip name.
    """

    def __init__(
        self,
        clock: Clock,
        markets: Mapping[str, Bars],
        months_late: np.timedelta64 | None = None,
        days_late: np.timedelta64 | None = None,
        skew_s: float = 0.0,
    ) -> None:
        self.clock, self.markets, self.skew_s = clock, dict(markets), skew_s
        self.months_late = np.timedelta64(4, "D") if months_late is None else months_late
        self.days_late = np.timedelta64(8, "h") if days_late is None else days_late
        self.requests: list[str] = []
        self.times: list[float] = []
        self.faults: list[Fault] = []
        self.rewrite: dict[str, Callable[[str], str]] = {}
        self.header = False
        self.dated = True
        self._zips: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FakeBinance":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def config(self, **settings: Any) -> BinanceConfig:
        """Settings that lead here, with little patience."""
        here = {
            "archive_url": self.url,
            "listing_url": f"{self.url}/bucket",
            "api_url": self.url,
            "patience": Patience(attempts=4, first_wait_s=1.0),
        }
        return BinanceConfig.model_validate(here | settings)

    def now(self) -> np.datetime64:
        """The time at the exchange."""
        return self.clock.now() + np.timedelta64(round(self.skew_s * 1e6), "us")

    def kinds(self) -> list[str]:
        """What was asked for, in short: `rest`, or the name of a file."""
        return ["rest" if "/klines?" in r else r.rsplit("/", 1)[-1] for r in self.requests]

    def answer(self, path: str) -> Reply:
        """The answer to a request."""
        with self._lock:
            self.requests.append(path)
            self.times.append(self.clock.monotonic())
            for fault in self.faults:
                reply = fault(path)
                if reply is not None:
                    return reply
            parts = urlsplit(path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/api/v3/klines":
                return self._klines(query)
            if parts.path == "/bucket":
                return self._listing(query)
            return self._file(parts.path)

    def _klines(self, query: Mapping[str, str]) -> Reply:
        bars = self.markets.get(query["symbol"])
        if bars is None:
            return 400, {}, b'{"code":-1121,"msg":"Invalid symbol."}'
        assert query["interval"] == "1m"
        ms = bars.ts.astype("datetime64[ms]").astype(np.int64)
        seen = bars.ts <= self.now()
        low, high = int(query.get("startTime", 0)), int(query.get("endTime", 2**62))
        rows = np.flatnonzero(seen & (ms >= low) & (ms <= high))
        limit = int(query["limit"])
        assert limit <= 1000
        rows = rows[:limit] if "startTime" in query else rows[-limit:]
        every = klines_of(bars)
        klines = [in_ms(every[row]) for row in rows.tolist()]
        if klines and bars.ts[rows[-1]] + M1.step > self.now():
            klines[-1][5] = "0.00100000"  # not over yet: less has been traded
        return 200, {}, json.dumps(klines).encode()

    def published(self, name: str) -> bool:
        """Whether a file lies in the archive by now, as far as time goes."""
        period = name.split("-1m-")[1].removesuffix(".zip")
        end = (np.datetime64(period) + 1).astype(TS)
        return bool(end + (self.months_late if len(period) == 7 else self.days_late) <= self.now())

    def _file(self, path: str) -> Reply:
        name = path.rsplit("/", 1)[-1].removesuffix(".CHECKSUM")
        kind = "monthly" if len(name.split("-1m-")[-1]) == 11 else "daily"
        ticker = name.split("-1m-")[0]
        due = f"/data/spot/{kind}/klines/{ticker}/1m/{name}"
        packed = self.zip(name) if path.removesuffix(".CHECKSUM") == due else b""
        if not packed or not self.published(name):
            return 404, {}, b"<?xml?><Error><Code>NoSuchKey</Code></Error>"
        if path.endswith(".CHECKSUM"):
            return 200, {}, f"{hashlib.sha256(packed).hexdigest()}  {name}\n".encode()
        return 200, {}, packed

    def zip(self, name: str) -> bytes:
        """A file of the archive; nothing where no bar is of its time."""
        if name not in self._zips:
            ticker, period = name.removesuffix(".zip").split("-1m-")
            bars = self.markets.get(ticker, Bars.empty("BTC-USDT"))
            first = np.datetime64(period)
            low, high = np.searchsorted(bars.ts, np.array([first, first + 1], TS)).tolist()
            klines = klines_of(bars)[low:high] if low < high else []
            old = first.astype(TS) < MICROSECONDS_FROM
            rows = [",".join(map(str, in_ms(kline) if old else kline)) for kline in klines]
            text = "\n".join([*([HEADER] if self.header else []), *rows, ""])
            text = self.rewrite[name](text) if name in self.rewrite else text
            self._zips[name] = pack({name.replace(".zip", ".csv"): text}) if rows else b""
        return self._zips[name]

    def _listing(self, query: Mapping[str, str]) -> Reply:
        prefix, marker = query["prefix"], query.get("marker", "")
        ticker = prefix.rsplit("/", 1)[-1].removesuffix("-1m-")
        unit = "M" if "/monthly/" in prefix else "D"
        bars = self.markets.get(ticker)
        ts = np.empty(0, TS) if bars is None else bars.ts
        periods = [str(period) for period in np.unique(ts.astype(f"M8[{unit}]"))]
        names = [f"{prefix}{p}.zip" for p in periods if self.published(f"{ticker}-1m-{p}.zip")]
        keys = [key for name in names for key in (name, f"{name}.CHECKSUM") if key > marker]
        shown = "".join(
            f"<Contents><Key>{k}</Key></Contents>" for k in keys[: int(query["max-keys"])]
        )
        return 200, {}, f"<?xml?><ListBucketResult>{shown}</ListBucketResult>".encode()


def pack(members: Mapping[str, str]) -> bytes:
    """A zip with these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return file.getvalue()


def times(num: int, reply: Reply, where: str = "") -> Fault:
    """A fault that answers so to the first `num` requests of paths with `where` in them."""
    left = [num]

    def fault(path: str) -> Reply | None:
        if where not in path or not left[0]:
            return None
        left[0] -= 1
        return reply

    return fault


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may hang up; anything else is a fault of this fake."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(exchange: FakeBinance) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            status, headers, body = exchange.answer(self.path)
            self.send_response_only(status)
            if exchange.dated:
                seconds = exchange.now().astype("datetime64[s]").astype(np.int64)
                self.send_header("Date", formatdate(float(seconds), usegmt=True))
            for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
            if "Content-Length" in headers:  # told more than was sent: cut the line
                self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    return Handler
