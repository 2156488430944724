"""The pictures of a benchmark, each with what it shows in words."""

import numpy as np

from crypto_nn import pictures
from crypto_nn.benchmark.chapters.material import Material, minutes
from crypto_nn.benchmark.result import BenchmarkResult
from crypto_nn.pictures import canvas
from crypto_nn.pictures.document import Drawing
from crypto_nn.pictures.reliability_diagrams import Curve

COLUMNS = 4  # small multiples in a row
FEWEST = 1e-3  # share of the rows that a bin must hold to be shown
MOST_LINES = 6


def skill_drawing(material: Material) -> Drawing:
    """Log-loss skill of everyone at every horizon."""
    panels = {}
    for horizon in material.result.horizons:
        skills = {s.model: s["log_loss_skill"] for s in material.at(horizon)}
        panels[minutes(horizon)] = {
            name: (100 * skill.estimate, 100 * skill.low, 100 * skill.high)
            for name, skill in skills.items()
        }
    baselines = [name for name in material.result.kinds if not material.is_model(name)]
    title = "Who tells more than the class shares: log-loss skill with its interval"
    return Drawing(pictures.skill_panels(panels, baselines, "skill in %", title), title)


def equity_drawing(result: BenchmarkResult, model: str, horizon: int) -> Drawing:
    """What a contestant's predictions would have earned at each cost."""
    title = f"{model}, {minutes(horizon)}: equity at each cost per round trip"
    curves = result.curves[model, horizon].equity
    lines = {f"{cost:g} bp": curve for cost, curve in curves.items()}
    ends = result.days + np.timedelta64(1, "D")
    return Drawing(pictures.equity_curves(ends, lines, result.buy_and_hold, title), title)


def everyone_drawing(material: Material, horizon: int) -> Drawing:
    """The best predictors and the best baseline at the headline cost."""
    result = material.result
    cost = result.config.headline_cost_bps
    there = material.models_at(horizon)[: MOST_LINES - 1]
    there += [s for s in material.at(horizon) if not material.is_model(s.model)][:1]
    lines = {_short(s.model): result.curves[s.model, horizon].equity[cost] for s in there}
    title = f"{minutes(horizon)}: equity at {cost:g} bp per round trip"
    ends = result.days + np.timedelta64(1, "D")
    return Drawing(pictures.equity_curves(ends, lines, result.buy_and_hold, title), title)


def break_even_drawing(result: BenchmarkResult, horizon: int) -> Drawing:
    """What costs leave of the surest predictions."""
    name, surface = result.break_even[horizon]
    title = f"{name}, {minutes(horizon)}: what is left of a round trip"
    rows = [f"surest {100 * share:.0f} %" for share in surface.shares_Q]
    picture = pictures.break_even(
        surface.costs_bps_K, rows, surface.net_bps_QK, surface.break_even_bps_Q, title=title
    )
    return Drawing(picture, title)


def months_drawing(material: Material, horizon: int) -> Drawing:
    """Log-loss skill of everyone in each month of the test."""
    there = material.at(horizon)
    prefix = "log_loss_skill@2"
    months = sorted({name.partition("@")[2] for s in there for name in s.figures
                     if name.startswith(prefix)})  # fmt: skip
    values = [[100 * s[f"log_loss_skill@{month}"].estimate for month in months] for s in there]
    title = f"Log-loss skill in % by month, {minutes(horizon)} ahead"
    picture = pictures.heat_map(np.array(values), [s.model for s in there], months, title=title)
    return Drawing(picture, title)


def best_reliability_drawing(material: Material) -> Drawing:
    """Confidence against what came true, of the best model at each horizon."""
    title = "Stated confidence against what came true"
    curves = {}
    for horizon in material.result.horizons:
        first = material.best(horizon)
        if first is not None:
            curves[_panel(horizon, first.model)] = _reliability(material, first.model, horizon)
    return Drawing(pictures.reliability_diagrams(curves, title), title)


def best_confusion_drawing(material: Material) -> Drawing:
    """What the best model at each horizon predicted against what came."""
    title = "Predicted against what came"
    matrices = {}
    for horizon in material.result.horizons:
        first = material.best(horizon)
        if first is not None:
            curves = material.result.curves[first.model, horizon]
            matrices[_panel(horizon, first.model)] = curves.confusion_CC
    return Drawing(pictures.confusion_matrices(matrices, title), title)


def reliability_drawing(material: Material, horizon: int) -> Drawing:
    """Everyone's confidence against what came true, at one horizon."""
    title = f"{minutes(horizon)} ahead: stated confidence against what came true"
    curves = {
        _short(s.model): _reliability(material, s.model, horizon) for s in material.at(horizon)
    }
    return Drawing(pictures.reliability_diagrams(curves, title, COLUMNS), title)


def confusion_drawing(material: Material, horizon: int) -> Drawing:
    """What everyone predicted against what came, at one horizon."""
    title = f"{minutes(horizon)} ahead: predicted against what came"
    curves = material.result.curves
    matrices = {
        _short(s.model): curves[s.model, horizon].confusion_CC for s in material.at(horizon)
    }
    return Drawing(pictures.confusion_matrices(matrices, title, COLUMNS), title)


def _panel(horizon: int, model: str) -> str:
    return f"{minutes(horizon)}\n{_short(model)}"


def _short(model: str) -> str:
    return canvas.shorten([model], 26)[0]


def _reliability(material: Material, model: str, horizon: int) -> Curve:
    of = material.result.curves[model, horizon].reliability
    rows_K = np.where(of.rows_K >= FEWEST * of.rows_K.sum(), of.rows_K, 0)
    told_K = np.where(rows_K > 0, 1.0, np.nan)
    return of.confidence_K * told_K, of.accuracy_K * told_K, rows_K
