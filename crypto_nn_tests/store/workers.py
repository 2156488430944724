"""What child processes of the store's tests do; each returns the commit to be made."""

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from crypto_nn.bars import M1, Bars
from crypto_nn.errors import CryptoNNError
from crypto_nn.store import Lake, ModelStore, RawStore

JANUARY = np.datetime64("2024-01-01", "us")
PARTITION = {"symbol": "BTC-USDT", "month": "2024-01"}


def minutes(rows: int, start: np.datetime64 = JANUARY) -> np.ndarray[Any, np.dtype[Any]]:
    return start + np.arange(rows) * M1.step


def some_bars(rows: int, value: float = 100.0, start: np.datetime64 = JANUARY) -> Bars:
    """Bars whose close is `value` everywhere, so that a mixture of two versions shows."""
    flat = np.full(rows, value)
    return Bars("BTC-USDT", M1, minutes(rows, start), flat, flat, flat, flat, flat)


def feature_rows(rows: int, value: float, columns: int = 8) -> pa.Table:
    made = {f"f{i}": pa.array(np.full(rows, value, np.float32)) for i in range(columns)}
    return pa.table({"ts": pa.array(minutes(rows)), **made})


def label_rows(rows: int, value: float) -> pa.Table:
    return pa.table({"ts": pa.array(minutes(rows)), "sigma": pa.array(np.full(rows, value))})


def write_version(lake: Lake, version: int, rows: int) -> int:
    """Features and labels of one month, all saying the version, in one transaction."""
    tables = {"features": feature_rows(rows, version), "labels": label_rows(rows, version)}
    return lake.replace(tables, PARTITION)


def replace_month(root: Path, version: int, rows: int) -> Callable[[], int]:
    lake = Lake(root)
    lake.snapshot()
    return lambda: write_version(lake, version, rows)


def replace_month_and_die_between(root: Path, version: int, rows: int) -> Callable[[], int]:
    """Crash after the old rows are deleted and before the new ones are inserted."""
    lake = Lake(root)
    lake.snapshot()

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    lake._insert = die  # type: ignore[method-assign, assignment]
    return lambda: write_version(lake, version, rows)


def append_raw(root: Path, value: float, rows: int) -> Callable[[], object]:
    store, bars = RawStore(root), some_bars(rows, value)
    return lambda: store.append("files", "BTC-USDT", "2024-01", bars, JANUARY)


def append_raw_days(root: Path, days: list[int]) -> Callable[[], None]:
    store = RawStore(root)

    def commit() -> None:
        for day in days:
            bars = some_bars(60, start=JANUARY + np.timedelta64(day, "D"))
            store.append("files", "BTC-USDT", "2024-01", bars, JANUARY)

    return commit


def save_model(root: Path, version: str, files: dict[str, bytes]) -> Callable[[], str]:
    store = ModelStore(root)
    return lambda: str(store.save("lstm", version, files))


def append_and_replace(root: Path, writer: int, commits: int) -> Callable[[], list[int]]:
    """Alerts appended by all, a month of its own and a month that all fight over."""
    lake = Lake(root)

    def commit() -> list[int]:
        snapshots = []
        for number in range(commits):
            alert = pa.table({"kind": ["data"], "key": [f"{writer}-{number}"], "message": ["-"]})
            snapshots.append(lake.append("alerts", alert))
            rows = label_rows(50 + writer, writer)
            for month in (f"2023-{writer + 1:02d}", "2024-01"):
                partition = {"symbol": "BTC-USDT", "month": month}
                snapshots.append(lake.replace({"labels": rows}, partition))
        return snapshots

    return commit


def replace_until_told(root: Path, flag: Path, rows: int) -> Callable[[], int]:
    """Write version after version until a file appears."""
    lake = Lake(root)
    lake.snapshot()

    def commit() -> int:
        version = 1
        while not flag.exists():
            version += 1
            write_version(lake, version, rows)
        return version

    return commit


def fill_the_disk(root: Path, limit: int) -> Callable[[], list[str]]:
    """Write more than a file may hold, to each store; the names of the errors that came."""
    lake = Lake(root / "lake")
    lake.snapshot()
    noise = np.random.default_rng(0).normal(size=(limit // 2,))
    flat = noise[:40_000]
    bars = Bars("BTC-USDT", M1, minutes(40_000), flat, flat, flat, flat, flat)
    rows = pa.table({"ts": pa.array(minutes(len(noise))), "sigma": pa.array(noise)})
    writes: list[Callable[[], object]] = [
        lambda: lake.replace({"labels": rows}, PARTITION),
        lambda: RawStore(root / "raw").append("files", "BTC-USDT", "2024-01", bars, JANUARY),
        lambda: ModelStore(root / "models").save("lstm", "v2", {"w": noise.tobytes()}),
    ]

    def commit() -> list[str]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        errors = []
        for write in writes:
            try:
                write()
            except (OSError, CryptoNNError) as error:
                errors.append(type(error).__name__)
        return errors

    return commit
