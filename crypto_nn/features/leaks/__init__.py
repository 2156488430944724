"""Does anything know the future? Features, labels, splits and scalers are asked here."""

from crypto_nn.features.leaks.awkward import awkward_bars
from crypto_nn.features.leaks.cuts import cuts_of
from crypto_nn.features.leaks.examine import check_features, examine, examine_features, find_leaks
from crypto_nn.features.leaks.futures import FUTURES
from crypto_nn.features.leaks.labels import examine_labels
from crypto_nn.features.leaks.leak import Examination, Leak
from crypto_nn.features.leaks.result import AreLabelsError
from crypto_nn.features.leaks.scalers import examine_fit, examine_scaler
from crypto_nn.features.leaks.splits import examine_row_splits, examine_splits

__all__ = [
    "FUTURES",
    "AreLabelsError",
    "Examination",
    "Leak",
    "awkward_bars",
    "check_features",
    "cuts_of",
    "examine",
    "examine_features",
    "examine_fit",
    "examine_labels",
    "examine_row_splits",
    "examine_scaler",
    "examine_splits",
    "find_leaks",
]
