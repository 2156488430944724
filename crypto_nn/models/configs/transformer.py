"""Settings of the transformer family."""

from crypto_nn.models.entry import ModelEntry

ENTRIES: tuple[ModelEntry, ...] = ()
