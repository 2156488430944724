"""The learning rate rises, then falls as its schedule says."""

from itertools import pairwise

import pytest

from crypto_nn.training.config import TrainConfig
from crypto_nn.training.schedules import Schedule
from crypto_nn.training.stopping import EarlyStopping

STEPS = 10


def rates(schedule: str, **settings: object) -> list[float]:
    config = TrainConfig.model_validate(
        {"schedule": schedule, "max_epochs": 20, "learning_rate": 1.0, "warm_up": 0.1, **settings}
    )
    plan = Schedule(config, STEPS)
    return [plan.learning_rate(step) for step in range(20 * STEPS)]


@pytest.mark.parametrize("schedule", ["cosine", "step", "plateau", "constant"])
def test_rate_rises_over_the_warm_up_and_never_again(schedule: str) -> None:
    """Every schedule starts small, reaches the highest rate after the warm-up, and only falls."""
    found = rates(schedule)
    warm = 2 * STEPS
    assert found[0] < 0.1
    assert all(a < b for a, b in pairwise(found[: warm + 1]))
    assert found[warm] == 1.0
    assert all(a >= b for a, b in pairwise(found[warm:]))


def test_cosine_ends_at_its_final_share() -> None:
    """The last rate is the stated share of the highest, and half-way it is in the middle."""
    found = rates("cosine", final_share=0.2, warm_up=0.0)
    assert found[-1] == pytest.approx(0.2, abs=1e-3)
    assert found[100] == pytest.approx(0.6, abs=1e-3)


def test_step_halves_every_few_epochs() -> None:
    """The rate falls by the factor at each multiple of `step_epochs`."""
    found = rates("step", step_epochs=5, factor=0.5, warm_up=0.0)
    assert [found[epoch * STEPS] for epoch in (0, 4, 5, 10, 15)] == [1.0, 1.0, 0.5, 0.25, 0.125]


def test_plateau_falls_when_the_loss_no_longer_does() -> None:
    """Two epochs without gain lower the rate; an epoch with gain starts the count anew."""
    config = TrainConfig(schedule="plateau", plateau_epochs=2, factor=0.5, learning_rate=1.0)
    plan = Schedule(config, STEPS)
    shares = []
    for loss in (1.0, 0.9, 0.95, 0.8, 0.85, 0.85, 0.85, 0.85):
        plan.epoch_ended(loss)
        shares.append(plan.learning_rate(10_000))
    assert shares == [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25]


def test_stopping_waits_for_its_patience() -> None:
    """It is due after `patience` epochs in a row that are no better than the best."""
    stopping = EarlyStopping(patience=2, min_gain=0.01)
    found = []
    for epoch, loss in enumerate((1.0, 0.995, 0.9, 0.95, 0.895), start=1):
        stopping.is_better(epoch, loss)
        found.append(stopping.due)
    assert found == [False, False, False, False, True]
    assert (stopping.best, stopping.best_epoch) == (0.9, 3)
