"""Errors as clients see them: a code, a sentence and the request's id, and never more."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from crypto_nn.errors import CryptoNNError, ModelError, SymbolError
from crypto_nn.server.answers import NotWhole, Stale
from crypto_nn.server.batching import Overloaded
from crypto_nn.server.schemas import Problem

_LOG = logging.getLogger(__name__)
_LATER = {"retry-after": "1"}


class TooMany(Exception):
    """More symbols are asked for at once than `serve.most_symbols`."""


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Errors of a route, for OpenAPI: those given, and those of every route."""
    every = (400, 401, 403, 413, 415, 422, 429, 500)
    return {status: {"model": Problem} for status in sorted({*every, *statuses})}


def add_problems(app: FastAPI) -> None:
    """Answer every error of the application as a `Problem`."""
    for kind, (status, code, message) in _UNAVAILABLE.items():
        app.add_exception_handler(kind, _fixed(status, code, message))
    app.add_exception_handler(TooMany, _too_many)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(CryptoNNError, _ours)
    app.add_exception_handler(Exception, _internal)


_UNAVAILABLE: dict[type[Exception], tuple[int, str, str]] = {
    Overloaded: (503, "overloaded", "More is asked than can be answered now. Ask again later."),
    NotWhole: (
        503,
        "no_window",
        "There are too few bars yet, or a hole in them. Ask again once they are filled.",
    ),
    Stale: (
        503,
        "stale",
        "The newest bar is too old to act on. Wait for new bars, or ask with allow_stale=true.",
    ),
}


def request_id(request: Request) -> str:
    """The id that the guards gave the request; empty without guards."""
    return str(getattr(request.state, "request_id", ""))


def _problem(
    request: Request, status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    told = Problem(error=code, message=message, request_id=request_id(request))
    return JSONResponse(told.model_dump(), status, headers)


def _fixed(status: int, code: str, message: str) -> Any:
    async def handler(request: Request, error: Exception) -> JSONResponse:
        return _problem(request, status, code, message, _LATER)

    return handler


async def _too_many(request: Request, error: Exception) -> JSONResponse:
    told = f"At most {error.args[0]} symbols can be asked for at once. Ask in parts."
    return _problem(request, 422, "too_many", told)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()[:3]
    places = "; ".join(f"{'.'.join(map(str, one['loc']))[:80]}: {one['msg']}" for one in found)
    return _problem(request, 422, "invalid", f"{places}. Correct the request; see /docs.")


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    code = {404: "not_found", 405: "method"}.get(error.status_code, "refused")
    return _problem(request, error.status_code, code, f"{error.detail}. See /docs.", headers)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, SymbolError):
        return _problem(request, 404, "unknown_symbol", str(error))
    if isinstance(error, ModelError) and request.url.path.startswith("/models"):
        _LOG.warning("%s: %s", request_id(request), error)
        told = "The version or its predecessor is not there, or another answers by now."
        return _problem(request, 409, "model", f"{told} See `crypto-nn models list`.")
    return await _internal(request, error)


async def _internal(request: Request, error: Exception) -> JSONResponse:
    _LOG.error("request %s failed", request_id(request), exc_info=error)
    told = "The server failed. Its log has the reason under this request_id."
    return _problem(request, 500, "internal", told)
