"""From features to the width of a model."""

from torch import Tensor, nn

from crypto_nn.models.inputs import Inputs
from crypto_nn.models.prediction import Windows


class WindowEmbedding(nn.Module):
    """One linear layer over the features of each moment, plus a vector for each symbol.

    The vector is what lets one model learn several markets jointly (entity embedding, Guo &
    Berkhahn 2016).
    """

    def __init__(self, inputs: Inputs, width: int) -> None:
        super().__init__()
        self.features = nn.Linear(inputs.num_features, width)
        self.symbol = nn.Embedding(inputs.num_symbols, width)

    def forward(self, windows: Windows) -> Tensor:
        """The base window, embedded (B, T, width)."""
        return self.features(windows.x_BTF) + self.symbol(windows.symbol_B)[:, None]
