"""Weights of eight bits instead of thirty-two, and the gate that they must pass."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.inference.answering import Probabilities
from crypto_nn.metrics.classification import accuracy, log_loss

MOST_LOSS = 0.001  # nats that the mean log-loss may rise by
MOST_ACCURACY = 0.005  # that the accuracy may fall by
FEWEST_ROWS = 200  # fewer say nothing


@dataclass(frozen=True)
class Verdict:
    """What int8 costs on rows of the validation part, in the mean over horizons.

    Attributes:
        kept: whether it may answer.
        reason: why, or why not.
        rows: windows that both were asked.
        log_loss_fp32, log_loss_int8: mean log-loss, nats.
        accuracy_fp32, accuracy_int8: share of classes told.
        largest_difference: of any two probabilities.
    """

    kept: bool
    reason: str
    rows: int = 0
    log_loss_fp32: float | None = None
    log_loss_int8: float | None = None
    accuracy_fp32: float | None = None
    accuracy_int8: float | None = None
    largest_difference: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def quantized(content: bytes) -> bytes:
    """The same graph with int8 weights; sums are scaled by what each window shows."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with TemporaryDirectory() as folder, _quiet():
        whole, prepared, small = (Path(folder, each) for each in ("whole", "prepared", "small"))
        whole.write_bytes(content)
        quant_pre_process(whole, prepared, skip_symbolic_shape=True)
        quantize_dynamic(prepared, small, weight_type=QuantType.QInt8)
        return small.read_bytes()


def judge(p_RHC: Probabilities, int8_RHC: Probabilities, classes_RH: NDArray[np.int64]) -> Verdict:
    """Whether int8 answers well enough beside fp32.

    Args:
        p_RHC: calibrated probabilities in fp32.
        int8_RHC: the same windows in int8.
        classes_RH: what came: 0 down, 1 flat, 2 up; −1 not known.
    """
    known_RH = classes_RH >= 0
    rows = int(known_RH.all(axis=1).sum())
    if rows < FEWEST_ROWS:
        return Verdict(False, f"{rows} validation rows are known; {FEWEST_ROWS} are due.", rows)
    if not np.isfinite(int8_RHC).all():
        return Verdict(False, "int8 answers with what is no number.", rows)
    losses, shares = [], []
    for p in (p_RHC, int8_RHC):
        each = [(p[k, h], classes_RH[k, h]) for h, k in enumerate(known_RH.T)]
        losses.append(float(np.mean([log_loss(*pair) for pair in each])))
        shares.append(float(np.mean([accuracy(*pair) for pair in each])))
    rise, fall = losses[1] - losses[0], shares[0] - shares[1]
    kept = bool(rise <= MOST_LOSS and fall <= MOST_ACCURACY)
    reason = (
        f"On {rows} validation rows the log-loss changes by {rise:+.5f} nats (at most "
        f"{MOST_LOSS:+}) and the accuracy by {-fall:+.4f} (at least {-MOST_ACCURACY:+})."
    )
    largest = float(np.abs(p_RHC - int8_RHC).max())
    return Verdict(
        kept, reason, rows, losses[0], losses[1], shares[0], shares[1], largest_difference=largest
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's advice to prepare the graph is for whoever has not done it."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
