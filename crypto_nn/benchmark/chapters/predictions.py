"""Table 1: how well everyone predicts, beside the majority and every baseline."""

from collections.abc import Iterator, Sequence

import numpy as np

from crypto_nn.benchmark.chapters.drawings import skill_drawing
from crypto_nn.benchmark.chapters.material import Material, minutes
from crypto_nn.benchmark.leaderboard import Standing, facts
from crypto_nn.benchmark.walk_forward import ENSEMBLE
from crypto_nn.benchmark.words import number, p_words, percent
from crypto_nn.metrics.significance import Interval
from crypto_nn.models import MODELS
from crypto_nn.models.configs import hybrid, lstm, memory, modern, transformer
from crypto_nn.pictures.document import Block, Details, Heading, Table, Words

FAMILIES = {
    entry.name: family
    for family, room in (
        ("LSTM", lstm), ("Transformer", transformer), ("hybrid", hybrid), ("memory", memory),
        ("modern", modern),
    )
    for entry in room.ENTRIES
}  # fmt: skip
assert set(FAMILIES) == set(MODELS)
MILLI = 1000.0
COLUMNS = (
    "", "family", "balanced accuracy", "MCC", "log-loss skill", "parameters", "accuracy",
    "majority", "precision", "recall", "F1", "direction", "ECE", "seeds",
)  # fmt: skip


def prediction_blocks(material: Material) -> Iterator[Block]:
    """Skill at a glance, then the whole table and the paired tests of each horizon."""
    parameters = {
        name: of.get("parameters", np.nan) for name, of in facts(material.result.table()).items()
    }
    yield Heading("1. Predictions")
    yield Words(
        "Grey rows are baselines. Accuracy means nothing without the majority beside it: the "
        "accuracy of always naming the class that was commonest in the test."
    )
    yield skill_drawing(material)
    for place, horizon in enumerate(material.result.horizons):
        there = material.at(horizon)
        names = [standing.model for standing in there]
        rows = [_row(material, standing, parameters) for standing in there]
        yield Details(
            f"{minutes(horizon)} ahead: every figure",
            [Table(COLUMNS, rows, "", material.quiet(names)), *_paired(material, there)],
            is_open=place == 0,
        )


def _row(material: Material, standing: Standing, parameters: dict[str, float]) -> list[str]:
    return [
        standing.model,
        family(material, standing.model),
        percent(standing["balanced_accuracy"]),
        number(standing["mcc"], 3),
        percent(standing["log_loss_skill"], 2, sign=True),
        number(parameters.get(standing.model, np.nan), 0),
        percent(standing["accuracy"]),
        percent(standing["majority"].estimate),
        percent(standing["precision"].estimate),
        percent(standing["recall"].estimate),
        percent(standing["f1"].estimate),
        percent(standing["direction_hit"]),
        percent(standing["ece"].estimate),
        str(material.seeds[standing.model]),
    ]


def family(material: Material, name: str) -> str:
    """The family of a contestant's network, or what else it is."""
    if not material.is_model(name):
        return "baseline"
    if name == ENSEMBLE:
        return "all networks"
    return FAMILIES.get(name.partition(":")[0], "own")


def _paired(material: Material, there: Sequence[Standing]) -> Iterator[Block]:
    models = [standing for standing in there if material.is_model(standing.model)]
    if not models:
        return
    names = list(models[0].verdict.gains)
    rows = [[m.model, *(_gain(m.verdict.gains[n]) for n in names)] for m in models]
    yield Details(
        "Paired tests: how much less surprised than each baseline",
        [Table(["gain over", *names], rows, "Thousandths of a nat a row, on the same test rows")],
    )


def _gain(gain: Interval) -> str:
    scaled = Interval(MILLI * gain.estimate, MILLI * gain.low, MILLI * gain.high, gain.level)
    return f"{number(scaled, 2, sign=True)}{p_words(gain.p_value)}"
