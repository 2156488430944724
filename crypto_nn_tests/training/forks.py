"""Processes for tests, from a server that has loaded torch once.

They are forked from that server, not from the test's own process, whose threads a fork would
break.
"""

import multiprocessing
import os

# Threads that wait for each other by spinning take ten times as long where cores are shared. The
# server reads this when it loads torch; the bits do not depend on it.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
FORKS = multiprocessing.get_context("forkserver")
# torch loads _dynamo with the first optimizer, which takes seconds in every child.
FORKS.set_forkserver_preload(
    ["crypto_nn.training.trainer", "crypto_nn_tests.training.tasks", "torch._dynamo"]
)
