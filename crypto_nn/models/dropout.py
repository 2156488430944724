"""Dropout whose chance costs little on a CPU."""

import torch
from torch import Tensor, nn

_STEPS = 256  # a byte of chance for each activation


class ByteDropout(nn.Dropout):
    """`nn.Dropout` (Srivastava et al. 2014) that takes one random byte for each activation.

    On a CPU torch draws a number of 64 bits for each; in a narrow transformer that takes as long
    as its matrix products. The share is therefore rounded to 1/256, and what is kept grows by what
    was really dropped, so that the mean stays. Elsewhere it is torch's own.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        dropped = min(round(self.p * _STEPS), _STEPS - 1)
        if not self.training or not dropped:
            return x
        numbers = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        bytes_ = numbers.view(torch.uint8)[: x.numel()].view(x.shape)
        kept = (bytes_ >= dropped).to(x.dtype)
        return x * kept.mul_(_STEPS / (_STEPS - dropped))
