"""The controls as an asset and as a command: rows, checks, picture, exit code."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from typer.testing import CliRunner

from crypto_nn.benchmark.controls import run
from crypto_nn.benchmark.controls.control import SCHEMA, Control, ControlConfig, Finding
from crypto_nn.benchmark.controls.nulls import Rejections
from crypto_nn.benchmark.controls.paired import Paired
from crypto_nn.benchmark.controls.run import NAMES, Controls
from crypto_nn.cli.controls import commands
from crypto_nn.defs.controls import CHECKS, WARNINGS, controls
from crypto_nn.defs.io_managers import LakeIOManager
from crypto_nn.defs.resources import Platform
from crypto_nn.pictures.p_values import p_values
from crypto_nn.store.tables import TABLES

BAD = "leaks_that_inflate_are_caught"


def canned(config: ControlConfig, tell: Any = None) -> Controls:
    """Controls that hold, but for one; a figure without an interval among them."""
    p_R = np.linspace(0.01, 1, config.runs)
    found = Rejections(Paired("prior", "twin", 5), p_R, 8, 20, 0.9, 0.001)
    made = [
        Control(
            name,
            "it is as it is due",
            (Finding("figure", "1", 0.5, np.nan, np.nan, name != BAD),),
            (Finding("beside", "2", 0.5, 0.4, 0.6, True, "a note"),),
        )
        for name in NAMES
    ]
    return Controls(tuple(made), (found,), config)


@pytest.fixture(autouse=True)
def no_markets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "run_controls", canned)


def test_the_asset_stores_every_figure_and_one_check_fails(tmp_path: Path) -> None:
    """Rows of the table `controls`, a check for each control, a picture, and the page."""
    platform = Platform(home=str(tmp_path))
    resources = {"platform": platform, "lake": LakeIOManager(platform=platform)}
    with dg.instance_for_test() as instance:
        done = dg.materialize(
            [controls],
            instance=instance,
            resources=resources,
            run_config={"ops": {"controls": {"config": {"runs": 40, "seed": 3}}}},
        )
    assert done.success
    checks = {each.check_name: each.passed for each in done.get_asset_check_evaluations()}
    assert checks == {name: name != BAD for name in CHECKS}
    rows = platform.lake.read("controls").to_pylist()
    assert len(rows) == 2 * len(NAMES)
    assert {(row["runs"], row["seed"]) for row in rows} == {(40, 3)}
    assert {row["low"] for row in rows if row["decides"]} == {None}
    (shown,) = (event.materialization.metadata for event in done.get_asset_materialization_events())
    assert "data:image/" in str(shown["pictures"].value)
    assert "FAILS" in (tmp_path / "reports" / "controls" / "report.html").read_text()


def test_names_are_the_same_everywhere() -> None:
    """The graph loads without the controls' code, so that it names the checks itself."""
    assert CHECKS == NAMES
    assert set(WARNINGS) < set(NAMES)
    declared = [(column.name, column.arrow) for column in TABLES["controls"].columns]
    assert declared == [(field.name, field.type) for field in SCHEMA]


def test_the_picture_can_always_be_drawn() -> None:
    """Also of nothing, of NaN and of one value; the same bytes each time."""
    p_N = np.random.default_rng(0).random(200)
    odd = [np.empty(0), np.full(3, np.nan), np.array([0.5])]
    for tests in ({}, {"prior": odd}, {"prior": [p_N, p_N**2], "a long name of a rival" * 3: odd}):
        assert p_values(tests, 0.1).svg() == p_values(tests, 0.1).svg()
        assert len(p_values(tests, 0.1).png()) < 100_000


def test_the_command_prints_one_table_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 and the claim that does not hold; 0 where all hold."""
    monkeypatch.setenv("CRYPTO_NN_HOME", str(tmp_path))
    failed = CliRunner().invoke(commands, ["--runs", "40"])
    assert failed.exit_code == 1
    assert failed.output.count("FAILED: ") == 1
    assert "paired tests reject as often" in failed.output

    def good(config: ControlConfig, tell: Any = None) -> Controls:
        found = canned(config)
        kept = tuple(each for each in found.controls if each.name != BAD)
        return Controls(kept, found.rejections, config)

    monkeypatch.setattr(run, "run_controls", good)
    assert CliRunner().invoke(commands, ["--runs", "40"]).exit_code == 0
