"""A platform with a champion and features until a day, and a daemon that does what it is asked."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from functools import cache
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
import time_machine
from dagster._core.test_utils import create_run_for_test

from crypto_nn.bars.calendar import TS, month_bounds, months_between
from crypto_nn.definitions import defs
from crypto_nn.defs import automation, sensors
from crypto_nn.defs.resources import Platform
from crypto_nn.inference import registry
from crypto_nn.store.lineage import Made

SYMBOL, VERSION = "SYN-USDT", "v1"
GRAPH = cache(defs)
DAY = np.timedelta64(1, "D")
MINUTE = np.timedelta64(1, "m")


def answers(patched: pytest.MonkeyPatch, version: str | None = VERSION) -> None:
    """Let a version be the champion of every universe; None: there is none."""

    def champion_of(models: Any, universe: str) -> registry.Champion | None:
        return None if version is None else registry.Champion(universe, version, "", "")

    patched.setattr(registry, "champion_of", champion_of)


def learned_until(platform: Platform, end: str, version: str = VERSION) -> None:
    """A row of `checkpoints` that says what a version was trained on."""
    row = {"universe": SYMBOL, "version": version, "trained_at": np.datetime64(end, "us").item(),
           "train_end": np.datetime64(end, "us").item()}  # fmt: skip
    platform.lake.append("checkpoints", pa.Table.from_pylist([row]))


def has_features(
    platform: Platform, start: str, end: str, without: Sequence[str] = (), symbol: str = SYMBOL
) -> None:
    """Features of every tenth and every last minute of the days in [start, end), on record."""
    first, last = np.datetime64(start, "us"), np.datetime64(end, "us")
    for month in months_between(first, last):
        begin, stop = month_bounds(month)
        begin, stop = max(begin, first), min(stop, last)
        ts_N = np.unique(
            np.concatenate([
                np.arange(begin, stop, 10 * MINUTE),
                np.arange(begin + DAY, stop + MINUTE, DAY) - MINUTE,
            ])
        ).astype(TS)  # fmt: skip
        ts_N = ts_N[~np.isin(ts_N.astype("datetime64[D]"), np.array(without, "datetime64[D]"))]
        rows = pa.table({"symbol": [symbol] * len(ts_N), "month": [month] * len(ts_N), "ts": ts_N})
        where = {"symbol": symbol, "month": month}
        platform.lake.replace({"features": rows}, where)
        for asset in ("bars", "features", "labels"):
            due = {"due": f"{begin} {stop}"}
            made = Made(asset, symbol, month, due, {}, "", platform.now())
            platform.lake.replace({"partition_inputs": made.to_arrow()}, made.partition)


@dataclass
class Daemon:
    """What the daemon does: it evaluates, launches what is asked for, and moves the clock.

    Attributes:
        asked: every partition that was asked for, in order, as "job partition".
        fails: whether a run fails, by partition and attempt (from 1).
    """

    platform: Platform
    instance: dg.DagsterInstance
    clock: time_machine.Traveller
    fails: Callable[[str, int], bool] = lambda partition, attempt: False
    asked: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    def evaluate(self, name: str = "fill_missing_partitions") -> list[dg.RunRequest]:
        """What a sensor or schedule wants to be run, and nobody runs it."""
        if name == "fill_missing_partitions":
            with dg.build_sensor_context(self.instance, definitions=GRAPH()) as context:
                result = sensors.fill_missing_partitions(context, platform=self.platform)
            assert isinstance(result, dg.SensorResult)
            return list(result.run_requests or [])
        schedule: Any = getattr(automation, name)
        now = self.platform.now().astype("datetime64[us]").item().replace(tzinfo=UTC)
        with dg.build_schedule_context(self.instance, scheduled_execution_time=now) as at:
            found = schedule(at, platform=self.platform)
            return [one for one in found if isinstance(one, dg.RunRequest)]

    def start(self, request: dg.RunRequest) -> dg.DagsterRun:
        """A run that has begun."""
        assert request.run_key not in self.keys, "the daemon would skip it: the key is known"
        self.keys.add(request.run_key or "")
        key = request.partition_key
        assert request.job_name
        self.asked.append(f"{request.job_name} {key}")
        tags = {**request.tags, "dagster/partition": str(key), "dagster/run_key": request.run_key}
        return create_run_for_test(
            self.instance,
            job_name=request.job_name,
            tags=tags,
            status=dg.DagsterRunStatus.STARTED,
        )

    def finish(self, run: dg.DagsterRun) -> None:
        """It succeeds and leaves its partition, or fails."""
        key = run.tags["dagster/partition"]
        attempt = self.asked.count(f"{run.job_name} {key}")
        if self.fails(key, attempt):
            self.instance.report_run_failed(run)
            return
        asset = {"watch": "drift_report", "predict": "predictions"}[run.job_name]
        told = {"versions": dg.MetadataValue.json({SYMBOL: VERSION})}
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(asset, partition=key, metadata=told)
        )
        self.instance.handle_new_event(_succeeded(run))

    def tick(self, name: str = "fill_missing_partitions", minutes: int = 10) -> int:
        """One evaluation, the runs that it asks for, and the time until the next."""
        requests = self.evaluate(name)
        for run in [self.start(request) for request in requests]:
            self.finish(run)
        self.clock.shift(minutes * 60)
        return len(requests)

    def until_quiet(self, most: int = 100) -> int:
        """Tick until nothing is asked for; the largest number asked for at a tick."""
        largest = 0
        for _ in range(most):
            asked = self.tick()
            largest = max(largest, asked)
            if not asked:
                return largest
        raise AssertionError(f"it never stops: {json.dumps(self.asked[-20:])}")


def _succeeded(run: dg.DagsterRun) -> Any:
    from dagster._core.events import DagsterEvent, DagsterEventType
    from dagster._core.events.log import EventLogEntry

    event = DagsterEvent(DagsterEventType.RUN_SUCCESS.value, run.job_name, message="done")
    return EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None, level=20, user_message="done", run_id=run.run_id, timestamp=0.0,
        job_name=run.job_name, dagster_event=event,
    )  # fmt: skip
