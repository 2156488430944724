"""Only what would come out differently is computed: a new column, a changed one, a revised bar."""

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from crypto_nn import pictures
from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import month_of
from crypto_nn.defs.feature_columns import FeatureColumns
from crypto_nn.defs.graph import Graph
from crypto_nn.defs.outlook import find_stale
from crypto_nn.environment import yaml_path
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.catalog_table import CATALOG_SCHEMA
from crypto_nn.features.config import FeatureConfig, Group
from crypto_nn.features.source_code import code_of
from crypto_nn.store.lineage import read_ledger
from crypto_nn.store.sql import query
from crypto_nn.store.tables import FEATURE_CATALOG
from crypto_nn_tests.defs.graph import fresh_graph

SYMBOL, SOURCE, JAN, FEB = "SYN-USDT", "synthetic", "2024-01", "2024-02"
YAML = (Path(__file__).parents[1] / "crypto_nn.yaml").read_text()
SMALL = YAML + "features: {groups: [returns, candle]}\n"
MEMBER = """
from dataclasses import dataclass
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class Spread(Windowed):
    "High less low as a share of the close."

    @property
    def outputs(self):
        return ("own_spread",)

    @property
    def warm_up(self):
        return 0

    def compute(self, bars):
        return ((bars.high - bars.low) / bars.close,)

    def fresh(self):
        return Live()


class Live:
    def update(self, bar):
        return ((bar.high - bar.low) / bar.close,)
"""

Computed = list[tuple[str, tuple[str, ...]]]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """Two months of bars, two groups of features and labels, in a home of their own."""
    home = tmp_path_factory.mktemp("columns")
    (home / "crypto_nn.yaml").write_text(SMALL)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CRYPTO_NN_CONFIG", str(home / "crypto_nn.yaml"))
        patched.setenv("CRYPTO_NN_HOME", str(home / "data"))
        patched.setenv("DAGSTER_HOME", str(home / "dagster_home"))
        patched.syspath_prepend(str(home))
        patched.setattr(pictures, "markdown", lambda picture, alt: alt)
        made = fresh_graph()
        made.refresh([SYMBOL])
        yield made


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Computed:
    """Which columns of which month have been computed since."""
    seen: Computed = []
    compute = FeatureSet.compute_month

    def spied(self: FeatureSet, bars: Bars, month: str, *others: Any, **more: Any) -> Any:
        seen.append((month, self.names))
        return compute(self, bars, month, *others, **more)

    monkeypatch.setattr(FeatureSet, "compute_month", spied)
    return seen


def refresh(graph: Graph, *months: str, assets: tuple[str, ...] = ("features",)) -> None:
    """Materialise assets of these months, both where none is named."""
    first, last = (months[0], months[-1]) if months else (JAN, FEB)
    result = graph.definitions.resolve_job_def("refresh_bars").execute_in_process(
        instance=graph.instance,
        asset_selection=[dg.AssetKey(name) for name in assets],
        tags={
            "dagster/asset_partition_range_start": f"{first}|{SYMBOL}",
            "dagster/asset_partition_range_end": f"{last}|{SYMBOL}",
        },
    )
    assert result.success
    checks = result.get_asset_check_evaluations()
    assert all(check.passed for check in checks if check.severity == dg.AssetCheckSeverity.ERROR)


def stored(graph: Graph) -> pa.Table:
    return graph.platform.lake.read("features", where={"symbol": SYMBOL})


def made_at(graph: Graph) -> dict[tuple[str, str], Any]:
    ledger = read_ledger(graph.platform.lake)
    return {(asset, month): made.made_at for (asset, _, month), made in ledger.items()}


def why(graph: Graph) -> dict[tuple[str, str], str]:
    """The stale partitions with their reasons, by asset and month."""
    experiment = graph.platform.experiment()
    return {(one.asset, one.month): one.why for one in find_stale(graph.platform, experiment)}


def as_computed(graph: Graph) -> None:
    """The table holds the columns of the set in force and no others, as one computation gives."""
    lake, where = graph.platform.lake, {"symbol": SYMBOL}
    features = graph.platform.feature_set(graph.platform.experiment())
    x_NF = features.compute(Bars.from_arrow(lake.read("bars", where=where), SYMBOL), complete=True)
    table = stored(graph)
    assert set(table.column_names) == {"symbol", "month", "ts", *features.names}
    found_NF = np.column_stack([table[name].to_numpy() for name in features.names])
    np.testing.assert_array_equal(found_NF, x_NF)
    names = lake.read("feature_catalog", ("name",))["name"].to_pylist()
    assert sorted(names) == sorted(features.names)


def set_features(text: str) -> None:
    yaml_path().write_text(YAML + f"features: {text}\n")


def test_a_group_that_is_switched_on_and_off_is_computed_alone(
    graph: Graph, computed: Computed
) -> None:
    """Other columns keep their bits, other partitions their time; what is gone leaves nothing."""
    before, table = made_at(graph), stored(graph)
    clock = default_feature_set(FeatureConfig(groups=("clock",))).names
    set_features("{groups: [returns, candle, clock]}")
    told = f"columns {', '.join(clock[:3])} and {len(clock) - 3} others are new"
    assert why(graph) == {("features", JAN): told, ("features", FEB): told}
    refresh(graph)
    assert computed == [(JAN, clock), (FEB, clock)]
    after = made_at(graph)
    assert {part for part in after if after[part] != before[part]} == {
        ("features", JAN), ("features", FEB),
    }  # fmt: skip
    assert stored(graph).select(table.column_names).equals(table)
    assert why(graph) == {}
    as_computed(graph)

    computed.clear()
    set_features("{groups: [returns, candle]}")
    assert why(graph) == {}
    refresh(graph)
    assert computed == []
    assert made_at(graph) == after
    assert stored(graph).equals(table)
    as_computed(graph)

    set_features("{groups: [returns, candle, clock]}")
    refresh(graph, JAN)
    assert computed == [(JAN, clock)]
    assert why(graph) == {("features", FEB): told}  # the old rows are not taken for the new ones
    refresh(graph)
    as_computed(graph)
    yaml_path().write_text(SMALL)
    refresh(graph)


@pytest.fixture
def member(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Write the module of a feature of one's own, and let it be imported anew."""
    path = yaml_path().parent / "own_member.py"
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(text: str) -> None:
        from crypto_nn.features import plugins

        path.write_text(text)
        sys.modules.pop("own_member", None)
        importlib.invalidate_caches()
        plugins._load.cache_clear()

    yield write
    sys.modules.pop("own_member", None)
    yaml_path().write_text(SMALL)
    refresh(graph)


def test_a_member_fills_its_column_and_follows_its_source(
    graph: Graph, computed: Computed, member: Callable[[str], None]
) -> None:
    """By import path in the YAML; another text of it is no change, another program is."""
    table = stored(graph)
    member(MEMBER)
    set_features("{groups: [returns, candle], members: ['own_member:Spread']}")
    assert set(why(graph).values()) == {"column own_spread is new"}
    refresh(graph)
    assert computed == [(JAN, ("own_spread",)), (FEB, ("own_spread",))]
    assert stored(graph).select(table.column_names).equals(table)
    as_computed(graph)
    member(MEMBER.replace("High less low", "The range") + "# no more\n")
    assert why(graph) == {}
    member(MEMBER.replace("bars.high - bars.low", "bars.high - bars.open").replace(
        "bar.high - bar.low", "bar.high - bar.open"))  # fmt: skip
    assert set(why(graph).values()) == {"column own_spread is different"}
    computed.clear()
    refresh(graph)
    assert computed == [(JAN, ("own_spread",)), (FEB, ("own_spread",))]
    assert stored(graph).select(table.column_names).equals(table)
    as_computed(graph)


def test_a_revised_bar_recomputes_the_columns_that_look_so_far_back(
    graph: Graph, computed: Computed
) -> None:
    """Eleven days before February only the slow columns see it; January follows from it whole."""
    slow: tuple[Group, ...] = ("returns", "candle", "slow")
    set_features("{groups: [returns, candle, slow]}")
    refresh(graph)
    features = default_feature_set(FeatureConfig(groups=slow))
    far = tuple(one.name for one in features.features if features.anchor_days[one.timeframe] > 11)
    assert 0 < len(far) < len(features.names)
    computed.clear()
    ts = np.datetime64("2024-01-21T10:00", "us")
    where = {"symbol": SYMBOL, "month": month_of(ts)}
    bars = Bars.from_arrow(graph.platform.lake.read("bars", where=where), SYMBOL)
    bar = bars.between(ts, ts + np.timedelta64(1, "m"))
    revised = replace(bar, close=bar.close * 1.0001, high=bar.high * 1.001)
    graph.platform.raw.append(SOURCE, SYMBOL, JAN, revised, graph.platform.now())
    assert {part: text for part, text in why(graph).items() if part[0] == "features"} == {
        ("features", JAN): "bars", ("features", FEB): "bars",
    }  # fmt: skip
    refresh(graph, assets=("bars", "features", "labels"))
    assert computed == [(JAN, features.names), (FEB, far)]
    assert why(graph) == {}
    as_computed(graph)
    yaml_path().write_text(SMALL)
    refresh(graph)


def test_rows_that_are_not_those_of_the_bars_are_not_built_upon(
    graph: Graph, computed: Computed
) -> None:
    """Where stored rows were tampered with, the whole month is computed."""
    lake = graph.platform.lake
    where = {"symbol": SYMBOL, "month": JAN}
    lake.replace({"features": lake.read("features", where=where).slice(1)}, where)
    set_features("{groups: [returns, candle, clock]}")
    refresh(graph)
    features = graph.platform.feature_set(graph.platform.experiment())
    assert [names for month, names in computed if month == JAN] == [features.names]
    as_computed(graph)
    yaml_path().write_text(SMALL)
    refresh(graph)


@pytest.mark.parametrize(
    ("check", "value"), [("features_equal_live", 0.125), ("features_are_finite", np.inf)]
)
def test_what_is_stored_is_judged_and_not_what_was_computed(
    graph: Graph, check: str, value: float
) -> None:
    """A table that holds something else than a stream gives, or no number, fails its check."""
    lake, where = graph.platform.lake, {"symbol": SYMBOL, "month": FEB}
    rows = lake.read("features", where=where)
    name, place = "log_return_5", rows.column_names.index("log_return_5")
    wrong = pa.repeat(pa.scalar(value, pa.float32()), rows.num_rows)
    lake.replace({"features": rows.set_column(place, name, wrong)}, where)
    with pytest.raises(dg.DagsterError, match=check):
        refresh(graph, FEB)
    lake.replace({"features": rows}, where)
    refresh(graph, FEB)


def test_a_page_and_pictures_show_each_feature(graph: Graph) -> None:
    """Of all months; the pictures stand on the last partition's event, the page's place too."""
    page = graph.platform.reports / "features" / f"{SYMBOL}.html"
    text = page.read_text()
    features = graph.platform.feature_set(graph.platform.experiment())
    assert all(f'id="{name}"' in text for name in features.names)
    key = dg.AssetKey("features")
    events = graph.instance.fetch_materializations(
        dg.AssetRecordsFilter(key, asset_partitions=[f"{FEB}|{SYMBOL}"]), limit=50
    )
    shown = [
        event.asset_materialization.metadata
        for event in events.records
        if event.asset_materialization is not None
    ]
    assert shown[-1]["page"].value == str(page)
    assert {f"features: {group}" for group in features.groups} <= set(shown[-1])
    lost = shown[-1]["missing_by_cause"].value
    (record,) = lost.records  # type: ignore[union-attr]
    assert record.data["rows"] == 60 * 1440
    assert record.data["warm_up"] == features.warm_up


def test_the_catalogue_answers_in_sql_and_the_columns_say_what_they_are(graph: Graph) -> None:
    """One row for each column; its description, unit and formula are its comment too."""
    platform = graph.platform
    asked = "select name, description, formula, unit from feature_catalog order by name"
    rows = query(platform.lake, Path(platform.home) / "raw_bars", asked).to_pylist()
    features = platform.feature_set(platform.experiment())
    assert [row["name"] for row in rows] == sorted(features.names)
    cursor = platform.lake.catalogue.cursor()
    told = cursor.execute(
        "select column_name, comment from duckdb_columns() where table_name = 'features'"
    ).fetchall()
    comments = dict(told)
    for row in rows:
        for text in (row["description"], row["formula"], row["unit"]):
            assert text in comments[row["name"]]
    assert pa.schema([(one.name, one.arrow) for one in FEATURE_CATALOG.columns]) == CATALOG_SCHEMA


def test_another_text_of_a_feature_renews_its_comment_without_computing(
    graph: Graph, computed: Computed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalogue is replaced when it says something else, though no value has changed."""
    shipped = default_feature_set(FeatureConfig(groups=("returns", "candle")))
    first = replace(shipped.features[0], words="Said in other words")
    other = FeatureSet((first, *shipped.features[1:]), shipped.gaps)
    monkeypatch.setattr(type(graph.platform), "feature_set", lambda self, experiment: other)
    refresh(graph)
    assert computed == []
    lake = graph.platform.lake
    (told,) = lake.read("feature_catalog", ("description",), {"name": first.name}).to_pylist()
    assert told["description"] == "Said in other words"
    monkeypatch.undo()
    refresh(graph)


def test_what_has_changed_is_told_in_few_words() -> None:
    """The first columns by name, the number of the others, and which bars."""
    features = default_feature_set(FeatureConfig(groups=("returns", "candle")))
    columns = FeatureColumns(features)
    names = features.names
    bars = Bars.empty(SYMBOL)
    whole = columns.made_of(bars, JAN, True)
    assert columns.changes(whole, whole) == ""
    assert columns.due(whole, whole) == ()
    few = {**whole, "columns": columns.without(names[:2], whole)["columns"]}
    assert columns.changes(few, whole) == f"columns {names[0]} and {names[1]} are new"
    assert columns.due(few, whole) == names[:2]
    none = {**whole, "columns": ""}
    told = f"columns {', '.join(names[:3])} and {len(names) - 3} others are new"
    assert columns.changes(none, columns.definitions()) == told
    moved = {**whole, "bars": "1:0", "complete": "False"}
    assert columns.changes(moved, whole) == "bars, complete"
    assert columns.due(moved, whole) == names


def test_what_is_on_record_is_small_and_the_same_for_all_months() -> None:
    """A hundred symbols of three years and a hundred columns are some megabytes before packing."""
    features = default_feature_set()
    columns = FeatureColumns(features)
    made_of = columns.made_of(Bars.empty(SYMBOL), JAN, True)
    assert set(made_of) == {"columns", "bars", "complete"}
    assert len(made_of["columns"]) < 40 * len(features.names)
    assert made_of["columns"] == columns.made_of(Bars.empty(SYMBOL), FEB, True)["columns"]
    assert len(made_of["bars"]) < 200
    assert len({code_of(one) for one in features.features}) > 20
