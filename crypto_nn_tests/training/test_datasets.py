"""Datasets and the data module: the panel's own rows, for loops other than ours."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from crypto_nn.errors import ConfigError, TrainingError
from crypto_nn.features.panel import Panel, Part
from crypto_nn.features.splits import Fold, Role
from crypto_nn.models import build
from crypto_nn.store.lake import Lake
from crypto_nn.training import Recipe, TrainConfig
from crypto_nn.training.data_module import TimeSeriesDataModule
from crypto_nn.training.dataset import load_panel, load_parts
from crypto_nn.training.datasets import Batch, CryptoDataset, collate
from crypto_nn.training.loop import fit
from crypto_nn.training.losses import LabelSmoothingCrossEntropy
from crypto_nn.training.validation import validate
from crypto_nn.training.version import train_version
from crypto_nn_tests.training.market import LABELS, MINUTE, START, fold, panel
from crypto_nn_tests.training.tasks import TINY

TRAIN = TrainConfig(
    window=10, max_windows=400, max_validation_windows=500, max_epochs=1, batch_size=64
)
RECIPE = Recipe("LSTMPricePredictor", TINY, TRAIN, LABELS)
SYMBOLS = ("AAA-USDT", "BBB-USDT")
ROLES = ("train", "validation", "calibration", "test")


def with_test() -> Fold:
    """The usual fold, and a test day after it."""
    end = START + 6 * 1440 * MINUTE
    return replace(fold(), roles=(*fold().roles, Role("test", fold().end, end - 30 * MINUTE)))


@pytest.fixture(scope="module")
def market() -> Panel:
    """Two symbols, the second with an hour missing and a feature that is null once."""
    found = panel(days=6, edge=1.0, symbols=SYMBOLS)
    x_NF = found.x_NF.copy()
    x_NF[len(found) // 2 + 2_000, 1] = np.nan
    there = np.ones(len(found), dtype=np.bool_)
    there[len(found) // 2 + 3_000 :][:60] = False
    return replace(found, x_NF=x_NF).take(there)


@pytest.fixture(scope="module")
def data(market: Panel) -> TimeSeriesDataModule:
    return TimeSeriesDataModule(lambda: market, with_test(), RECIPE)


@pytest.mark.parametrize("role", ROLES)
def test_windows_are_slices_of_the_panel(
    market: Panel, data: TimeSeriesDataModule, role: str
) -> None:
    """A window is ten scaled rows of one symbol, a minute apart, without a hole, bit for bit."""
    dataset = data.dataset(role)
    part = with_test().role(role)
    scaled_NF = data.prepared.scaler.transform(market.x_NF)
    row_of = {
        (int(symbol), int(ts)): row
        for row, (symbol, ts) in enumerate(zip(market.symbol_N, market.ts_N.astype(np.int64)))
    }
    batch = dataset.__getitems__(range(len(dataset)))
    windows, classes_BH = batch.windows, batch.answers.classes_BH
    rows = [row_of[key] for key in zip(windows.symbol_B.tolist(), windows.t_B.tolist())]
    assert {0, 1} == set(windows.symbol_B.tolist())
    k = data.prepared.k
    assert k is not None
    for position, row in enumerate(rows):
        lo = row - TRAIN.window + 1
        assert (np.diff(market.ts_N[lo : row + 1]) == MINUTE).all()
        assert len(set(market.symbol_N[lo : row + 1])) == 1
        np.testing.assert_array_equal(windows.x_BTF[position].numpy(), scaled_NF[lo : row + 1])
    np.testing.assert_array_equal(classes_BH.numpy(), market.classes_at(k)[rows])
    times = market.ts_N[rows]
    assert (times >= part.start).all()
    assert (market.t1_NH[rows].max(axis=1) <= part.end).all()


def test_one_window_and_a_batch_agree(data: TimeSeriesDataModule) -> None:
    """A window alone, windows gathered together, and windows stacked one by one are the same."""
    dataset = data.dataset()
    positions = [5, 0, -1 % len(dataset)]
    together = dataset.__getitems__(positions)
    stacked = collate([dataset[position] for position in positions])
    assert len(together) == len(stacked) == 3
    assert torch.equal(together.windows.x_BTF, stacked.windows.x_BTF)
    assert torch.equal(together.windows.t_B, stacked.windows.t_B)
    assert torch.equal(together.answers.classes_BH, stacked.answers.classes_BH)
    assert torch.equal(dataset[-1].windows.x_BTF, together.windows.x_BTF[2])
    assert dataset[0].windows.x_BTF.shape == (TRAIN.window, 4)
    with pytest.raises(IndexError, match="window"):
        dataset[len(dataset)]


def test_one_horizon_alone(data: TimeSeriesDataModule) -> None:
    """`CryptoDataset` has the same windows, and the answers of its horizon only."""
    every, one = data.dataset(), data.dataset("train", horizon=15)
    assert isinstance(one, CryptoDataset)
    assert (every.inputs.num_horizons, one.inputs.num_horizons) == (2, 1)
    a, b = every.__getitems__([3, 4]), one.__getitems__([3, 4])
    assert torch.equal(a.windows.x_BTF, b.windows.x_BTF)
    assert torch.equal(a.answers.classes_BH[:, 1:], b.answers.classes_BH)
    with pytest.raises(ConfigError, match="at 60 minutes; there are at 5, 15"):
        data.dataset("train", horizon=60)


def test_loaders_show_each_window_once(data: TimeSeriesDataModule) -> None:
    """Training in another order each epoch, what fills no batch left out; the rest in time."""
    loader = data.train_dataloader()
    epochs = [[int(t) for batch in loader for t in batch.windows.t_B] for _ in range(2)]
    assert len(epochs[0]) == len(data.dataset()) // 64 * 64
    assert epochs[0] != epochs[1]
    for role, loader in (("validation", data.val_dataloader()), ("test", data.test_dataloader())):
        shown = torch.cat([batch.windows.t_B for batch in loader])
        whole = data.dataset(role)
        assert torch.equal(shown, whole.__getitems__(range(len(whole))).windows.t_B)


def test_balanced_loader_draws_symbols_equally_often(market: Panel) -> None:
    """With `balance_symbols` a symbol with a third of the bars is half of what is drawn."""
    short = market.take(slice(0, len(market) // 2 + 1_440))
    recipe = replace(RECIPE, train=TRAIN.model_copy(update={"balance_symbols": True}))
    layout = fold((0.5, 0.2, 0.2))
    data = TimeSeriesDataModule(lambda: short, layout, recipe)
    symbols = torch.cat([batch.windows.symbol_B for batch in data.train_dataloader()])
    assert symbols.float().mean().item() == pytest.approx(0.5, abs=0.08)


def test_plain_torch_learns_from_the_loaders(data: TimeSeriesDataModule) -> None:
    """A loop that knows nothing of ours brings the loss down."""
    torch.manual_seed(0)
    model = build("LSTMPricePredictor", TINY, data.inputs)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    cost = LabelSmoothingCrossEntropy(0.0)
    before = validate(model, data.task, TRAIN).loss
    loader: DataLoader[Batch] = data.train_dataloader()
    model.train()
    for batch in islice(loader, 50):
        batch = batch.to("cpu")
        loss_BH = cost(model(batch.windows).logits_BHC, batch.answers.classes_BH)
        optimizer.zero_grad()
        torch.autograd.backward(loss_BH.mean())
        optimizer.step()
    assert validate(model, data.task, TRAIN).loss < before


def test_symbols_learn_jointly(data: TimeSeriesDataModule) -> None:
    """One model, one vector for each symbol, and each of them moves."""
    torch.manual_seed(0)
    model = build("LSTMPricePredictor", TINY, data.inputs)
    before = model.state_dict()["embed.symbol.weight"].clone()
    after = fit(model, data.task, TRAIN).weights["embed.symbol.weight"]
    assert (before != after).any(dim=1).tolist() == [True, True]


def test_a_fold_without_test_says_so(market: Panel) -> None:
    """The nightly layout's test is tomorrow."""
    data = TimeSeriesDataModule(lambda: market, fold(), RECIPE)
    with pytest.raises(TrainingError, match=r"no test part; it has train, validation"):
        data.test_dataloader()


@pytest.fixture(scope="module")
def lake(market: Panel, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The market's rows as the platform stores them, a month cut in three."""
    import pyarrow as pa

    from crypto_nn.features.labels import compute_labels
    from crypto_nn_tests.training.market import features, random_bars

    lake = Lake(Path(tmp_path_factory.mktemp("lake")))
    for number, symbol in enumerate(SYMBOLS):
        bars = random_bars(6 * 1440, 10 * number, symbol=symbol)
        x_NF, names = features(bars)
        there = np.ones(len(bars), dtype=np.bool_)
        there[3_000:3_060] = number == 0
        part = Part.from_arrays(x_NF, names, compute_labels(bars, LABELS, True), bars)
        columns = [pa.array(x_NF[:, i].astype(np.float32), from_pandas=True) for i in range(4)]
        table = pa.table([part.features["ts"], *columns], ["ts", *names]).filter(pa.array(there))
        tables = {"features": table, "labels": part.labels.to_arrow(), "bars": bars.to_arrow()}
        lake.replace(tables, {"symbol": symbol, "month": "2024-03"})
    return lake


def test_the_panel_is_that_of_its_parts(lake: Lake, market: Panel) -> None:
    """Read month by month into its place, it has the bits of all read at once and stacked."""
    bounds = START + 100 * MINUTE, START + 8_000 * MINUTE
    few = load_panel(lake, SYMBOLS, market.names, *bounds)
    whole = Panel.from_parts(load_parts(lake, SYMBOLS, market.names, *bounds))
    assert (few.symbols, few.names, few.horizons) == (whole.symbols, whole.names, whole.horizons)
    for name in ("ts_N", "symbol_N", "x_NF", "close_N", "scores_NH", "t1_NH", "classes_NH"):
        a, b = getattr(few, name), getattr(whole, name)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)
    assert np.isfinite(few.x_NF).any()


def test_the_lake_gives_what_train_version_learns_from(lake: Lake, market: Panel) -> None:
    """From the tables to the loaders: the scaler and k of the version that is trained on them."""
    data = TimeSeriesDataModule.from_lake(lake, SYMBOLS, market.names, fold(), RECIPE)
    data.setup()
    bounds = fold().start - 100 * MINUTE, fold().end
    rows = load_panel(lake, SYMBOLS, market.names, *bounds)
    trained = train_version(rows, fold(), RECIPE)
    assert trained.config["rows"]["train"] == len(data.dataset())
    assert tuple(trained.config["k"]) == data.prepared.k
    assert trained.config["scaler"]["center"] == data.prepared.scaler.center_F.tolist()
    data.teardown()
    assert len(data.val_dataloader()) > 0
