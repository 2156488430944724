"""What a model sees: features, labels, splits, scaling."""

from crypto_nn.features.catalogue import default_feature_set
from crypto_nn.features.engineering import TechnicalFeatureEngineering
from crypto_nn.features.feature_set import FeatureSet

__all__ = ["FeatureSet", "TechnicalFeatureEngineering", "default_feature_set"]
