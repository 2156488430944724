"""Writes the README's benchmark section and docs/benchmark-results.md from the committed result.

`python docs/benchmark_section.py` reads docs/benchmark/result.json.gz, and where it is there
docs/benchmark/arms.json.gz.
"""

import sys
from pathlib import Path

from crypto_nn.benchmark.section import write


def main() -> None:
    """Write, and say what was written."""
    for path in write(Path(__file__).parents[1]):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
