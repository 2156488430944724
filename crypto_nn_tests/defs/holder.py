"""A run that holds a pool in a process of its own.

`python -m crypto_nn_tests.defs.holder <home>`
"""

import sys
import time
from pathlib import Path

import dagster as dg

from crypto_nn.defs.resources import Platform

HELD = "held"
"""The file that it writes once it holds the pool."""


@dg.op(pool="training")
def hold(context: dg.OpExecutionContext, platform: Platform) -> None:
    """Says that it is there, and never ends."""
    held = Path(platform.home) / HELD
    if not held.exists():
        held.write_text(context.run_id)
        time.sleep(600)


@dg.job
def holding() -> None:
    """The first run of a home never ends; later ones end at once."""
    hold()


def run(instance: dg.DagsterInstance, home: Path) -> dg.ExecuteInProcessResult:
    """Run it in this process."""
    return holding.execute_in_process(
        instance=instance, resources={"platform": Platform(home=str(home))}
    )


if __name__ == "__main__":
    place = Path(sys.argv[1])
    run(dg.DagsterInstance.from_config(str(place)), place)
