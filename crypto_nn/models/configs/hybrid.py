"""Settings of the hybrid family."""

from crypto_nn.models.entry import ModelEntry

ENTRIES: tuple[ModelEntry, ...] = ()
