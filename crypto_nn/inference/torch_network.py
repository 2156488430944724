"""A stored version's own torch network, asked in the way that an exported one is."""

from dataclasses import dataclass

import numpy as np
import torch

from crypto_nn.inference.answering import Answering, Asked, Logits, VersionFacts
from crypto_nn.inference.predictor import ModelInference
from crypto_nn.models.prediction import Windows


@dataclass(frozen=True, eq=False)
class TorchNetwork:
    """The network of a version, in float32 or, with `bf16`, in bfloat16 where torch allows it.

    bfloat16 keeps 8 bits of a number, so that its answers differ from float32's in the third
    digit; it is for throughput on machines that have it, and never the default.
    """

    inference: ModelInference
    bf16: bool = False

    @torch.inference_mode()
    def logits(self, asked: Asked) -> Logits:
        """What it says before calibration, (B, H, 3) float32."""
        device = next(self.inference.network.parameters()).device

        def there(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(array).to(device)

        slower = {name: there(x_BLC) for name, x_BLC in asked.slower.items()}
        windows = Windows(there(asked.x_BTF), there(asked.t_B), there(asked.symbol_B), slower)
        cast = torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.bf16)
        with self.inference.thread_limit(), cast:
            logits_BHC = self.inference.network(windows).logits_BHC
        found: Logits = logits_BHC.float().cpu().numpy()
        return found


def answering_of(inference: ModelInference, bf16: bool = False) -> Answering:
    """A version that answers live windows by its torch network."""
    facts = VersionFacts.from_config(inference.config)
    return Answering(facts, TorchNetwork(inference, bf16))
