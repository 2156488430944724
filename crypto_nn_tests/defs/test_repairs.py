"""A late revision makes exactly the partitions stale that read it, and the schedule mends those."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from crypto_nn import pictures
from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import month_of
from crypto_nn.defs import automation, sensors
from crypto_nn.defs.graph import Graph
from crypto_nn.defs.lineage import ASSETS, REBUILD
from crypto_nn.defs.outlook import islands, stale
from crypto_nn.defs.refill import hourly_refill
from crypto_nn.defs.repairs import to_fetch
from crypto_nn.environment import yaml_path
from crypto_nn.experiments import SymbolConfig
from crypto_nn.features import default_feature_set
from crypto_nn.features.labels import compute_labels
from crypto_nn.store.gap_repairs import open_gaps, read_asks
from crypto_nn.store.lineage import Made, read_ledger
from crypto_nn_tests.defs.graph import fresh_graph

SYMBOL, SOURCE = "SYN-USDT", "synthetic"
JAN, FEB = "2024-01", "2024-02"
AT = datetime(2024, 3, 5, 2, 5, tzinfo=UTC)
FRESH: dict[str, list[tuple[str, str]]] = {asset: [] for asset in ASSETS}


YAML = (
    (Path(__file__).parents[1] / "crypto_nn.yaml").read_text()
    + """
features: {groups: [returns, momentum, slow]}
"""
)
GAP = "    gaps: [{start: 2024-01-02 10:00:00, minutes: 90}]\n"


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """Two months of bars, features and labels, in a home of their own; 90 minutes are missing."""
    home = tmp_path_factory.mktemp("repairs")
    (home / "crypto_nn.yaml").write_text(YAML.replace("    symbols:", f"{GAP}    symbols:"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CRYPTO_NN_CONFIG", str(home / "crypto_nn.yaml"))
        patched.setenv("CRYPTO_NN_HOME", str(home / "data"))
        patched.setenv("DAGSTER_HOME", str(home / "dagster_home"))
        patched.setattr(pictures, "markdown", lambda picture, alt: alt)  # half of a run's time
        made = fresh_graph()
        made.refresh([SYMBOL])
        yield made


def revise(graph: Graph, minute: str, factor: float = 1.0001, **columns: float) -> None:
    """What a source does that corrects a bar: another row of the same minute, received now."""
    ts, month = np.datetime64(minute, "us"), month_of(np.datetime64(minute, "us"))
    where = {"symbol": SYMBOL, "month": month}
    bar = Bars.from_arrow(graph.platform.lake.read("bars", where=where), SYMBOL)
    bar = bar.between(ts, ts + np.timedelta64(1, "m"))
    prices = {name: getattr(bar, name) * factor for name in ("open", "high", "low", "close")}
    given: dict[str, Any] = {name: np.array([value]) for name, value in columns.items()}
    revised = replace(bar, **{**prices, **given})
    graph.platform.raw.append(SOURCE, SYMBOL, month, revised, graph.platform.now())


def tick(graph: Graph, schedule: dg.ScheduleDefinition) -> list[dg.RunRequest]:
    """What a schedule wants to be run."""
    made = dg.build_schedule_context(
        graph.instance, scheduled_execution_time=AT, resources={"platform": graph.platform}
    )
    with made as context:
        ticked: Any = schedule(context)
        return [request for request in ticked if isinstance(request, dg.RunRequest)]


def launch(graph: Graph, request: dg.RunRequest) -> None:
    """Run what `refresh_bars` has asked for, as the daemon would."""
    graph.definitions.resolve_job_def("refresh_bars").execute_in_process(
        instance=graph.instance,
        asset_selection=request.asset_selection and list(request.asset_selection),
        tags=request.tags,
    )


def mend(graph: Graph) -> None:
    """All that the schedule asks for; afterwards nothing is stale, and it asks for no more."""
    for request in tick(graph, automation.refresh_bars):
        launch(graph, request)
    assert stale(graph.platform, graph.experiment) == FRESH
    assert tick(graph, automation.refresh_bars) == []


def due(graph: Graph) -> set[tuple[str, str]]:
    """The stale partitions, by asset and month."""
    found = stale(graph.platform, graph.experiment)
    return {(asset, month) for asset, parts in found.items() for _, month in parts}


def written(graph: Graph) -> dict[tuple[str, str], Any]:
    """When each partition was made, by asset and month."""
    ledger = read_ledger(graph.platform.lake)
    return {(asset, month): made.made_at for (asset, _, month), made in ledger.items()}


def files(graph: Graph) -> set[Path]:
    """The data files of the lake."""
    return set(graph.platform.lake.catalogue.data.rglob("*.parquet"))


def months_of_files(paths: set[Path]) -> set[tuple[str, str]]:
    """The table and month of each data file."""
    found = set()
    for path in paths:
        table = path.parts[path.parts.index("main") + 1]
        month = next(part.partition("=")[2] for part in path.parts if part.startswith("month="))
        found.add((table, month))
    return found


CASES = {
    "the 2nd, further back than any feature of the next month looks": (
        "2024-01-02T20:00",
        {("bars", JAN), ("features", JAN), ("labels", JAN)},
    ),
    "the 25th, within the memory of next month's features": (
        "2024-01-25T10:00",
        {("bars", JAN), ("features", JAN), ("features", FEB), ("labels", JAN)},
    ),
    "a month's first hour, in which labels of the month before end": (
        "2024-02-01T00:59",
        {("bars", FEB), ("features", FEB), ("labels", JAN), ("labels", FEB)},
    ),
}


@pytest.mark.parametrize(("minute", "parts"), CASES.values(), ids=CASES)
def test_a_late_revision_rebuilds_exactly_what_depends_on_it(
    graph: Graph, minute: str, parts: set[tuple[str, str]]
) -> None:
    """Stale is what reads the bar; the schedule's runs rebuild that, and touch nothing else."""
    assert due(graph) == set()
    revise(graph, minute)
    assert due(graph) == parts
    before, files_before = written(graph), files(graph)
    mend(graph)
    after = written(graph)
    assert {part for part in after if after[part] != before[part]} == parts
    new = months_of_files(files(graph) - files_before)
    assert {part for part in new if part[0] in ASSETS} == parts


def test_what_is_rebuilt_piece_by_piece_is_the_whole(graph: Graph) -> None:
    """After repairs the tables hold what one computation over all bars gives."""
    revise(graph, "2024-02-01T01:00")  # a minute too late for the labels of January
    february = {("bars", FEB), ("features", FEB), ("labels", FEB)}
    assert due(graph) == february
    revise(graph, "2024-01-31T23:00")  # within the memory of February's volatility
    assert due(graph) == february | {("bars", JAN), ("features", JAN), ("labels", JAN)}
    mend(graph)

    platform, where = graph.platform, {"symbol": SYMBOL}
    bars = Bars.from_arrow(platform.lake.read("bars", where=where), SYMBOL)
    feature_set = default_feature_set(graph.experiment.features)
    stored = platform.lake.read("features", feature_set.names, where)
    x_NF = feature_set.compute(bars, complete=True)
    np.testing.assert_array_equal(np.column_stack([c.to_numpy() for c in stored.columns]), x_NF)
    names = [f"score_{h}m" for h in graph.experiment.labels.horizons]
    labels = platform.lake.read("labels", names, where)
    scores_NH = compute_labels(bars, graph.experiment.labels, complete=True).scores_NH
    found = np.column_stack([column.to_numpy() for column in labels.columns])
    np.testing.assert_array_equal(found, scores_NH)


def test_a_revision_reaches_no_further_than_its_numbers_do(graph: Graph) -> None:
    """Another volume leaves labels alone, which read closes; a row put aside leaves both alone."""
    revise(graph, "2024-02-10T10:00", 1.0, volume=123.0)
    assert due(graph) == {("bars", FEB), ("features", FEB)}
    revise(graph, "2024-01-05T10:00", -1.0)
    assert due(graph) == {("bars", FEB), ("features", FEB), ("bars", JAN)}
    lake, before = graph.platform.lake, written(graph)
    num_aside = lake.count("quarantined_bars", {"symbol": SYMBOL, "month": JAN})
    mend(graph)
    assert lake.count("quarantined_bars", {"symbol": SYMBOL, "month": JAN}) == num_aside + 1
    after = written(graph)
    assert {part for part in after if after[part] == before[part]} == {
        ("features", JAN), ("labels", JAN), ("labels", FEB),
    }  # fmt: skip


def test_other_settings_make_stale_what_follows_from_them(graph: Graph) -> None:
    """Other label settings change labels alone; other rules for bars change bars alone, where the
    same rows still pass."""
    labels = graph.experiment.changed({"labels.k": 0.5})
    assert stale(graph.platform, labels) == {**FRESH, "labels": [(SYMBOL, JAN), (SYMBOL, FEB)]}
    quality = graph.experiment.changed({"quality.max_volume": 1e17})
    assert stale(graph.platform, quality) == {**FRESH, "bars": [(SYMBOL, JAN), (SYMBOL, FEB)]}
    features = graph.experiment.changed({"features.max_gap_minutes": 6})
    assert stale(graph.platform, features) == {**FRESH, "features": [(SYMBOL, JAN), (SYMBOL, FEB)]}
    fewer = graph.experiment.changed({"features.groups": ("returns",)})
    assert stale(graph.platform, fewer) == FRESH  # what is left would come out the same


def test_unchanged_partitions_are_written_again_only_where_that_is_asked_for(graph: Graph) -> None:
    """The same box again writes nothing, and its checks are still judged; `rebuild` forces it."""
    before, files_before = written(graph), files(graph)
    job = graph.definitions.resolve_job_def("refresh_bars")
    keys = [dg.AssetKey(asset) for asset in ASSETS]

    def run(**tags: str) -> dg.ExecuteInProcessResult:
        key = automation.month_key(SYMBOL, JAN)
        return job.execute_in_process(
            instance=graph.instance, asset_selection=keys, partition_key=key, tags=tags
        )

    result = run()
    assert written(graph) == before
    assert files(graph) == files_before
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert {"bars_are_clean", "features_are_finite", "classes_are_balanced"} <= set(checks)
    for event in result.get_asset_materialization_events():
        made = event.step_materialization_data.materialization
        assert made.metadata["partitions_unchanged"].value == 1
        assert "unchanged since" in str(made.metadata["outcome"].value)
        assert (made.tags or {})["dagster/data_version"] == made.metadata["content"].value

    run(**{REBUILD: "true"})
    after = written(graph)
    assert {part for part in after if after[part] != before[part]} == {
        (asset, JAN) for asset in ASSETS
    }


def test_a_gap_is_refilled_when_the_source_has_it_later(graph: Graph) -> None:
    """The ledger remembers the gap; what comes rebuilds exactly what it touches."""
    lake, job = graph.platform.lake, graph.definitions.resolve_job_def("refill_gaps")
    assert [gap.minutes for gap in open_gaps(lake)] == [90]
    yaml_path().write_text(YAML)  # now the source has those minutes
    (request,) = tick(graph, hourly_refill)
    assert job.execute_in_process(instance=graph.instance, run_config=request.run_config).success
    assert tick(graph, hourly_refill) == []  # the source has told all that it has
    assert [ask.outcome for ask in read_asks(lake)] == ["seen", "whole"]
    assert due(graph) == {("bars", JAN), ("features", JAN), ("labels", JAN)}
    mend(graph)
    assert open_gaps(lake) == []


def test_a_sleeping_machine_makes_up_for_what_it_missed(graph: Graph) -> None:
    """The sensor asks for stale months by itself, but not twice at once, and rarely what fails."""
    revise(graph, "2024-02-20T10:00")

    def asked() -> list[dg.RunRequest]:
        made = dg.build_sensor_context(
            graph.instance, definitions=graph.definitions, resources={"platform": graph.platform}
        )
        with made as context:
            result = sensors.fill_missing_partitions(context)
        assert isinstance(result, dg.SensorResult)
        return list(result.run_requests or [])

    (request,) = asked()
    job = graph.definitions.resolve_job_def("refresh_bars")
    run = graph.instance.create_run_for_job(
        job, tags=request.tags, status=dg.DagsterRunStatus.STARTED
    )
    assert asked() == []  # it runs
    graph.instance.report_run_failed(run)
    assert asked() == []  # it has just failed: not at once again
    revise(graph, "2024-02-20T10:00", 1.0003)
    (other,) = asked()  # something else is wrong now
    assert other.tags["repair"] != request.tags["repair"]


def made_until(month: str, until: str) -> Made:
    """The ledger's line of a month whose bars were due until a time."""
    due = {"due": f"{month}-01T00:00 {until}"}
    return Made("bars", SYMBOL, month, due, {}, "", np.datetime64(until, "us"))


def test_only_months_that_are_missing_unfinished_or_running_are_fetched() -> None:
    """History is fetched once; a hole is an island of its own; a sleeper's month is finished."""
    whole = {month: made_until(month, end) for month, end in (
        ("2024-01", "2024-02-01T00:00"), ("2024-02", "2024-03-01T00:00"),
        ("2024-03", "2024-04-01T00:00"), ("2024-04", "2024-05-01T00:00"),
    )}  # fmt: skip
    history = SymbolConfig(source=SOURCE, first_month="2024-01", last_month="2024-02")
    assert to_fetch(history, "2024-08", {}) == [["2024-01", "2024-02"]]
    assert to_fetch(history, "2024-08", whole) == []
    live = SymbolConfig(source=SOURCE, first_month="2024-01")
    assert to_fetch(live, "2024-04", whole) == [["2024-03", "2024-04"]]
    holed = {month: made for month, made in whole.items() if month != "2024-02"}
    assert to_fetch(live, "2024-04", holed) == [["2024-02", "2024-03", "2024-04"]]
    assert to_fetch(live, "2024-06", holed) == [["2024-02"], ["2024-05", "2024-06"]]
    slept = whole | {"2024-03": made_until("2024-03", "2024-03-20T10:07")}
    assert to_fetch(live, "2024-06", slept) == [["2024-03"], ["2024-05", "2024-06"]]


@pytest.mark.parametrize(
    ("months", "pieces"),
    [([], []), (["2024-01"], [["2024-01"]]),
     (["2024-01", "2023-12", "2024-03"], [["2023-12", "2024-01"], ["2024-03"]])],
)  # fmt: skip
def test_islands_are_runs_of_neighbouring_months(
    months: Sequence[str], pieces: list[list[str]]
) -> None:
    """Each is one run; the turn of the year is no border."""
    assert islands(months) == pieces
