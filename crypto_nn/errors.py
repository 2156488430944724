"""Every error that a user can cause: what was found, what was due, what to do next."""


class CryptoNNError(Exception):
    """The base of all errors with a message meant for the person who can mend it."""


class BarsError(CryptoNNError):
    """Bars, or a file that should hold bars, do not have the form that is due."""


class SymbolError(CryptoNNError):
    """A symbol or universe is not written or not known as it should be."""


class SourceError(CryptoNNError):
    """A source of bars cannot give what was asked of it."""


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
