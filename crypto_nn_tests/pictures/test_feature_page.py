"""The page and the sheets of all features: complete, escaped, small, and in need of nothing."""

import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from crypto_nn import pictures
from crypto_nn.features import default_feature_set
from crypto_nn.pictures.feature_plots import feature_plots, percent, short
from crypto_nn_tests.pictures.made_facts import made_facts, made_features

SHIPPED = default_feature_set().features
FACTS = made_facts(list(SHIPPED), months=30, rows=1_500)
PAGE = pictures.feature_page(SHIPPED, FACTS, "Features of <BTC>", "thirty & more months")


class Tags(HTMLParser):
    """Every element with its attributes, and whether each was closed in order."""

    ALONE = ("meta", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_feature_has_a_card_that_links_lead_to() -> None:
    """Each name once, in the order of the columns, with four plots; links inside the page hit."""
    tags = Tags(PAGE).found
    ids = [about["id"] for tag, about in tags if "id" in about]
    assert [one for one in ids if not one.startswith("group-")] == [f.name for f in SHIPPED]
    assert len(ids) == len(set(ids))
    links = [about["href"] for tag, about in tags if tag == "a"]
    assert {link.removeprefix("#") for link in links} == set(ids)
    assert sum(tag == "svg" for tag, _ in tags) == 4 * len(SHIPPED)


def test_the_page_needs_nothing_from_anywhere() -> None:
    """No address, no style sheet, no image, no font: only what is in the text."""
    tags = Tags(PAGE).found
    assert "://" not in PAGE
    assert "url(" not in PAGE
    assert not {tag for tag, _ in tags} & {"link", "img", "iframe", "object"}
    assert not [about for _, about in tags if "src" in about]


def test_the_page_is_small() -> None:
    """A hundred features over years stay far below what a browser or a mail takes."""
    assert len(PAGE) < 8_000 * len(SHIPPED)


def test_words_are_words_and_never_markup() -> None:
    """Names, descriptions, units, groups and titles are written as they are."""
    features = made_features(3)
    page = pictures.feature_page(features, made_facts(features), "<h1>&", "<script>")
    names = [about.get("id") for tag, about in Tags(page).found if tag == "article"]
    assert names == [feature.name for feature in features]
    assert not {tag for tag, _ in Tags(page).found} & {"b", "i"}
    assert page.count("<script>") == 1
    assert "&lt;b&gt;told&lt;/b&gt;" in page


def test_without_facts_the_page_still_describes() -> None:
    """A feature that was never computed has a card without plots; no features, no cards."""
    page = pictures.feature_page(SHIPPED, {})
    assert page.count("no values") == len(SHIPPED)
    assert "<article" not in pictures.feature_page([], {})
    nulls = made_facts(list(SHIPPED[:2]), null=1.0)
    assert "nan" not in pictures.feature_page(SHIPPED[:2], nulls).split("<script>")[0]


def test_plots_stay_in_their_box_and_tell_what_is_drawn() -> None:
    """Shapes are inside 0 to 1; the histogram's area and the worst month are the facts'."""
    for facts in FACTS.values():
        for plot in feature_plots(facts):
            for shape in plot.shapes:
                assert shape.x.min() >= 0
                assert shape.x.max() <= 1
                assert shape.y.min() >= -1e-9
                assert shape.y.max() <= 1 + 1e-9
            assert plot.words
    facts = next(iter(FACTS.values()))
    distribution, autocorrelation, missing, drift = feature_plots(facts)
    steps = distribution.shapes[0].y[1:-1:2]
    assert_allclose(steps / steps.sum(), facts.shares / facts.shares.sum())
    line = autocorrelation.shapes[-1].y
    assert_allclose(line * 1.25 - 0.25, facts.autocorrelation_L)
    top = max(facts.missing_M.max(), 0.01)
    assert_allclose(missing.shapes[0].y[1:-1:2] * top, facts.missing_M)
    assert facts.farthest is not None
    assert facts.farthest[0] in drift.words


def test_a_month_without_values_interrupts_the_band() -> None:
    """Where nothing is known nothing is drawn: two bands, with the hole between them."""
    facts = made_facts(made_features(1))[made_features(1)[0].name]
    facts.band_M3[2] = np.nan
    bands = [shape for shape in feature_plots(facts)[3].shapes if shape.kind == "band"]
    assert [(band.x.min(), band.x.max()) for band in bands] == [(0, 2 / 6), (3 / 6, 1)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-1.5, "-1.5"), (0.012345, "0.0123"), (12345.6, "12,346"), (1.234e-7, "1.2e-7"),
        (-0.00051, "-5.1e-4"), (3.4e9, "3.4e9"), (float("nan"), "–"), (999.9, "1000"),
    ],
)  # fmt: skip
def test_numbers_are_short(value: float, text: str) -> None:
    """At most eight characters, whatever the size."""
    assert short(value) == text
    assert len(text) <= 8


def test_a_share_is_never_rounded_to_nothing() -> None:
    """One missing row in a million shows."""
    assert [percent(share) for share in (0.0, 1e-6, 0.00123, 0.0456, 0.5, 1.0, float("nan"))] == [
        "0 %", "< 0.01 %", "0.12 %", "4.6 %", "50 %", "100 %", "–",
    ]  # fmt: skip


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="Chromium is not installed")
def test_a_browser_shows_it_at_any_width(tmp_path: Path) -> None:
    """No sideways scrolling on a phone, no message in the console, and the search finds."""
    from playwright.sync_api import sync_playwright

    path = tmp_path / "features.html"
    path.write_text(PAGE, encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        page = browser.new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.goto(path.as_uri())
        for width in (320, 390, 768, 1400):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.fill("input", "rsi(14) 1h")
        shown = page.evaluate(
            "[...document.querySelectorAll('article')].filter(a => !a.hidden).length"
        )
        assert 0 < shown < len(SHIPPED)
        assert (
            page.evaluate("getComputedStyle(document.querySelector('article[hidden]')).display")
            == "none"
        )
        browser.close()
    assert told == []
