"""How often the model monitor alarms in vain in a champion's whole time, and how soon in earnest.

    python benchmarks/monitor.py                                        # 100 histories of each kind
    python benchmarks/monitor.py --histories 400 --market ../shared/market/history

A history is 14 baseline days and a year of daily looks, of three horizons. In made-up ones minutes
depend on each other and nothing moves; in real ones a logistic regression forecasts every fifth
minute of bars, and days are shuffled, so that nothing moves either. Every alarm is a false one.
Beside ours stand the rules that dashboards come with, on the same days.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from monitored_days import BASELINE, HORIZONS, LIVE, Days, Harm, forecast_days, made_up, shuffled
from numpy.typing import NDArray
from scipy.stats import beta

from crypto_nn.metrics.sequential import evidence
from crypto_nn.monitoring.error_rates import NULL_STREAMS, Rate
from crypto_nn.monitoring.model_monitor import METRICS, MonitorConfig, Series, weights_of

Values = NDArray[np.float64]
CONFIG = MonitorConfig()
LEVEL = 1 / CONFIG.alpha
WEIGHTS = weights_of(HORIZONS)


def e_values(scores: Mapping[Series, Values]) -> dict[Series, Values]:
    """Weight × evidence of each metric after each live day."""
    return {
        series: WEIGHTS[series]
        * evidence(sign * values[:BASELINE], sign * values[BASELINE:], CONFIG.min_days).e_T
        for series, values in scores.items()
        for sign in [METRICS[series[0]]]
    }


def first_alarm(scores: Mapping[Series, Values]) -> tuple[float, str]:
    """The first live day (from 1) on which ours alarms, and the metric; infinite for never."""
    found = e_values(scores)
    day, name = np.inf, ""
    for (metric, horizon), e_T in found.items():
        hits = np.flatnonzero(e_T >= LEVEL)
        if len(hits) and hits[0] + 1 < day:
            day, name = float(hits[0] + 1), f"{metric} {horizon or ''}".strip()
    return day, name


def three_sigma(scores: Mapping[Series, Values], sigmas: float) -> NDArray[np.bool_]:
    """Live days on which any metric is so many standard deviations worse than its baseline."""
    alarms = np.zeros(len(next(iter(scores.values()))) - BASELINE, dtype=np.bool_)
    for (metric, _), values in scores.items():
        past = METRICS[metric] * values[:BASELINE]
        z = (METRICS[metric] * values[BASELINE:] - past.mean()) / past.std(ddof=1)
        alarms |= z > sigmas
    return alarms


def fixed_drop(scores: Mapping[Series, Values]) -> NDArray[np.bool_]:
    """Live days on which accuracy at any horizon is two points under its baseline."""
    values = np.array([scores["accuracy", horizon] for horizon in HORIZONS])
    return np.asarray(
        (values[:, BASELINE:] < values[:, :BASELINE].mean(axis=1, keepdims=True) - 0.02).any(axis=0)
    )


Draw = Callable[[int], Days]


def false_alarms(draws: Mapping[str, Draw], histories: int, kinds: int) -> Iterator[str]:
    """One line per kind of history: who alarms at least once in 90 and in 365 looks."""
    series = 2 * kinds  # bounds hold for all of them together
    yield "| days | ours, 90 looks | ours, 365 looks | upper bound | z > 2 any day | z > 3 any day | accuracy −2 points any day |"  # noqa: E501
    yield "|---" * 7 + "|"
    highest = 0.0
    for name, draw in draws.items():
        scores = [draw(seed).scores() for seed in range(histories)]
        first = np.array([first_alarm(each)[0] for each in scores])
        ours = [Rate.of(first <= looks) for looks in (90, LIVE)]
        bound = float(
            beta.ppf(1 - 0.05 / series, ours[1].count + 1, histories - ours[1].count)
            if ours[1].count < histories
            else 1
        )
        highest = max(highest, bound)
        others = [partial(three_sigma, sigmas=2.0), partial(three_sigma, sigmas=3.0), fixed_drop]
        rules = [[rule(each) for each in scores] for rule in others]
        cells = [f"{rate.value:.3f} ({rate.low:.3f}–{rate.high:.3f})" for rate in ours]
        cells.append(f"{bound:.3f}")
        cells += [
            f"{np.mean([days.any() for days in rule]):.2f} ({np.mean(rule) * 365:.0f} days a year)"
            for rule in rules
        ]
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield f"\nLargest upper bound, 95 % for all {series} rates together: {highest:.3f}"


HARMS = {
    "accuracy −1 point": Harm(accuracy=0.01),
    "accuracy −2 points": Harm(accuracy=0.02),
    "accuracy −5 points": Harm(accuracy=0.05),
    "accuracy −10 points": Harm(accuracy=0.10),
    "confidence −1 point": Harm(confidence=0.01),
    "latency doubles": Harm(latency=2.0),
}


def delays(name: str, draw: Draw, histories: int) -> Iterator[str]:
    """How soon ours alarms when something goes wrong on the first live day, or later."""
    for told, harm in HARMS.items():
        cells = []
        for since in (0, 60):
            due = Harm(since, harm.accuracy, harm.confidence, harm.latency)
            first = np.array(
                [first_alarm(draw(seed).scores(due, seed))[0] for seed in range(histories)]
            )
            waited = np.where(first > since, first - since, np.nan)  # earlier ones are false
            waited = waited[~np.isnan(waited)]
            found = waited <= 180
            median = np.median(waited)
            days = f"{median:.0f} days" if median <= 180 else "> 180 days"
            cells.append(f"{days}, {found.mean():.2f} within 180")
        yield f"| {name} | {told} | {' | '.join(cells)} |"


def jumper(baseline: Values, live: Values) -> Values:
    """The composite jumper of Vovk et al. 2021, for comparison: ranks among all days so far."""
    powers = np.array([1.0, 0.75, 0.5, 0.25, 0.1])
    stakes, values, found = np.full(5, 0.2), list(baseline), []
    for value in live:
        values.append(value)
        p = np.mean(np.array(values) >= value)
        stakes = 0.98 * stakes + 0.02 * stakes.sum() / 5
        stakes = stakes * powers * p ** (powers - 1)
        found.append(stakes.sum())
    return np.array(found)


def bets(histories: int) -> Iterator[str]:
    """Days until evidence 360 (an alarm of one of 18 shares) after a shift of independent days."""
    yield "| shift, sd of a day | since day | ours | composite jumper |"
    yield "|---" * 4 + "|"
    for since in (0, 60, 180):
        for shift in (1.0, 2.0, 5.0):
            cells = []
            for bet in (lambda b, x: evidence(b, x).e_T, jumper):
                waited = []
                for seed in range(histories):
                    x = np.random.default_rng(seed).standard_normal(BASELINE + since + 120)
                    x[BASELINE + since :] += shift
                    hits = np.flatnonzero(bet(x[:BASELINE], x[BASELINE:]) >= 360)
                    waited.append(hits[0] + 1 - since if len(hits) else np.inf)
                median, share = np.median(waited), np.isfinite(waited).mean()
                days = f"{median:.0f} days" if np.isfinite(median) else "> 120 days"
                cells.append(f"{days} ({share:.2f} found)")
            yield f"| {shift:g} | {since} | {' | '.join(cells)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--histories", type=int, default=100, help="histories of each kind")
    parser.add_argument("--power", type=int, help="histories of each harm; a quarter by default")
    parser.add_argument("--market", type=Path, help="folder of Parquet files of 1-minute bars")
    parser.add_argument("--only", default="", help="histories with this in their name")
    asked = parser.parse_args()
    draws: dict[str, Draw] = {
        name: partial(made_up, stream, BASELINE + LIVE) for name, stream in NULL_STREAMS.items()
    }
    real = {}
    if asked.market:
        real = {
            path.name[:7]: forecast_days(path) for path in sorted(asked.market.glob("*.parquet"))
        }
        draws |= {f"{name}, days shuffled": partial(shuffled, days) for name, days in real.items()}
    kinds = len(draws)
    draws = {name: draw for name, draw in draws.items() if asked.only in name}
    print(f"False alarms in {asked.histories} histories of each kind\n")
    for line in false_alarms(draws, asked.histories, kinds):
        print(line, flush=True)
    few = asked.power or max(asked.histories // 4, 1)
    print(f"\nDays until the alarm, {few} histories: harm from live day 1, and from day 61\n")
    print("| days | what goes wrong | from the first day | after 60 days |\n|---|---|---|---|")
    for name in (name for name in draws if name == "AR(0.5)" or "shuffled" in name):
        for line in delays(name, draws[name], few):
            print(line, flush=True)
    print(f"\nThe bet, {few} histories of one metric\n")
    for line in bets(few):
        print(line, flush=True)
    if real:
        print(
            "\nReal days in their true order: they are not exchangeable, so no rate is promised\n"
        )
        for name, days in real.items():
            for line in in_order(name, days):
                print(line, flush=True)


def in_order(name: str, days: Days) -> Iterator[str]:
    """Histories in true order, one beginning every 30 days."""
    last = len(days.latency_DR) - BASELINE - LIVE
    for start in range(0, last + 1, 30):
        scores = days.take(np.arange(start, start + BASELINE + LIVE)).scores()
        del scores["latency", 0]  # the range of minutes, which stands in for it, does move
        day, metric = first_alarm(scores)
        found = f"alarm on live day {day:.0f}, {metric}" if np.isfinite(day) else "no alarm"
        yield f"- {name} from day {start}: {found}"


if __name__ == "__main__":
    main()
