"""The processes that train one model together, and what they tell each other.

Every process has all rows, draws the same windows in the same order, and computes the answers to
its share of each batch. Gradients of the shares are added up, in one message per step, so that all
take the same step; what one writes down is the state of all.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch import distributed as group

from crypto_nn.errors import TrainingError
from crypto_nn.models.prediction import Prediction


class RankLost(TrainingError):
    """Another process of the training no longer answers."""


@dataclass(frozen=True)
class Ranks:
    """How many processes train together, and which of them this one is.

    Attributes:
        rank: this process, from 0; process 0 leads: it alone validates files and writes them.
        size: how many there are; with 1, nothing is sent.
        device: where this process computes, and what its messages are sent from.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def leads(self) -> bool:
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self.size == 1

    def share(self, ends_B: Tensor) -> Tensor:
        """This process's part of a batch: parts follow each other in the order of ranks."""
        return ends_B if self.alone else ends_B.tensor_split(self.size)[self.rank]

    def add_up(self, tensor: Tensor) -> Tensor:
        """The sum of this tensor over all processes; every process gets the same bits."""
        if self.alone:
            return tensor
        sent = tensor.to(self.device, copy=True)
        with self._talking():
            group.all_reduce(sent)
        return sent.to(tensor.device)

    def add_gradients(self, parameters: Sequence[Tensor], told: Tensor) -> Tensor:
        """Give every process the sum of all gradients; returns the sum of `told` (numbers)."""
        if self.alone:
            return told
        learned = [p for p in parameters if p.requires_grad]
        for parameter in learned:
            if parameter.grad is None:  # what one process left aside, another may have learned
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in learned if p.grad is not None]
        flat = torch.cat([*(gradient.flatten() for gradient in gradients), told.to(gradients[0])])
        with self._talking():
            group.all_reduce(flat)
        parts = flat.split([*(gradient.numel() for gradient in gradients), len(told)])
        for gradient, part in zip(gradients, parts):
            gradient.copy_(part.view_as(gradient))
        return parts[-1]

    def whole(self, prediction: Prediction, ends_B: Tensor) -> Prediction:
        """The prediction of a whole batch, from the predictions of its shares, detached."""
        size, share = len(ends_B), len(self.share(ends_B))
        bounds = torch.tensor([len(part) for part in ends_B.tensor_split(self.size)]).cumsum(0)
        start = int(bounds[self.rank]) - share

        def gathered(part: Tensor) -> Tensor:
            part = part.detach()
            if self.alone:
                return part
            numbers = part.to(torch.uint8) if part.dtype is torch.bool else part
            full = numbers.new_zeros(size, *part.shape[1:])
            full[start : start + share] = numbers
            return self.add_up(full).to(part.dtype)

        variance_BH = prediction.log_variance_BH
        return replace(
            prediction,
            logits_BHC=gathered(prediction.logits_BHC),
            log_variance_BH=None if variance_BH is None else gathered(variance_BH),
            inspect={name: gathered(part) for name, part in sorted(prediction.inspect.items())},
        )

    def of_leader(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        """The leader's files, in every process; the names must be the same in all."""
        if self.alone:
            return dict(files)
        return {name: self._told_by_leader(files[name]) for name in sorted(files)}

    def _told_by_leader(self, content: bytes) -> bytes:
        length = torch.tensor([len(content)], device=self.device)
        with self._talking():
            group.broadcast(length, src=0)
            sent = torch.zeros(int(length), dtype=torch.uint8, device=self.device)
            if self.leads:
                sent.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
            group.broadcast(sent, src=0)
        return sent.cpu().numpy().tobytes()

    @contextmanager
    def own_chance(self, seed: int, step: int) -> Iterator[None]:
        """Dropout of its own for each process, while chance outside of the block stays common.

        It follows from seed, step and rank, so that there is nothing to save.
        """
        if self.alone:
            yield
            return
        devices = [torch.device(self.device)] if self.device.startswith("cuda") else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(((seed << 32) + step) * self.size + self.rank & (1 << 63) - 1)
            yield

    @contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # all that torch.distributed raises here
            raise RankLost(
                f"Process {self.rank} of {self.size} no longer hears from the others: {error}"
            ) from error


ALONE = Ranks()
