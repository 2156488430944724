"""The loop: same seed same bits, exact resume, NaN contained, and it learns."""

import logging
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crypto_nn.errors import TrainingError
from crypto_nn.training.checkpoints import FACTS, MANIFEST, TENSORS, CheckpointFolder
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.loop import Fitted, fit
from crypto_nn.training.progress import Progress
from crypto_nn.training.record import EpochRecord
from crypto_nn.training.stopping import TrainingInterrupted
from crypto_nn_tests.training.tasks import QUICK, fingerprint_of, noise_task, timeless, tiny_model

Ended = tuple[str, str, list[EpochRecord]]

VARIANTS = {
    "cosine": QUICK,
    "plateau, accumulation, focal": QUICK.model_copy(
        update={"schedule": "plateau", "plateau_epochs": 1, "accumulate": 3, "loss": "focal"}
    ),
    "bf16, stride, no average": QUICK.model_copy(
        update={"amp": "bf16", "stride": 3, "ema_decay": 0.0, "label_smoothing": 0.1}
    ),
}


def train(config: TrainConfig = QUICK, folder: Path | None = None, **kwargs: object) -> Fitted:
    checkpoints = None if folder is None else CheckpointFolder(folder, "v1")
    return fit(tiny_model(), noise_task(), config, checkpoints, **kwargs)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def never_stopped() -> Ended:
    """What a run with the plain settings ends with."""
    return fingerprint_of(train())


class Stop(Exception):
    """Raised from within training, as a crash would."""


def crash_at(step: int) -> object:
    def listen(told: Progress) -> None:
        if told.step == step:
            raise Stop

    return listen


def test_same_seed_same_bits(never_stopped: Ended) -> None:
    """Weights, state and history of two runs with one seed are equal, bit for bit."""
    assert fingerprint_of(train()) == never_stopped


def test_other_seed_other_bits(never_stopped: Ended) -> None:
    """The seed decides the order of windows and dropout."""
    other = train(QUICK.model_copy(update={"seed": 1}))
    assert never_stopped[0] != fingerprint_of(other)[0]


def test_training_leaves_torch_as_it_was() -> None:
    """Global seed, threads and strictness are the caller's again afterwards."""
    before = torch.get_rng_state()
    train()
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("name", VARIANTS)
def test_resume_ends_with_the_bits_of_a_run_never_stopped(name: str, tmp_path: Path) -> None:
    """Stopped in the middle of an epoch, at its end and again, it ends where it would have."""
    config = VARIANTS[name]
    told: list[Progress] = []
    due = fingerprint_of(train(config, progress=told.append))
    steps = told[-1].step
    for step in sorted({2, steps // 3, steps // 3 + 1, steps // 2, steps - 1}):
        with pytest.raises(Stop):
            train(config, tmp_path, progress=crash_at(step))
    assert fingerprint_of(train(config, tmp_path)) == due


def test_finished_training_is_not_repeated(tmp_path: Path) -> None:
    """A run whose last checkpoint is complete gives its result without a further step."""
    due = fingerprint_of(train(folder=tmp_path))
    told: list[Progress] = []
    assert fingerprint_of(train(folder=tmp_path, progress=told.append)) == due
    assert not told


def test_newest_two_checkpoints_stay(tmp_path: Path) -> None:
    """Older ones are removed, and nothing else is left."""
    train(folder=tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert names == ["0000000028", "0000000030"]


def test_sigterm_writes_a_checkpoint_and_stops(tmp_path: Path, never_stopped: Ended) -> None:
    """Asked to end, training says where it stands, and goes on from exactly there."""
    due = never_stopped

    def terminate(told: Progress) -> None:
        if told.step == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(TrainingInterrupted, match="after step 7"):
        train(folder=tmp_path, progress=terminate)
    assert (tmp_path / "0000000007" / MANIFEST).exists()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert fingerprint_of(train(folder=tmp_path)) == due


def test_interrupt_reaches_who_listened_before(tmp_path: Path) -> None:
    """Ctrl-C ends as Python's own KeyboardInterrupt, after the checkpoint."""

    def interrupt(told: Progress) -> None:
        if told.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    # A shell's background job starts with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(folder=tmp_path, progress=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "0000000005" / MANIFEST).exists()


@pytest.mark.parametrize("name", [TENSORS, FACTS, MANIFEST])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_damaged_newest_checkpoint_falls_back_loudly(
    name: str, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, never_stopped: Ended
) -> None:
    """A checkpoint with a wrong byte is never used: the one before is, and a warning says so."""
    due = never_stopped
    with pytest.raises(Stop):
        train(folder=tmp_path, progress=crash_at(14))
    spoil(tmp_path / "0000000012" / name, damage)
    with caplog.at_level(logging.WARNING):
        assert fingerprint_of(train(folder=tmp_path)) == due
    assert "0000000012 is damaged" in caplog.text


def test_no_good_checkpoint_stops_with_an_error(tmp_path: Path) -> None:
    """Where every checkpoint is damaged, training does not start anew by itself."""
    with pytest.raises(Stop):
        train(folder=tmp_path, progress=crash_at(14))
    for path in tmp_path.glob(f"*/{TENSORS}"):
        spoil(path, "flip")
    with pytest.raises(TrainingError, match=r"No checkpoint.*can be trusted.*delete it"):
        train(folder=tmp_path)


def test_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    """A folder belongs to one version."""
    train(folder=tmp_path)
    with pytest.raises(TrainingError, match="version v1, but v2"):
        fit(tiny_model(), noise_task(), QUICK, CheckpointFolder(tmp_path, "v2"))


def test_two_processes_do_not_train_the_same_version(tmp_path: Path) -> None:
    """While one is at it, another is refused; afterwards it may."""
    checkpoints = CheckpointFolder(tmp_path, "v1")
    with checkpoints.locked(), pytest.raises(TrainingError, match="trained by another process"):
        train(folder=tmp_path)
    with checkpoints.locked():
        pass


def test_every_single_damaged_byte_is_noticed(tmp_path: Path) -> None:
    """Of bit flips and cuts anywhere in a checkpoint, not one goes unnoticed."""
    train(folder=tmp_path)
    folder = CheckpointFolder(tmp_path, "v1")
    newest = tmp_path / "0000000030"
    random = torch.Generator().manual_seed(0)
    for name in (TENSORS, FACTS):
        whole = (newest / name).read_bytes()
        for where in torch.randint(len(whole), (40,), generator=random).tolist():
            flipped = bytearray(whole)
            flipped[where] ^= 1 << (where % 8)
            for content in (bytes(flipped), whole[:where]):
                (newest / name).write_bytes(content)
                state = folder.load_newest()
                assert state is not None
                assert state.facts["step"] == 28
        (newest / name).write_bytes(whole)
    state = folder.load_newest()
    assert state is not None
    assert state.facts["step"] == 30


def spoil(path: Path, damage: str) -> None:
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-3]), "empty": b""}[damage])


def with_feature(row: int, value: float) -> Fitted:
    task = noise_task()
    x_NF = task.windows.x_NF.clone()
    x_NF[row, 0] = value
    task = replace(task, windows=replace(task.windows, x_NF=x_NF))
    return fit(tiny_model(), task, QUICK.model_copy(update={"max_skipped": 60}))


def test_a_nan_in_one_row_is_skipped_and_counted() -> None:
    """Batches that hold it are left out; weights stay numbers."""
    fitted = with_feature(100, float("nan"))
    assert 0 < fitted.history[-1].skipped <= 3 * 8
    assert all(weight.isfinite().all() for weight in fitted.weights.values())


def test_an_infinite_feature_never_reaches_the_weights() -> None:
    """The same for infinity."""
    fitted = with_feature(100, float("inf"))
    assert fitted.history[-1].skipped > 0
    assert all(weight.isfinite().all() for weight in fitted.weights.values())


def test_too_many_nan_losses_stop_training(tmp_path: Path) -> None:
    """Where nothing but NaN comes, training fails, says what to do, and saves nothing."""
    task = noise_task()
    nothing = replace(task.windows, x_NF=torch.full_like(task.windows.x_NF, float("nan")))
    config = QUICK.model_copy(update={"checkpoint_steps": 1_000, "max_skipped": 5})
    with pytest.raises(TrainingError, match="no number in 6 steps"):
        fit(tiny_model(), replace(task, windows=nothing), config, CheckpointFolder(tmp_path, "v1"))
    assert not list(tmp_path.glob("*/"))


def test_weights_that_are_no_numbers_are_never_saved(tmp_path: Path) -> None:
    """Even if a weight became NaN by other means, no checkpoint would hold it."""
    model = tiny_model()

    def poison(told: Progress) -> None:
        if told.step == 9:
            with torch.no_grad():
                next(model.parameters()).fill_(float("nan"))

    with pytest.raises(TrainingError):
        fit(model, noise_task(), QUICK, CheckpointFolder(tmp_path, "v1"), poison)
    state = CheckpointFolder(tmp_path, "v1").load_newest()
    assert state is not None
    assert all(t.isfinite().all() for n, t in state.tensors.items() if t.is_floating_point())


def test_validation_loss_that_is_no_number_stops_training() -> None:
    """A NaN among the validation rows is an error, not a result."""
    with pytest.raises(TrainingError, match="validation loss of epoch 1 is nan"):
        with_feature(1_100, float("nan"))


def test_constant_features_and_a_single_class_train_without_harm() -> None:
    """A market that does nothing is learned, not divided by zero."""
    task = noise_task()
    still = replace(task.windows, x_NF=torch.zeros_like(task.windows.x_NF))
    task = replace(task, windows=still, classes_NH=torch.ones_like(task.classes_NH))
    fitted = fit(tiny_model(), task, QUICK)
    assert fitted.validation_loss < 0.9


def test_too_few_windows_is_an_error() -> None:
    """Nothing to learn from is said before training, with what to do."""
    task = replace(noise_task(), train_ends=torch.empty(0, dtype=torch.int64))
    with pytest.raises(TrainingError, match="no complete window of 8 minutes for training"):
        fit(tiny_model(), task, QUICK)


def test_training_stops_early_and_keeps_the_best_weights() -> None:
    """On pure noise the validation loss soon rises: the best epoch's weights are what is kept."""
    task = noise_task()
    shuffled = task.classes_NH[torch.randperm(1_200, generator=torch.Generator().manual_seed(3))]
    config = QUICK.model_copy(
        update={"max_epochs": 40, "patience": 2, "learning_rate": 0.02, "ema_decay": 0.0}
    )
    fitted = fit(tiny_model(), replace(task, classes_NH=shuffled), config)
    losses = [record.validation_loss for record in fitted.history]
    assert len(losses) < 40
    assert fitted.best_epoch == len(losses) - 2
    assert fitted.validation_loss == min(losses) == losses[fitted.best_epoch - 1]


def test_history_tells_of_every_epoch() -> None:
    """One record per epoch, in order, with the rate of its last step."""
    history = timeless(train())
    assert [record.epoch for record in history] == [1, 2, 3]
    assert all(record.train_loss > 0 for record in history)
    assert history[0].learning_rate > history[-1].learning_rate


def test_bar_on_the_terminal_counts_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    """`progress=True` draws a bar that ends at the last step."""
    train(progress=True)
    assert "30/30" in capsys.readouterr().err
