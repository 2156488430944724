"""History into the platform beside DuckDB reading and writing the same file.

Ours, in one process and without Dagster's start, is all that the assets `raw_bars` and `bars` do
for a file of 30 months: it is read month by month, each month is stored with its revisions, read
again and verified, every row is inspected, and bars, quarantine, gaps and the ledger are replaced
in a transaction for every twelve months; then what lies in the tables is counted and looked at.
DuckDB reads the file and writes it, ordered by time, on all cores. Both run in turns, in one
process, and the ratio of each turn's times is told. A second ingest, which finds nothing new, is
measured as well.

    python benchmarks/ingest.py [FILE] [--turns 5] [--profile]

Without FILE it is the history in shared/market; where that is missing, one of the same size is
made up.

Ours is one thread after another, DuckDB's copy uses all: on a machine that is busy with other
things the ratio comes out higher.

What took the time, and no longer does: decoding a row group of two years for each of its months;
50 ms for each question to a lake table that never had a row; a third of each transaction, in which
DuckDB's main thread asked its worker over and over whether it has done; dictionaries of prices and
plain stamps in the raw files (twice the time, nearly twice the size); a pandas groupby over every
row to find the known ones; one question to the lake per month and check.

What was tried and did not help: constant text columns as dictionaries, runs or SQL literals in the
INSERT (within 5 %); inspecting a month in another thread while one is written (they take turns at
the interpreter's lock); Parquet version 2, LZ4 or no compression in the lake (10 to 20 % of the
INSERT, for larger files); `preserve_insertion_order` off. BYTE_STREAM_SPLIT would halve the writing
of raw files once more (0.2 s of all), but makes them a third larger, and older readers do not know
it.
"""

import argparse
import cProfile
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import month_bounds, months_between
from crypto_nn.bars.quality import inspect
from crypto_nn.sources import FilesConfig
from crypto_nn.store import Lake, RawStore
from crypto_nn.store.lineage import TABLE as LEDGER
from crypto_nn.store.lineage import Made, content_of, read_ledger
from crypto_nn.store.live import LiveBars
from crypto_nn.store.recount import recount
from crypto_nn.store.replacement import OnePart
from crypto_nn.store.sealed import claimed
from crypto_nn_tests.market import BTC, MARKET

NAME = "files"
NOW = np.datetime64("2026-01-01", "us")
Keys = dict[str, str]
TOGETHER = 12
"""How many months the asset `bars` replaces in one transaction."""


def made_up(path: Path, rows: int = 1_313_200) -> Path:
    """A file of as many rows as the history has, in the same columns."""
    ts = np.datetime64("2023-01-01", "ms") + np.arange(rows) * np.timedelta64(1, "m")
    noise = np.random.default_rng(0)
    close = np.round(30_000 * np.exp(np.cumsum(noise.normal(0, 5e-4, rows))), 2)
    opening = np.append(close[0], close[:-1])
    columns = {
        "open": opening,
        "high": np.maximum(opening, close) + np.round(noise.exponential(3, rows), 2),
        "low": np.minimum(opening, close) - np.round(noise.exponential(3, rows), 2),
        "close": close,
        "volume": np.round(noise.exponential(20, rows), 5),
    }
    table = pa.table({"ts": pa.array(ts, pa.timestamp("ms", "UTC")), **columns})
    pq.write_table(table, path)
    return path


class Ingest:
    """One home with its stores, and what the two assets do there, in the same order."""

    def __init__(self, root: Path, file: Path) -> None:
        self.source = FilesConfig(paths=(str(file),)).open()
        self.raw, self.lake = RawStore(root / "raw_bars"), Lake(root / "lake")
        self.live = LiveBars(self.lake)
        (self.symbol,) = self.source.symbols()
        self.available = self.source.available(self.symbol)
        self.months = months_between(self.available.start, self.available.end)
        self.lake.snapshot()  # opens the connection

    def raw_bars(self) -> int:
        """Fetch and store each month, after what came in live; how many rows were new."""
        new = 0
        for month in self.months:
            assert not self.live.read(self.symbol, month, NAME).num_rows
            pieces = list(self.source.fetch(self.symbol, M1, *month_bounds(month)))
            bars = Bars.concat(pieces) if pieces else Bars.empty(self.symbol)
            new += self.raw.append(NAME, self.symbol, month, bars, NOW).rows_new
        return new

    def bars(self) -> int:
        """Inspect and replace each month that is not on record as made of these raw rows."""
        made, waiting = 0, list[OnePart]()
        for part in self._inspect():
            waiting.append(part)
            if len(waiting) == TOGETHER:
                self.lake.replace_all(waiting)
                made, waiting = made + len(waiting), []
        if waiting:
            self.lake.replace_all(waiting)
        return made + len(waiting)

    def _inspect(self) -> Iterator[OnePart]:
        ledger = read_ledger(self.lake, [self.symbol])
        for month in self.months:
            made_of = {"raw": claimed(self.raw.path(NAME, self.symbol, month))}
            found = ledger.get(("bars", self.symbol, month))
            if found is not None and dict(found.made_of) == made_of:
                self._tell(month)
            else:
                tables, made = self._tables(month, made_of)
                partition = {"symbol": self.symbol, "month": month}
                own = {LEDGER: made.partition}
                yield OnePart(partition, {**tables, LEDGER: made.to_arrow()}, own)

    def _tables(self, month: str, made_of: Keys) -> tuple[dict[str, pa.Table], Made]:
        rows = self.raw.read(self.symbol, month, NAME)
        start, end = month_bounds(month)
        due = (max(start, self.available.start), min(end, self.available.end, NOW))
        found = inspect(rows, None, *due)
        table = found.accepted.to_arrow()
        keys = {"symbol": self.symbol, "month": month, "source": NAME}
        for name, value in keys.items():
            table = table.append_column(name, pa.repeat(value, len(table)))
        assert not self.live.read(self.symbol, month, NAME).num_rows
        content = content_of(found.accepted)
        made = Made("bars", self.symbol, month, made_of, {}, content, NOW)
        tables = {"bars": table, "quarantined_bars": found.quarantined, "bar_gaps": found.gaps}
        return tables, made

    def _tell(self, month: str) -> None:
        """What the asset says of a month that it leaves as it is."""
        where = {"symbol": self.symbol, "month": month}
        self.lake.read("quarantined_bars", ("reason",), where)
        self.lake.read("bar_gaps", ("minutes",), where)
        self.lake.count("bars", where)

    def checks(self) -> int:
        """What the asset checks look at: the tables as they are now; how many bars there are."""
        found = recount(self.lake, self.raw, self.symbol, self.months, NAME)
        assert not found.problems, found.problems
        assert not found.lost, f"{found.lost} rows were lost"
        return found.accepted


def timed(task: Callable[[], object]) -> float:
    began = time.perf_counter()
    task()
    return time.perf_counter() - began


def told(what: str, values: list[float], unit: str) -> None:
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"{what:<44}{middle:8.2f} {unit}   ({low:.2f} to {high:.2f})")


def turn(root: Path, file: Path) -> dict[str, float]:
    """One ingest, one more that finds nothing new, and DuckDB's copy, in seconds."""
    copy = (
        f"COPY (SELECT * FROM read_parquet('{file}') ORDER BY ts) "  # noqa: S608 - ours
        f"TO '{root / 'copy.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
    )
    plain = duckdb.connect()
    seconds = {"duckdb": timed(lambda: plain.execute(copy))}
    plain.close()
    for time_of in ("", " again"):
        os.sync()  # what the side before has left to the operating system is not ours to wait for
        began = time.perf_counter()
        ingest = Ingest(root, file)
        seconds[f"open{time_of}"] = time.perf_counter() - began
        steps = (ingest.raw_bars, ingest.bars, ingest.checks)
        for step in steps:
            seconds[f"{step.__name__}{time_of}"] = timed(step)
        seconds[f"ingest{time_of}"] = time.perf_counter() - began
        ingest.lake.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=MARKET / BTC)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="one ingest under cProfile")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, file = Path(folder), options.file
        if not file.exists():
            file = made_up(root / "BTC-USDT_1m.parquet")
        if options.profile:
            (root / "profiled").mkdir()
            profile = cProfile.Profile()
            with profile:
                turn(root / "profiled", file)
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)
            return
        turns = []
        for number in range(options.turns + 1):
            (root / str(number)).mkdir()
            turns.append(turn(root / str(number), file))
        measured = turns[1:]  # the first one loads libraries and files
    rows = pq.ParquetFile(options.file).metadata.num_rows if options.file.exists() else 1_313_200
    print(f"{rows:,} rows; median of {len(measured)} turns (lowest to highest)")
    for name in measured[0]:
        told(name, [seconds[name] for seconds in measured], "s")
    for name, of in (
        ("ingest, all checks / DuckDB", "ingest"),
        ("ingest again, nothing new / DuckDB", "ingest again"),
    ):
        told(name, [seconds[of] / seconds["duckdb"] for seconds in measured], "×")
    assert not any(name.startswith(("dagster", "torch")) for name in sys.modules)


if __name__ == "__main__":
    main()
