"""The REST half of the fake exchange: raw HTTP, so that it can be broken anywhere."""

import asyncio
import base64
import gzip
import json
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import numpy as np

from crypto_nn_tests.exchange.faults import RIGHT, RestFault
from crypto_nn_tests.exchange.market import Aggregate

if TYPE_CHECKING:
    from crypto_nn_tests.exchange.polygon import FakePolygon

_DAY_MS = 86_400_000
_LIMITED = "You've exceeded the maximum requests per minute, please wait or upgrade."
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
            404: "Not Found", 429: "Too Many Requests"}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One request as it arrived.

    Attributes:
        at: when (unix seconds of the exchange).
        path: without the query.
        query: parameters, keys left out.
        fault: what was done to it; "" where it was answered rightly.
        authorized: whether it carried the key.
    """

    at: float
    path: str
    query: tuple[tuple[str, str], ...]
    fault: str
    authorized: bool


@dataclass(frozen=True)
class Said:
    """What an answer is made of, before a fault spoils it.

    Attributes:
        fault: what spoils it.
        start, end: the minutes that it speaks of, both included (unix ms).
        bars: its rows.
    """

    fault: str
    start: int
    end: int
    bars: list[Aggregate]


class Rest:
    """Answers requests; every faulty answer is taken from `faults`, or from `plan(request)`."""

    def __init__(self, exchange: "FakePolygon") -> None:
        self.exchange = exchange
        self.faults: deque[RestFault] = deque()
        self.plan: Callable[[], RestFault | None] = lambda: None
        self.on_answer: Callable[[str, Said], None] = lambda *_: None
        self.requests: list[Request] = []
        self.lag_s = 0.0
        self.page_limit = 50_000
        self.cursor_life_s = 120.0
        self._last_pages: dict[str, tuple[int, int, dict[str, Any]]] = {}
        self._open: dict[asyncio.StreamWriter, None] = {}

    @property
    def is_open(self) -> bool:
        """Whether any connection is still there."""
        return bool(self._open)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, which may carry many requests."""
        self._open[writer] = None
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._open.pop(writer, None)
            writer.close()

    def close(self) -> None:
        """Cut every connection."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        target = head.split(" ", 2)[1]
        lines = (line.partition(":") for line in head.split("\r\n")[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in lines}
        fault = self.faults.popleft() if self.faults else self.plan()
        request, status, body = self._answer(target, headers, fault)
        self.exchange.told("request", request.path.rsplit("/v2/aggs")[-1], fault and fault.kind)
        await asyncio.sleep(self.exchange.rest_delay_s)
        zipped = "gzip" in headers.get("accept-encoding", "")
        return await self._send(writer, reader, status, body, fault, zipped)

    def _answer(
        self, target: str, headers: dict[str, str], fault: RestFault | None
    ) -> tuple[Request, int, dict[str, Any]]:
        url = urlsplit(target)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        key = headers.get("authorization", "").removeprefix("Bearer ") or query.pop("apiKey", "")
        good = key == self.exchange.key
        now = self.exchange.now()
        path = unquote(url.path)
        log = tuple(sorted(query.items()))
        request = Request(now, path, log, fault.kind if fault else "", good)
        self.requests.append(request)
        if not good or self.exchange.refuse_auth:
            return request, 401, _error("Unknown API Key")
        if path.startswith("/v2/aggs/ticker/"):
            return request, *self._aggregates(path, query, now, fault.kind if fault else "")
        if path == "/v3/reference/tickers":
            return request, 200, self._tickers()
        return request, 404, _error(f"{path} not found")

    def _aggregates(
        self, path: str, query: dict[str, str], now: float, kind: str
    ) -> tuple[int, dict[str, Any]]:
        ticker, what, multiplier, span, start, end = path.split("/")[4:10]
        symbol = next((s for s in self.exchange.market.symbols if _ticker(s) == ticker), None)
        if (what, multiplier, span) != ("range", "1", "minute"):
            return 400, _error(f"this exchange has minutes only, not {multiplier} {span}")
        if symbol in self.exchange.not_covered:
            return 403, _error("You are not entitled to this data.", "NOT_AUTHORIZED")
        lo, hi = _moment(start), _moment(end, last=True)
        if "cursor" in query:
            made, lo = json.loads(base64.urlsafe_b64decode(query["cursor"]))
            if now - made > self.cursor_life_s:
                return 400, _error("cursor has expired")
        limit = min(int(query.get("limit", 5000)), 50_000, self.page_limit)
        known = self.exchange.market.history(symbol, lo, hi, now - self.lag_s) if symbol else ()
        rows = list(known)
        if query.get("sort") == "desc":
            rows.reverse()
        body = _page(ticker, rows[:limit])
        before = self._last_pages.get(ticker)
        if kind == "repeat" and before and before[0] < lo and before[1] == hi:
            return 200, before[2]
        if symbol and query.get("sort") != "desc":
            said = Said(kind, lo, rows[limit - 1].t if len(rows) > limit else hi, rows[:limit])
            self.on_answer(symbol, said)
        more = rows[limit].t if len(rows) > limit else None
        if kind == "same_cursor":
            more = lo
        if more is not None:
            token = json.dumps([now, more]).encode()
            cursor = base64.urlsafe_b64encode(token).decode()
            body["next_url"] = (
                f"https://api.polygon.io/v2/aggs/ticker/{ticker}/range/1/minute/"
                f"{more}/{hi}?cursor={cursor}&limit={limit}&sort=asc"
            )
        if kind in RIGHT:
            self._last_pages[ticker] = (lo, hi, body)
        return 200, body

    def _tickers(self) -> dict[str, Any]:
        rows = [
            {
                "ticker": _ticker(symbol),
                "name": symbol,
                "market": "crypto",
                "locale": "global",
                "active": True,
                "base_currency_symbol": symbol.partition("-")[0],
                "currency_symbol": symbol.partition("-")[2],
            }
            for symbol in self.exchange.market.symbols
        ]
        return {"results": rows, "status": "OK", "request_id": "tickers", "count": len(rows)}

    async def _send(
        self,
        writer: asyncio.StreamWriter,
        reader: asyncio.StreamReader,
        status: int,
        body: dict[str, Any],
        fault: RestFault | None,
        zipped: bool,
    ) -> bool:
        """Write the answer, right or broken; whether the connection goes on."""
        kind = fault.kind if fault else ""
        if kind == "hang":
            await reader.read()  # until the client has had enough
            return False
        if kind == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return False
        extra: list[str] = []
        if fault and kind == "status":
            status = fault.status
            body = _error(_LIMITED if status == 429 else "internal error")
            if fault.retry_after is not None:
                extra.append(f"Retry-After: {fault.retry_after}")
        content = self._content(kind, body)
        if zipped:
            content = gzip.compress(content, 1, mtime=0)
            extra.append("Content-Encoding: gzip")
        head = [
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Server Error')}",
            f"Date: {formatdate(self.exchange.now(), usegmt=True)}",
            "Content-Type: " + ("text/html" if kind == "html" else "application/json"),
            f"Content-Length: {len(content)}",
            *extra,
        ]
        sent = content[: len(content) // 2] if kind == "cut" else content
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + sent)
        await writer.drain()
        return kind != "cut"

    def _content(self, kind: str, body: dict[str, Any]) -> bytes:
        if kind == "html":
            return b"<html><head><title>502 Bad Gateway</title></head><body>sorry</body></html>"
        if kind == "error_body":
            body = _error("An internal error occurred")
        elif kind == "empty":
            body = {name: value for name, value in body.items() if name != "results"}
            body |= {"count": 0, "resultsCount": 0, "queryCount": 0}
        elif kind == "garbage":
            return b'["not", "what", "was", "asked"]'
        elif kind == "bad_rows":
            body = body | {"results": [{"t": None, "o": "x"}, 5, *body.get("results", [])]}
        text = json.dumps(body)
        return (text[: len(text) // 2] if kind == "truncated" else text).encode()


def _page(ticker: str, rows: list[Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"ticker": ticker, "queryCount": len(rows), "resultsCount": len(rows),
                            "adjusted": True, "status": "OK", "request_id": "made-up",
                            "count": len(rows)}  # fmt: skip
    if rows:
        body["results"] = [row._asdict() for row in rows]
    return body


def _error(message: str, status: str = "ERROR") -> dict[str, Any]:
    return {"status": status, "request_id": "made-up", "error": message}


def _ticker(symbol: str) -> str:
    return "X:" + symbol.replace("-", "")


def _moment(text: str, last: bool = False) -> int:
    """Unix ms of a path's date or number; a date as an end means all of that day."""
    if text.lstrip("-").isdigit():
        return int(text)
    day = int(np.datetime64(text, "ms").astype(np.int64))
    return day + _DAY_MS - 1 if last else day
