"""The law of every model (`crypto_nn.models.laws`), and that windows end where they say."""

import torch

from crypto_nn.models.laws import LAWS
from crypto_nn.models.prediction import MINUTE_US
from crypto_nn.models.specimen import Specimen, inputs_of, random_windows, said_by
from crypto_nn.training.windows import WindowTensors

__all__ = ["LAWS", "Specimen", "check_looks_at_its_window_only", "inputs_of", "random_windows"]


def check_looks_at_its_window_only(specimen: Specimen) -> None:
    """Rows after a window's newest bar, and before the reach of its model, change no bit."""
    model, inputs = specimen.used(), specimen.inputs
    rows, reach = inputs.reach + 40, inputs.reach
    x_NF = torch.randn(rows, inputs.num_features, generator=torch.Generator().manual_seed(0))
    t_N, symbol_N = torch.arange(rows) * MINUTE_US, torch.zeros(rows, dtype=torch.int64)
    ends_B = torch.tensor([reach - 1, reach + 20, rows - 1])
    whole = said_by(model(WindowTensors(x_NF, t_N, symbol_N, inputs).gather(ends_B)))
    for position, end in enumerate(ends_B.tolist()):
        poisoned_NF = torch.full_like(x_NF, torch.nan)
        seen = slice(end - reach + 1, end + 1)
        poisoned_NF[seen] = x_NF[seen]
        # The others' windows are poisoned too: neighbours do not talk.
        found = said_by(model(WindowTensors(poisoned_NF, t_N, symbol_N, inputs).gather(ends_B)))
        assert torch.equal(found[position], whole[position])
