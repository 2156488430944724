"""The pictures of a benchmark, each with what it shows in words."""

from collections.abc import Sequence

import numpy as np

from crypto_nn import pictures
from crypto_nn.benchmark.leaderboard import Standing
from crypto_nn.benchmark.result import BenchmarkResult
from crypto_nn.pictures.document import Drawing


def skill_drawing(there: Sequence[Standing], horizon: int) -> Drawing:
    """Log-loss skill of everyone at one horizon."""
    rows = []
    for standing in there:
        skill = standing["log_loss_skill"]
        rows.append((standing.model, 100 * skill.estimate, 100 * skill.low, 100 * skill.high))
    picture = pictures.leaderboard_bars(
        rows,
        [standing.model for standing in there if standing.is_baseline],
        "log-loss skill in %, with its interval",
        f"Who tells more than the class shares, {horizon} minutes ahead",
    )
    return Drawing(picture, f"Log-loss skill of each contestant {horizon} minutes ahead")


def equity_drawing(result: BenchmarkResult, model: str, horizon: int) -> Drawing:
    """What a contestant's predictions would have earned at each cost."""
    title = f"{model}, {horizon} minutes: equity at each cost per round trip"
    curves = result.curves[model, horizon].equity
    lines = {f"{cost:g} bp": curve for cost, curve in curves.items()}
    ends = result.days + np.timedelta64(1, "D")
    return Drawing(pictures.equity_curves(ends, lines, result.buy_and_hold, title), title)


def reliability_drawing(result: BenchmarkResult, model: str) -> Drawing:
    """A contestant's confidence against what came true."""
    title = f"{model}: stated confidence against what came true"
    curves = {}
    for horizon in result.horizons:
        of = result.curves[model, horizon].reliability
        curves[f"{horizon}m"] = (of.confidence_K, of.accuracy_K, of.rows_K)
    return Drawing(pictures.reliability_diagrams(curves, title), title)


def confusion_drawing(result: BenchmarkResult, model: str) -> Drawing:
    """What a contestant predicted against what came."""
    title = f"{model}: predicted against what came"
    matrices = {f"{h}m": result.curves[model, h].confusion_CC for h in result.horizons}
    return Drawing(pictures.confusion_matrices(matrices, title), title)
