"""How the figures are to be read."""

from collections.abc import Iterator

from crypto_nn.benchmark.chapters.material import Material
from crypto_nn.pictures.document import Block, Heading, Words


def reading_blocks(material: Material) -> Iterator[Block]:
    """What the main figures mean, and what a verdict asks for."""
    cost = f"{material.result.config.headline_cost_bps:g}"
    yield Heading("How to read this")
    yield Words(
        "Log-loss skill is the share of surprise that a prediction takes away from one who knows "
        "only how often each class came in training; honest models of minutes reach some tenths "
        "of a percent. Majority is the accuracy of always naming the commonest class of the test "
        "rows: accuracy means nothing without it. Direction is the share of moves, flat ones left "
        "out, whose side was the likelier of up and down; 50 % is chance."
    )
    yield Words(
        "Intervals draw whole days with replacement, widened for few days; a p-value is the "
        "level at which the interval just reaches 0, and never below what the number of draws can "
        f"show, {2 / (material.result.config.resamples + 1):.3f}. A model is better than every "
        "baseline only where the interval of its paired gain in log loss lies above 0 against each "
        "of them. "
        "Intervals hold the luck of days and not that of seeds: trained once more with another "
        "seed, a model's skill moves by some hundredths of a percent. "
        "Baselines learn from every row before the test; networks stop and are calibrated on the "
        "later part of those rows."
    )
    yield Words(
        "Trading fills a whole bar after the decision and pays half of the round-trip cost per "
        "unit traded; several symbols share the capital equally. PSR is the probability that the "
        f"true Sharpe ratio is above 0 at {cost} bp; the deflated one that it is above the best "
        "that as many trials without skill would show by luck."
    )
