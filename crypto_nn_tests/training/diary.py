"""The smallest model with a memory: it writes down some of what training shows it."""

import torch
from torch import Tensor, nn

from crypto_nn.models.prediction import Answers, Prediction, Windows
from crypto_nn_tests.training.tasks import tiny_model

PAGES = 6


class Diary(nn.Module):
    """A tiny model whose answers lean on pages that are chosen by chance in `remember`."""

    def __init__(self, dropout: float | None = None) -> None:
        super().__init__()
        self.inner = tiny_model()
        if dropout is not None:
            for module in self.inner.modules():
                if isinstance(module, nn.Dropout):
                    module.p = dropout
                if isinstance(module, nn.LSTM):
                    module.dropout = dropout
        self.gain = nn.Parameter(torch.tensor(0.1))
        self.pages_PHC: Tensor
        self.seen_P: Tensor
        self.register_buffer("pages_PHC", torch.zeros(PAGES, 2, 3))
        self.register_buffer("seen_P", torch.full((PAGES,), -1))

    def forward(self, windows: Windows) -> Prediction:
        answer: Prediction = self.inner(windows)
        logits_BHC = answer.logits_BHC + self.gain * self.pages_PHC.mean(dim=0)
        return Prediction(
            logits_BHC,
            answer.log_variance_BH,
            answer.inspect | {"moments": windows.t_B, "late": windows.t_B > 0},
        )

    def remember(self, windows: Windows, prediction: Prediction, answers: Answers) -> None:
        """Copy a few windows, chosen by chance, to pages chosen by chance."""
        assert not torch.is_grad_enabled()
        assert not prediction.logits_BHC.requires_grad
        assert torch.equal(windows.t_B, prediction.inspect["moments"])
        assert prediction.inspect["late"].dtype is torch.bool
        assert len(windows.t_B) == len(answers.classes_BH)
        chosen = torch.randperm(len(windows.t_B))[:2]
        pages = torch.randperm(PAGES)[:2]
        told_BHC = prediction.logits_BHC[chosen] + answers.classes_BH[chosen, :, None]
        self.pages_PHC[pages] = told_BHC + prediction.inspect["attention"][chosen, -1, None, None]
        self.seen_P[pages] = windows.t_B[chosen]
