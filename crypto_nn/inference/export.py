"""A version as a bundle that answers without torch: ONNX, compared with its network."""

import json
import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor, nn

from crypto_nn.errors import FeatureError, LakeError, ModelError
from crypto_nn.features.panel import MINUTE, Panel
from crypto_nn.features.splits import VALIDATION, rows_of
from crypto_nn.inference import bundle as bundles
from crypto_nn.inference.answering import Asked, VersionFacts
from crypto_nn.inference.bundle import Bundle
from crypto_nn.inference.onnx_network import LOGITS, MOST_WINDOWS, OnnxNetwork, input_names
from crypto_nn.inference.predictor import ModelInference
from crypto_nn.inference.quantizing import Verdict, judge, quantized
from crypto_nn.inference.torch_network import TorchNetwork
from crypto_nn.models import Inputs
from crypto_nn.models.prediction import MINUTE_US, Windows
from crypto_nn.store.atomic import make_folder, temporary_beside
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore
from crypto_nn.training.dataset import load_panel
from crypto_nn.training.evaluation import evenly
from crypto_nn.training.windows import WindowReader

MOST_DIFFERENCE = 1e-5  # of a logit, or of its size where that is above 1
MOST_ROWS = 2000  # of the validation part that the gate asks
_NOISE_ROWS = 64
_START_US = 28_400_000 * MINUTE_US  # of noise: some minute of 2024


@dataclass(frozen=True, eq=False)
class GateRows:
    """Real windows of the validation part, and what came of them.

    Attributes:
        asked: the windows.
        classes_RH: 0 down, 1 flat, 2 up; −1 not known.
    """

    asked: Asked
    classes_RH: NDArray[np.int64]


def export_version(
    inference: ModelInference,
    folder: Path,
    gate: GateRows | None = None,
    card: str = "",
    int8: bool = True,
) -> Bundle:
    """Write a version as a bundle, after its graph has answered as the network does.

    Args:
        inference: the version.
        folder: where to; must not be there yet.
        gate: rows to compare on. Without them fp32 is compared on noise, and int8 is left out.
        card: its model card, Markdown.
        int8: whether to try int8 weights too; they are kept only where they pass the gate.

    Raises:
        ModelError: the model cannot be exported, or its graph answers otherwise than it; nothing
            is written.
    """
    facts = VersionFacts.from_config(inference.config)
    asked = noise(facts.inputs) if gate is None or not len(gate.asked) else gate.asked
    content = graph_of(inference.network, facts.inputs)
    largest = _check_same(inference, facts, content, asked)
    small, verdict = _int8(facts, content, gate, int8)
    record = {
        "fp32": {
            "largest_difference": largest,
            "allowed": MOST_DIFFERENCE,
            "windows": len(asked),
            "of": "noise" if gate is None or not len(gate.asked) else "validation rows",
        },
        "int8": verdict.to_dict(),
    }
    files = {
        bundles.MODEL: content,
        bundles.CONFIG: json.dumps(dict(inference.config), indent=1, allow_nan=False).encode(),
        bundles.CARD: card.encode(),
        bundles.GATE: json.dumps(record, indent=1, allow_nan=False).encode(),
    }
    if verdict.kept:
        files[bundles.INT8] = small
    return Bundle.load(bundles.save(folder, files))


def ensure_exported(
    store: ModelStore, version: str, root: Path, lake: Lake | None = None, int8: bool = True
) -> Path:
    """The folder of a version's bundle below `root`; made where it is not there or damaged.

    Whoever asks at the same time waits for the one that makes it.

    Args:
        store: where versions are kept.
        version: its whole name.
        root: where bundles are kept, one folder for each version.
        lake: where the rows of its validation part are; None leaves int8 out.
        int8: whether to try int8.

    Raises:
        ModelError: there is no such version, or it cannot be exported.
    """
    path = store.path(store.find(version), version)  # checks the name, so that it lies below root
    folder = root / path.name
    make_folder(root)
    with FileLock(root / f".{path.name}.lock"):
        if folder.exists():
            try:
                if Bundle.load(folder).facts.version == version:
                    return folder
            except ModelError:
                logging.getLogger(__name__).warning("%s is damaged and made anew", folder)
            gone = temporary_beside(folder)
            folder.rename(gone)
            shutil.rmtree(gone)
        export_stored(store, version, folder, lake, int8)
    return folder


def export_stored(
    store: ModelStore, version: str, folder: Path, lake: Lake | None = None, int8: bool = True
) -> Bundle:
    """A stored version as a bundle; the arguments and errors are those of `ensure_exported`."""
    files = store.load(store.find(version), version)
    inference = ModelInference(files, threads=1)
    gate = None if lake is None else gate_rows(inference, lake)
    return export_version(inference, folder, gate, files.get("card.md", b"").decode(), int8)


def gate_rows(inference: ModelInference, lake: Lake) -> GateRows | None:
    """Rows of the version's validation part in the lake; None where they are not there any more."""
    role = inference.fold.role(VALIDATION)
    start = role.start - inference.reach * MINUTE
    try:
        panel = load_panel(lake, inference.symbols, inference.feature_names, start, role.end)
        return rows_from(inference, panel)
    except (LakeError, FeatureError):
        return None


def rows_from(inference: ModelInference, panel: Panel) -> GateRows | None:
    """Rows of the version's validation part in a panel; None where it has none of them."""
    ends = panel.window_ends(inference.reach)
    inside = rows_of(inference.fold, VALIDATION, panel.ts_N, panel.t1_NH)
    ends = evenly(torch.from_numpy(ends[inside[ends]]), MOST_ROWS).numpy()
    if not len(ends):
        return None
    classes_NH = panel.classes_NH if inference.k is None else panel.classes_at(inference.k)
    windows, rows = inference.windows(panel, ends)
    return GateRows(_asked(WindowReader(windows)(rows)), classes_NH[ends].astype(np.int64))


def graph_of(network: nn.Module, inputs: Inputs) -> bytes:
    """The network as an ONNX graph of its own, for 1 to 1024 windows at once.

    Raises:
        ModelError: torch cannot make a graph of it.
    """
    windows = _windows(noise(inputs, 3))
    wrapped = _LogitsAlone(network, tuple(windows.slower)).eval()
    arguments = (windows.x_BTF, windows.t_B, windows.symbol_B, *windows.slower.values())
    batch = {0: torch.export.Dim("batch", min=1, max=MOST_WINDOWS)}
    shapes: tuple[Any, ...] = (batch, batch, batch)
    if windows.slower:
        shapes += (tuple(batch for _ in windows.slower),)
    try:
        with torch.no_grad(), _quiet():
            program = torch.export.export(wrapped, arguments, dynamic_shapes=shapes)
            made = torch.onnx.export(
                program,
                dynamo=True,
                external_data=False,
                input_names=input_names(inputs),
                output_names=[LOGITS],
                verbose=False,
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        why = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{type(network).__name__} cannot be exported to ONNX: {why}. Serve another version, "
            "or ask this one through `ModelInference`."
        ) from None
    assert made is not None
    return _without_traces(made.model_proto)


class _LogitsAlone(nn.Module):
    """A model with its windows laid out, of whose answer only the logits are taken."""

    def __init__(self, network: nn.Module, timeframes: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.timeframes = network, timeframes

    def forward(self, x_BTF: Tensor, t_B: Tensor, symbol_B: Tensor, *slower: Tensor) -> Tensor:
        bars = dict(zip(self.timeframes, slower))
        logits: Tensor = self.network(Windows(x_BTF, t_B, symbol_B, bars)).logits_BHC
        return logits


def _check_same(
    inference: ModelInference, facts: VersionFacts, content: bytes, asked: Asked
) -> float:
    due = TorchNetwork(inference).logits(asked)
    found = OnnxNetwork(content, facts.inputs).logits(asked)
    away = np.abs(found.astype(np.float64) - due) / np.maximum(1.0, np.abs(due))
    largest = float(away.max())
    if not largest <= MOST_DIFFERENCE:
        raise ModelError(
            f"The graph of version {facts.version} answers up to {largest:.3g} away from its "
            f"network on {len(asked)} windows; {MOST_DIFFERENCE:g} is allowed. Nothing was written."
        )
    return largest


def _int8(
    facts: VersionFacts, content: bytes, gate: GateRows | None, wanted: bool
) -> tuple[bytes, Verdict]:
    if not wanted:
        return b"", Verdict(False, "It was not asked for.")
    if gate is None:
        return b"", Verdict(False, "No rows of the validation part are there to compare it on.")
    small = quantized(content)
    try:
        p_RHC, int8_RHC = (
            facts.calibrated(OnnxNetwork(each, facts.inputs).logits(gate.asked))
            for each in (content, small)
        )
    except ModelError as error:
        return b"", Verdict(False, f"The graph in int8 cannot answer: {error}")
    return small, judge(p_RHC, int8_RHC, gate.classes_RH)


def noise(inputs: Inputs, batch: int = _NOISE_ROWS) -> Asked:
    """Windows of noise of all symbols in turn, as large as scaled features are."""
    random = np.random.default_rng(0)

    def draw(*shape: int) -> NDArray[np.float32]:
        return random.standard_normal((batch, *shape)).astype(np.float32)

    slower = {each.timeframe: draw(each.length, len(each.columns)) for each in inputs.slower}
    order_B = np.arange(batch, dtype=np.int64)
    t_B = _START_US + order_B * MINUTE_US
    x_BTF = draw(inputs.window, inputs.num_features)
    return Asked(x_BTF, t_B, order_B % inputs.num_symbols, slower)


def _windows(asked: Asked) -> Windows:
    slower = {name: torch.from_numpy(x_BLC) for name, x_BLC in asked.slower.items()}
    x_BTF, t_B, symbol_B = (
        torch.from_numpy(each) for each in (asked.x_BTF, asked.t_B, asked.symbol_B)
    )
    return Windows(x_BTF, t_B, symbol_B, slower)


def _asked(windows: Windows) -> Asked:
    slower = {name: x_BLC.numpy() for name, x_BLC in windows.slower.items()}
    x_BTF, t_B, symbol_B = (each.numpy() for each in (windows.x_BTF, windows.t_B, windows.symbol_B))
    return Asked(x_BTF, t_B, symbol_B, slower)


def _without_traces(model: Any) -> bytes:
    """The graph without what the exporter notes of the source files and machine it ran on."""
    _clear(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _clear(part: Any) -> None:
    for field, value in part.ListFields():
        if field.name in ("metadata_props", "doc_string"):
            part.ClearField(field.name)
        elif field.message_type is not None and field.name != "raw_data":
            for each in [value] if hasattr(value, "ListFields") else value:
                _clear(each)


@contextmanager
def _quiet() -> Iterator[None]:
    """What torch's exporter tells of its own ways is of no use to whoever exports."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
