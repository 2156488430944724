"""How attention, which sees a set, is told the age of each moment."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from crypto_nn.errors import ModelError

LEARNED_STD = 0.02


class Positions(nn.Module):
    """A vector for each age, added to what a moment is: (B, T, D) in and out.

    The newest moment has age zero, so that a shorter window is told the same ages.

    Args:
        kind: "sinusoidal": waves of many lengths (Vaswani et al. 2017), nothing to learn;
            "learned": a table.
        length: moments of the window.
        width: D.
    """

    def __init__(self, kind: Literal["sinusoidal", "learned"], length: int, width: int) -> None:
        super().__init__()
        self.table: Tensor
        if kind == "learned":
            self.table = nn.Parameter(torch.randn(length, width) * LEARNED_STD)
        else:  # known from its shape alone: not stored with the weights
            self.register_buffer("table", sinusoids(length, width), persistent=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        length, known = x_BTD.shape[1], self.table.shape[0]
        if length > known:
            raise ModelError(f"The model was built for windows of {known}, and was given {length}.")
        return x_BTD + self.table[known - length :]


def sinusoids(length: int, width: int) -> Tensor:
    """Sines and cosines (length, width) of the age, its wavelengths from 2π to 10,000 · 2π."""
    age_T = torch.arange(length - 1, -1, -1, dtype=torch.float32)
    pace = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angle = age_T[:, None] * pace
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)[:, :width]
