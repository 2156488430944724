"""Bundles made by hand in a moment: one matrix for a network."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from crypto_nn.inference import bundle
from crypto_nn.inference.answering import VersionFacts
from crypto_nn.models import Inputs
from crypto_nn.training import Recipe, TrainConfig
from crypto_nn_tests.training.tasks import TINY

NAMES = ("a", "b", "c")
WINDOW = 4
RECIPE = Recipe("LSTMPricePredictor", TINY, TrainConfig(window=WINDOW), fingerprint="features-1")


def config(**changes: Any) -> dict[str, Any]:
    """What is known of a made-up version, as its `config.json`."""
    facts = {
        "format": 1,
        "version": "v1",
        **RECIPE.to_dict(),
        "feature_names": list(NAMES),
        "symbols": ["AAA-USDT", "BBB-USDT"],
        "horizons": [5, 15],
        "window": WINDOW,
        "scaler": {"center": [0.0, 1.0, 2.0], "scale": [1.0, 2.0, 3.0], "clip": 10.0},
        "temperature": [1.0, 2.0],
    }
    return facts | changes


def facts() -> VersionFacts:
    """The same, read."""
    return VersionFacts.from_config(config())


def weights(inputs: Inputs) -> Any:
    """The matrix that stands for a network, float32."""
    shape = inputs.window * inputs.num_features, inputs.num_horizons * 3
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def graph(inputs: Inputs, opset: int = 20, domain: str = "") -> onnx.ModelProto:
    """Windows laid flat, times the matrix."""
    asked = helper.make_tensor_value_info(
        "x_BTF", TensorProto.FLOAT, ["b", inputs.window, inputs.num_features]
    )
    said = helper.make_tensor_value_info(
        "logits_BHC", TensorProto.FLOAT, ["b", inputs.num_horizons, 3]
    )
    shape = np.array([-1, inputs.num_horizons, 3], dtype=np.int64)
    held = [numpy_helper.from_array(weights(inputs), "w"), numpy_helper.from_array(shape, "shape")]
    nodes = [
        helper.make_node("Flatten", ["x_BTF"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["product"]),
        helper.make_node("Reshape", ["product", "shape"], ["logits_BHC"], domain=domain),
    ]
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(domain, 1)] if domain else []
    whole = helper.make_graph(nodes, "g", [asked], [said], held)
    return helper.make_model(whole, opset_imports=opsets, ir_version=10)


def files(**changes: Any) -> dict[str, bytes]:
    """The files of a bundle, fp32 alone; the changes are of its `config.json`."""
    gate = {"fp32": {}, "int8": {"kept": False, "reason": "It was not asked for."}}
    return {
        bundle.MODEL: graph(facts().inputs).SerializeToString(),
        bundle.CONFIG: json.dumps(config(**changes)).encode(),
        bundle.CARD: b"# v1\n",
        bundle.GATE: json.dumps(gate).encode(),
    }


def saved(folder: Path, **changes: Any) -> Path:
    """A bundle in this folder."""
    return bundle.save(folder, files(**changes))
