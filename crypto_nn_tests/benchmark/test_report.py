"""The report says what was asked, shows baselines beside models, and asks nothing of a network."""

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest

from crypto_nn.benchmark.leaderboard import leaderboard, standings
from crypto_nn.benchmark.report import compose, report_markdown
from crypto_nn.benchmark.words import number, percent
from crypto_nn.metrics.significance import Interval
from crypto_nn.pictures.document import Drawing
from crypto_nn.pictures.document_markdown import to_markdown
from crypto_nn_tests.benchmark.made import NASTY, NOW, TRIALS, html, result


class Page(HTMLParser):
    """Collects what a browser would fetch, and whether every tag is closed."""

    VOID = frozenset({"meta", "br", "link", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.tags: set[str] = set()
        self.details = 0
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.details += tag == "details"
        self.fetched += [
            value
            for name, value in attrs
            if name in ("src", "href", "xlink:href") and value and not value.startswith("#")
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@cache
def page() -> Page:
    parsed = Page()
    parsed.feed(html())
    return parsed


def test_the_page_is_whole_and_fetches_nothing() -> None:
    """Every tag is closed; no script, no picture, font or style from elsewhere."""
    parsed = page()
    assert parsed.open == []
    assert parsed.fetched == []
    assert "script" not in parsed.tags
    assert "@import" not in html()
    assert not re.search(r"url\((?!#)", html())


def test_names_are_shown_as_they_are_and_never_run() -> None:
    """A model named like a script is text, on the page and in Markdown."""
    text = "".join(page().text)
    assert NASTY in text
    markdown = report_markdown(result(), NOW)
    assert "<script" not in markdown
    lines = [line for line in markdown.splitlines() if line.startswith("|") and "alert" in line]
    assert lines
    assert all(" \\| " in line for line in lines)


@pytest.mark.parametrize("said", ["majority", "persistence", "seer"])
def test_every_contestant_stands_in_every_horizon(said: str) -> None:
    """Baselines are shown beside models, with the same figures."""
    rows = [row for row in leaderboard(result().table()) if row["model"] == said]
    assert {row["horizon"] for row in rows} == {"5m", "15m", "60m"}
    assert all("%" in row["majority"] and "%" in row["accuracy"] for row in rows)
    assert f"| {said} |" in report_markdown(result(), NOW)


def test_the_header_says_what_is_needed_to_believe_it() -> None:
    """Venue, label, dates of each fold, costs, seeds, trials, snapshot, code and command."""
    text = "".join(page().text)
    num_trials = TRIALS + 4 * 4  # four contestants, three horizons and all of them combined
    due = ["Binance spot", "|r| > k·σ·√h", "0, 2, 5, 10, 20 bp", f"{num_trials}, with those of",
           "17", "0.1.0", "crypto-nn x | y", "2 cores", "BTC-USDT, ETH-USDT", "1.2 hours",
           "812 MB"]  # fmt: skip
    due += [f"{k:.3f}" for k_H in result().k_FH for k in k_H]
    due += [str(role.start)[:10] for fold in result().folds for role in fold.roles]
    assert [word for word in due if word not in text] == []


def test_a_verdict_is_printed_for_every_model_and_horizon() -> None:
    """Better or not, in words, with accuracy and majority in one line."""
    text = "".join(page().text)
    for minutes in (5, 15, 60):
        line = re.search(rf"seer, {minutes} minutes: (.*?)\. Log-loss skill .* majority", text)
        assert line
    assert "better than every baseline" in text
    assert "no better than the baseline" in text


def test_few_seeds_make_no_headline() -> None:
    """One seed is said to be one."""
    assert "networks were trained with one seed; a headline needs 5" in "".join(page().text)


def test_a_control_run_says_that_it_is_one() -> None:
    """Nobody takes a run on permuted labels for a result."""
    assert "Control run" in report_markdown(result(permute=True), NOW)
    assert "Control run" not in report_markdown(result(), NOW)


def test_standings_come_from_the_table_alone() -> None:
    """The best skill comes first, models are told from baselines, the newest run counts."""
    old = result().to_arrow("u", "old", np.datetime64("2024-01-01"))
    new = result().to_arrow("u", "new", np.datetime64("2024-02-01"))
    import pyarrow as pa

    changed = old.set_column(
        old.schema.get_field_index("value"), "value", pa.nulls(len(old), pa.float64())
    )
    everyone = standings(pa.concat_tables([changed, new]))
    assert [(s.model, s.horizon) for s in everyone] == [
        (s.model, s.horizon) for s in standings(result().table())
    ]
    for horizon in (5, 15, 60):
        skills = [s["log_loss_skill"].estimate for s in everyone if s.horizon == horizon]
        assert skills == sorted(skills, reverse=True)
    predicted = [s for s in everyone if s.horizon]
    assert {s.model for s in predicted if s.is_baseline} == {"majority", "persistence"}


def test_pictures_are_inside_markdown_where_wanted() -> None:
    """For Dagster, with data; for a README, without."""
    assert "](data:image/" not in report_markdown(result(), NOW)
    whole = compose(result(), NOW)
    part = replace(
        whole, blocks=[block for block in whole.blocks if isinstance(block, Drawing)][:2]
    )
    assert to_markdown(part, True).count("](data:image/") == 2


def test_the_three_tables_are_there_with_baselines() -> None:
    """Predictions, trading net of costs, size and speed: everyone, every column that is due."""
    markdown = report_markdown(result(), NOW)
    tables = re.findall(r"((?:^\|.*\n)+)", markdown, re.MULTILINE)
    due = [
        ("parameters", "accuracy", "majority", "precision", "recall", "F1", "log-loss skill"),
        ("Sharpe, annual", "max drawdown", "win rate", "profit factor", "break-even"),
    ]
    for columns in due:
        found = [
            table for table in tables if all(f"{c} |" in table.splitlines()[0] for c in columns)
        ]
        assert len(found) >= 3
        for table in found:
            rows = [line.split(" | ")[0].strip("| ") for line in table.splitlines()[2:]]
            assert {"majority", "persistence", "seer"} <= set(rows)


def test_speeds_stand_in_the_third_table_once_they_are_measured() -> None:
    """Figures that were measured later are shown; those that were there before stay."""
    speed = {
        "latency_p50_ms_batch1": 1.5,
        "memory_mb_batch32": 123.0,
        "windows_per_second_batch1": 7.0,
    }
    fast = result().with_facts({"seer": speed, "nobody": speed})
    assert fast.with_facts({"seer": {"latency_p50_ms_batch1": 99.0}}).scores == fast.scores
    rows = [line for line in report_markdown(fast, NOW).splitlines() if "| own | 12 |" in line]
    assert rows[0].startswith("| seer |")
    assert rows[0].endswith("| 1.50 | 7 | 123 |")
    assert "99.00" not in report_markdown(fast, NOW)
    assert "memory MB" not in report_markdown(result(), NOW)


def test_every_horizon_has_its_own_folded_part() -> None:
    """What is folded away is there: paired tests, months, regimes, the combination, luck."""
    text = "".join(page().text)
    due = ["Paired tests", "calm (", "normal (", "wild (", "all horizons combined", "PBO, 5 m",
           "what is left of a round trip", "skill in % by month", "p = 0.0"]  # fmt: skip
    for words in due:
        assert words in text, words
    assert page().details >= 15


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (number(-3.14159, 2), "−3.14"),
        (number(-0.0001, 2), "0.00"),
        (number(1234.5, 1), "1,234.5"),
        (number(float("nan")), "–"),
        (number(float("inf")), "∞"),
        (number(Interval(0.5, 0.25, 0.75), 2, sign=True), "+0.50 [+0.25, +0.75]"),
        (number(Interval(0.5, float("nan"), 0.75)), "0.50"),
        (percent(0.361), "36.1 %"),
        (percent(Interval(0.0031, 0.002, 0.0042), 2), "0.31 % [0.20, 0.42]"),
        (percent(float("nan")), "–"),
    ],
)
def test_numbers_are_written_for_people(told: str, text: str) -> None:
    """Few digits, a true minus, no minus zero, intervals beside, a dash for what is not known."""
    assert told == text
