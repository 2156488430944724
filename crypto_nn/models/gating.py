"""Gates that let a layer pass, hold back or skip what it computed."""

from torch import Tensor, nn
from torch.nn.functional import elu, glu

from crypto_nn.models.dropout import ByteDropout


class GatedResidual(nn.Module):
    """A small network whose gate decides how much of it is added to its input.

    The gated residual network of Lim et al. 2021 (Temporal Fusion Transformers):
    norm(a + GLU(W1·ELU(W2·a + W3·c))), with the gated linear unit of Dauphin et al. 2017. Where
    nothing is to be gained from a and c, the gate closes and a stays as it is.

    Args:
        width: size of the input and of the context.
        dropout: share of the small network's answers dropped before the gate.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.input = nn.Linear(width, width)
        self.context = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width)
        self.drop = ByteDropout(dropout)
        self.gate = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, a: Tensor, context: Tensor) -> Tensor:
        hidden = elu(self.input(a) + self.context(context))
        return self.norm(a + glu(self.gate(self.drop(self.output(hidden)))))
