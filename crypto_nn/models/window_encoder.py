"""How the models with a memory read a window."""

from torch import Tensor, nn

from crypto_nn.models.configs.memory import WindowEncoderConfig
from crypto_nn.models.embedding import WindowEmbedding
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.prediction import Windows


class WindowEncoder(nn.Module):
    """Embedded features through an LSTM (Hochreiter & Schmidhuber 1997), then layer norm."""

    def __init__(self, inputs: Inputs, config: WindowEncoderConfig) -> None:
        super().__init__()
        self.embed = WindowEmbedding(inputs, config.width)
        self.drop = nn.Dropout(config.dropout)
        self.lstm = nn.LSTM(
            config.width,
            config.hidden,
            config.layers,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.norm = nn.LayerNorm(config.hidden)

    def forward(self, windows: Windows) -> Tensor:
        """The state after each moment (B, T, hidden)."""
        states_BTD, _ = self.lstm(self.drop(self.embed(windows)))
        return self.norm(states_BTD)
