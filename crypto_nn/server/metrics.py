"""What Prometheus reads of a server: every worker counts, whichever answers tells for all."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from crypto_nn.errors import ConfigError

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_AGE = "crypto_nn_server_bar_age_seconds"
_VERSION, _BAR = "crypto_nn_server_version_info", "crypto_nn_server_bar_close_timestamp_seconds"


class ServerMetrics:
    """The measures of one worker, and what all workers together have measured.

    Several workers share a folder (`prepare`), and PROMETHEUS_MULTIPROC_DIR must have named it
    before `prometheus_client` was loaded in each. A worker that dies must be told (`forget`).

    Args:
        folder: shared by all workers; None where one process serves alone.

    Raises:
        ConfigError: this process would count for itself alone although there is a folder, or
            the other way round.
    """

    def __init__(self, folder: Path | None = None) -> None:
        shares = values.ValueClass is not values.MutexValue
        if shares is (folder is None):
            raise ConfigError(
                f"Metrics were to be kept in {folder or 'this process'}, but PROMETHEUS_MULTIPROC_"
                f"DIR {'was' if shares else 'was not'} set when prometheus_client was loaded. Set "
                "it before a worker starts where there is a folder, and only there."
            )
        self.folder = folder
        self._own = own = CollectorRegistry(auto_describe=False)
        self._requests = Counter("crypto_nn_server_requests", "Requests that were answered.",
                                 ("route", "status"), registry=own)  # fmt: skip
        self._seconds = Histogram("crypto_nn_server_request_seconds", "From request to answer.",
                                  ("route",), registry=own, buckets=_SECONDS)  # fmt: skip
        self._queue = _gauge("queue_depth", "Questions that wait for the model.", own)
        self._batch = Histogram("crypto_nn_server_batch_size", "Windows in one pass of the model.",
                                registry=own, buckets=_SIZES)  # fmt: skip
        self._shed = Counter("crypto_nn_server_shed", "Questions that were refused or given up.",
                             ("reason",), registry=own)  # fmt: skip
        self._versions = Gauge(_VERSION, "Workers that answer with this version.",
                               ("universe", "version", "role"), registry=own,
                               multiprocess_mode="livesum")  # fmt: skip
        self._bars = Gauge(_BAR, "Close of the newest bar, since 1970.", ("symbol",),
                           registry=own, multiprocess_mode="livemax")  # fmt: skip
        self._clients = _gauge("socket_clients", "Open WebSockets.", own)
        self._cut = Counter("crypto_nn_server_socket_cut", "WebSockets cut for being slow.",
                            registry=own)  # fmt: skip
        self._served = Counter("crypto_nn_server_served_rows", "Answers on their way to the lake.",
                               registry=own)  # fmt: skip
        self._dropped = Counter("crypto_nn_server_dropped_rows", "Answers that were not kept.",
                                registry=own)  # fmt: skip
        self._pending = _gauge("pending_rows", "Answers in memory, not yet on the disk.", own)
        self._in_force: set[tuple[str, str, str]] = set()
        self._told: dict[str, int] = {}

    def requested(self, route: str, status: int, seconds: float) -> None:
        """Count an answer. `route` is the template (such as `/predict`), never the path asked."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def queued(self, depth: int) -> None:
        """So many questions wait for the model in this worker."""
        self._queue.set(depth)

    def batched(self, size: int) -> None:
        """The model was given so many windows at once."""
        self._batch.observe(size)

    def shed(self, reason: str) -> None:
        """A question was refused or given up: `queue`, `deadline`, `rate` or `stale`."""
        self._shed.labels(reason).inc()

    def in_force(self, versions: Iterable[tuple[str, str, str]]) -> None:
        """These (universe, version, role) answer in this worker now, and no others."""
        now = set(versions)
        for gone in self._in_force - now:
            self._versions.labels(*gone).set(0)
        for there in now:
            self._versions.labels(*there).set(1)
        self._in_force = now

    def bar_closed(self, symbol: str, close_s: float) -> None:
        """The newest bar of a symbol closed then, in seconds since 1970."""
        self._bars.labels(symbol).set(close_s)

    def sockets(self, clients: int, cut: int) -> None:
        """The open WebSockets of this worker, and how many it has ever cut."""
        self._clients.set(clients)
        self._count(self._cut, "cut", cut)

    def kept(self, added: int, dropped: int, pending: int) -> None:
        """The counts of this worker's `Served`, as they are since its start."""
        self._count(self._served, "added", added)
        self._count(self._dropped, "dropped", dropped)
        self._pending.set(pending)

    def render(self, now_s: float) -> tuple[bytes, str]:
        """All measures of all workers as text for Prometheus, and its content type.

        Args:
            now_s: seconds since 1970, for the age of bars.
        """
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Told(self._collected(), now_s))
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def _collected(self) -> tuple[Metric, ...]:
        if self.folder is None:
            return tuple(self._own.collect())
        of_all: Any = MultiProcessCollector
        return tuple(of_all(None, str(self.folder)).collect())

    def _count(self, counter: Counter, name: str, total: int) -> None:
        counter.inc(max(total - self._told.get(name, 0), 0))
        self._told[name] = total


class _Told:
    """Metrics as collected, without versions that are out of force, with the age of bars."""

    def __init__(self, metrics: tuple[Metric, ...], now_s: float) -> None:
        self._metrics, self._now_s = metrics, now_s

    def collect(self) -> Iterable[Metric]:
        for metric in self._metrics:
            if metric.name == _VERSION:
                metric.samples = [sample for sample in metric.samples if sample.value]
            yield metric
            if metric.name == _BAR:
                age = GaugeMetricFamily(_AGE, "Since the newest bar closed.", labels=("symbol",))
                for sample in metric.samples:
                    age.add_metric([sample.labels["symbol"]], self._now_s - sample.value)
                yield age


def prepare(folder: Path) -> Mapping[str, str]:
    """Make the folder that workers share, and empty it: before any of them starts.

    Returns:
        What must be in their environment before they load `prometheus_client`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.db"):
        left.unlink(missing_ok=True)
    return MappingProxyType({"PROMETHEUS_MULTIPROC_DIR": str(folder)})


def forget(folder: Path, pid: int) -> None:
    """A worker is dead: its counts stay, but what it was doing is no longer so."""
    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def forget_the_dead(folder: Path) -> tuple[int, ...]:
    """`forget` for every worker whose process is gone; returns their ids."""
    found = {path.stem.rpartition("_")[2] for path in folder.glob("gauge_live*.db")}
    dead = tuple(sorted(int(pid) for pid in found if pid.isdigit() and not _lives(int(pid))))
    for pid in dead:
        forget(folder, pid)
    return dead


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _gauge(name: str, meaning: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(f"crypto_nn_server_{name}", meaning, registry=registry,
                 multiprocess_mode="livesum")  # fmt: skip
