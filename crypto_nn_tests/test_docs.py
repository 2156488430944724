"""The pages say what the code does: tables, links, commands, settings, queries, examples.

`python -m crypto_nn_tests.test_docs` renews the tables that are made from the code.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import typer
import yaml

from crypto_nn import errors
from crypto_nn.bars.quality import REASONS
from crypto_nn.cli import app
from crypto_nn.experiments import Experiment
from crypto_nn.features import default_feature_set
from crypto_nn.features import history_difference as history
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.docstrings import told_by
from crypto_nn.features.units import UNITS
from crypto_nn.indicators import CROSS, GROUPS, Indicator
from crypto_nn.store import TABLES, Lake, TableSpec, query
from crypto_nn.store.guard import check_query
from crypto_nn_tests.market import ROOT

DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
RENEW = "python -m crypto_nn_tests.test_docs"
SNAPSHOTS = 7  # the example of time travel names this one

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def reasons_table() -> str:
    """Why rows are put aside, in the code's own words."""
    return _table(("reason", "a row gets it where"), [(f"`{k}`", v) for k, v in REASONS.items()])


def tables_table() -> str:
    """The tables of the lake, and what one row of each is."""
    rows = [(f"`{spec.name}`", spec.comment) for spec in TABLES.values()]
    return _table(("table", "what it holds"), rows)


def features_table() -> str:
    """The columns of the shipped feature set, with those that need a reference, and their units."""
    shipped = default_feature_set(FeatureConfig(reference="BTC-USDT")).features
    head = ("column", "what it is", "formula", "unit", "warm-up, min", "history")
    rows = [
        (
            f"`{one.name}`",
            one.description,
            f"`{one.formula}`",
            one.unit,
            f"{one.warm_up_minutes}",
            _said(history.history_difference(one)),
        )
        for one in shipped
    ]
    units = [f"- {unit}: {words}" for unit, words in UNITS.items()]
    reasons = [f"- `{name}`: {reason}" for name, reason in history.REASONS.items()]
    parts = [_table(head, rows), "Units:", "\n".join(units), _history_note(), "\n".join(reasons)]
    return "\n\n".join(part for part in parts if part)


def _history_note() -> str:
    """On what the differences to unlimited history were measured."""
    told = history.measurement()
    most = "larger ones have a reason" if history.REASONS else "none is larger"
    return (
        "*history*: the largest distance of a value from the one that unlimited history would "
        "give, in standard deviations of the column; "
        f"up to {history.LARGEST:.0e} is rounding, {most}. "
        f"Measured on {told['bars']} by `{told['command']}` on {told['measured']}."
    )


def _said(difference: float | None) -> str:
    if difference is None:
        return "?"
    return "0" if difference == 0 else f"{difference:.0e}"


def indicators_pages() -> str:
    """Every indicator by group: at a glance, then with its definition and source."""
    groups = {**GROUPS, "cross: the market beside its reference": CROSS}
    head = ("indicator", "what it says", "outputs", "warm-up", "memory")
    parts = []
    for group, members in groups.items():
        rows = [
            (
                f"[`{type(one).__name__}`](#{type(one).__name__.lower()})",
                told_by(type(one)).meaning,
                _names(one),
                f"{one.warm_up}",
                _forgets(one),
            )
            for one in members
        ]
        parts += [f"## {group.capitalize()}", _table(head, rows), *map(_entry, members)]
    return "\n\n".join(parts)


def _entry(indicator: Indicator) -> str:
    told = told_by(type(indicator))
    memory = _forgets(indicator)
    facts = (
        f"`{indicator!r}` gives {_names(indicator)}. Warm-up {indicator.warm_up}, "
        f"memory {memory}{'' if memory == 'without end' else ' bars'}."
    )
    parts = [f"### {type(indicator).__name__}", told.meaning, told.definition, facts]
    parts += [f"Source: {told.source}"] if told.source else []
    return "\n\n".join(part for part in parts if part)


def _names(indicator: Indicator) -> str:
    return ", ".join(f"`{name}`" for name in indicator.outputs)


def _forgets(indicator: Indicator) -> str:
    return "without end" if indicator.memory is None else f"{indicator.memory}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines
    )


MADE: Mapping[tuple[str, str], Callable[[], str]] = {
    ("bars.md", "reasons"): reasons_table,
    ("querying.md", "tables"): tables_table,
    ("features.md", "features"): features_table,
    ("indicators.md", "indicators"): indicators_pages,
}
"""By page and marker, what makes the text from `<!-- marker:begin -->` to `<!-- marker:end -->`."""


def renewed(page: str, marker: str, text: str) -> str:
    """The page's text with what stands between the markers made anew."""
    begin, end = f"<!-- {marker}:begin -->", f"<!-- {marker}:end -->"
    assert text.count(begin) == text.count(end) == 1, f"{page} has not one {begin} … {end}"
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n{MADE[page, marker]()}\n{end}{after}"


@pytest.mark.parametrize(("page", "marker"), MADE)
def test_tables_of_a_page_are_those_of_the_code(page: str, marker: str) -> None:
    """What can be made from the code is never written by hand."""
    text = (DOCS / page).read_text(encoding="utf-8")
    assert text == renewed(page, marker, text), f"docs/{page} is out of date: run `{RENEW}`"


@_by_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    """Every link to a file finds it, and every link to a heading finds that."""
    for link in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} links to {link}, which is not there"
        if heading:
            assert heading in _headings(target), f"{page.name} links to {link}: no such heading"


def _headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    lines = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@_by_page
def test_commands_exist(page: Path) -> None:
    """Every `crypto-nn …` that a page names is a command of ours, with the options it names."""
    for words in _commands(page.read_text(encoding="utf-8")):
        _check_command(list(words), f"{page.name}: crypto-nn {' '.join(words)}")


def _commands(text: str) -> Iterator[list[str]]:
    """The words after each `crypto-nn` in code, up to the end of the command."""
    spans = [body for _, body in _FENCE.findall(text)]
    spans += re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))
    for span in spans:
        for line in span.replace("\\\n", " ").splitlines():
            found = re.search(r"(?:^|\s)crypto-nn\s+(.+)$", line)
            if found:
                words = shlex.split(found[1], comments=True)
                stop = next((n for n, word in enumerate(words) if word in "|<>…"), len(words))
                yield words[:stop]


def _check_command(words: list[str], told: str) -> None:
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        found = command.commands.get(words.pop(0))
        assert found is not None, f"{told}: there is no such command"
        command = found
    options = {
        "--help",
        *(name for param in command.params for name in (*param.opts, *param.secondary_opts)),
    }
    unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - options
    assert not unknown, f"{told}: no option {', '.join(sorted(unknown))}"


def test_operations_names_every_setting_and_every_error() -> None:
    """Whoever runs the platform finds each group of settings and each error explained."""
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    ours = [
        n
        for n, kind in vars(errors).items()
        if isinstance(kind, type)
        and issubclass(kind, errors.CryptoNNError)
        and kind is not errors.CryptoNNError
    ]
    missing = [name for name in (*Experiment.model_fields, *ours) if f"`{name}`" not in text]
    assert not missing, f"docs/operations.md does not mention {', '.join(missing)}"


def _blocks(language: str, first: str = "") -> list[Any]:
    """The blocks of code of a language, from every page, that begin so."""
    return [
        pytest.param(body, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, (kind, body) in enumerate(_FENCE.findall(page.read_text(encoding="utf-8")))
        if kind == language and body.startswith(first)
    ]


@pytest.mark.parametrize("block", _blocks("yaml", "# crypto_nn.yaml"))
def test_examples_of_the_yaml_are_valid(block: str) -> None:
    """What a page says to write into the YAML, the platform takes."""
    assert Experiment.parse(yaml.safe_load(block), "the example")


@pytest.mark.parametrize("block", _blocks("yaml", "# launchpad"))
def test_examples_of_overrides_are_valid(block: str) -> None:
    """What a page says to write into the launchpad, the assets take."""
    for op in yaml.safe_load(block)["ops"].values():
        assert Experiment().changed(op["config"]["set"])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with every table, all empty, and a few snapshots."""
    lake = Lake(tmp_path_factory.mktemp("docs") / "lake")
    lake.replace({name: _empty(spec) for name, spec in TABLES.items()}, {})
    while lake.snapshot() < SNAPSHOTS:
        row = {
            "made_at": np.datetime64("2024-01-01", "us").item(),
            "kind": "data",
            "key": "",
            "message": "",
        }
        lake.append("alerts", pa.Table.from_pylist([row]))
    return lake


def _empty(spec: TableSpec) -> pa.Table:
    fields = [(column.name, column.arrow) for column in spec.columns]
    if spec.name == "features":
        fields += [(name, pa.float32()) for name in default_feature_set().names]
    return pa.schema(fields).empty_table()


def _queries() -> list[Any]:
    """Every query in a page: in blocks of SQL, and after `crypto-nn sql`."""
    typed = [
        pytest.param(words[-1], id=f"{page.stem}-typed-{number}")
        for page in PAGES
        for number, words in enumerate(_commands(page.read_text(encoding="utf-8")))
        if words[:1] == ["sql"] and " " in words[-1]
    ]
    return [*_blocks("sql"), *typed]


@pytest.mark.parametrize("sql", _queries())
def test_queries_of_the_pages_are_answered(sql: str, lake: Lake) -> None:
    """Each is one statement that only reads, of tables and columns that exist."""
    assert check_query(sql)
    assert query(lake, lake.root / "raw_bars", sql).num_columns


def test_examples_in_python_can_be_read() -> None:
    """Each compiles, and imports only what is there."""
    blocks = [str(block.values[0]) for block in _blocks("python")]
    for block in blocks:
        compile(block, "example", "exec")
    _run("\n".join(re.findall(r"^(?:from|import) .+$", "\n".join(blocks), re.MULTILINE)))


def test_examples_of_features_run() -> None:
    """The stream equals the batch, also reopened; rows lost are counted, none of them to gaps."""
    text = (DOCS / "features.md").read_text(encoding="utf-8")
    said = _run("\n".join(body for kind, body in _FENCE.findall(text) if kind == "python"))
    assert said.startswith("RowsLost(month='2024-01', missing_minutes=0, rows=4320, complete=")
    assert "after_gap=0" in said


def test_examples_of_leaks_run() -> None:
    """The centred mean is found out, in words that name the column and the time."""
    text = (DOCS / "leaks.md").read_text(encoding="utf-8")
    said = _run("\n".join(body for kind, body in _FENCE.findall(text) if kind == "python"))
    assert "close" in said
    assert "Later bars were" in said


@pytest.mark.parametrize("page", ["indicators.md", "labels.md"])
def test_examples_run(page: str) -> None:
    """As they stand, one block after the other."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = [body for kind, body in _FENCE.findall(text) if kind == "python"]
    assert blocks
    _run("\n".join(blocks))


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def main() -> None:
    """Rewrite, in each page, the tables that are made from the code."""
    for page, marker in MADE:
        path = DOCS / page
        path.write_text(renewed(page, marker, path.read_text(encoding="utf-8")), encoding="utf-8")
        print(f"docs/{page}: {marker}")


if __name__ == "__main__":
    main()
