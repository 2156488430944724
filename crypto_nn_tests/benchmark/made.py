"""One small benchmark, run once for all tests of what is made from it."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.contestants import baselines
from crypto_nn.benchmark.report import report_html
from crypto_nn.benchmark.result import BenchmarkResult, Provenance
from crypto_nn.benchmark.tried import Trials
from crypto_nn.benchmark.walk_forward import run_benchmark
from crypto_nn_tests.benchmark.worlds import Told, folds_of, world

NASTY = "<script>alert('x')</script> & | *net*"
TRIALS = 33
NOW = np.datetime64("2024-03-01T12:00")
SOURCE = Provenance(
    universe="BTC <pair>",
    venue="Binance spot",
    label="|r| > k·σ·√h",
    snapshot=17,
    code_version="0.1.0",
    command="crypto-nn x | y",
    machine="2 cores",
    num_trials=TRIALS,
    made_at=np.datetime64("2024-02-29T10:00"),
    hours=1.25,
    peak_memory_mb=812.0,
)


@cache
def result(permute: bool = False) -> BenchmarkResult:
    """Two baselines, one who sees the edge, and one with a nasty name who sees nothing."""
    panel = world(edge=0.15, symbols=2)
    config = BenchmarkConfig(resamples=100, permute_labels=permute)
    everyone = [*baselines(("majority", "persistence")), Told("seer"), Told(NASTY, "nothing")]
    folder = Path(mkdtemp())
    made = run_benchmark(
        panel, folds_of(panel), everyone, config, False, folder, SOURCE, Trials(TRIALS)
    )
    source = replace(made.provenance, hours=SOURCE.hours, peak_memory_mb=SOURCE.peak_memory_mb)
    return replace(made, provenance=source)


@cache
def html() -> str:
    """Its page."""
    return report_html(result(), NOW)
