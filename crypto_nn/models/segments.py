"""Even parts of a window of any length."""

import torch
from torch import Tensor


def segments(moments: int, count: int, device: torch.device) -> Tensor:
    """Which moments each part covers (count, moments), bool.

    Part j covers the moments from ⌊j·T/S⌋ to before ⌈(j + 1)·T/S⌉. So none is empty, all together
    cover the window, and neighbours share a moment where S does not divide T.
    """
    part_S1 = torch.arange(count, device=device)[:, None]
    moment_T = torch.arange(moments, device=device)
    return (moment_T * count > (part_S1 * moments - count)) & (
        moment_T * count < (part_S1 + 1) * moments
    )
