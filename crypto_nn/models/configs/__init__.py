"""What a user sets about a model's architecture, by family. Free of torch: settings load fast."""

from crypto_nn.models.configs.base import ModelConfig
from crypto_nn.models.configs.lstm import LSTMConfig

__all__ = ["LSTMConfig", "ModelConfig"]
