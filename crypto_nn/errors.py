"""Every error that a user can cause: what was found, what was due, what to do next."""

from collections.abc import Sequence

import numpy as np


class CryptoNNError(Exception):
    """The base of all errors with a message meant for the person who can mend it."""


class BarsError(CryptoNNError):
    """Bars, or a file that should hold bars, do not have the form that is due."""


class SymbolError(CryptoNNError):
    """A symbol or universe is not written or not known as it should be."""


class SourceError(CryptoNNError):
    """A source of bars cannot give what was asked of it."""


class SourceRefused(SourceError):
    """A source refuses for good: the key is wrong or missing, or the plan does not cover it."""


class SourceUnavailable(SourceError):
    """A source was asked with patience and still did not answer; what it gave before is whole.

    Attributes:
        symbol: of which bars were asked for.
        missing: the stretches [start, end) (µs, UTC) that are not fetched; ask for them again.
    """

    def __init__(
        self, message: str, symbol: str, missing: Sequence[tuple[np.datetime64, np.datetime64]]
    ) -> None:
        super().__init__(message)
        self.symbol, self.missing = symbol, tuple(missing)


class DatabaseError(CryptoNNError):
    """Postgres or Supabase cannot be reached, refuses, or is not migrated."""


class ConfigError(CryptoNNError):
    """A setting is unknown, out of range, or contradicts another."""


class FeatureError(CryptoNNError):
    """Features do not fit what asks for them."""


class LakeError(CryptoNNError):
    """A table, partition or column of the lake is not there or not as declared."""


class QueryError(CryptoNNError):
    """A query does more than read, or is not one statement."""


class ModelError(CryptoNNError):
    """A model, version or checkpoint is missing, damaged, or of another make."""


class TrainingError(CryptoNNError):
    """Training cannot start, or stopped with nothing that may be kept."""


class DriftError(CryptoNNError):
    """A drift report cannot be made from what there is."""


class BenchmarkError(CryptoNNError):
    """A benchmark's result is missing, damaged, or of another make."""


class Interrupted(CryptoNNError):
    """A command was told to stop before its end."""
