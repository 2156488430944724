"""From one summary of the window to an answer for each horizon."""

import torch
from torch import Tensor, nn

from crypto_nn.models.initialise import initialise, initialise_output
from crypto_nn.models.prediction import NUM_CLASSES, Prediction


class HorizonHead(nn.Sequential):
    """The answer for one horizon: three logits, then a log-variance."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        output = nn.Linear(hidden, NUM_CLASSES + 1)
        super().__init__(nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), output)
        initialise(self)
        initialise_output(output)


class HorizonHeads(nn.Module):
    """A small network per horizon on a backbone that all horizons share (Caruana 1997).

    Each head gives the logits of down, flat and up, and the log-variance of the move that it
    expects, in units of current volatility: its aleatoric uncertainty (Kendall & Gal 2017).
    """

    def __init__(self, width: int, hidden: int, num_horizons: int, dropout: float) -> None:
        super().__init__()
        self.heads = nn.ModuleList(HorizonHead(width, hidden, dropout) for _ in range(num_horizons))

    def forward(self, summary_BD: Tensor, **inspect: Tensor) -> Prediction:
        answers_BHA = torch.stack([head(summary_BD) for head in self.heads], dim=1)
        return Prediction(answers_BHA[..., :NUM_CLASSES], answers_BHA[..., NUM_CLASSES], inspect)
