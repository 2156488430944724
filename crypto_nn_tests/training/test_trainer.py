"""Trainers, what the loop promises to models with a memory, and what becomes of a history."""

import csv
import io
import math
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from crypto_nn.errors import ConfigError, TrainingError
from crypto_nn.models.prediction import Answers, Prediction, Remembers, Windows
from crypto_nn.training.checkpoints import CheckpointFolder, TrainingState
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.history import from_json, to_csv, to_json
from crypto_nn.training.loop import TrainingLoop, fit
from crypto_nn.training.progress import Progress, told_in_lines
from crypto_nn.training.record import EpochRecord
from crypto_nn.training.stopping import TrainingInterrupted
from crypto_nn.training.tensorboard import export_tensorboard
from crypto_nn.training.trainer import DistributedTrainer, Trainer, check_device, create_trainer
from crypto_nn.training.validation import validate
from crypto_nn.training.windows import LearningTask
from crypto_nn_tests.training.diary import Diary
from crypto_nn_tests.training.tasks import QUICK, fingerprint_of, noise_task, tiny_model

HISTORY = (
    EpochRecord(1, 1.2, 1.1, 5e-4, 3.0, 0, 0.34),
    EpochRecord(2, 1.1, 1.05, 4e-4, 2.0, 1, 0.37),
    EpochRecord(3, 1.0, 1.07, 3e-4, 2.5, 1, 0.36),
)


def quick(**settings: object) -> TrainConfig:
    return QUICK.model_copy(update=settings)


def interrupt_at(step: int) -> object:
    """A listener that asks training to stop after a step."""

    def listen(told: Progress) -> None:
        if told.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return listen


def test_settings_choose_the_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process trains by itself; several, or a program of torchrun, train together."""
    assert type(create_trainer(QUICK)) is Trainer
    assert type(create_trainer(quick(processes=2))) is DistributedTrainer
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert type(create_trainer(QUICK)) is DistributedTrainer
    fitted = create_trainer(QUICK).fit(tiny_model(), noise_task())
    assert fingerprint_of(fitted) == fingerprint_of(fit(tiny_model(), noise_task(), QUICK))


def test_a_folder_belongs_to_the_settings_that_decide_what_is_learned(tmp_path: Path) -> None:
    """Another learning rate is refused there; another number of threads goes on."""
    with pytest.raises(TrainingInterrupted):
        Trainer(QUICK).fit(tiny_model(), noise_task(), tmp_path, interrupt_at(7))  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="to be trained"):
        Trainer(quick(learning_rate=0.1)).fit(tiny_model(), noise_task(), tmp_path)
    due = fingerprint_of(Trainer(QUICK).fit(tiny_model(), noise_task()))
    other = quick(checkpoint_steps=7, keep_checkpoints=3)
    assert fingerprint_of(Trainer(other).fit(tiny_model(), noise_task(), tmp_path)) == due


def test_a_folder_belongs_to_one_model_and_one_task(tmp_path: Path) -> None:
    """Other rows, answers, shapes or frozen weights never get the weights learned there."""
    due = fingerprint_of(Trainer(QUICK).fit(tiny_model(), noise_task(), tmp_path))
    assert fingerprint_of(Trainer(QUICK).fit(tiny_model(), noise_task(), tmp_path)) == due
    task = noise_task()
    frozen = tiny_model()
    next(frozen.parameters()).requires_grad_(False)
    others: list[tuple[nn.Module, LearningTask]] = [
        (tiny_model(), spoiled(task, 1_190)),
        (tiny_model(), replace(task, classes_NH=task.classes_NH.flip(0))),
        (tiny_model(), replace(task, train_ends=task.train_ends[:-1])),
        (tiny_model(), replace(task, horizons=(5, 60))),
        (Diary(), task),
        (frozen, task),
    ]
    for model, other in others:
        with pytest.raises(TrainingError, match="to be trained"):
            Trainer(QUICK).fit(model, other, tmp_path)


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first step it is said what was asked for and what there is."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for device in ("cuda", "cuda:0", "mps"):
        with pytest.raises(ConfigError, match=f"device is {device}, and torch .* here cpu"):
            create_trainer(quick(device=device)).fit(tiny_model(), noise_task())
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_device(quick(device="cuda:1"))
    with pytest.raises(ConfigError, match=r"cpu, cuda \(cuda:0 to cuda:1\)"):
        check_device(quick(device="cuda:2"))


def test_each_symbol_needs_a_window_of_its_own() -> None:
    """Fewer windows than symbols that are drawn equally often: both settings are named."""
    task = noise_task()
    symbol_N = torch.arange(len(task.windows.symbol_N)) % 3
    task = replace(task, windows=replace(task.windows, symbol_N=symbol_N))
    with pytest.raises(TrainingError, match=r"max_windows is 2.*balance_symbols.*3 symbols"):
        Trainer(quick(max_windows=2, balance_symbols=True)).fit(tiny_model(), task)


def test_more_processes_than_windows_in_a_batch_is_an_error() -> None:
    """Each process needs a window of each batch."""
    with pytest.raises(ValidationError, match=r"batch_size 2 .* 3 processes nothing to share"):
        TrainConfig(batch_size=2, processes=3)


def test_accumulated_batches_are_one_large_batch() -> None:
    """Three batches of 16 make the step of one of 48: unknown labels and class weights count once.

    Dropout is off. Sums are taken in another order, hence not the same bits.
    """
    task = replace(noise_task(), class_weights_HC=torch.tensor([[1.0, 2.0, 0.5], [0.7, 1.0, 3.0]]))
    large = fit(Diary(dropout=0.0).inner, task, quick(batch_size=48, max_windows=480))
    small = fit(Diary(dropout=0.0).inner, task, quick(accumulate=3, max_windows=480))
    assert large.state.facts["step"] == small.state.facts["step"] == 30
    for name, weight in large.weights.items():
        torch.testing.assert_close(small.weights[name], weight, atol=1e-6, rtol=0)


class Counting(nn.Module):
    """A tiny model that counts what it is shown to remember."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_model()
        self.shown: torch.Tensor
        self.register_buffer("shown", torch.zeros(1))
        self.poison = math.inf

    def forward(self, windows: Windows) -> Prediction:
        return self.inner(windows)

    def remember(self, windows: Windows, prediction: Prediction, answers: Answers) -> None:
        assert prediction.logits_BHC.isfinite().all()
        assert windows.x_BTF.isfinite().all()
        self.shown += len(answers.known_at_B)
        if self.shown > self.poison:
            self.shown.fill_(math.nan)


def spoiled(task: LearningTask, row: int) -> LearningTask:
    x_NF = task.windows.x_NF.clone()
    x_NF[row, 0] = math.nan
    return replace(task, windows=replace(task.windows, x_NF=x_NF))


def test_a_model_remembers_each_window_of_each_good_step() -> None:
    """All windows of all steps are shown once; those of a step that was left out are not."""
    model = Counting()
    assert isinstance(model, Remembers)
    fit(model, noise_task(), quick(accumulate=2))
    assert model.shown == 3 * 160
    skipping = Counting()
    fitted = fit(skipping, spoiled(noise_task(), 100), quick(max_skipped=60))
    skipped = fitted.history[-1].skipped
    assert skipped > 0
    assert skipping.shown == 3 * 160 - 16 * skipped


def test_a_memory_that_is_no_number_is_never_saved(tmp_path: Path) -> None:
    """Buffers are looked at as weights are, before each checkpoint and at the end."""
    model = Counting()
    model.poison = 100
    checkpoints = CheckpointFolder(tmp_path, "v1")
    with pytest.raises(TrainingError, match=r"no numbers after step 8: model\.shown"):
        fit(model, noise_task(), QUICK, checkpoints)
    state = checkpoints.load_newest()
    assert state is not None
    assert all(t.isfinite().all() for t in state.tensors.values())


def test_averaged_weights_that_are_no_numbers_are_never_saved() -> None:
    """Nor is an average of weights, even where the weights themselves are numbers again."""
    loop = TrainingLoop(tiny_model(), noise_task(), QUICK, None)
    next(iter(loop.average.weights.values())).fill_(math.nan)
    with pytest.raises(TrainingError, match=r"no numbers after step 0: average\."):
        loop.state()


def test_the_memory_of_a_model_is_resumed_to_the_bit(tmp_path: Path) -> None:
    """What a model wrote down, and what chance would choose next, go on where they stood."""
    due = fingerprint_of(fit(Diary(), noise_task(), QUICK))
    for step in (3, 11, 26):
        with pytest.raises(TrainingInterrupted):
            Trainer(QUICK).fit(Diary(), noise_task(), tmp_path, interrupt_at(step))  # type: ignore[arg-type]
    assert fingerprint_of(Trainer(QUICK).fit(Diary(), noise_task(), tmp_path)) == due


def test_the_best_weights_outlive_the_checkpoint_they_were_found_in(tmp_path: Path) -> None:
    """Only the newest checkpoints stay, and each of them holds the best weights so far."""
    task = noise_task()
    shuffled = task.classes_NH[torch.randperm(1_200, generator=torch.Generator().manual_seed(3))]
    task = replace(task, classes_NH=shuffled)
    config = quick(max_epochs=40, patience=4, learning_rate=0.02, ema_decay=0.0)
    fitted = fit(tiny_model(), task, config, CheckpointFolder(tmp_path, "v1"))
    assert fitted.best_epoch == len(fitted.history) - 4
    newest = sorted(int(path.name) for path in tmp_path.glob("*/"))
    assert newest[0] > 10 * fitted.best_epoch
    state = CheckpointFolder(tmp_path, "v1").load_newest()
    assert state is not None
    model = tiny_model()
    model.load_state_dict(fitted.weights)
    assert validate(model, task, config).loss == fitted.validation_loss
    for name, weight in fitted.weights.items():
        assert torch.equal(state.tensors[f"best.{name}"], weight)


def test_stopping_by_accuracy_keeps_the_most_accurate_epoch() -> None:
    """History has both figures of each epoch; the one asked for chooses the best."""
    config = quick(max_epochs=6, learning_rate=0.02, ema_decay=0.0, patience=6)
    by_loss = fit(tiny_model(), noise_task(), config)
    by_accuracy = fit(tiny_model(), noise_task(), config.model_copy(update={"stop_on": "accuracy"}))
    accuracies = [record.validation_accuracy or 0.0 for record in by_accuracy.history]
    losses = [record.validation_loss for record in by_loss.history]
    assert by_accuracy.best_epoch == accuracies.index(max(accuracies)) + 1
    assert by_loss.best_epoch == losses.index(min(losses)) + 1
    best = by_accuracy.history[by_accuracy.best_epoch - 1]
    assert by_accuracy.validation_loss == best.validation_loss
    assert losses == [record.validation_loss for record in by_accuracy.history]


def test_accuracy_is_the_mean_recall_of_known_classes() -> None:
    """Checked by hand; a horizon or a class of which nothing is known does not count."""
    task = noise_task(rows=60)
    classes_NH = torch.full((60, 2), -1)
    classes_NH[50:60, 0] = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    task = replace(task, classes_NH=classes_NH, validation_ends=torch.arange(50, 60))

    class Up(nn.Module):
        def forward(self, windows: Windows) -> Prediction:
            logits_BHC = torch.zeros(len(windows.t_B), 2, 3)
            logits_BHC[:5, :, 0] = 1.0  # 4 of 4 downs are found, and 5 of 6 flats
            logits_BHC[5:, :, 1] = 1.0
            return Prediction(logits_BHC)

    assert validate(Up(), task, QUICK).accuracy == pytest.approx((1 + 5 / 6) / 2)


def test_histories_without_accuracy_are_still_read() -> None:
    """What was trained before accuracy was recorded can be shown, and gone on with."""
    fitted = fit(tiny_model(), noise_task(), QUICK)
    old = TrainingState.from_files(fitted.state.to_files())
    for record in old.facts["history"]:
        del record["validation_accuracy"]
    loop = TrainingLoop(tiny_model(), noise_task(), QUICK, None)
    loop.load(old)
    assert [record.validation_accuracy for record in loop.history] == [None] * 3


def test_history_as_text_is_the_history() -> None:
    """JSON comes back as it was; CSV has a line per epoch, with the same numbers."""
    assert from_json(to_json(HISTORY)) == HISTORY
    rows = list(csv.DictReader(io.StringIO(to_csv(HISTORY))))
    assert [float(row["validation_loss"]) for row in rows] == [1.1, 1.05, 1.07]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    unknown = to_csv([replace(HISTORY[0], validation_accuracy=None)])
    assert unknown.splitlines()[1].endswith(",0,")


def test_tensorboard_reads_what_was_exported(tmp_path: Path) -> None:
    """Each curve has the history's numbers, by epoch."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    export_tensorboard(HISTORY, tmp_path / "v1")
    events = EventAccumulator(str(tmp_path / "v1")).Reload()
    told = {name: events.Scalars(name) for name in events.Tags()["scalars"]}
    assert [event.step for event in told["loss/validation"]] == [1, 2, 3]
    assert [event.value for event in told["loss/validation"]] == pytest.approx([1.1, 1.05, 1.07])
    assert [event.value for event in told["accuracy/validation"]] == pytest.approx(
        [0.34, 0.37, 0.36]
    )
    assert [event.wall_time for event in told["loss/train"]] == [3.0, 5.0, 7.5]
    assert set(told) >= {"learning_rate", "skipped_steps"}
    with pytest.raises(ConfigError, match="holds a TensorBoard run already"):
        export_tensorboard(HISTORY, tmp_path / "v1")


def test_without_tensorboard_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an optional extra."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"pip install 'crypto-nn\[tensorboard\]'"):
        export_tensorboard(HISTORY, tmp_path)


def test_a_log_hears_of_long_epochs_twice_a_minute() -> None:
    """A line for the first step, one for each half minute, one for each epoch's end; with speed."""
    lines: list[str] = []
    seconds = 0.0
    tell = told_in_lines(lines.append, 30.0, lambda: seconds)
    for step in range(1, 101):
        seconds += 1.0
        tell(Progress(1, 2, step, 200, 1.05))
    tell(Progress(1, 2, 100, 200, 1.04, 1.03))
    assert [line.split(":")[0] for line in lines] == [
        f"epoch 1 of 2, step {step} of 200" for step in (1, 31, 61, 91, 100)
    ]
    assert lines[1].endswith("1.0 steps/s")
    assert "validation 1.0300" in lines[-1]
