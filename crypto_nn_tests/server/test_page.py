"""The live page tells what the lake holds, nothing else, and says so where there is nothing."""

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from pydantic import SecretStr, ValidationError

from crypto_nn.errors import SymbolError
from crypto_nn.server.messages import DIRECTIONS, StateMessage, horizon_answer, read_message, utc
from crypto_nn.server.page_data import PageData
from crypto_nn.server.page_scores import LEAST_APART, scores
from crypto_nn.server.page_state import PageState
from crypto_nn.server.routes import page
from crypto_nn.server.tokens import Tokens
from crypto_nn.store.lake import Lake
from crypto_nn_tests.contracts.server import ask
from crypto_nn_tests.server.live_page import (
    HORIZONS,
    MINUTE,
    NEWEST,
    NOW,
    OTHER,
    SYMBOL,
    VERSION,
    Clock,
    LivePage,
    append,
    next_answer,
    next_bar,
    page_data,
    write_home,
)

NUM_BARS = 180
READ_TOKEN = "r" * 40
TOKENS = Tokens.from_text(SecretStr(READ_TOKEN), None)
OUTSIDE = re.compile(r"(?:https?:)?//(?!127\.0\.0\.1)[\w.-]+")
needs_chromium = pytest.mark.skipif(
    not (shutil.which("chromium") or shutil.which("google-chrome")), reason="needs Chromium"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It is only read."""
    folder = tmp_path_factory.mktemp("home")
    write_home(folder, NUM_BARS)
    return folder


@pytest.fixture(scope="module")
def data(home: Path) -> Iterator[PageData]:
    found = page_data(home)
    yield found
    found.close()


# ---- what is read -----------------------------------------------------------------------------


def test_without_a_home_everything_is_empty_and_no_lake_is_made(tmp_path: Path) -> None:
    """The page of a platform that has never run says that it waits."""
    state = page_data(tmp_path).state()
    assert state.freshness.state == "empty"
    assert not (state.candles)
    assert not (state.answers)
    assert not (state.scores)
    assert not (state.alerts)
    assert state.champion is None
    assert state.unreadable == ""
    assert not (tmp_path / "lake").exists()


def test_a_lake_without_tables_is_an_empty_state(tmp_path: Path) -> None:
    """A table that is not there yet is no error."""
    lake = Lake(tmp_path / "lake")
    append(lake, "alerts", [])
    lake.close()
    state = page_data(tmp_path).state(OTHER)
    assert state.freshness.state == "empty"
    assert state.unreadable == ""


def test_a_lake_that_cannot_be_read_is_named_and_nothing_fails(tmp_path: Path) -> None:
    """A page that is blank for no stated reason would be taken for a quiet market."""
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "catalog.sqlite").write_bytes(b"no catalogue" * 100)
    state = page_data(tmp_path).state()
    assert state.unreadable.startswith("the lake (")
    assert str(tmp_path) not in state.model_dump_json()


def test_the_state_shows_each_thing_that_the_lake_holds(data: PageData) -> None:
    """Bars, answers and what came, versions, drift, alerts and latency, newest last."""
    state = data.state(SYMBOL)
    assert len(state.candles) == NUM_BARS
    assert state.candles[-1].ts == utc(NEWEST.item())
    assert len(state.answers) == NUM_BARS * len(HORIZONS)
    assert state.champion is not None
    assert state.champion.version == VERSION
    assert [event.action for event in state.events] == ["shadow", "promote"]
    assert state.challenger is not None
    assert len(state.shadows) == 1
    assert [day.drifted for day in state.drift].count(True) == 1
    assert state.moved[0].name == "volume_z_60"
    assert len(state.alerts) == 1
    assert state.latency is not None
    assert state.latency.answers == 31
    assert state.freshness.state == "ready"
    assert state.freshness.age_s == 10


def test_an_outcome_is_shown_only_once_its_horizon_has_passed(data: PageData) -> None:
    """Nobody can see what became of an answer before it became."""
    for answer in data.state(SYMBOL).answers:
        due = answer.ts + timedelta(minutes=answer.horizon)
        assert (answer.outcome is None) == (due > utc(NEWEST.item()))
        assert (answer.move_bps is None) == (answer.outcome is None)


def test_a_bar_that_is_late_makes_the_state_stale(home: Path) -> None:
    """Old answers must not look like new ones."""
    ages = {60 + 120: "ready", 60 + 121: "stale"}
    for seconds, expected in ages.items():
        late = page_data(home, Clock(NEWEST + np.timedelta64(seconds, "s")))
        assert late.state(SYMBOL).freshness.state == expected
        late.close()


def test_a_state_is_read_once_for_all_who_ask_within_two_seconds(home: Path) -> None:
    """Many open pages cost the lake no more than one."""
    clock = Clock()
    data = page_data(home, clock)
    first = data.state(SYMBOL)
    assert data.state(SYMBOL) is first
    clock.now = NOW + np.timedelta64(3, "s")
    assert data.state(SYMBOL) is not first
    data.close()


def test_a_symbol_that_is_not_served_is_refused(data: PageData) -> None:
    """Only configured symbols are asked for."""
    with pytest.raises(SymbolError, match="not served"):
        data.state("XRP-USDT'; DROP TABLE bars")


# ---- whether to believe it --------------------------------------------------------------------


def _rows(num: int, horizon: int = 1, **other: Any) -> list[dict[str, Any]]:
    """Half of them right, at even odds."""
    p = {"p_down": 0.1, "p_flat": 0.2, "p_up": 0.7}
    row = {"model_version": VERSION, "in_sample": False, "horizon": horizon} | p | other
    return [row | {"outcome": (0, 2)[n % 2]} | other for n in range(num)]


def test_answers_that_prove_nothing_are_not_scored() -> None:
    """Neither what the version learned from, nor another version's, nor what is still open."""
    assert scores(_rows(90, in_sample=True), VERSION) == ()
    assert scores(_rows(90, model_version="other"), VERSION) == ()
    assert scores(_rows(90, outcome=None), VERSION) == ()


def test_few_outcomes_get_no_verdict_and_overlapping_ones_count_as_one() -> None:
    """An hour ahead, neighbouring minutes tell the same thing sixty times."""
    (alone,) = scores(_rows(LEAST_APART), VERSION)
    (overlapping,) = scores(_rows(LEAST_APART, horizon=60), VERSION)
    assert alone.verdict != "too few"
    assert alone.margin is not None
    assert overlapping.verdict == "too few"
    assert overlapping.margin is None


def test_a_version_is_held_against_the_commonest_direction() -> None:
    """To say the commonest direction always is no skill, and to know more is."""
    (same,) = scores(_rows(400, outcome=2), VERSION)
    assert (same.accuracy, same.majority, same.verdict) == (1, 1, "no better")
    known = [
        row | {"p_down": 0.7 * (row["outcome"] == 0), "p_up": 0.7 * (row["outcome"] == 2)}
        for row in _rows(400)
    ]
    (better,) = scores(known, VERSION)
    assert (better.accuracy, better.majority, better.verdict) == (1, 0.5, "better")
    (worse,) = scores(_rows(400, outcome=0), VERSION)
    assert worse.verdict == "worse"


def test_answers_without_an_edge_are_called_no_better(data: PageData) -> None:
    """That is the normal finding, and it is said plainly."""
    state = data.state(SYMBOL)
    assert {score.verdict for score in state.scores} <= {"no better", "too few"}
    for score in state.scores:
        assert sum(one.rows for one in score.reliability) == score.rows


# ---- messages ---------------------------------------------------------------------------------


def test_messages_come_back_as_they_were_sent() -> None:
    """What the server tells is what a program reads."""
    state = StateMessage(symbol=SYMBOL, state="stale", reason="No bar since 10:00.")
    for message in (next_bar(), next_answer(), state):
        assert read_message(message.model_dump_json()) == message
        assert read_message(message.to_dict()) == message


def test_a_message_with_a_strange_field_or_number_is_none() -> None:
    """A probability above 1, or a price that is no number, reaches no page."""
    bar = next_bar().to_dict()
    for wrong in ({**bar, "more": 1}, {**bar, "c": float("nan")}, {**bar, "type": "?"}):
        with pytest.raises(ValidationError):
            read_message(wrong)
    with pytest.raises(ValidationError):
        horizon_answer(5, (0.0, 0.1, 1.1))


@pytest.mark.parametrize("likeliest", range(3))
def test_what_is_predicted_is_the_likeliest(likeliest: int) -> None:
    """Confidence is the probability of what is predicted."""
    p_C = [0.2, 0.2, 0.2]
    p_C[likeliest] = 0.6
    answer = horizon_answer(5, (p_C[0], p_C[1], p_C[2]))
    assert (answer.predicted, answer.confidence) == (DIRECTIONS[likeliest], 0.6)


# ---- the files and routes ---------------------------------------------------------------------


def test_the_page_asks_no_other_site_and_has_nothing_inline() -> None:
    """The policy forbids both; a page that needs them would be broken for a reader."""
    html = (page.FOLDER / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", html)
    loaded = re.findall(r'(?:src|href)="([^"#]+)"', html.split("<footer>")[0])
    assert set(loaded) <= page.PAGE_FILES
    for name in ("app.js", "chart.js", "panels.js", "style.css"):
        content = (page.FOLDER / name).read_text(encoding="utf-8")
        assert "innerHTML" not in content
        assert "eval(" not in content
        assert set(OUTSIDE.findall(content)) <= {"http://www.w3.org"}


def test_every_file_of_the_page_is_served_and_no_other(data: PageData) -> None:
    """Files are listed; no path is made from what a client sends."""
    app = LivePage(data).guarded
    for path in page.PAGE_FILES:
        answer = ask(app, path)
        assert answer.status == 200, path
        assert answer.body, path
    for path in ("/static/", "/static/../page_data.py", "/static/%2e%2e/app.py", "/app.js"):
        assert ask(app, path).status in (400, 404), path
    shipped = {str(f.relative_to(page.FOLDER)) for f in page.FOLDER.rglob("*") if f.is_file()}
    assert shipped == {name for name, _ in page.FILES.values()}


def test_the_state_is_what_its_schema_says(data: PageData) -> None:
    """Over HTTP as in Python; an unknown symbol is a problem with a code."""
    app = LivePage(data).guarded
    answer = ask(app, f"/page/state?symbol={SYMBOL}")
    assert PageState.model_validate_json(answer.body) == data.state(SYMBOL)
    refused = ask(app, "/page/state?symbol=XRP-USDT")
    assert (refused.status, refused.error) == (404, "unknown_symbol")


def test_what_the_lake_holds_needs_a_token_and_the_files_do_not(data: PageData) -> None:
    """A browser sends no token with a navigation, and the files say nothing."""
    app = LivePage(data, TOKENS).guarded
    assert ask(app, "/").status == 200
    assert ask(app, "/page/state").status == 401
    shown = {"authorization": f"Bearer {READ_TOKEN}"}
    assert ask(app, "/page/state", headers=shown).status == 200


# ---- in a browser -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        yield chromium
        chromium.close()


class Watched:
    """A page, whatever it complained of, and everything that it asked for."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.page: Page = browser.new_page(**options)
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self._note(said.type, said.text))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda socket: self.asked.append(socket.url))
        self.page.goto(url)

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)

    def is_live(self) -> None:
        self.page.wait_for_selector("#connection[data-state=ready]")

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)


@pytest.mark.browser
@needs_chromium
def test_a_new_bar_and_its_answer_appear_without_a_reload(browser: Browser, data: PageData) -> None:
    """The page is live, complains of nothing, and talks to its own server alone."""
    live = LivePage(data)
    with live.running() as url:
        seen = Watched(browser, url)
        seen.is_live()
        seen.page.evaluate("window.sameDocument = true")
        assert "No better than the baseline" in seen.text("#scores") or (
            "Too few outcomes" in seen.text("#scores")
        )
        live.publish(next_bar())
        live.publish(next_answer())
        seen.page.wait_for_selector("#answers b:has-text('up 91 %')")
        assert "74,321" in seen.text("#price")
        assert "10:02 UTC" in seen.text("#answers")
        assert "up 91 %" in seen.text("#became tbody tr:first-child")
        assert "up 91 % for 5 min" in seen.text("#reading")
        assert "4.3 ms" in seen.text("#speed")
        seen.page.focus("#chart")
        seen.page.keyboard.press("ArrowLeft")
        assert "10:00: open" in seen.text("#reading")
        assert seen.page.evaluate("window.sameDocument")
        assert seen.errors == []
        assert {address.split("/")[2] for address in seen.asked} == {url.split("/")[2]}
        seen.page.close()


@pytest.mark.browser
@needs_chromium
def test_a_phone_scrolls_down_and_never_sideways(browser: Browser, data: PageData) -> None:
    """All of it is readable on a narrow screen, and an empty symbol says that it waits."""
    with LivePage(data).running() as url:
        seen = Watched(browser, url, viewport={"width": 360, "height": 740}, color_scheme="dark")
        seen.is_live()
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
        seen.page.select_option("#symbol", OTHER)
        seen.page.wait_for_selector("#no-chart:not([hidden])")
        assert "no bar of ETH-USDT yet" in seen.text("#no-chart")
        assert seen.errors == []
        seen.page.close()


@pytest.mark.browser
@needs_chromium
def test_late_bars_and_a_lost_connection_are_said(browser: Browser, home: Path) -> None:
    """Neither looks like a quiet market."""
    data = page_data(home, Clock(NOW + 17 * MINUTE))
    with LivePage(data).running() as url:
        seen = Watched(browser, url)
        seen.is_live()
        assert "stale" in seen.text("#freshness")
        assert "do not act on it" in seen.text("#notice")
    seen.page.wait_for_selector("#connection[data-state=down]")
    assert "disconnected" in seen.text("#connection")
    seen.page.close()
    data.close()


@pytest.mark.browser
@needs_chromium
def test_a_token_is_asked_for_and_is_never_in_an_address(browser: Browser, data: PageData) -> None:
    """It goes into a header and a subprotocol, and is gone with the tab."""
    with LivePage(data, TOKENS).running() as url:
        seen = Watched(browser, url)
        seen.page.wait_for_selector("#login[open]")
        seen.page.fill("#token", READ_TOKEN)
        seen.page.keyboard.press("Enter")
        seen.is_live()
        assert not any(READ_TOKEN in address for address in seen.asked)
        assert seen.page.evaluate("localStorage.getItem('crypto_nn_token')") is None
        seen.page.close()
