"""What the price has done."""

from crypto_nn import indicators as ind
from crypto_nn.features import transforms as to
from crypto_nn.features.catalogue.parts import of

RETURNS = tuple(
    of(f"log_return_{n}", to.as_is, ind.LogReturn(n), f"Log return over {n} min", "log")
    for n in (1, 2, 5, 15, 30, 60, 240)
)
