"""`python -m crypto_nn_tests.soak --seed 1`: a year of the platform; `--days 30` for less."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from crypto_nn_tests.soak.play import LawBroken, Outcome, Soak, open_world, prepare
from crypto_nn_tests.soak.report import lines
from crypto_nn_tests.soak.scenario import Scenario, scenario

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def soak(
    plan: Scenario, home: Path, until_day: int | None = None, with_database: bool = True
) -> Outcome:
    """Play a scenario in a fresh home; this process must have imported nothing of the platform's
    definitions before, since partition keys come from its YAML.

    Raises:
        LawBroken: something that must hold does not.
    """
    with ExitStack() as open_:
        mail, cluster, dsn = open_world(open_, with_database)
        os.environ |= prepare(plan, home, mail, dsn)
        soak = Soak(plan, home, mail, cluster)
        open_.callback(soak.stage.stop)
        return soak.play(until_day, lambda text: print(text, flush=True))


def main() -> int:
    """Play one seed, and say how it ended."""
    parser = argparse.ArgumentParser(prog="python -m crypto_nn_tests.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides everything that happens")
    parser.add_argument("--days", type=int, default=365, help="how many days; the seed is of both")
    parser.add_argument("--until-day", type=int, help="stop after so many of them")
    parser.add_argument("--home", type=Path, help="a folder to make; a temporary one by default")
    parser.add_argument("--no-database", action="store_true", help="leave Postgres out")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers end too
    os.environ |= dict.fromkeys(_ONE_THREAD, "1")  # the order of sums is part of the trace
    home = args.home or Path(tempfile.mkdtemp(prefix="crypto_nn_soak_"))
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    plan = scenario(args.seed, args.days)
    print(f"seed {plan.seed}, {plan.days} days, {len(plan.faults)} faults, in {home}", flush=True)
    try:
        outcome = soak(plan, home, args.until_day, not args.no_database)
    except LawBroken as law:
        print(f"FAILED: {law}")
        return 1
    print("\n".join(lines(plan, outcome)))
    if args.home is None:
        shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
