"""The page about the backtest says what the backtest does."""

import re

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.profits import Profits, follow, trading_figures
from crypto_nn_tests.benchmark.test_profits import days_of, told
from crypto_nn_tests.benchmark.worlds import world
from crypto_nn_tests.market import ROOT

PAGE = (ROOT / "docs" / "backtest.md").read_text(encoding="utf-8")


def test_the_worked_example_holds() -> None:
    """Its numbers are asserted in the page itself."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert sum(block.count("assert ") for block in blocks) >= 8
    exec("\n".join(blocks), {})  # noqa: S102


def test_costs_of_a_side_add_up_to_the_costs_of_the_grid() -> None:
    """Each row of the table is a cost of the settings, and twice what a side pays."""
    rows = re.findall(r"^\| ([\d.]+), ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    config = BenchmarkConfig()
    assert tuple(float(trip) for *_, trip in rows) == config.costs_bps
    assert all(2 * (float(fee) + float(rest)) == float(trip) for fee, rest, trip in rows)
    assert f"`benchmark.headline_cost_bps` ({config.headline_cost_bps:g})" in PAGE


def test_every_trading_figure_is_explained() -> None:
    """No metric is reported that the page does not name."""
    panel, config = world(days=15, symbols=2), BenchmarkConfig(resamples=100)
    said = told(panel)
    run: Profits = follow(panel, said, 15, days_of(panel, said), config)
    for name in trading_figures([run], config, 1):
        shown = re.sub(r"_(\d+)bp$", "_10bp", name)
        assert f"`{shown}`" in PAGE, f"docs/backtest.md does not name {shown}"
