"""What a model sees: features, labels, splits, scaling."""

from crypto_nn.features.feature_set import FeatureSet, default_feature_set

__all__ = ["FeatureSet", "default_feature_set"]
