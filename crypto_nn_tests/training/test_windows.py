"""Windows gathered by index: rows of the panel, bit for bit, and closed bars of every timeframe."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from crypto_nn.bars.resample import resample
from crypto_nn.bars.timeframe import Timeframe
from crypto_nn.features import default_feature_set
from crypto_nn.features.panel import Panel
from crypto_nn.models import find_slower
from crypto_nn.models.inputs import Inputs
from crypto_nn.training.version import window_tensors
from crypto_nn.training.windows import WindowSampler
from crypto_nn_tests.training.market import panel, random_bars

WINDOW = 12
BARS = {"5m": 6, "15m": 4, "1h": 3}
# All that is looked at is a closed bar's own return, so that ten bars tell it.
RETURNS = ("log_return_1_5m", "log_return_1_15m", "log_return_1_1h")


def returns_of_closed_bars() -> tuple[np.ndarray, Inputs]:
    features = default_feature_set().only(RETURNS)
    x_NF = features.compute(random_bars(2 * 1440), complete=True)
    return x_NF, Inputs(3, 2, 1, WINDOW, find_slower(BARS, features.names))


@pytest.mark.parametrize("timeframe", BARS)
def test_slower_windows_hold_the_last_closed_bars(timeframe: str) -> None:
    """They are consecutive bars, the newest closed when the minute did, none from the future."""
    x_NF, inputs = returns_of_closed_bars()
    bars = random_bars(2 * 1440)
    fake = panel(days=2)
    tensors = window_tensors(replace(fake, x_NF=x_NF), x_NF, fake.symbol_N, inputs)
    step = Timeframe.parse(timeframe).step
    ends = np.arange(inputs.reach + 120, len(bars))[::53]
    gathered = tensors.gather(torch.from_numpy(ends)).slower[timeframe].numpy()
    for end, found_LC in zip(ends, gathered):
        known = bars[: end + 1]  # what was there when that minute had closed
        closed = resample(known, Timeframe.parse(timeframe))
        assert closed.ts[-1] + step <= known.ts[-1] + known.timeframe.step
        due = np.diff(np.log(closed.close))[-BARS[timeframe] :]
        np.testing.assert_allclose(found_LC[:, 0], due, rtol=1e-5, atol=1e-9)


def test_slower_windows_are_rows_of_the_panel() -> None:
    """Bit for bit the rows end, end − s, end − 2s … of that timeframe's columns, oldest first."""
    x_NF, inputs = returns_of_closed_bars()
    fake = panel(days=2)
    tensors = window_tensors(replace(fake, x_NF=x_NF), x_NF, fake.symbol_N, inputs)
    ends = torch.tensor([inputs.reach - 1 + 61, 500, len(x_NF) - 1])
    windows = tensors.gather(ends)
    for position, end in enumerate(ends.tolist()):
        base_TF = x_NF[end - WINDOW + 1 : end + 1]
        np.testing.assert_array_equal(windows.x_BTF[position].numpy(), base_TF)
        for slower in inputs.slower:
            rows = [end - slower.minutes * back for back in reversed(range(slower.length))]
            due_LC = x_NF[rows][:, list(slower.columns)]
            found_LC = windows.slower[slower.timeframe][position].numpy()
            np.testing.assert_array_equal(found_LC, due_LC)
        assert min(rows) >= end - inputs.reach + 1


def two(long: float = 3, short: float = 1) -> Panel:
    """One symbol with more bars than the other."""
    both = panel(days=long, symbols=("AAA-USDT", "BBB-USDT"))
    first = len(both) // 2
    return both.take(slice(0, first + int(short * 1440)))


@pytest.mark.parametrize("balance", [True, False])
def test_balanced_epochs_show_each_symbol_equally_often(balance: bool) -> None:
    """Balanced, a short symbol counts as much as a long one; otherwise it counts by its length."""
    market = two()
    ends = torch.from_numpy(market.window_ends(WINDOW))
    symbol_R = torch.from_numpy(market.symbol_N.astype(np.int64))[ends]
    sampler = WindowSampler(ends, 2, 600, seed=3, symbol_R=symbol_R if balance else None)
    for _ in range(2):
        sampler.begin_epoch()
        taken = sampler.take(10_000)
        assert len(taken) == sampler.num_windows == len(set(taken.tolist())) == 600
        counts = torch.from_numpy(market.symbol_N[taken.numpy()].astype(np.int64)).bincount()
        if balance:
            assert counts.tolist() == [300, 300]
        else:
            assert counts[0] > 2 * counts[1]


def test_balance_runs_out_of_the_shorter_symbol() -> None:
    """Nothing is drawn twice: where a symbol has too few windows, all of them are used."""
    ends = torch.arange(1_000)
    symbol_R = (ends >= 900).long()
    sampler = WindowSampler(ends, 1, 600, seed=0, symbol_R=symbol_R)
    sampler.begin_epoch()
    taken = sampler.take(1_000)
    assert sampler.num_windows == len(taken) == len(set(taken.tolist())) == 400
    assert int((taken >= 900).sum()) == 100
