"""How often a challenger is promoted in vain, and how soon a better one is: beside a daily t-test.

    python benchmarks/shadow.py                     # 2,000 histories of 365 days each
    python benchmarks/shadow.py --histories 200 --days 120

A history is a series of daily differences in log-loss between champion and challenger. Both tests
look at it every day from the seventh on and stop at their first verdict; α is 5 %, one-sided.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from scipy.stats import t as student

from crypto_nn.metrics.paired import PairedTest, e_process

ALPHA, MIN_DAYS, WINDOW = 0.05, 7, 60
History = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], History]
NEVER = 10**6


def garch(rng: np.random.Generator, days: int) -> History:
    """GARCH(1, 1) with normal shocks, α 0.1 and β 0.88; the variance is 1 in the long run."""
    variance, values = 1.0, np.empty(days)
    for day in range(days):
        values[day] = np.sqrt(variance) * rng.standard_normal()
        variance = 0.02 + 0.1 * values[day] ** 2 + 0.88 * variance
    return values


def follows(strength: float) -> Draw:
    """An autoregression of this strength with unit variance."""

    def draw(rng: np.random.Generator, days: int) -> History:
        shocks = rng.standard_normal(days + 50) * np.sqrt(1 - strength**2)
        values = np.empty(days + 50)
        values[0] = rng.standard_normal()
        for day in range(1, days + 50):
            values[day] = strength * values[day - 1] + shocks[day]
        return values[50:]

    return draw


def skewed(rng: np.random.Generator, days: int) -> History:
    """Mean zero, but mostly small losses and rarely a large gain (log-normal, centred)."""
    return (np.exp(rng.standard_normal(days)) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)


NULLS: Mapping[str, Draw] = {
    "i.i.d. normal": lambda rng, days: rng.standard_normal(days),
    "i.i.d. t₃": lambda rng, days: rng.standard_t(3, days) / np.sqrt(3),
    "GARCH(0.1, 0.88)": garch,
    "AR(0.3)": follows(0.3),
    "skewed to the right": skewed,
    "skewed to the left": lambda rng, days: -skewed(rng, days),
}
EFFECTS = (0.1, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True)
class Verdict:
    """The day of the first verdict, from 1 (NEVER: none), and whether it was for the challenger."""

    day: int
    better: bool


def ours(gains: History, block_days: int = 1) -> Verdict:
    """The e-process of `crypto_nn.metrics.paired`."""
    found = e_process(gains, PairedTest(block_days=block_days)).first(1 / ALPHA, MIN_DAYS)
    return Verdict(NEVER, False) if found is None else Verdict(found[0] + 1, found[1])


def daily_t_test(gains: History) -> Verdict:
    """A t-test of all days so far, every day, until it says yes: what not to do."""
    count = np.arange(1, len(gains) + 1)
    mean = np.cumsum(gains) / count
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt((np.cumsum(gains**2) / count - mean**2) * count / (count - 1))
        yes = mean / (spread / np.sqrt(count)) > student.ppf(1 - ALPHA, np.maximum(count - 1, 1))
    yes[: MIN_DAYS - 1] = False
    return Verdict(int(yes.argmax()) + 1, True) if yes.any() else Verdict(NEVER, False)


TESTS: Mapping[str, Callable[[History], Verdict]] = {
    "ours": ours,
    "ours, block_days 5": lambda gains: ours(gains, 5),
    "t-test every day": daily_t_test,
}


def rate(hits: int, of: int) -> str:
    """A share with its 95 % interval (Clopper and Pearson)."""
    low = beta.ppf(0.025, hits, of - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, of - hits) if hits < of else 1.0
    return f"{hits / of:.1%} [{low:.1%}, {high:.1%}]"


def false_promotions(histories: int, days: int) -> list[str]:
    """Of histories in which nobody is better, the share with a promotion."""
    lines = [
        f"| no difference, {days} days | {' | '.join(TESTS)} |",
        "|---" * (len(TESTS) + 1) + "|",
    ]
    for number, (name, draw) in enumerate(NULLS.items()):
        rng = np.random.default_rng([1, number])
        drawn = [draw(rng, days) for _ in range(histories)]
        cells = []
        for test in TESTS.values():
            verdicts = [test(gains) for gains in drawn]
            cells.append(rate(sum(v.day < NEVER and v.better for v in verdicts), histories))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def power(histories: int, days: int) -> list[str]:
    """Days until the promotion of a better one, by its daily advantage over its spread."""
    head = "median days to promotion; promoted within 60 and within all days"
    lines = [f"| mean / sd a day | {' | '.join(TESTS)} |", "|---" * (len(TESTS) + 1) + "|"]
    for number, effect in enumerate(EFFECTS):
        rng = np.random.default_rng([2, number])
        drawn = [rng.standard_normal(days) + effect for _ in range(histories)]
        cells = []
        for test in TESTS.values():
            day = np.array([v.day if v.better else NEVER for v in map(test, drawn)])
            median = np.median(day)
            told = f"{median:.0f}" if median < NEVER else f"> {days}"
            shares = f"{np.mean(day <= WINDOW):.0%}, {np.mean(day < NEVER):.0%}"
            cells.append(f"{told} ({shares})")
        lines.append(f"| {effect:g} | {' | '.join(cells)} |")
    return [head, "", *lines]


def main() -> None:
    """Both tables, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=2000)
    parser.add_argument("--days", type=int, default=365)
    asked = parser.parse_args()
    began = time.perf_counter()
    print("\n".join(false_promotions(asked.histories, asked.days)), end="\n\n")
    print("\n".join(power(asked.histories, asked.days)), end="\n\n")
    print(f"{asked.histories} histories of {asked.days} days, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
