"""The made-up market has the edge that it says, no other, and looks like a market."""

from datetime import UTC, datetime, timedelta, timezone
from functools import cache

import numpy as np
import pytest
from pydantic import ValidationError

from crypto_nn.bars import Bars, Float
from crypto_nn.errors import SymbolError
from crypto_nn.sources.synthetic import Gap, Regime, SyntheticConfig, generate, hit_rate
from crypto_nn_tests.contracts.source import check_same

SYMBOL = "SYN-USDT"


def market(end: datetime = datetime(2024, 1, 1), **settings: object) -> SyntheticConfig:
    """A market from the start of 2023 on."""
    return SyntheticConfig.model_validate({"start": datetime(2023, 1, 1), "end": end, **settings})


@cache
def year(edge: float, seed: int = 7) -> Bars:
    """The bars of a year."""
    return generate(market(edge=edge, seed=seed), SYMBOL)


def ewm(values: Float, decay: float) -> Float:
    """The exponentially weighted mean, weights falling by `decay` a step (cut at 600 steps)."""
    weights = (1 - decay) * decay ** np.arange(600)
    return np.convolve(values, weights)[: len(values)]


def momentum_hits(bars: Bars, horizon: int) -> tuple[float, float]:
    """How often recent momentum, as anyone can see it, foretells the next move; and the 99 % error.

    Momentum is an exponentially weighted mean of returns in units of their recent volatility.
    Moves do not overlap, so that they are as good as independent.
    """
    path = np.log(bars.close)
    returns = np.diff(path, prepend=path[0])
    volatility = np.sqrt(1e-12 + np.append(0.0, ewm(returns**2, 0.99)[:-1]))
    signal = ewm(returns / volatility, 0.87)
    at = np.arange(1_000, len(path) - horizon, horizon)
    moves = path[at + horizon] - path[at]
    hits = np.sign(moves) == np.sign(signal[at])
    hits = hits[moves != 0]
    return float(hits.mean()), 2.58 * 0.5 / np.sqrt(len(hits))


@pytest.mark.parametrize("edge", [0.55, 0.6, 0.45])
@pytest.mark.parametrize("horizon", [5, 15])
def test_a_rule_that_anyone_can_compute_recovers_the_edge(edge: float, horizon: int) -> None:
    """Over a year, momentum hits as often as stated; half a point is lost to unseen volatility."""
    hits, error = momentum_hits(year(edge), horizon)
    assert abs(hits - hit_rate(edge, horizon)) < error + 0.005
    assert abs(hits - 0.5) > error


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("horizon", [5, 15, 60])
def test_without_an_edge_momentum_foretells_nothing(seed: int, horizon: int) -> None:
    """At 0.5 the same rule is right half of the time, within its error."""
    hits, error = momentum_hits(year(0.5, seed), horizon)
    assert abs(hits - 0.5) < error


def test_the_edge_is_stated_for_fifteen_minutes() -> None:
    """`edge` is the hit rate over 15 minutes; it fades with the horizon, and 0.5 is 0.5 for all."""
    for edge in (0.4, 0.45, 0.5, 0.52, 0.55, 0.65):
        assert hit_rate(edge, 15) == pytest.approx(edge, abs=1e-9)
    assert {hit_rate(0.5, horizon) for horizon in (1, 5, 60)} == {0.5}
    assert 0.5 < hit_rate(0.55, 1440) < hit_rate(0.55, 60) < hit_rate(0.55, 15)


def test_a_market_looks_like_one() -> None:
    """Clean bars, volatility as configured, fat tails, clusters and a daily season."""
    bars = year(0.5).check_clean()
    assert len(bars) == 365 * 1440
    np.testing.assert_array_equal(bars.open[1:], bars.close[:-1])
    returns = np.diff(np.log(bars.close))
    assert 4.5e-4 < np.sqrt(np.mean(returns**2)) < 5.5e-4
    assert np.mean(returns**4) / np.mean(returns**2) ** 2 > 4
    size = np.abs(returns)
    assert np.corrcoef(size[:-1440], size[1440:])[0, 1] > 0.1
    by_hour = size[: 364 * 1440].reshape(364, 24, 60).mean(axis=(0, 2))
    assert by_hour[14:16].min() > 1.5 * by_hour[2:4].max()
    assert bars.vwap is not None
    assert bars.trades is not None
    assert ((bars.vwap >= bars.low) & (bars.vwap <= bars.high)).all()
    assert (bars.trades >= 1).all()
    assert np.corrcoef(bars.volume[1:], size)[0, 1] > 0.2


def test_a_longer_history_begins_with_the_shorter_one() -> None:
    """A later end, another symbol beside it: what was there stays as it was."""
    short = SyntheticConfig(end=datetime(2024, 2, 1), gap_rate=5.0)
    long = short.model_copy(update={"end": datetime(2024, 3, 1), "symbols": (SYMBOL, "B-USDT")})
    bars = generate(short, SYMBOL)
    check_same(generate(long, SYMBOL)[: len(bars)], bars)


def test_another_seed_or_symbol_is_another_history() -> None:
    """Histories differ, and move together only as far as they are correlated."""
    config = SyntheticConfig(symbols=("A-USDT", "B-USDT"), edge=0.5, correlation=0.6)
    some, others = (generate(config, symbol) for symbol in config.symbols)
    moves = [np.diff(np.log(bars.close)) for bars in (some, others)]
    assert np.corrcoef(moves[0], moves[1])[0, 1] == pytest.approx(0.6, abs=0.03)
    other_seed = generate(config.model_copy(update={"seed": 8}), "A-USDT")
    assert abs(np.corrcoef(moves[0], np.diff(np.log(other_seed.close)))[0, 1]) < 0.02


def test_outages_are_where_they_were_put() -> None:
    """Known gaps miss exactly their minutes; random ones come about as often as configured."""
    at = datetime(2024, 1, 10, 12)
    whole = generate(SyntheticConfig(), SYMBOL)
    holed = generate(SyntheticConfig(gaps=(Gap(start=at, minutes=90),)), SYMBOL)
    missing = np.setdiff1d(whole.ts, holed.ts)
    np.testing.assert_array_equal(missing, np.datetime64(at, "us") + np.arange(90) * 60_000_000)
    random = generate(SyntheticConfig(gap_rate=4.0, gap_minutes=10.0), SYMBOL)
    num = np.count_nonzero(np.diff(random.ts) > np.timedelta64(1, "m"))
    assert 350 < num < 600
    assert 0.02 < 1 - len(random) / len(whole) < 0.035


def test_a_regime_changes_the_market_from_its_start_on() -> None:
    """Before it everything is as it was; after it volatility, volume and edge are its own."""
    start, end = datetime(2023, 7, 1), datetime(2024, 1, 1)
    regime = Regime(start=start, edge=0.5, volatility=2.0, volume=3.0)
    calm, changed = year(0.6), generate(market(end, edge=0.6, regimes=(regime,)), SYMBOL)
    cut = int(np.searchsorted(calm.ts, np.datetime64(start)))
    check_same(changed[:cut], calm[:cut])
    spread = [np.std(np.diff(np.log(bars.close[cut:]))) for bars in (calm, changed)]
    assert spread[1] / spread[0] == pytest.approx(2.0, rel=0.05)
    assert np.median(changed.volume[cut:] / calm.volume[cut:]) == pytest.approx(3.0, rel=0.05)
    before, after = momentum_hits(changed[:cut], 15), momentum_hits(changed[cut:], 15)
    assert before[0] > 0.58
    assert abs(after[0] - 0.5) < after[1]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"edge": 0.9}, "less than or equal to 0.65"),
        ({"end": datetime(2023, 1, 1)}, "is not after start"),
        ({"start": datetime(2024, 1, 1, 0, 0, 30)}, "not the start of a minute"),
        ({"start": datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1)))}, "is not UTC"),
        ({"surprise": 1}, "Extra inputs"),
        ({"regimes": [{"start": "2024-03-01"}, {"start": "2024-02-01"}]}, "later than the one"),
    ],
)
def test_a_market_that_cannot_be_is_refused(settings: dict[str, object], told: str) -> None:
    """Settings out of range are named with what is allowed."""
    with pytest.raises(ValidationError, match=told):
        SyntheticConfig.model_validate(settings)


def test_symbols_and_times_are_read_as_written() -> None:
    """Times may carry UTC; symbols must be ours."""
    aware = SyntheticConfig.model_validate({"start": datetime(2024, 1, 1, tzinfo=UTC)})
    assert aware == SyntheticConfig.model_validate({"start": "2024-01-01T00:00:00Z"})
    assert aware == SyntheticConfig()
    with pytest.raises(SymbolError, match="'SYNUSDT' is not a symbol"):
        SyntheticConfig(symbols=("SYNUSDT",))
