"""`python -m crypto_nn_tests.torture --seeds 500 --workers 2`, or `--seed 17` for one."""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from crypto_nn_tests.torture.run import Verdict, judge, run

_SHOWN = 5


def _results(seeds: range, workers: int, twice_every: int) -> Iterator[Verdict]:
    """The verdict on each seed, as they come; those that are played twice first."""
    twice = [seed for seed in seeds if twice_every and not seed % twice_every]
    once = [seed for seed in seeds if seed not in set(twice)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(judge, seed, 2) for seed in twice]
        waiting += [pool.submit(judge, seed, 1) for seed in once]
        for verdict in as_completed(waiting):
            yield verdict.result()


def main() -> int:
    """Play seeds; say which fail, and how to play one of them again."""
    parser = argparse.ArgumentParser(prog="python -m crypto_nn_tests.torture", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds, from --first on")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument(
        "--twice", type=int, default=10, metavar="N", help="play every N-th twice; 0: none"
    )
    parser.add_argument("--seed", type=int, help="play this one alone, and print its trace")
    args = parser.parse_args()
    if args.seed is not None:
        return _replay(args.seed)
    began, failed, done = time.monotonic(), list[int](), 0
    seeds = range(args.first, args.first + args.seeds)
    for verdict in _results(seeds, args.workers, args.twice):
        done += 1
        if verdict.wrong:
            seed, wrong = verdict
            failed.append(seed)
            print(f"seed {seed} fails: {len(wrong)} things are wrong", flush=True)
            for what in wrong[:_SHOWN]:
                print(f"  {what[:500]}", flush=True)
            print(f"  again: {sys.executable} -m crypto_nn_tests.torture --seed {seed}", flush=True)
        elif done % 50 == 0:
            print(f"{done} of {len(seeds)} seeds, {len(failed)} failed", flush=True)
    words = f"{len(failed)} of {done} seeds failed" if failed else f"all {done} seeds pass"
    print(f"{words} ({time.monotonic() - began:.0f} s)")
    return 1 if failed else 0


def _replay(seed: int) -> int:
    outcome = run(seed)
    for at, *event in outcome.trace:
        print(f"{at:10.3f}", *("" if part is None else part for part in event))
    print(outcome.scenario)
    print(f"trace {outcome.digest}")
    for what in outcome.wrong:
        print(f"WRONG {what}")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
