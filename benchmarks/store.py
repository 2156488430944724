"""The lake beside plain DuckDB on plain Parquet files: one month of features, written and read.

Plain DuckDB has no transaction over the files, no snapshots, no fsync, and no write lock; the
ratios are the price of these. Both sides run in turns, in one process. Run it with

    python benchmarks/store.py [--rows 43200] [--columns 60] [--months 6] [--turns 9]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from crypto_nn.store import Lake, query

SYMBOL = "BTC-USDT"


def month_of_features(month: str, rows: int, columns: int) -> pa.Table:
    noise = np.random.default_rng(0).normal(size=(columns, rows)).astype(np.float32)
    ts = np.datetime64(month, "us") + np.arange(rows) * np.timedelta64(1, "m")
    return pa.table(
        {
            "symbol": pa.repeat(SYMBOL, rows),
            "month": pa.repeat(month, rows),
            "ts": pa.array(ts),
            **{f"f{i}": pa.array(column) for i, column in enumerate(noise)},
        }
    )


def timed(task: Callable[[], object]) -> float:
    began = time.perf_counter()
    task()
    return time.perf_counter() - began


def compare(what: str, ours: Callable[[], object], plain: Callable[[], object], turns: int) -> None:
    """Both in turns; medians and their ratio, after one round that does not count."""
    pairs = [(timed(ours), timed(plain)) for _ in range(turns + 1)][1:]
    mine, theirs = (statistics.median(side) for side in zip(*pairs))
    print(
        f"{what:<34}{mine * 1e3:9.1f} ms{theirs * 1e3:9.1f} ms{mine / theirs:8.2f}×"
        f"   best of {turns}: {min(a for a, _ in pairs) * 1e3:.1f} / "
        f"{min(b for _, b in pairs) * 1e3:.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("rows", 43_200), ("columns", 60), ("months", 6), ("turns", 9)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options)


def measure(root: Path, options: argparse.Namespace) -> None:
    months = [f"2024-{number + 1:02d}" for number in range(options.months)]
    parts = {month: month_of_features(month, options.rows, options.columns) for month in months}
    lake, plain, files = Lake(root / "lake"), duckdb.connect(), root / "plain"
    files.mkdir()

    def file(month: str) -> str:
        return str(files / f"{SYMBOL}-{month}.parquet")

    def ours_writes(month: str) -> None:
        lake.replace({"features": parts[month]}, {"symbol": SYMBOL, "month": month})

    def plain_reads(sql: str, paths: str) -> pa.Table:
        return plain.execute(sql, [paths]).to_arrow_table()

    def plain_writes(month: str) -> None:
        plain.register("rows", parts[month])
        plain.execute(f"COPY rows TO '{file(month)}'")
        plain.unregister("rows")

    for month in months:
        ours_writes(month)
        plain_writes(month)
    first, where = months[0], {"symbol": SYMBOL, "month": months[0]}
    print(f"{options.months} months of {options.rows} rows × {options.columns} float32 columns")
    print(f"{'':<34}{'lake':>12}{'plain':>12}{'ratio':>9}")
    compare(
        "replace a month",
        lambda: ours_writes(first),
        lambda: plain_writes(first),
        options.turns,
    )
    compare(
        "read a month, all columns",
        lambda: lake.read("features", where=where),
        lambda: plain_reads("FROM read_parquet(?) ORDER BY symbol, ts", file(first)),
        options.turns,
    )
    compare(
        "read all months, three columns",
        lambda: lake.read("features", ["ts", "f0", "f1"]),
        lambda: plain_reads(
            "SELECT ts, f0, f1 FROM read_parquet(?) ORDER BY symbol, ts", f"{files}/*.parquet"
        ),
        options.turns,
    )
    compare(
        "one guarded query, from nothing",
        lambda: query(lake, root / "raw", "SELECT count(*), avg(f0) FROM features"),
        lambda: (
            duckdb.connect()
            .execute("SELECT count(*), avg(f0) FROM read_parquet(?)", [f"{files}/*.parquet"])
            .to_arrow_table()
        ),
        options.turns,
    )
    lake.close()


if __name__ == "__main__":
    main()
