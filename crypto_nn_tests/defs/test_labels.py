"""The labels of another kind, made through Dagster: stored exactly, with checks that can fail."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from crypto_nn import pictures
from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import month_bounds
from crypto_nn.defs.automation import month_key
from crypto_nn.defs.graph import Graph
from crypto_nn.defs.labels import _LabelStory
from crypto_nn.features.labels import LabelConfig, Labels, compute_labels
from crypto_nn_tests.defs.graph import fresh_graph
from crypto_nn_tests.features.walks import assert_same, walk

SYMBOL, MONTHS = "SYN-USDT", ("2024-01", "2024-02")
YAML = (
    (Path(__file__).parents[1] / "crypto_nn.yaml").read_text()
    + """
features: {groups: [returns]}
labels: {kind: triple_barrier, touch: range, horizons: [5, 30], width: 0.9}
"""
)
CONFIG = LabelConfig(kind="triple_barrier", touch="range", horizons=(5, 30), width=0.9)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """Two months of bars and labels, in a home of their own."""
    home = tmp_path_factory.mktemp("labels")
    (home / "crypto_nn.yaml").write_text(YAML)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CRYPTO_NN_CONFIG", str(home / "crypto_nn.yaml"))
        patched.setenv("CRYPTO_NN_HOME", str(home / "data"))
        patched.setenv("DAGSTER_HOME", str(home / "dagster_home"))
        patched.setattr(pictures, "markdown", lambda picture, alt: alt)
        made = fresh_graph()
        assert run(made, MONTHS, "raw_bars", "bars", "labels").success
        yield made


def run(graph: Graph, months: Sequence[str], *assets: str) -> dg.ExecuteInProcessResult:
    """These assets of these months, made whether or not they were there."""
    first, last = (month_key(SYMBOL, month) for month in (months[0], months[-1]))
    return graph.definitions.resolve_job_def("refresh_bars").execute_in_process(
        instance=graph.instance,
        asset_selection=[dg.AssetKey(asset) for asset in assets],
        tags={
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
            "rebuild": "true",
        },
        raise_on_error=False,
    )


def relabelled(graph: Graph) -> dg.ExecuteInProcessResult:
    """The labels of the first month made once more."""
    return run(graph, MONTHS[:1], "labels")


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def test_stored_labels_are_those_of_the_whole_history(graph: Graph) -> None:
    """Months made on their own join without a seam; t1 is stored to the bar, null where unknown."""
    lake, where = graph.platform.lake, {"symbol": SYMBOL}
    bars = Bars.from_arrow(lake.read("bars", where=where), SYMBOL)
    stored = Labels.from_arrow(lake.read("labels", where=where))
    assert_same(stored, compute_labels(bars, CONFIG, complete=True))
    length_NH = stored.t1_NH - stored.t0[:, None]
    assert len(np.unique(length_NH[~np.isnat(length_NH)])) == 30


def test_shares_of_each_horizon_and_month_are_told(graph: Graph) -> None:
    """The metadata count every label, by month, and the checks hold on sound labels."""
    result = relabelled(graph)
    checks = checks_of(result)
    assert checks["labels_are_known_in_time"].passed
    assert checks["classes_are_balanced"].passed
    (event,) = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
    ]
    shares: Any = event.metadata["class_shares"]
    rows = [record.data for record in shares.records]
    labels = graph.platform.lake.read("labels", where={"symbol": SYMBOL, "month": MONTHS[0]})
    assert [(row["month"], row["horizon"]) for row in rows] == [
        (MONTHS[0], "5m"), (MONTHS[0], "30m"),
    ]  # fmt: skip
    for row in rows:
        classes = labels[f"class_{row['horizon']}"].drop_null().to_numpy()
        assert row["rows"] == len(classes)
        assert row["null"] == len(labels) - len(classes)
        assert row["up"] == round((classes == 2).mean(), 4)
    assert event.metadata["rule"].value == CONFIG.rule


def test_a_label_before_its_time_fails_the_check(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels that say to be known a bar too early are stored nowhere downstream: it blocks."""

    def early(bars: Bars, config: LabelConfig, complete: bool = False) -> Labels:
        labels = compute_labels(bars, config, complete)
        return Labels(
            labels.horizons, labels.ts, labels.sigma, labels.returns_NH, labels.scores_NH,
            labels.t1_NH - np.timedelta64(1, "m"), labels.classes_NH,
        )  # fmt: skip

    monkeypatch.setattr("crypto_nn.defs.labels.compute_labels", early)
    check = checks_of(relabelled(graph))["labels_are_known_in_time"]
    assert not check.passed
    assert check.blocking
    assert list(check.metadata["wrong_labels"].value) == [f"{SYMBOL} {MONTHS[0]}"]
    monkeypatch.undo()
    assert checks_of(relabelled(graph))["labels_are_known_in_time"].passed


def test_one_month_out_of_balance_is_named() -> None:
    """Thirds over all, and nine tenths flat in one month: a warning that tells which."""
    story = _LabelStory(LabelConfig(horizons=(5,)))
    story.counts = {
        ("A-B", "2024-01", 5): np.array([9000, 2000, 9000]),
        ("A-B", "2024-02", 5): np.array([100, 1800, 100]),
        ("A-B", "2024-03", 5): np.array([0, 9, 0]),  # too few to say
    }
    check = story.balanced()
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert list(check.metadata["unbalanced"].value) == ["A-B 2024-02 5m"]  # type: ignore[arg-type]
    del story.counts["A-B", "2024-02", 5]
    assert story.balanced().passed


def test_the_moment_that_is_tested_is_one_of_the_month_and_the_same_again() -> None:
    """Also where a month has no bar at all: then there is nothing to test."""
    bars = walk(45 * 1440)
    stories = [_LabelStory(LabelConfig()) for _ in range(2)]
    for story in stories:
        for month in MONTHS[:2]:
            labels = compute_labels(bars, story.config, complete=True)
            story.test(month, bars, True, labels)
        story.test("2024-05", bars, True, labels)
        assert story.late == {}
        assert list(story.cuts) == [f"BTC-USDT {month}" for month in MONTHS]
    assert stories[0].cuts == stories[1].cuts
    start, end = month_bounds(MONTHS[0])
    assert start < np.datetime64(stories[0].cuts[f"BTC-USDT {MONTHS[0]}"]) <= end
