"""The stated learnings, each with the arms that answer it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from crypto_nn.benchmark.arms.contestants import (
    NarrowContestant,
    RecallingContestant,
    SeparateContestant,
)
from crypto_nn.benchmark.arms.learning import Comparison, Learning, Side
from crypto_nn.benchmark.contestants import NetworkContestant
from crypto_nn.benchmark.forecasts import Contestant
from crypto_nn.errors import ConfigError
from crypto_nn.features.panel import Panel
from crypto_nn.models import MODELS
from crypto_nn.training.record import Recipe

HYBRIDS = ("HybridLSTMTransformer", "AdaptiveHybridModel", "MultiScaleHybrid")
BASE, TRANSFORMER = "LSTMPricePredictor", "TransformerPredictor"
EPISODIC, AUGMENTED = "EpisodicMemoryNetwork", "MemoryAugmentedNetwork"
SLOWER = ("_5m", "_15m", "_1h")
LONG_EPOCHS = 24  # more than twice a patience of 10, so that patience can matter
DRIFT_PAGE = "drift.md"
CLAIMS: Mapping[str, str] = {
    "hybrids": "Hybrids beat single types",
    "memory": "Memory helps and finds regimes",
    "backbone": "A shared backbone with heads is best",
    "focal": "Focal loss with γ = 2 helps",
    "smoothing": "Label smoothing of 0.1 calibrates",
    "patience": "A patience of 10 is right",
    "amp": "AMP doubles speed and halves memory",
    "timeframes": "Timeframes need different features",
    "stopping": "Validation loss is the better stopping signal than accuracy",
    "drift": "Drift detection catches shifts",
    "alerts": "Alerts prevent silent failures",
}
ARMS = tuple(CLAIMS)
"""The short names of all stated learnings, in order."""


@dataclass(frozen=True)
class Stated:
    """Learnings, and everyone who is needed to answer them."""

    learnings: tuple[Learning, ...]
    contestants: tuple[Contestant, ...]


def stated(base: Recipe, panel: Panel, chosen: tuple[str, ...] = ARMS) -> Stated:
    """The learnings of these short names with their arms.

    The plain arm, `base`, is shared by all; library models carry the name that the benchmark
    gives them, so that forecasts which are there already are found.

    Args:
        base: how the small LSTM learns; every arm changes one thing of it.
        panel: whose features are narrowed.

    Raises:
        ConfigError: there is no learning of a name, or the base is another model.
    """
    unknown = [key for key in chosen if key not in CLAIMS]
    if unknown or base.model != BASE:
        raise ConfigError(
            f"Arms {', '.join(unknown) or 'of ' + base.model} were asked for; there are "
            f"{', '.join(CLAIMS)}, all of them arms of {BASE}."
        )
    there = _contestants(base, panel)
    names = {contestant.name for contestant in there}
    learnings = tuple(
        _possible(each, names)
        for each in _learnings(preset_of(base), plain(base), names)
        if each.key in chosen
    )
    needed = {name for learning in learnings for name in learning.names}
    return Stated(learnings, tuple(c for c in there if c.name in needed))


def _possible(learning: Learning, names: Collection[str]) -> Learning:
    """The learning without comparisons of arms that these features do not allow."""
    kept = tuple(
        each
        for each in learning.comparisons
        if {*each.ours.names, *each.theirs.names} <= set(names)
    )
    return replace(learning, comparisons=kept)


def preset_of(recipe: Recipe) -> str:
    """The preset that a recipe's settings are; `small` where they are none."""
    presets = MODELS[recipe.model].presets
    return next((name for name, config in presets.items() if config == recipe.config), "small")


def plain(recipe: Recipe) -> str:
    """The name of the plain arm, as the benchmark has it where the settings are a preset's."""
    preset = preset_of(recipe)
    own = recipe.config != MODELS[recipe.model].presets[preset]
    return f"{recipe.model}:{'own' if own else preset}"


def _contestants(base: Recipe, panel: Panel) -> tuple[Contestant, ...]:
    preset = preset_of(base)

    def library(model: str) -> Recipe:
        return replace(base, model=model, config=MODELS[model].presets[preset])

    def changed(**settings: Any) -> Recipe:
        return replace(base, train=base.train.model_copy(update=settings))

    def long(**settings: Any) -> Recipe:
        # Short epochs: a later one is what is asked about. Twice as many windows in all.
        windows = max(1, 2 * base.train.max_windows * base.train.max_epochs // LONG_EPOCHS)
        return changed(max_epochs=LONG_EPOCHS, max_windows=windows, **settings)

    slow = tuple(name for name in panel.names if name.endswith(SLOWER))
    fast = tuple(name for name in panel.names if name not in slow)
    networks = [NetworkContestant(plain(base), base)]
    networks += [
        NetworkContestant(f"{model}:{preset}", library(model))
        for model in (*HYBRIDS, TRANSFORMER, AUGMENTED)
        if _has_bars(library(model), panel)
    ]
    networks += [
        NetworkContestant("focal loss", changed(loss="focal", focal_gamma=2.0)),
        NetworkContestant("smoothing 0.1", changed(label_smoothing=0.1)),
        NetworkContestant("patience 10", long(patience=10, stop_on="loss")),
        NetworkContestant("patience 2", long(patience=2, stop_on="loss")),
        NetworkContestant("no stopping", long(patience=LONG_EPOCHS, stop_on="loss")),
        NetworkContestant("stopped on accuracy", long(patience=10, stop_on="accuracy")),
        NetworkContestant("bf16", changed(amp="bf16")),
    ]
    found: list[Contestant] = [
        *networks,
        SeparateContestant("separate models", base),
        RecallingContestant("episodic memory", library(EPISODIC)),
    ]
    if slow and fast:
        found.append(NarrowContestant("minute features", base, fast))
        found.append(NarrowContestant("slow features", base, slow))
    return tuple(found)


def _has_bars(recipe: Recipe, panel: Panel) -> bool:
    """Whether the features have the slower bars that a model looks at."""
    return all(
        any(name.endswith(f"_{bars}") for name in panel.names) for bars in recipe.config.slower
    )


def _learnings(preset: str, base_name: str, names: Collection[str]) -> tuple[Learning, ...]:
    base = Side("plain", (base_name,))
    return (*_of_models(preset, base, names), *_of_training(base), *_of_signals(base))


def _of_models(preset: str, base: Side, names: Collection[str]) -> tuple[Learning, ...]:
    there = tuple(f"{model}:{preset}" for model in HYBRIDS if f"{model}:{preset}" in names)
    hybrids = Side("mean of hybrids", there)
    return (
        _of(
            "hybrids",
            f"The mean log loss of {', '.join(there)} against that of the LSTM and that of the "
            "Transformer, all learning alike.",
            Comparison(hybrids, Side("LSTM", base.names)),
            Comparison(hybrids, Side("Transformer", (f"{TRANSFORMER}:{preset}",))),
        ),
        _of(
            "memory",
            "The same LSTM with an episodic memory, and with short- and long-term banks, against "
            "without. Regimes: the share of recalled episodes from the window's own third of "
            "volatility, above that among all episodes held.",
            Comparison(Side("episodic memory", ("episodic memory",)), base),
            Comparison(Side("memory banks", (f"{AUGMENTED}:{preset}",)), base),
        ),
        _of(
            "backbone",
            "One network with a head for each horizon against a network of its own for each.",
            Comparison(base, Side("separate models", ("separate models",))),
        ),
    )


def _of_training(base: Side) -> tuple[Learning, ...]:
    return (
        _of(
            "focal",
            "Focal loss with γ = 2 against cross entropy; both get a temperature on later rows.",
            Comparison(_own("focal loss"), base),
            Comparison(_own("focal loss"), base, "ece", decides=False),
            Comparison(_own("focal loss"), base, "raw_ece", decides=False),
        ),
        _of(
            "smoothing",
            "The calibration error with smoothing 0.1 against none, as both answer: after a "
            "temperature fitted on later rows. Before it, and the log loss, stand beside.",
            Comparison(_own("smoothing 0.1"), base, "ece"),
            Comparison(_own("smoothing 0.1"), base, "raw_ece", decides=False),
            Comparison(_own("smoothing 0.1"), base, decides=False),
        ),
        _of(
            "patience",
            f"Up to {LONG_EPOCHS} short epochs, with twice as many windows in all as otherwise, "
            "and a patience of 10 against 2 and against never stopping; the best epoch's weights "
            "are kept in each case.",
            Comparison(_own("patience 10"), _own("patience 2")),
            Comparison(_own("patience 10"), _own("no stopping")),
        ),
    )


def _of_signals(base: Side) -> tuple[Learning, ...]:
    return (
        _of(
            "amp",
            "Seconds and memory of training with bf16 against fp32 on this machine's CPU, one "
            "thread. What it costs in log loss stands beside.",
            Comparison(_own("bf16"), Side("fp32", base.names), decides=False),
        ),
        _of(
            "timeframes",
            "Whether the ranks of feature groups by importance out of fold are less alike between "
            "horizons than noise alone would make them. Beside it: minute features alone, and slow "
            "ones alone, against all.",
            Comparison(base, _own("minute features"), decides=False),
            Comparison(base, _own("slow features"), decides=False),
        ),
        _of(
            "stopping",
            f"Up to {LONG_EPOCHS} short epochs, patience 10, the best epoch chosen "
            "by validation loss against by balanced accuracy.",
            Comparison(Side("stopped on loss", ("patience 10",)), _own("stopped on accuracy")),
        ),
        Learning("drift", CLAIMS["drift"], "The power at known shifts and the rate of false "
                 "alarms are measured by `benchmarks/drift.py`.", elsewhere=DRIFT_PAGE),
        Learning("alerts", CLAIMS["alerts"], "Failed runs and dead webhooks are among the tests "
                 "of alerts; there is no arm that leaves them out.", elsewhere=DRIFT_PAGE),
    )  # fmt: skip


def _of(key: str, asked: str, *comparisons: Comparison) -> Learning:
    return Learning(key, CLAIMS[key], asked, comparisons)


def _own(name: str) -> Side:
    return Side(name, (name,))
