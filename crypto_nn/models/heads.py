"""From a summary of the window to an answer for each horizon."""

import torch
from torch import Tensor, nn

from crypto_nn.models.initialise import initialise, initialise_output
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.prediction import NUM_CLASSES, Prediction, Windows


class HorizonHead(nn.Sequential):
    """The answer for one horizon: three logits, then a log-variance."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        output = nn.Linear(hidden, NUM_CLASSES + 1)
        super().__init__(nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), output)
        initialise(self)
        initialise_output(output)


class HorizonHeads(nn.Module):
    """A small network per horizon on a backbone that horizons share (Caruana 1997).

    Each head gives the logits of down, flat and up, and the log-variance of the move that it
    expects, in units of current volatility: its aleatoric uncertainty (Kendall & Gal 2017).
    A straight linear path from the newest bar to the logits is added, so that what a logistic
    regression can see need not be learned by the rest (Cheng et al. 2016, "wide & deep").
    """

    def __init__(self, inputs: Inputs, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        heads = (HorizonHead(width, hidden, dropout) for _ in range(inputs.num_horizons))
        self.heads = nn.ModuleList(heads)
        self.straight = nn.Linear(
            inputs.num_features, inputs.num_horizons * NUM_CLASSES, bias=False
        )
        nn.init.zeros_(self.straight.weight)

    def forward(self, summary: Tensor, windows: Windows, **inspect: Tensor) -> Prediction:
        """Answer from one summary for all horizons (B, D), or one for each (B, H, D)."""
        each = summary.unbind(dim=1) if summary.ndim == 3 else [summary] * len(self.heads)
        answers_BHA = torch.stack([head(s_BD) for head, s_BD in zip(self.heads, each)], dim=1)
        logits_BHC = answers_BHA[..., :NUM_CLASSES]
        straight_BHC = self.straight(windows.x_BTF[:, -1]).view_as(logits_BHC)
        return Prediction(logits_BHC + straight_BHC, answers_BHA[..., NUM_CLASSES], inspect)
