"""Each law of models is broken by something, and says what broke it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from crypto_nn.indicators.laws import LawError
from crypto_nn.models import laws
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.inputs import Inputs, Slower
from crypto_nn.models.prediction import Answers, Prediction, Windows
from crypto_nn.models.specimen import Specimen

SLOWER = Slower("15m", 15, 4, (5, 6))
INPUTS = Inputs(7, num_horizons=3, num_symbols=2, window=6, slower=(SLOWER,))


class Sound(nn.Module):
    """A small model that keeps every law; what breaks one differs from it in one thing."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Linear(6 * 7 + 4 * 2, 32)
        self.symbol = nn.Embedding(2, 32)
        self.drop = nn.Dropout(0.1)
        self.head = HorizonHeads(INPUTS, 32, 48, dropout=0.0)

    def summary(self, windows: Windows) -> Tensor:
        flat = torch.cat([windows.x_BTF.flatten(1), windows.slower["15m"].flatten(1)], dim=1)
        return (self.features(self.drop(flat)) + self.symbol(windows.symbol_B)).tanh()

    def forward(self, windows: Windows) -> Prediction:
        answer: Prediction = self.head(self.summary(windows), windows)
        return answer


class BatchMean(Sound):
    def summary(self, windows: Windows) -> Tensor:
        summary = super().summary(windows)
        return summary - summary.mean(dim=0)


class BatchNorm(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(32)

    def summary(self, windows: Windows) -> Tensor:
        normed: Tensor = self.norm(super().summary(windows))
        return normed


class Position(Sound):
    def summary(self, windows: Windows) -> Tensor:
        return super().summary(windows) + 0.01 * torch.arange(len(windows.t_B))[:, None]


class NewestOnly(Sound):
    def summary(self, windows: Windows) -> Tensor:
        x_BTF = windows.x_BTF.clone()
        x_BTF[:, :-1] = 0.0
        return super().summary(replace(windows, x_BTF=x_BTF))


class NoSlower(Sound):
    def summary(self, windows: Windows) -> Tensor:
        still = {text: torch.zeros_like(bars) for text, bars in windows.slower.items()}
        return super().summary(replace(windows, slower=still))


class OneSymbol(Sound):
    def summary(self, windows: Windows) -> Tensor:
        return super().summary(replace(windows, symbol_B=windows.symbol_B * 0))


class Idle(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(2, 2)


class OneHead(Sound):
    def forward(self, windows: Windows) -> Prediction:
        answer = super().forward(windows)
        first, last = answer.logits_BHC[:, :1], answer.logits_BHC[:, -1:]
        return Prediction((first + last).expand(-1, 3, -1))


class Overflowing(Sound):
    def summary(self, windows: Windows) -> Tensor:
        return super().summary(windows) + 0 * windows.x_BTF.sum(dim=(1, 2)).mul(9).exp()[:, None]


class Chance(Sound):
    def summary(self, windows: Windows) -> Tensor:
        return nn.functional.dropout(super().summary(windows), 0.1)


class HiddenChance(Sound):
    def summary(self, windows: Windows) -> Tensor:
        return nn.functional.dropout(super().summary(windows), 0.1, training=self.training)


class Counting(Sound):
    def __init__(self, persistent: bool = True) -> None:
        super().__init__()
        self.asked: Tensor
        self.register_buffer("asked", torch.zeros(()), persistent=persistent)

    def summary(self, windows: Windows) -> Tensor:
        self.asked += 1
        return super().summary(windows)


class Forgetful(Sound):
    """Remembers in a buffer that is not saved with it."""

    def __init__(self) -> None:
        super().__init__()
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(32), persistent=False)

    def summary(self, windows: Windows) -> Tensor:
        return super().summary(windows) + self.mean

    def remember(self, windows: Windows, prediction: Prediction, answers: Answers) -> None:
        self.mean = self.mean + self.summary(windows).mean(dim=0).detach()


class Poisonable(Forgetful):
    """Takes in moves that are not known."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(32))

    def remember(self, windows: Windows, prediction: Prediction, answers: Answers) -> None:
        self.mean = self.mean + answers.scores_BH.mean()


class Writing(Sound):
    def summary(self, windows: Windows) -> Tensor:
        windows.x_BTF.mul_(0.5)
        return super().summary(windows)


class BadAttention(Sound):
    def forward(self, windows: Windows) -> Prediction:
        return replace(super().forward(windows), inspect={"attention": windows.x_BTF[..., 0]})


class WideGate(Sound):
    def forward(self, windows: Windows) -> Prediction:
        return replace(super().forward(windows), inspect={"gate": windows.x_BTF[:, 0, 0]})


class Loud(Sound):
    def forward(self, windows: Windows) -> Prediction:
        answer = super().forward(windows)
        return replace(answer, logits_BHC=answer.logits_BHC * 100)


class Seedless(Sound):
    def __init__(self) -> None:
        torch.seed()
        super().__init__()


class Branching(Sound):
    def summary(self, windows: Windows) -> Tensor:
        summary = super().summary(windows)
        return summary if float(windows.x_BTF[0, 0, 0].detach()) > 0 else summary / 2


class Blind(Sound):
    """Sees too little to tell windows apart."""

    def summary(self, windows: Windows) -> Tensor:
        return 0 * super().summary(windows)


def specimen(model: Callable[[], nn.Module]) -> Specimen:
    return Specimen(model, INPUTS)


@pytest.mark.parametrize("law", laws.LAWS.values(), ids=lambda law: law.__name__)
def test_sound_model_keeps_the_law(law: Callable[[Specimen], None]) -> None:
    """A plain model keeps every law: what breaks one below does so by its one difference."""
    law(specimen(Sound))


@pytest.mark.parametrize(
    ("model", "law", "told"),
    [
        (OneHead, laws.check_horizons_have_their_own_heads, "no weight serves horizon 0 alone"),
        (Overflowing, laws.check_finite_at_extremes, "no number where all features are 10.0"),
        (Overflowing, laws.check_learns_in_half_precision, "no number"),
        (BatchMean, laws.check_neighbours_do_not_talk, "depends on the others"),
        (BatchNorm, laws.check_neighbours_do_not_talk, "in training a window's answer depends"),
        (BatchMean, laws.check_order_of_the_batch, "of a window alone"),
        (Position, laws.check_order_of_the_batch, "in another order"),
        (NewestOnly, laws.check_every_moment_counts, "bar 0 of the base window"),
        (NoSlower, laws.check_every_moment_counts, "bar 0 of 15m"),
        (OneSymbol, laws.check_symbols_are_told_apart, "the symbol is another one"),
        (Idle, laws.check_every_parameter_learns, "no gradient reaches unused.weight"),
        (Chance, laws.check_eval_is_deterministic, "asked twice, it answers differently"),
        (BatchNorm, laws.check_answering_changes_nothing, "norm.running_mean.*in training"),
        (Counting, laws.check_answering_changes_nothing, "asked changed by being asked, in eval"),
        (Writing, laws.check_answering_changes_nothing, "are written to"),
        (Forgetful, laws.check_remembers_only_when_told, "mean is not saved"),
        (Forgetful, laws.check_save_and_load_keep_every_bit, "it answers differently"),
        (Poisonable, laws.check_remembers_only_when_told, "mean is no number"),
        (HiddenChance, laws.check_dropout_is_known, "still answers by chance"),
        (BadAttention, laws.check_inspected_is_sound, "attention has weights below 0"),
        (WideGate, laws.check_inspected_is_sound, "gate goes from -"),
        (Seedless, laws.check_same_seed_same_weights, "the same seed gives other weights"),
        (Loud, laws.check_first_answers_are_nearly_uniform, "away from a third"),
        (Blind, laws.check_learns_by_heart, "of 64 windows by heart"),
    ],
)
def test_broken_law_is_told(
    model: Callable[[], nn.Module], law: Callable[[Specimen], None], told: str
) -> None:
    """A model that breaks a law is caught by it, with the reason."""
    with pytest.raises(LawError, match=told):
        law(specimen(model))


def test_branches_on_values_cannot_be_exported() -> None:
    """A model whose course depends on the values that it sees is no program."""
    with pytest.raises(torch.fx.experimental.symbolic_shapes.GuardOnDataDependentSymNode):
        laws.check_export(specimen(Branching))
