"""Whether models know how sure they may be, and which classes they take for which."""

from collections.abc import Iterator

from crypto_nn.benchmark.chapters.drawings import (
    best_confusion_drawing,
    best_reliability_drawing,
    confusion_drawing,
    reliability_drawing,
)
from crypto_nn.benchmark.chapters.material import Material, minutes
from crypto_nn.pictures.document import Block, Details, Heading, Words


def confidence_blocks(material: Material) -> Iterator[Block]:
    """The best model of each horizon; everyone, folded, as small multiples."""
    if not material.models:
        return
    yield Heading("Confidence, and what came")
    yield Words(
        "On the diagonal, a stated 40 % comes true four times in ten; bins of fewer than one row "
        "in a thousand are left out, and counts are those of all seeds. Below: the model with "
        "the most skill at each horizon."
    )
    yield best_reliability_drawing(material)
    yield best_confusion_drawing(material)
    for horizon in material.result.horizons:
        yield Details(
            f"{minutes(horizon)} ahead: confidence and confusion of everyone",
            [reliability_drawing(material, horizon), confusion_drawing(material, horizon)],
        )
