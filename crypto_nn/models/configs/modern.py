"""Settings of the modern family."""

from crypto_nn.models.entry import ModelEntry

ENTRIES: tuple[ModelEntry, ...] = ()
