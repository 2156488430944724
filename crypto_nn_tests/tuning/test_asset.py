"""A search through Dagster: its rows, its version, its pages, and what it must not do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import typer
from typer.testing import CliRunner

from crypto_nn.benchmark.tried import num_tried
from crypto_nn.cli.tuning import commands
from crypto_nn.defs.graph import Graph
from crypto_nn.defs.tuning import answering, folds_of, miscounts
from crypto_nn.experiments import Experiment
from crypto_nn.features.splits import Splits
from crypto_nn.inference.registry import champion_of
from crypto_nn_tests.defs.graph import fresh_graph
from crypto_nn_tests.tuning.worlds import fill

SYMBOL = "SYN-USDT"
OVERRIDES: dict[str, Any] = {
    "tuning.trials": 2,
    "tuning.workers": 1,
    "tuning.training": {"max_windows": 500, "max_validation_windows": 500, "window": 16},
    "tuning.space": {
        "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "model.settings.hidden": {"choices": [8, 48]},
    },
}


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """The graph over a home of its own, so that other tests find no version of this one."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYPTO_NN_HOME", str(home))
        made = fresh_graph()
        fill(made.platform, SYMBOL)
        yield made


@pytest.fixture(scope="module")
def before(graph: Graph) -> tuple[int, object]:
    """Versions tried, and who answers, before the search."""
    return num_tried(graph.platform.lake, SYMBOL), champion_of(graph.platform.models, SYMBOL)


@pytest.fixture(scope="module")
def found(graph: Graph, before: object) -> dict[str, Any]:
    return graph.tune(SYMBOL, None, OVERRIDES)


def test_every_trial_is_a_row_and_is_counted(
    graph: Graph, before: tuple[int, object], found: dict[str, Any]
) -> None:
    """The deflated Sharpe ratio counts each trial once, the best one too, which is kept."""
    lake = graph.platform.lake
    rows = lake.read("trials", where={"study": found["study"]}).to_pylist()
    assert [row["number"] for row in rows] == [0, 1]
    assert {row["state"] for row in rows} <= {"complete", "pruned"}
    assert found["best_version"] in {row["version"] for row in rows}
    assert found["best_value"] == min(row["value"] for row in rows if row["state"] == "complete")
    assert json.loads(rows[0]["params"]) == {
        "model.settings.hidden": 48, "training.learning_rate": 5e-4,
    }, "the first trial has the settings in force"  # fmt: skip
    assert num_tried(lake, SYMBOL) == before[0] + len({row["version"] for row in rows})


def test_a_study_that_contradicts_its_trials_is_found(graph: Graph, found: dict[str, Any]) -> None:
    """`study_counts_every_trial`: counts, the best trial and its version are those of the rows."""
    records = graph.instance.get_records_for_run  # the check of the run that made it held
    runs = graph.instance.get_runs(dg.RunsFilter(job_name="tune"), limit=1)
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    (record,) = records(runs[0].run_id, of_type=kind).records
    event = record.event_log_entry.get_dagster_event()
    assert event.asset_check_evaluation_data.passed
    assert miscounts(graph.platform, found) == []
    wrong = {**found, "complete": 7, "best_trial": 9, "best_version": "0" * 16}
    assert len(miscounts(graph.platform, wrong)) == 3


def test_the_best_version_is_kept_and_not_promoted(
    graph: Graph, before: tuple[int, object], found: dict[str, Any]
) -> None:
    """It can be shown and asked, and is no candidate: nobody launched it."""
    models, lake = graph.platform.models, graph.platform.lake
    assert models.find(found["best_version"]) == "LSTMPricePredictor"
    (row,) = lake.read("checkpoints", where={"version": found["best_version"]}).to_pylist()
    assert row["validation_loss"] == found["best_value"]
    assert row["launched_at"] is None
    assert lake.count("training_history", {"version": found["best_version"]}) == 1
    assert champion_of(models, SYMBOL) == before[1]


def test_no_row_that_judged_is_of_the_lock_box(graph: Graph, found: dict[str, Any]) -> None:
    """What was chosen by the lock box could not be judged by it."""
    made = Splits.from_arrow(graph.platform.lake.read("splits", where={"universe": SYMBOL}))
    facts = json.loads(graph.platform.models.load("LSTMPricePredictor", found["best_version"])
                       ["config.json"])  # fmt: skip
    assert made.locked is not None
    ends = [end for _, end in facts["fold"]["roles"].values()]
    assert all(end <= str(made.locked.start) for end in ends)
    assert str(made.nightly.end) > str(made.locked.start), "the nightly layout would have"


def test_the_version_that_is_kept_learns_from_the_newest_rows(
    graph: Graph, found: dict[str, Any]
) -> None:
    """Also where all walk-forward folds judged; of the oldest rows, where those did."""
    made = Splits.from_arrow(graph.platform.lake.read("splits", where={"universe": SYMBOL}))
    asked = graph.experiment
    newest = {answering(made, asked.changed({"tuning.rows": rows}))
              for rows in ("nightly", "walk_forward")}  # fmt: skip
    assert newest == set(folds_of(made, asked))
    assert answering(made, asked.changed({"tuning.rows": "before_tests"})) == made.folds[0]


def test_stopping_prints_a_line(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """^C is no error, and no traceback."""

    def stopped(*asked: object) -> None:
        raise dg.DagsterExecutionInterruptedError

    monkeypatch.setattr(Graph, "tune", stopped)
    monkeypatch.setattr("crypto_nn.cli.tuning.graph", lambda: graph)
    app = typer.Typer()
    app.registered_commands = commands.registered_commands
    answer = CliRunner().invoke(app, ["--universe", SYMBOL])
    assert (answer.exit_code, answer.stdout) == (130, "Stopped; call again to go on.\n")


def test_the_best_settings_can_be_trained_with(graph: Graph, found: dict[str, Any]) -> None:
    """best.yaml is a whole experiment with the best settings, and without the cheap ones."""
    folder = graph.platform.reports / "tuning" / SYMBOL / "LSTMPricePredictor"
    best = Experiment.load(folder / "best.yaml")
    params = json.loads(found["params"])
    assert best.training.learning_rate == params["training.learning_rate"]
    assert best.model.config().model_dump()["hidden"] == params["model.settings.hidden"]
    assert best.training.max_windows == graph.experiment.training.max_windows
    assert found["study"] in (folder / "report.html").read_text()


def test_asked_again_nothing_is_trained_or_doubled(graph: Graph, found: dict[str, Any]) -> None:
    """The same question has an answer; its rows stay what they are."""
    again = graph.tune(SYMBOL, None, OVERRIDES)
    assert {**again, "made_at": None, "snapshot": None} == {
        **found, "made_at": None, "snapshot": None,
    }  # fmt: skip
    assert graph.platform.lake.count("trials", {"study": found["study"]}) == 2


def test_no_trial_leaves_its_work_behind(graph: Graph, found: dict[str, Any]) -> None:
    """Of a search that has ended the study stays, and the version that won."""
    folder = Path(graph.platform.home) / "tuning" / str(found["study"])
    assert not (folder / "work").exists()
    assert not (folder / "panel").exists()
    assert [path.name for path in (folder / "kept").glob("*/*")] == [found["best_version"]]
