"""What the README prints works as printed."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from crypto_nn.cli import app
from crypto_nn_tests.defs.graph import fresh_graph
from crypto_nn_tests.market import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")

QUICK = {"training.max_windows": 500, "benchmark.baselines": ["prior", "persistence"]}


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


COMMANDS = [line for block in blocks("console") for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module", autouse=True)
def materialised() -> None:
    """The home that the commands ask: bars, features, labels, a benchmark and a champion."""
    graph = fresh_graph()
    graph.refresh(None)
    graph.retrain(None, QUICK)


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("crypto-nn ")])
def test_every_command_runs_as_printed(line: str) -> None:
    """Exit code 0 and something to read."""
    result = CliRunner().invoke(app, shlex.split(line)[1:])
    assert result.exit_code == 0, result.output
    assert result.output.strip()


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("make ")])
def test_every_make_command_has_its_target(line: str) -> None:
    """What `make` would run, without running it: the targets run the tests and the demo."""
    planned = subprocess.run(
        ["make", "--dry-run", *shlex.split(line)[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert planned.returncode == 0, planned.stderr


def test_no_command_is_left_untested() -> None:
    """Each printed line is one of the kinds above."""
    assert COMMANDS
    assert [
        line for line in COMMANDS if not line.startswith(("make ", "crypto-nn ", "export "))
    ] == []


@pytest.mark.parametrize("code", blocks("python"))
def test_every_python_block_runs(code: str) -> None:
    """The notebook example gives frames with rows."""
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 (the README's own text)
    frames = [value for name, value in names.items() if hasattr(value, "empty")]
    assert frames
    assert not any(frame.empty for frame in frames)


def test_the_readme_lists_every_command_and_every_automation() -> None:
    """What can be run and what runs by itself is on the page."""
    from crypto_nn.defs import automation, sensors

    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    automatic = [each.name for each in automation.SCHEDULES]
    automatic += [each.name for each in sensors.SENSORS]
    for name in (*known, *automatic):
        assert f"`{name}" in README, name


def test_pictures_and_pages_of_the_readme_exist() -> None:
    """Links lead somewhere."""
    for target in re.findall(r"\]\(([^)#h][^)#]*)\)", README):
        assert (ROOT / target).exists(), target
    assert Path(ROOT / "LICENSE").exists()
