"""A graph answers as what it was made from, and what is no such graph is refused at once."""

import numpy as np
import pytest
from onnx import TensorProto

from crypto_nn.errors import ModelError
from crypto_nn.inference.answering import Asked
from crypto_nn.inference.onnx_network import OnnxNetwork
from crypto_nn.models import Inputs
from crypto_nn_tests.inference.exported import graph, weights

INPUTS = Inputs(3, 2, 2, 4)


def asked(batch: int) -> Asked:
    x_BTF = np.random.default_rng(1).standard_normal((batch, 4, 3)).astype(np.float32)
    return Asked(x_BTF, np.zeros(batch, dtype=np.int64), np.zeros(batch, dtype=np.int64))


@pytest.mark.parametrize("batch", [0, 1, 5, 1025])
def test_a_graph_answers_any_number_of_windows(batch: int) -> None:
    """None, one, some, and more than one run takes."""
    question = asked(batch)
    found = OnnxNetwork(graph(INPUTS).SerializeToString(), INPUTS).logits(question)
    assert found.shape == (batch, 2, 3)
    due = (question.x_BTF.reshape(batch, 12) @ weights(INPUTS)).reshape(batch, 2, 3)
    np.testing.assert_allclose(found, due, atol=1e-5)


def test_windows_of_another_shape_are_refused() -> None:
    """What does not fit the graph is an error of ours, not of the runtime's."""
    network = OnnxNetwork(graph(INPUTS).SerializeToString(), INPUTS)
    wrong = Asked(np.zeros((1, 3, 3), np.float32), np.zeros(1, np.int64), np.zeros(1, np.int64))
    with pytest.raises(ModelError, match="cannot answer"):
        network.logits(wrong)


@pytest.mark.parametrize("content", [b"", b"garbage" * 9, b"\x80\x04\x95."])
def test_what_is_no_graph_is_refused(content: bytes) -> None:
    """Nothing, noise, and the beginning of a pickle."""
    with pytest.raises(ModelError, match="graph"):
        OnnxNetwork(content, INPUTS)


def test_half_a_graph_is_refused() -> None:
    """Cut anywhere, it is not loaded."""
    content = graph(INPUTS).SerializeToString()
    for length in (10, len(content) // 2, len(content) - 1):
        with pytest.raises(ModelError):
            OnnxNetwork(content[:length], INPUTS)


def test_weights_in_other_files_are_refused() -> None:
    """A graph cannot make the process read a file of its choice."""
    made = graph(INPUTS)
    weight = made.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../etc/passwd")
    with pytest.raises(ModelError, match="from another file"):
        OnnxNetwork(made.SerializeToString(), INPUTS)


def test_weights_in_other_files_are_found_however_deep() -> None:
    """A tensor inside an attribute of a node counts as well."""
    made = graph(INPUTS)
    tensor = made.graph.node[0].attribute.add(name="value", type=4).t
    tensor.external_data.add(key="location", value="weights")
    with pytest.raises(ModelError, match="from another file"):
        OnnxNetwork(made.SerializeToString(), INPUTS)


def test_operators_of_others_are_refused() -> None:
    """Only those of ONNX and of the runtime itself are known."""
    with pytest.raises(ModelError, match="operators of evil"):
        OnnxNetwork(graph(INPUTS, domain="evil").SerializeToString(), INPUTS)


def test_a_later_opset_is_refused() -> None:
    """A graph from the future says so."""
    with pytest.raises(ModelError, match="refuses"):
        OnnxNetwork(graph(INPUTS, opset=999).SerializeToString(), INPUTS)


@pytest.mark.parametrize("inputs", [Inputs(2, 2, 2, 4), Inputs(3, 3, 2, 4), Inputs(3, 2, 2, 5)])
def test_a_graph_of_other_shapes_is_refused(inputs: Inputs) -> None:
    """Features, horizons and window are those of the description."""
    with pytest.raises(ModelError, match="due"):
        OnnxNetwork(graph(INPUTS).SerializeToString(), inputs)


def test_a_huge_description_is_refused_before_it_takes_memory() -> None:
    """Nobody can make it allocate what no model needs."""
    with pytest.raises(ModelError, match="at most"):
        OnnxNetwork(graph(INPUTS).SerializeToString(), Inputs(10**6, 2, 2, 10**6))


def test_an_answer_that_is_no_number_is_refused() -> None:
    """Weights that are no numbers are noticed before anybody asks."""
    made = graph(INPUTS)
    made.graph.initializer[0].raw_data = np.full((12, 6), np.nan, np.float32).tobytes()
    with pytest.raises(ModelError, match="no number"):
        OnnxNetwork(made.SerializeToString(), INPUTS)
