"""A program that was saved is read without running what is pickled in it."""

from typing import Any

import pytest
import torch

from crypto_nn.models import MODELS
from crypto_nn.models.export import export, from_bytes, to_bytes
from crypto_nn.models.specimen import Specimen, said_by


def test_a_saved_program_is_loaded_without_unpickling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever torch unpickles of the file, it does so for weights only."""
    load = torch.load

    def careful(*args: Any, **options: Any) -> Any:
        assert options.get("weights_only", True)
        return load(*args, **options)

    specimen = Specimen.of(MODELS["DLinear"], "small")
    model, windows = specimen.used(), specimen.noise(4)
    content = to_bytes(export(model, specimen.noise(2)))
    monkeypatch.setattr(torch, "load", careful)
    loaded = from_bytes(content).module()
    torch.testing.assert_close(said_by(loaded(windows)), said_by(model(windows)))
