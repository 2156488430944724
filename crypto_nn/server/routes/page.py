"""The live page at `/`: its own files, and what it shows of a symbol."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from crypto_nn.server.page_data import PageData
from crypto_nn.server.page_state import PageState
from crypto_nn.server.problems import documented

FOLDER = Path(__file__).parent.parent / "page"
_JAVASCRIPT, _TEXT = "text/javascript; charset=utf-8", "text/plain; charset=utf-8"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/static/app.js": ("app.js", _JAVASCRIPT),
    "/static/chart.js": ("chart.js", _JAVASCRIPT),
    "/static/panels.js": ("panels.js", _JAVASCRIPT),
    "/static/style.css": ("style.css", "text/css; charset=utf-8"),
    "/static/icon.svg": ("icon.svg", "image/svg+xml"),
    "/static/lightweight-charts.js": (
        "vendor/lightweight-charts.standalone.production.js",
        _JAVASCRIPT,
    ),
    "/static/lightweight-charts.LICENSE.txt": ("vendor/lightweight-charts.LICENSE.txt", _TEXT),
    "/static/lightweight-charts.NOTICE.txt": ("vendor/lightweight-charts.NOTICE.txt", _TEXT),
}
"""Each path of the page, the file behind it, and its type. No path comes from a request."""

PAGE_FILES = frozenset(FILES)
"""What a browser loads before it has a token: `Policy.page_files`. None of it holds data."""


def router(data: PageData) -> APIRouter:
    """The page, its files, and `GET /page/state`."""
    routes = APIRouter(tags=["page"])
    for path, (name, media_type) in FILES.items():
        routes.add_api_route(
            path, _file(name, media_type), include_in_schema=False, methods=["GET"]
        )

    @routes.get("/page/state", responses=documented(404))
    def page_state(
        symbol: Annotated[str | None, Query(min_length=1, max_length=32)] = None,
    ) -> PageState:
        """Bars, answers and what became of them, scores, versions, drift, alerts of a symbol."""
        return data.state(symbol)

    return routes


def _file(name: str, media_type: str) -> Callable[[], Response]:
    def page_file() -> Response:
        return Response(
            _content(name), media_type=media_type, headers={"cache-control": "no-cache"}
        )

    return page_file


@cache
def _content(name: str) -> bytes:
    return (FOLDER / name).read_bytes()
