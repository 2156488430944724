"""Settings of the LSTM family."""

from pydantic import Field

from crypto_nn.models.configs.base import ModelConfig
from crypto_nn.models.entry import ModelEntry


class LSTMConfig(ModelConfig):
    """The architecture of `LSTMPricePredictor`."""

    width: int = Field(ge=1, description="size of the projected features that enter the LSTM")
    hidden: int = Field(ge=1, description="size of the LSTM's state")
    layers: int = Field(ge=1, le=8, description="LSTMs on top of each other")
    attention: int = Field(ge=1, description="size of the layer that scores moments of the window")
    head: int = Field(ge=1, description="size of the hidden layer of each horizon's head")
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0, description="share of activations dropped")


LSTM_SMALL = LSTMConfig(width=32, hidden=48, layers=1, attention=24, head=24, dropout=0.2)
LSTM_FULL = LSTMConfig(width=192, hidden=400, layers=2, attention=128, head=128, dropout=0.2)

ENTRIES = (
    ModelEntry(
        "LSTMPricePredictor",
        "crypto_nn.models.lstm:LSTMPricePredictor",
        "lstm",
        LSTMConfig,
        {"small": LSTM_SMALL, "full": LSTM_FULL},
    ),
)
