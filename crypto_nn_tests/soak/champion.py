"""Who answers now, read from the pointer as any process may read it."""

from pathlib import Path

from crypto_nn.inference.registry import champion_of
from crypto_nn.store.models import ModelStore


def answering(home: Path, universe: str) -> str:
    """The version that answers for a universe; "" before the first.

    Raises:
        ModelError: the pointer is torn.
    """
    champion = champion_of(ModelStore(home / "data" / "models"), universe)
    return champion.version if champion else ""
