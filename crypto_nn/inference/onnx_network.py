"""An exported graph that answers: ONNX Runtime on the CPU, without torch."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as refusals

from crypto_nn.errors import ModelError
from crypto_nn.inference.answering import Asked, Logits
from crypto_nn.models import Inputs

X, T, SYMBOL, SLOWER, LOGITS = "x_BTF", "t_B", "symbol_B", "slower_", "logits_BHC"
MOST_WINDOWS = 1024  # in one run; more are asked in several
MOST_VALUES = 50_000_000  # of one window; beyond it a description is no model's
_NUM_CLASSES = 3
_ONLY_ERRORS = 3
_DOMAINS = ("", "ai.onnx", "com.microsoft")
_REFUSED = (
    refusals.Fail,
    refusals.InvalidArgument,
    refusals.InvalidGraph,
    refusals.InvalidProtobuf,
    refusals.NoSuchFile,
    refusals.NotImplemented,
    refusals.RuntimeException,
    RuntimeError,
    ValueError,
)
_AGAIN = "Export the version again with `crypto-nn export`."


class OnnxNetwork:
    """A graph in ONNX that gives logits for windows; a `Network` as `Answering` asks it.

    Args:
        content: the graph, whole in itself: nothing else is read from the disk.
        inputs: the shape of what it is asked.
        threads: CPU threads of one answer; a server does best with 1 per worker.

    Raises:
        ModelError: it is no graph, names weights that lie elsewhere or operators that are not
            ONNX's, asks or answers in other shapes, or answers with what is no number.
    """

    def __init__(self, content: bytes, inputs: Inputs, threads: int = 1) -> None:
        if inputs.reach * inputs.num_features > MOST_VALUES:
            raise ModelError(
                f"A window of {inputs.reach} rows of {inputs.num_features} features was described; "
                f"at most {MOST_VALUES} values are allowed. {_AGAIN}"
            )
        check_closed(content)
        self.inputs = inputs
        self._session = _session(content, threads)
        self._names = self._checked_names()
        self._check_one_answer()

    def logits(self, asked: Asked) -> Logits:
        """What the graph says before calibration, (B, H, 3) float32.

        Raises:
            ModelError: the windows are of another shape than its own.
        """
        parts = [self._run(feed) for feed in self._feeds(asked)]
        shape = (0, self.inputs.num_horizons, _NUM_CLASSES)
        return np.concatenate(parts) if parts else np.empty(shape, dtype=np.float32)

    def _feeds(self, asked: Asked) -> Iterator[dict[str, Any]]:
        slower = {SLOWER + name: x_BLC for name, x_BLC in asked.slower.items()}
        arrays: dict[str, Any] = {X: asked.x_BTF, T: asked.t_B, SYMBOL: asked.symbol_B, **slower}
        missing = [name for name in self._names if name not in arrays]
        if missing:
            raise ModelError(
                f"The graph asks for {', '.join(missing)}, and the question has only "
                f"{', '.join(arrays)}. Ask it as `VersionFacts.ask` does."
            )
        for lo in range(0, len(asked), MOST_WINDOWS):
            yield {name: arrays[name][lo : lo + MOST_WINDOWS] for name in self._names}

    def _run(self, feed: dict[str, Any]) -> Logits:
        try:
            logits: Logits = self._session.run([LOGITS], feed)[0]
        except _REFUSED as error:
            raise ModelError(f"The graph cannot answer: {_short(error)}. {_AGAIN}") from None
        return logits

    def _checked_names(self) -> tuple[str, ...]:
        due = _due_shapes(self.inputs)
        for each in self._session.get_inputs():
            kind, shape = due.get(each.name, ("nothing", ()))
            if each.type != kind or tuple(each.shape[1:]) != shape:
                raise ModelError(
                    f"The graph asks for {each.name} of {each.type} {each.shape}; {kind} with "
                    f"{shape} a window was due. {_AGAIN}"
                )
        said = [each.name for each in self._session.get_outputs()]
        if said != [LOGITS]:
            raise ModelError(f"The graph gives {', '.join(said)}; {LOGITS} was due. {_AGAIN}")
        return tuple(each.name for each in self._session.get_inputs())

    def _check_one_answer(self) -> None:
        """Refuse at once a graph that cannot answer a window of zeros."""
        for batch in (1, 2):
            found = self.logits(_zeros(self.inputs, batch))
            due = (batch, self.inputs.num_horizons, _NUM_CLASSES)
            if found.shape != due or found.dtype != np.float32 or not np.isfinite(found).all():
                raise ModelError(
                    f"To {batch} windows of zeros the graph says {found.dtype} {found.shape}, or "
                    f"what is no number; finite float32 {due} were due. {_AGAIN}"
                )


def input_names(inputs: Inputs) -> tuple[str, ...]:
    """What a graph may ask for, in order."""
    return tuple(_due_shapes(inputs))


def check_closed(content: bytes) -> None:
    """Raise `ModelError` unless a graph is whole in itself and made of ONNX's own operators."""
    from google.protobuf.message import DecodeError
    from onnx import ModelProto, NodeProto, TensorProto

    model = ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError:
        raise ModelError(f"The file is no ONNX graph. {_AGAIN}") from None
    own = {each.domain for each in model.functions}
    strange = sorted({node.domain for node in _all(model, NodeProto)} - own - set(_DOMAINS))
    if strange:
        raise ModelError(f"The graph uses operators of {', '.join(strange)}. {_AGAIN}")
    for tensor in _all(model, TensorProto):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise ModelError(
                f"The graph takes {tensor.name[:100]!r} from another file; it must hold all its "
                f"weights. {_AGAIN}"
            )


def _all(part: Any, kind: type) -> Iterator[Any]:
    """Every message of a kind in a message, however deep."""
    for field, value in part.ListFields():
        if field.message_type is None:
            continue
        for each in value if _is_many(value) else [value]:
            if isinstance(each, kind):
                yield each
            yield from _all(each, kind)


def _is_many(value: Any) -> bool:
    return not hasattr(value, "ListFields")


def _session(content: bytes, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ONLY_ERRORS
    # A thread that spins takes the core from whoever shares the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except _REFUSED as error:
        raise ModelError(f"ONNX Runtime refuses the graph: {_short(error)}. {_AGAIN}") from None


def _due_shapes(inputs: Inputs) -> dict[str, tuple[str, tuple[int, ...]]]:
    bars = {
        SLOWER + each.timeframe: ("tensor(float)", (each.length, len(each.columns)))
        for each in inputs.slower
    }
    window = (inputs.window, inputs.num_features)
    numbers = ("tensor(int64)", ())
    return {X: ("tensor(float)", window), T: numbers, SYMBOL: numbers, **bars}


def _zeros(inputs: Inputs, batch: int) -> Asked:
    slower = {
        each.timeframe: np.zeros((batch, each.length, len(each.columns)), dtype=np.float32)
        for each in inputs.slower
    }
    x_BTF = np.zeros((batch, inputs.window, inputs.num_features), dtype=np.float32)
    return Asked(x_BTF, np.zeros(batch, dtype=np.int64), np.zeros(batch, dtype=np.int64), slower)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
