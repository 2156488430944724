"""Settings of the memory family."""

from crypto_nn.models.entry import ModelEntry

ENTRIES: tuple[ModelEntry, ...] = ()
