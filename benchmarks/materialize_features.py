"""Features of 30 months and two symbols through Dagster, and what a new day costs at night.

Real bars are ingested into a home of their own, up to the day before the last. Then, each in a
process of its own, as Dagster's daemon starts one:

* all months of both symbols, as one single-run backfill of the asset `features`;
* the same again, when nothing has changed;
* one new day of one symbol: the box of last month and this one that `refresh_bars` asks for.

Told are the wall time of the whole process, of it the start (imports, the definitions), the run
as Dagster records it, and the step; and how much CPU that took, on all cores, which depends less on
what else the machine does. Nothing is left out of the step: bars are read, features
computed, stored and judged by all checks, pictures drawn, events written.

    python benchmarks/materialize_features.py [--months 30] [--profile]

Half of a backfill's step is DuckDB writing Parquet, a quarter the features, the rest what is told
of them (statistics, pages, hashes, events). What took time and no longer does: a transaction for
each month (six go into one); reading bars for each month with all before it (a year is read at
once); reading back what is unchanged, where the ledger says that nothing has moved; pictures drawn
by matplotlib (nine seconds a symbol; as SVG text a twentieth of one). What did not help: two or
twelve months in a transaction; other compression (zstd is slower, none as fast, and larger).
"""

import argparse
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crypto_nn.bars.calendar import shift_month
from crypto_nn_tests.market import BTC, ETH, MARKET

LAST = "2025-06"
SYMBOLS = ("BTC-USDT", "ETH-USDT")
YAML = """
sources: {{history: {{kind: files, paths: [{folder}]}}}}
symbols:
  BTC-USDT: {{source: history, first_month: {first}, last_month: {last}}}
  ETH-USDT: {{source: history, first_month: {first}, last_month: {last}}}
"""


@dataclass(frozen=True)
class Took:
    """Seconds of one run, from the outside in."""

    process: float
    cpu: float
    start: float
    run: float
    step: float
    step_cpu: float

    def __str__(self) -> str:
        return (
            f"{self.process:6.1f} s process ({self.cpu:5.1f} s of CPU), {self.start:4.1f} s start, "
            f"{self.run:6.1f} s run, {self.step:6.1f} s step ({self.step_cpu:5.1f} s of CPU)"
        )


def cut(folder: Path, first: str, end: str) -> None:
    """Write the real bars from the first month up to a day, exclusive."""
    for name in (BTC, ETH):
        table = pq.read_table(MARKET / name)
        ts = table["ts"].to_numpy()
        kept = (ts >= np.datetime64(first, "us")) & (ts < np.datetime64(end, "us"))
        path = folder / Path(name).name
        path.unlink(missing_ok=True)
        pq.write_table(table.filter(pa.array(kept)), path)


def launch(assets: str, first: str, last: str, profile: bool = False) -> Took:
    """One run in a process of its own."""
    command = [sys.executable, __file__, "--run", assets, "--first", first, "--last", last]
    began, before = time.perf_counter(), _cpu(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, *(["--profile"] if profile else [])], check=True, stdout=subprocess.PIPE
    )
    process, cpu = time.perf_counter() - began, _cpu(resource.RUSAGE_CHILDREN) - before
    return Took(process, cpu, **json.loads(done.stdout.decode().splitlines()[-1]))


def _cpu(who: int) -> float:
    """Seconds of CPU so far."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def run(assets: str, first: str, last: str, profile: bool, began: float) -> None:
    """What the process does: the box from one partition to another, of these assets."""
    import dagster as dg

    from crypto_nn.definitions import defs
    from crypto_nn.defs.graph import Graph

    graph = Graph.here(defs())
    job = graph.definitions.resolve_job_def("refresh_bars")
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    start = time.perf_counter() - began
    profiler = cProfile.Profile()
    if profile:
        profiler.enable()
    ran, before = time.perf_counter(), _cpu(resource.RUSAGE_SELF)
    result = job.execute_in_process(
        instance=graph.instance,
        asset_selection=[dg.AssetKey(name) for name in assets.split(",")],
        tags=tags,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    took, cpu = time.perf_counter() - ran, _cpu(resource.RUSAGE_SELF) - before
    profiler.disable()
    assert result.success
    if profile:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats(70)
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(30)
    steps = [
        event.step_success_data.duration_ms / 1000
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.STEP_SUCCESS
    ]
    print(json.dumps({"start": start, "run": took, "step": sum(steps), "step_cpu": cpu}))


def key(symbol: str, month: str) -> str:
    return f"{month}|{symbol}"


def measure(months: int, profile: bool) -> None:
    first = shift_month(LAST, 1 - months)
    btc, eth = SYMBOLS
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ |= {
            "CRYPTO_NN_CONFIG": str(home / "crypto_nn.yaml"),
            "CRYPTO_NN_HOME": str(home / "data"),
            "DAGSTER_HOME": str(home / "dagster_home"),
        }
        (home / "files").mkdir()
        text = YAML.format(folder=home / "files", first=first, last=LAST)
        (home / "crypto_nn.yaml").write_text(text)
        cut(home / "files", first, f"{LAST}-30")
        box = key(btc, first), key(eth, LAST)
        print(f"raw_bars, bars {months} months x 2: {launch('raw_bars,bars', *box)}")
        print(f"features      {months} months x 2: {launch('features', *box, profile)}")
        print(f"features         again, unchanged: {launch('features', *box)}")
        cut(home / "files", first, f"{shift_month(LAST, 1)}-01")
        night = key(btc, shift_month(LAST, -1)), key(btc, LAST)
        print(f"raw_bars, bars     one day of one: {launch('raw_bars,bars', *night)}")
        print(f"features           one day of one: {launch('features', *night, profile)}")


def main() -> None:
    began = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--months", type=int, default=30)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--first", help=argparse.SUPPRESS)
    parser.add_argument("--last", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        run(asked.run, asked.first, asked.last, asked.profile, began)
    else:
        measure(asked.months, asked.profile)


if __name__ == "__main__":
    main()
