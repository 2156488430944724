"""A model as a graph of its own, free of this package's code (`torch.export`)."""

import warnings
from functools import cache
from io import BytesIO

import torch
from torch import nn
from torch.export import Dim, ExportedProgram, ShapesCollection, register_dataclass

from crypto_nn.models.prediction import Prediction, Windows

MOST_WINDOWS = 1024


def export(model: nn.Module, windows: Windows) -> ExportedProgram:
    """The graph that `model` runs on windows like these, for 1 to 1024 of them at once.

    Args:
        model: in eval mode.
        windows: an example of at least two windows: one alone would fix the number.

    The program keeps no example: torch would pickle it as it is, and run that pickle on loading.
    """
    _register()
    batch, shapes = Dim("batch", min=1, max=MOST_WINDOWS), ShapesCollection()
    for tensor in (windows.x_BTF, windows.t_B, windows.symbol_B, *windows.slower.values()):
        shapes[tensor] = {0: batch}
    with torch.no_grad(), warnings.catch_warnings():
        # An LSTM gathers its weights anew while it is traced, and torch wonders at that.
        warnings.filterwarnings("ignore", "The tensor attributes .*_flat_weights")
        arguments = (windows,)
        dynamic = shapes.dynamic_shapes(model, arguments)
        program = torch.export.export(model, arguments, dynamic_shapes=dynamic)
    program.example_inputs = None
    return program


def to_bytes(program: ExportedProgram) -> bytes:
    """The program as `torch.export.save` writes it."""
    file = BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def from_bytes(content: bytes) -> ExportedProgram:
    """The program that `to_bytes` wrote, in any process.

    `torch.export.load` can unpickle what it finds: load only what you or somebody you trust wrote.
    """
    _register()
    return torch.export.load(BytesIO(content))


@cache
def _register() -> None:
    """Tell torch.export, once, that windows and predictions are trees of tensors."""
    for form in (Windows, Prediction):
        name = f"{form.__module__}.{form.__qualname__}"
        register_dataclass(form, serialized_type_name=name)
