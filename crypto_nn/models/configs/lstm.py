"""Settings of the LSTM family."""

from collections.abc import Mapping

from pydantic import Field

from crypto_nn.models.configs.bars import DEFAULT_BARS, SlowerBars
from crypto_nn.models.configs.base import ModelConfig
from crypto_nn.models.entry import ModelEntry


class RecurrentConfig(ModelConfig):
    """What all LSTMs share."""

    hidden: int = Field(ge=1, description="size of an LSTM's state in one direction")
    attention: int = Field(ge=1, description="size of the layer that scores moments of the window")
    head: int = Field(ge=1, description="size of the hidden layer of each horizon's head")
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0, description="share of activations dropped")


class LSTMConfig(RecurrentConfig):
    """The architecture of `LSTMPricePredictor`."""

    width: int = Field(ge=1, description="size of the projected features that enter the LSTM")
    layers: int = Field(ge=1, le=8, description="LSTMs on top of each other")


class BiLSTMConfig(RecurrentConfig):
    """The architecture of `BiLSTMPredictor`."""

    width: int = Field(ge=1, description="size of the projected features that enter the LSTMs")
    layers: int = Field(ge=1, le=8, description="pairs of LSTMs on top of each other")


class StackedLSTMConfig(RecurrentConfig):
    """The architecture of `StackedLSTM`; features are projected to the size of the state."""

    layers: int = Field(ge=1, le=16, description="LSTMs on top of each other")


class AttentiveLSTMConfig(RecurrentConfig):
    """The architecture of `AttentiveLSTM`."""

    width: int = Field(ge=1, description="size of the projected features that enter the LSTMs")
    bars: SlowerBars = Field(
        default_factory=lambda: dict(DEFAULT_BARS),
        description="closed bars of each slower timeframe that the model looks at",
    )

    @property
    def slower(self) -> Mapping[str, int]:
        """As in `bars`."""
        return self.bars


LSTM_SMALL = LSTMConfig(width=32, hidden=48, layers=1, attention=24, head=24, dropout=0.2)
LSTM_FULL = LSTMConfig(width=192, hidden=400, layers=2, attention=128, head=128, dropout=0.2)
BI_LSTM_SMALL = BiLSTMConfig(width=32, hidden=32, layers=1, attention=24, head=24, dropout=0.2)
BI_LSTM_FULL = BiLSTMConfig(width=160, hidden=240, layers=2, attention=128, head=128, dropout=0.2)
STACKED_LSTM_SMALL = StackedLSTMConfig(hidden=32, layers=3, attention=24, head=24, dropout=0.2)
STACKED_LSTM_FULL = StackedLSTMConfig(hidden=264, layers=4, attention=128, head=192, dropout=0.2)
ATTENTIVE_LSTM_SMALL = AttentiveLSTMConfig(width=24, hidden=32, attention=24, head=24, dropout=0.2)
ATTENTIVE_LSTM_FULL = AttentiveLSTMConfig(
    width=192, hidden=272, attention=128, head=128, dropout=0.2
)

ENTRIES = (
    ModelEntry(
        "LSTMPricePredictor",
        "crypto_nn.models.lstm:LSTMPricePredictor",
        "lstm",
        LSTMConfig,
        {"small": LSTM_SMALL, "full": LSTM_FULL},
    ),
    ModelEntry(
        "BiLSTMPredictor",
        "crypto_nn.models.bi_lstm:BiLSTMPredictor",
        "lstm",
        BiLSTMConfig,
        {"small": BI_LSTM_SMALL, "full": BI_LSTM_FULL},
    ),
    ModelEntry(
        "StackedLSTM",
        "crypto_nn.models.stacked_lstm:StackedLSTM",
        "lstm",
        StackedLSTMConfig,
        {"small": STACKED_LSTM_SMALL, "full": STACKED_LSTM_FULL},
    ),
    ModelEntry(
        "AttentiveLSTM",
        "crypto_nn.models.attentive_lstm:AttentiveLSTM",
        "lstm",
        AttentiveLSTMConfig,
        {"small": ATTENTIVE_LSTM_SMALL, "full": ATTENTIVE_LSTM_FULL},
    ),
)
