"""What Prometheus reads: the last snapshot as gauges, by symbol, universe, version and horizon."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crypto_nn.monitoring.health import Snapshot, age_s

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

Sample = tuple[Mapping[str, str], float | None]
_STALE_INTERVALS, _STALE_S = 4, 60.0


@dataclass(frozen=True)
class Measure:
    """One metric.

    Attributes:
        name: as it is scraped; a counter's ends in _total.
        help: what it means, with its unit.
        labels: the names of its labels.
        of: its samples in a snapshot; a value that is None or NaN is left out.
        counts: whether it only ever grows.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    of: Callable[[Snapshot], Iterator[Sample]]
    counts: bool = False


def registry_of(
    latest: Callable[[], Snapshot],
    now: Callable[[], np.datetime64],
    interval_s: float,
    num_failures: Callable[[], int],
) -> "CollectorRegistry":
    """A registry that gives the latest snapshot, whenever it is asked.

    Args:
        latest: the last snapshot.
        now: naive UTC.
        interval_s: how often a snapshot is due; a far older one means that nothing is known.
        num_failures: how many things could not be looked at since the monitor started.
    """
    from prometheus_client import CollectorRegistry

    class Latest:
        def collect(self) -> "Iterator[Metric]":
            return _metrics(latest(), now(), interval_s, num_failures())

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Latest())
    return registry


def _metrics(
    snapshot: Snapshot, now: np.datetime64, interval_s: float, failures: int
) -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    fresh = age_s(snapshot.at, now) <= max(_STALE_INTERVALS * interval_s, _STALE_S)
    up = GaugeMetricFamily("crypto_nn_up", "Whether the lake was read at the last look: 1 or 0.")
    up.add_metric([], float(snapshot.up and fresh))
    yield up
    wrong = CounterMetricFamily(
        "crypto_nn_monitor_errors_total", "What could not be looked at since the monitor started."
    )
    wrong.add_metric([], failures)
    yield wrong
    for measure in MEASURES:
        kind = CounterMetricFamily if measure.counts else GaugeMetricFamily
        family: Any = kind(measure.name, measure.help, labels=measure.labels)
        for labels, value in measure.of(snapshot):
            if value is not None and not np.isnan(value):
                family.add_metric([labels[name] for name in measure.labels], float(value))
        yield family


def _rows(group: str, *names: str) -> Callable[[Any, str], Iterator[Sample]]:
    """Samples of a column of a group of rows, under labels from other columns."""

    def samples(snapshot: Snapshot, column: str) -> Iterator[Sample]:
        for row in getattr(snapshot, group):
            labels = {_LABELS.get(name, name): _text(row.get(name)) for name in names}
            yield labels, _number(row.get(column))

    return samples


_LABELS = {"model_version": "version"}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _column(group: str, column: str, *names: str, scale: float = 1.0) -> Callable[[Any], Any]:
    samples = _rows(group, *names)

    def of(snapshot: Snapshot) -> Iterator[Sample]:
        for labels, value in samples(snapshot, column):
            yield labels, None if value is None else value * scale

    return of


def _ages(table: str) -> Callable[[Snapshot], Iterator[Sample]]:
    def of(snapshot: Snapshot) -> Iterator[Sample]:
        for one in snapshot.newest:
            if one.table == table:
                yield {"symbol": one.symbol}, age_s(one.until, snapshot.at)

    return of


def _seconds(time: np.datetime64) -> float:
    return float(time.astype("datetime64[us]").astype(np.int64) / 1e6)


def _champion(value: Callable[[Any, Snapshot], float]) -> Callable[[Snapshot], Iterator[Sample]]:
    def of(snapshot: Snapshot) -> Iterator[Sample]:
        for one in snapshot.champions:
            labels = {"universe": one.universe, "version": one.version}
            yield labels, value(one, snapshot)

    return of


def _open(snapshot: Snapshot) -> Iterator[Sample]:
    kinds = {alert.kind for alert in snapshot.alerts} | {"drift", "failure", "data", "service"}
    for kind in sorted(kinds):
        yield {"kind": kind}, float(sum(alert.kind == kind for alert in snapshot.alerts))


def _way(attribute: str) -> Callable[[Snapshot], Iterator[Sample]]:
    def of(snapshot: Snapshot) -> Iterator[Sample]:
        for way in snapshot.channels:
            yield {"channel": way.name}, float(getattr(way, attribute))

    return of


def _beats(snapshot: Snapshot) -> Iterator[Sample]:
    for name, beat in snapshot.heartbeats.items():
        yield {"process": name}, _seconds(beat.at)


def _one(value: Callable[[Snapshot], float]) -> Callable[[Snapshot], Iterator[Sample]]:
    def of(snapshot: Snapshot) -> Iterator[Sample]:
        yield {}, value(snapshot)

    return of


_DRIFT = ("symbol", "model_version")
_MODEL = ("universe", "symbol", "model_version", "horizon")
_OF_DRIFT, _OF_MODEL = ("symbol", "version"), ("universe", "symbol", "version", "horizon")
_SHADOW = ("universe", "champion", "shadow", "role")
_ASKED = ("universe", "trigger", "retrain")

MEASURES: tuple[Measure, ...] = (
    Measure("crypto_nn_bars_age_seconds", "Age of the newest bar's close.", ("symbol",),
            _ages("bars")),
    Measure("crypto_nn_live_bars_age_seconds", "Age of the newest live bar's close.", ("symbol",),
            _ages("live_bars")),
    Measure("crypto_nn_features_age_seconds", "Age of the newest row of features.", ("symbol",),
            _ages("features")),
    Measure("crypto_nn_drift_score", "Last drift score: above the threshold the day is drifted.",
            _OF_DRIFT, _column("drift", "drift_score", *_DRIFT)),
    Measure("crypto_nn_drift_threshold", "Drift score that was allowed.",
            _OF_DRIFT, _column("drift", "threshold", *_DRIFT)),
    Measure("crypto_nn_drifted", "Whether the last day that was tested is drifted: 1 or 0.",
            _OF_DRIFT, _column("drift", "drifted", *_DRIFT)),
    Measure("crypto_nn_drift_p_value", "Chance of such a day without drift.",
            _OF_DRIFT, _column("drift", "p_value", *_DRIFT)),
    Measure("crypto_nn_model_evidence", "Evidence (e-value) that the champion does worse; 1: none.",
            _OF_DRIFT, _column("evidence", "e_value", *_DRIFT)),
    Measure("crypto_nn_model_alarm", "Whether that evidence has reached its level: 1 or 0.",
            _OF_DRIFT, _column("evidence", "alarm", *_DRIFT)),
    Measure("crypto_nn_accuracy_ratio", "Share of right classes, 0 to 1.",
            _OF_MODEL, _column("metrics", "accuracy", *_MODEL)),
    Measure("crypto_nn_majority_ratio", "Accuracy of always saying the commonest class.",
            _OF_MODEL, _column("metrics", "majority", *_MODEL)),
    Measure("crypto_nn_log_loss_skill_ratio", "1 minus log loss divided by that of class shares.",
            _OF_MODEL, _column("metrics", "log_loss_skill", *_MODEL)),
    Measure("crypto_nn_latency_seconds", "Median time of one prediction.",
            _OF_MODEL, _column("metrics", "latency_ms", *_MODEL, scale=1e-3)),
    Measure("crypto_nn_champion_info", "The version that answers for a universe: 1.",
            ("universe", "version"), _champion(lambda one, _: 1.0)),
    Measure("crypto_nn_champion_age_seconds", "Since when it answers.",
            ("universe", "version"), _champion(lambda one, s: age_s(one.since, s.at))),
    Measure("crypto_nn_shadow_better_evidence", "Evidence (e-value) that a shadow is better.",
            _SHADOW, _column("shadows", "e_better", *_SHADOW)),
    Measure("crypto_nn_shadow_worse_evidence", "Evidence (e-value) that a shadow is worse.",
            _SHADOW, _column("shadows", "e_worse", *_SHADOW)),
    Measure("crypto_nn_retraining_decisions_total", "Decisions to retrain (true) or not (false).",
            _ASKED, _column("decisions", "rows", *_ASKED), counts=True),
    Measure("crypto_nn_trainings_last_day", "Trainings started in the last 24 hours, by state.",
            ("state",), _column("runs", "rows", "state")),
    Measure("crypto_nn_alerts_open", "Episodes told and not resolved.", ("kind",), _open),
    Measure("crypto_nn_alerts_waiting", "Alerts in the spool of a channel.", ("channel",),
            _way("waiting")),
    Measure("crypto_nn_channel_failures", "Failures of a channel in a row; 0: it works.",
            ("channel",), _way("failures")),
    Measure("crypto_nn_alerts_dropped_total", "Alerts that a full spool gave up.", ("channel",),
            _way("dropped"), counts=True),
    Measure("crypto_nn_heartbeat_timestamp_seconds", "Last sign of life, since 1970.",
            ("process",), _beats),
    Measure("crypto_nn_disk_free_bytes", "Free space below the home.", (),
            _one(lambda s: s.disk_free)),
    Measure("crypto_nn_disk_size_bytes", "Size of that disk.", (), _one(lambda s: s.disk_size)),
    Measure("crypto_nn_look_timestamp_seconds", "When the monitor looked last, since 1970.", (),
            _one(lambda s: _seconds(s.at))),
    Measure("crypto_nn_look_duration_seconds", "How long that took.", (),
            _one(lambda s: s.seconds)),
)  # fmt: skip
