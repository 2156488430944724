"""The market beside its reference, such as bitcoin."""

from crypto_nn import indicators as ind
from crypto_nn.features import transforms as to
from crypto_nn.features.catalogue.parts import of

CROSS = (
    *(
        of(
            f"reference_return_{n}",
            to.as_is,
            ind.ReferenceReturn(n),
            f"Log return of the reference over {n} min",
            "log",
        )
        for n in (1, 5, 15, 60)
    ),
    *(
        of(
            f"relative_return_{n}",
            to.as_is,
            ind.RelativeReturn(n),
            f"Log return beyond that of the reference over {n} min",
            "log",
        )
        for n in (5, 15, 60)
    ),
    *(
        of(
            f"reference_correlation_{n}",
            to.as_is,
            ind.ReferenceCorrelation(n),
            f"Correlation of returns with the reference over {n} min",
            "balance",
        )
        for n in (60, 240)
    ),
    of(
        "reference_beta_240",
        to.as_is,
        ind.ReferenceBeta(240),
        "Beta to the reference over 240 min",
        "1",
    ),
)
