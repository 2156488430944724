"""One step of learning: gradients of its batches, added up over all processes, then descended."""

import torch
from torch import Tensor, nn

from crypto_nn.models.prediction import Prediction, Remembers
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.objective import Totals, make_objective
from crypto_nn.training.optimizing import Stepper
from crypto_nn.training.ranks import Ranks
from crypto_nn.training.windows import LearningTask, WindowReader


class Learner:
    """A model, what it learns from, and how it steps.

    The batches of a step, and the shares of processes in them, add up to one large batch: losses
    are divided by what is known in all of them. Only one share is in memory at a time.
    """

    def __init__(
        self, model: nn.Module, task: LearningTask, config: TrainConfig, ranks: Ranks
    ) -> None:
        self.model = model
        self.task = task
        self.config = config
        self.ranks = ranks
        self.objective = make_objective(task, config).to(config.device)
        self.stepper = Stepper(model, config)
        self.read = WindowReader(task.windows)

    def step(
        self, batches: list[Tensor], number: int, rate: float, asked: bool
    ) -> tuple[float | None, bool]:
        """Learn from batches of windows, and let a model with a memory remember them.

        Args:
            batches: the newest rows of the windows of each.
            number: of the step, from 0.
            rate: its learning rate.
            asked: whether this process was asked to stop.

        Returns:
            The loss, or None where it was no number and nothing was done; and whether any of the
            processes was asked to stop.
        """
        batches = [ends_B for ends_B in batches if len(ends_B) >= self.ranks.size]
        totals = self._totals(batches)
        said: list[Prediction] = []
        loss = torch.zeros((), device=self.config.device)
        with self.ranks.own_chance(self.config.seed, number):
            for ends_B in batches:
                loss = loss + self._learn(ends_B, totals, said)
        loss, asked = self._together(loss, asked)
        value = self.stepper.step(loss, rate)
        if value is not None:
            self._remember(batches, said)
        return value, asked

    def _totals(self, batches: list[Tensor]) -> Totals | None:
        if len(batches) == 1 and self.ranks.alone:
            return None
        return self.objective.totals(self.task.answers(torch.cat(batches)))

    def _learn(self, ends_B: Tensor, totals: Totals | None, said: list[Prediction]) -> Tensor:
        """Add the gradient of this process's share in a batch; returns the share's loss."""
        share_B = self.ranks.share(ends_B)
        with self.stepper.autocast():
            prediction = self.model(self.read(share_B))
        loss = self.objective(prediction, self.task.answers(share_B), totals)
        self.stepper.backward(loss)
        if isinstance(self.model, Remembers):
            said.append(detached(prediction))
        return loss.detach()

    def _together(self, loss: Tensor, asked: bool) -> tuple[Tensor, bool]:
        """Losses and gradients of all processes, and whether any was asked: in one message."""
        if self.ranks.alone:
            return loss, asked
        told = torch.stack((loss, loss.new_tensor(float(asked))))
        total, num_asked = self.ranks.add_gradients(self.stepper.parameters, told)
        return total, bool(num_asked > 0)

    @torch.no_grad()
    def _remember(self, batches: list[Tensor], said: list[Prediction]) -> None:
        """Show a model with a memory what it said of each batch, and what came of it."""
        for ends_B, prediction in zip(batches, said):
            assert isinstance(self.model, Remembers)
            whole = self.ranks.whole(prediction, ends_B)
            self.model.remember(self.task.windows.gather(ends_B), whole, self.task.answers(ends_B))


def detached(prediction: Prediction) -> Prediction:
    """The prediction without what a gradient would need."""
    variance_BH = prediction.log_variance_BH
    return Prediction(
        prediction.logits_BHC.detach(),
        None if variance_BH is None else variance_BH.detach(),
        {name: tensor.detach() for name, tensor in prediction.inspect.items()},
    )
