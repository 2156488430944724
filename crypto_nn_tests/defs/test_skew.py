"""What is predicted is what bars and version say; whatever else is stored is found."""

import json
import shutil
from collections.abc import Iterator

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
from dagster._core.errors import DagsterAssetCheckFailedError

from crypto_nn.defs.resources import Platform
from crypto_nn.defs.skew import check_days, days_due
from crypto_nn.errors import LakeError
from crypto_nn.store.lake import Lake
from crypto_nn.store.replacement import OnePart
from crypto_nn_tests.defs.predicted import (
    END,
    GAP,
    MINUTE,
    MONTHS,
    SYMBOL,
    YAML,
    Predicted,
    bars_of,
    build,
    changed,
    definitions,
    revised,
    train,
    write_bars,
)

DAYS = [str(day) for day in np.arange(np.datetime64("2024-01-28"), np.datetime64("2024-02-04"))]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predicted]:
    """Two months of predictions, made by the asset."""
    home = tmp_path_factory.mktemp("skew")
    (home / "crypto_nn.yaml").write_text(YAML)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYPTO_NN_CONFIG", str(home / "crypto_nn.yaml"))
        yield build(home / "data")


@pytest.fixture(scope="module")
def stored(world: Predicted) -> list[OnePart]:
    """What is stored before any test has changed it; an empty ledger."""
    lake = world.platform.lake
    parts = [
        OnePart({"symbol": SYMBOL, "month": month}, {name: lake.read(name, where={"month": month,
                "symbol": SYMBOL}) for name in ("predictions", "bars")})
        for month in MONTHS
    ]  # fmt: skip
    nothing = pa.table({"symbol": pa.array([], pa.string())})
    return [*parts, OnePart({}, {"skew_ledger": nothing, "served_predictions": nothing})]


@pytest.fixture
def made(world: Predicted, stored: list[OnePart]) -> Predicted:
    """The same for each test: what another has changed is put back."""
    world.platform.lake.replace_all(stored)
    return world


def check(made: Predicted, days: int | None = None) -> dict[str, dict[str, object]]:
    """The ledger after a run."""
    list(check_days(made.platform, days_due(made.platform)[:days]))
    return made.ledger()


def verdicts(ledger: dict[str, dict[str, object]]) -> set[object]:
    return {row["verdict"] for row in ledger.values()}


def odd(ledger: dict[str, dict[str, object]]) -> dict[str, object]:
    """The days that are not equal, with their verdict."""
    return {day: row["verdict"] for day, row in ledger.items() if row["verdict"] != "equal"}


def test_what_was_predicted_is_what_is_worked_out_again(made: Predicted) -> None:
    """Every prediction, over a month's end and beside a reference, to the last bit."""
    ledger = check(made)
    assert list(ledger) == DAYS
    assert verdicts(ledger) == {"equal"}
    assert sum(row["rows"] for row in ledger.values()) == sum(  # type: ignore[misc]
        made.rows(month).num_rows for month in MONTHS
    )
    assert {row["largest_difference"] for row in ledger.values()} == {0.0}
    assert days_due(made.platform) == []


def test_the_newest_days_come_first_and_the_rest_next_time(made: Predicted) -> None:
    """A run looks at so many days; the next one goes on."""
    assert list(check(made, 2)) == DAYS[-2:]
    assert list(check(made, 3)) == DAYS[-5:]
    assert list(check(made)) == DAYS


def test_a_killed_run_goes_on(made: Predicted, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before stays; the next run does the rest and nothing twice."""
    write, left = Lake.replace_all, [1]

    def dies(self: Lake, parts: object) -> int:
        if not left.pop():
            raise LakeError("the disk is full")
        left.append(0)
        return write(self, parts)  # type: ignore[arg-type]

    monkeypatch.setattr(Lake, "replace_all", dies)
    with pytest.raises(LakeError, match="disk is full"):
        check(made)
    monkeypatch.undo()
    assert list(made.ledger()) == [day for day in DAYS if day.startswith("2024-02")]
    assert {one.month for one in days_due(made.platform)} == {"2024-01"}
    assert list(check(made)) == DAYS


def test_a_number_that_differs_by_1e5_is_found(made: Predicted) -> None:
    """At its minute, on its day; when it is mended that day is checked again, and only that."""
    rows = made.rows()
    row = rows.to_pylist()[1000]
    made.store(changed(rows, 1000, {"p_up": row["p_up"] + 1e-5}))
    ledger = check(made)
    day = str(row["ts"])[:10]
    assert odd(ledger) == {day: "skew"}
    assert ledger[day]["largest_difference"] == pytest.approx(1e-5)
    assert ledger[day]["largest_at"] == row["ts"]
    made.store(rows)
    assert [one.day for one in days_due(made.platform)] == [day]
    assert verdicts(check(made)) == {"equal"}


@pytest.mark.parametrize(
    "odd_values",
    [
        (("p_up", None), ("p_down", np.nan), ("confidence", np.inf)),
        (("p_flat", 0.3), ("confidence", 1e-9), ("predicted_class", None)),
        (("predicted_class", 3), ("predicted_class", -1), ("predicted_class", "other")),
    ],
)
def test_every_number_counts_also_one_that_is_none(
    made: Predicted, odd_values: tuple[tuple[str, object], ...]
) -> None:
    """One a day: nothing that differs, and nothing that cannot be compared, passes as equal."""
    rows = made.rows()
    for place, (column, value) in zip((5, 5000, 9000), odd_values):
        named = rows["predicted_class"][place].as_py()
        rows = changed(rows, place, {column: (named + 1) % 3 if value == "other" else value})
    made.store(rows)
    assert odd(check(made)) == dict.fromkeys(DAYS[4:], "skew")


def test_two_rows_in_each_others_place_are_found(made: Predicted) -> None:
    """All numbers are there, each at the wrong minute."""
    rows = made.rows()
    listed, names = rows.to_pylist(), ("p_down", "p_flat", "p_up", "predicted_class", "confidence")
    one, other = ({name: listed[at][name] for name in names} for at in (300, 900))
    made.store(changed(changed(rows, 300, other), 900, one))
    assert set(odd(check(made)).values()) == {"skew"}


def test_rows_that_were_lost_invented_or_doubled_are_found(made: Predicted) -> None:
    """A minute without its row, a day without any, a row in a gap, a row twice."""
    rows = made.rows()
    made.store(pa.concat_tables([rows.slice(0, 30), rows.slice(33)]))
    found = check(made)["2024-02-01"]
    assert (found["verdict"], found["absent"]) == ("skew", 3)

    day = rows["ts"].to_numpy().astype("M8[D]") == np.datetime64("2024-02-02")
    made.store(rows.filter(pa.array(~day)))
    found = check(made)["2024-02-02"]
    assert (found["verdict"], found["absent"]) == ("skew", 1440 * 3)

    invented = changed(rows.slice(0, 1), 0, {"ts": GAP.item()})
    made.store(pa.concat_tables([rows, invented]))
    found = check(made)["2024-02-01"]
    assert (found["verdict"], found["missing"]) == ("skew", 1)

    made.store(pa.concat_tables([rows, rows.slice(50, 1)]))
    found = check(made)["2024-02-01"]
    assert (found["verdict"], found["doubled"]) == ("skew", 1)
    made.store(rows)
    assert verdicts(check(made)) == {"equal"}


def test_answers_under_another_versions_name_are_found(made: Predicted) -> None:
    """It is the named version that is asked."""
    other = train(made.platform, seed=1)
    rows = made.rows()
    place = rows.column_names.index("model_version")
    named = pa.array([other] * rows.num_rows, pa.string())
    made.store(rows.set_column(place, "model_version", named))
    assert odd(check(made)) == dict.fromkeys(DAYS[4:], "skew")


@pytest.mark.parametrize("what", ["temperature", "scaler"])
def test_a_version_that_was_changed_is_found(made: Predicted, what: str) -> None:
    """Temperature or scaler of another hand, under the same name and with hashes that fit."""
    models = made.platform.models
    model = models.find(made.version)
    files = dict(models.load(model, made.version))
    config = json.loads(files["config.json"])
    if what == "temperature":
        config["temperature"][0] *= 2
    else:
        name = next(name for name, value in config["scaler"].items() if isinstance(value, list)
                    and isinstance(value[0], float))  # fmt: skip
        config["scaler"][name][0] += 0.01
    aside = models.path(model, made.version).with_name("aside")
    shutil.move(models.path(model, made.version), aside)
    try:
        models.save(model, made.version, {**files, "config.json": json.dumps(config).encode()})
        assert verdicts(check(made)) == {"skew"}
    finally:
        models.remove(model, made.version)
        shutil.move(aside, models.path(model, made.version))


def test_a_version_that_is_gone_is_told_and_no_error(made: Predicted) -> None:
    """What cannot be asked any more is missing, with the reason; the check does not fail."""
    models = made.platform.models
    model = models.find(made.version)
    aside = models.path(model, made.version).with_name("aside")
    shutil.move(models.path(model, made.version), aside)
    try:
        ledger = check(made)
    finally:
        shutil.move(aside, models.path(model, made.version))
    assert verdicts(ledger) == {"missing"}
    assert all(made.version in str(row["note"]) for row in ledger.values())
    assert sum(row["missing"] for row in ledger.values()) > 0  # type: ignore[misc]
    assert outcome(made.platform).passed


def test_a_late_revision_is_told_apart_from_skew(made: Predicted) -> None:
    """Bars that are others now explain a difference from their day on, and not before."""
    at = np.datetime64("2024-02-01T12:00", "us")
    write_bars(made.platform, revised(bars_of(SYMBOL, 1), at), "2024-02")
    ledger = check(made)
    assert odd(ledger) == {"2024-02-01": "revised"}  # returns forget it within the day
    assert "revised" in str(ledger["2024-02-01"]["note"])
    assert outcome(made.platform).passed


def test_a_tampered_day_before_a_revision_is_skew_all_the_same(made: Predicted) -> None:
    """A revision excuses only what comes after it."""
    write_bars(made.platform, revised(bars_of(SYMBOL, 1), END - 60 * MINUTE), "2024-02")
    made.store(changed(made.rows(), 1000, {"p_up": 0.5}))
    assert odd(check(made)) == {"2024-02-01": "skew", "2024-02-03": "revised"}


def test_bars_that_are_gone_are_a_revision(made: Predicted) -> None:
    """Predictions whose bars were taken out are told, and nothing crashes."""
    lake = made.platform.lake
    where = {"symbol": SYMBOL, "month": "2024-02"}
    rows = lake.read("bars", where=where)
    kept = rows["ts"].to_numpy() < np.datetime64("2024-02-02")
    lake.replace({"bars": rows.filter(pa.array(kept))}, where)
    ledger = check(made)
    assert odd(ledger) == {"2024-02-02": "revised", "2024-02-03": "revised"}
    assert ledger["2024-02-02"]["missing"] == 1440 * 3
    lake.replace({"bars": rows.slice(0, 0)}, where)
    lake.replace({"bars": rows.slice(0, 0)}, {**where, "month": "2024-01"})
    lake.replace({"skew_ledger": lake.read("skew_ledger").slice(0, 0)}, {})
    assert verdicts(check(made)) == {"revised"}


def test_served_answers_are_worked_out_again_too(made: Predicted) -> None:
    """The same law for what was answered live; a minute that was not asked for is not missing."""
    lake = made.platform.lake
    rows = made.rows().slice(300, 60)
    served = rows.drop_columns(["in_sample"])
    served = served.append_column("latency_ms", pa.array([1.0] * 60))
    times = served["ts"].to_numpy() + 2 * MINUTE
    served = served.append_column("served_at", pa.array(times, pa.timestamp("us")))
    where = {"symbol": SYMBOL, "month": "2024-02"}
    lake.replace({"served_predictions": served}, where)
    ledger = lake_rows(made, "served")
    assert [(row["verdict"], row["rows"]) for row in ledger] == [("equal", 60)]
    assert ledger[0]["largest_difference"] <= 1e-7  # type: ignore[operator]
    lake.replace({"served_predictions": changed(served, 9, {"p_up": 0.9})}, where)
    assert [row["verdict"] for row in lake_rows(made, "served")] == ["skew"]
    bars = bars_of(SYMBOL, 1)
    seen = bars.between(GAP - 60 * MINUTE, GAP)
    raw = made.platform.raw
    raw.append("synthetic", SYMBOL, "2024-02", seen, times[0])
    late = revised(seen, GAP - 5 * MINUTE)
    raw.append("synthetic", SYMBOL, "2024-02", late, times[-1] + 60 * MINUTE)
    lake.replace({"served_predictions": changed(served, 9, {"p_up": 0.8})}, where)
    assert [row["verdict"] for row in lake_rows(made, "served")] == ["revised"]


def lake_rows(made: Predicted, source: str) -> list[dict[str, object]]:
    check(made)
    rows: list[dict[str, object]] = made.platform.lake.read(
        "skew_ledger", where={"source": source}
    ).to_pylist()
    return rows


def outcome(platform: Platform) -> dg.AssetCheckEvaluation:
    """What the job `check_skew` says."""
    job = definitions(platform).resolve_job_def("check_skew")
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    (found,) = job.execute_in_process(run_config=quiet).get_asset_check_evaluations()
    return found


def test_the_check_fails_until_it_is_mended(made: Predicted) -> None:
    """An error as long as any day of the ledger is skewed, whether it was looked at just now."""
    rows = made.rows()
    made.store(changed(rows, 1000, {"p_up": 0.7}))
    for due in (7, 0):
        found = outcome(made.platform)
        assert not found.passed
        assert found.severity == dg.AssetCheckSeverity.ERROR
        assert found.metadata["days_worked_out_again"].value == due
    told = made.platform.alerts.open("data")
    assert [alert.key.startswith("skew:") for alert in told] == [True]
    made.store(rows)
    assert outcome(made.platform).passed
    assert made.platform.alerts.open("data") == ()


def test_predictions_that_are_made_anew_meanwhile_are_left(made: Predicted) -> None:
    """Rows of one run are not judged by the record of another; the next run sees both."""
    due = days_due(made.platform)
    made.store(changed(made.rows(), 1000, {"p_up": 0.7}))
    list(check_days(made.platform, due))
    assert list(made.ledger()) == DAYS[:4]
    assert odd(check(made)) == {"2024-02-01": "skew"}


def test_the_asset_says_whether_every_minute_is_there(
    made: Predicted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`predictions_are_complete` reads back what was stored, and misses what is not there."""

    assert made.predict(["2024-02"]).success
    write = Lake.replace_all

    def loses(self: Lake, parts: list[object]) -> int:
        for part in parts:
            part.tables["predictions"] = part.tables["predictions"].slice(3)  # type: ignore[attr-defined]
        return write(self, parts)  # type: ignore[arg-type]

    monkeypatch.setattr(Lake, "replace_all", loses)
    with pytest.raises(DagsterAssetCheckFailedError, match="predictions_are_complete"):
        made.predict(["2024-02"])
