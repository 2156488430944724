"""What holds for every picture: valid, small, the same each time, and never an exception."""

import base64
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crypto_nn import pictures
from crypto_nn.bars import Bars
from crypto_nn.bars.timeframe import M1
from crypto_nn.pictures import Picture
from crypto_nn.pictures.attention import (
    Attention,
    Glance,
    attention_glances,
    attention_over_time,
)
from crypto_nn.pictures.embed import LIMIT
from crypto_nn.pictures.episodes import Recall, recalled_episodes
from crypto_nn.pictures.gates import gate_shares
from crypto_nn.pictures.run_comparison import Course, run_comparison

START = np.datetime64("2024-01-01", "us")
HORIZONS = ("5m", "15m", "60m")


def walk(rows: int) -> Bars:
    rng = np.random.default_rng(7)
    close = 40_000 * np.exp(np.cumsum(rng.normal(0, 5e-4, rows)))
    spread = 1 + np.abs(rng.normal(0, 3e-4, rows))
    ts = START + np.arange(rows) * np.timedelta64(1, "m")
    return Bars(
        "BTC-USDT", M1, ts, close, close * spread, close / spread, close, rng.gamma(2, 1, rows)
    )


def noise(*shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(3).normal(size=shape)


NAN, FIVES = np.full(9, np.nan), np.full(9, 5.0)
NAMES = [f"feature_{number}_$_<&>_{'x' * number}" for number in range(30)]
DAYS = START + np.arange(500) * np.timedelta64(1, "D")
GROWTH = np.exp(np.cumsum(0.01 * noise(500, 5), axis=0))


def hours(days: int, symbol: str = "BTC-USDT") -> pictures.Hours:
    """Hours with holes of every size, some rows put aside and some corrections."""
    rng, due = np.random.default_rng(5), np.full(24 * days, 60)
    there = due - rng.integers(0, 61, len(due)) * (rng.random(len(due)) < 0.05)
    aside, revised = (rng.random((2, len(due))) < 0.01).astype(np.int64)
    return pictures.Hours(symbol, np.datetime64("2024-01-01T05", "h"), due, there, aside, revised)


def profile(moments: int) -> Attention:
    weights = np.exp(np.linspace(-2, 0, moments))
    weights /= weights.sum()
    return Attention(5, weights, weights / 2, weights * 2)


def glance(came: int) -> Glance:
    return Glance("BTC-USDT <&>", 100 + noise(48), np.full(48, 1 / 48), np.full(3, 1 / 3), came)


def recall(came: int) -> Recall:
    return Recall("BTC-USDT", DAYS[:8], np.full(8, 1 / 8), np.arange(8) % 4 - 1, came)


def empty_recall() -> dict[str, Any]:
    return {"at_K": DAYS[:0], "weights_K": np.empty(0), "outcomes_K": np.empty(0, np.int64)}


def course(name: str) -> Course:
    return Course(name, [1.1, 1.0], [1.1, 1.09], {5: 0.002, 60: -0.01})


COSTS, LEFT = np.array([0.0, 2, 5, 10, 20]), np.array([-1.0, 3, 4, 7, 30, np.nan])
NET = LEFT[:, None] - COSTS

CURVE = (np.linspace(0.3, 0.9, 10), np.linspace(0.3, 0.8, 10), np.arange(10.0))

FULL: dict[str, Callable[[], Picture]] = {
    "price_chart": lambda: pictures.price_chart(
        walk(45_000), [(START, START + np.timedelta64(9, "h"))]
    ),
    "price_chart of few bars": lambda: pictures.price_chart(walk(60)),
    "class_balance": lambda: pictures.class_balance({h: [3, 4, 5] for h in HORIZONS}),
    "coverage of days": lambda: pictures.coverage([hours(40)]),
    "coverage of years": lambda: pictures.coverage([hours(900)]),
    "coverage of symbols": lambda: pictures.coverage([hours(900, f"A{n}-USD") for n in range(12)]),
    "loss_curves": lambda: pictures.loss_curves([3, 2, 1.5], [3, 2.5, 2.6], chance=2.7),
    "confusion_matrices": lambda: pictures.confusion_matrices({h: np.eye(3) * 9 for h in HORIZONS}),
    "reliability_diagrams": lambda: pictures.reliability_diagrams(dict.fromkeys(HORIZONS, CURVE)),
    "equity_curves": lambda: pictures.equity_curves(
        DAYS, {f"{c} bp": GROWTH[:, c] for c in range(5)}, GROWTH[:, 0]
    ),
    "break_even": lambda: pictures.break_even(COSTS, NAMES[:6], NET, LEFT),
    "drift_bars": lambda: pictures.drift_bars(NAMES, np.abs(noise(30)).tolist()),
    "attention_over_time": lambda: attention_over_time(
        {name: profile(moments) for name, moments in (("attention", 48), ("attention_1h", 8))}
    ),
    "attention_glances": lambda: attention_glances([glance(n) for n in range(-1, 3)]),
    "gate_shares": lambda: gate_shares(("LSTM", "Transformer"), np.full((5, 2), 0.5)),
    "recalled_episodes": lambda: recalled_episodes([recall(n) for n in range(-1, 3)]),
    "run_comparison": lambda: run_comparison([course("a"), course("b")]),
    "leaderboard_bars": lambda: pictures.leaderboard_bars(
        [(name, 0.1, 0.0, 0.2) for name in NAMES[:8]], NAMES[:3], "skill"
    ),
}
EMPTY: dict[str, Callable[[], Picture]] = {
    "price_chart": lambda: pictures.price_chart(Bars.empty("BTC-USDT")),
    "class_balance": lambda: pictures.class_balance({}),
    "coverage": lambda: pictures.coverage([]),
    "coverage of nothing": lambda: pictures.coverage([replace(hours(3), due=np.zeros(72, int))]),
    "class_balance of nothing": lambda: pictures.class_balance({"5m": [0, 0, 0]}),
    "loss_curves": lambda: pictures.loss_curves([], []),
    "loss_curves of NaN": lambda: pictures.loss_curves(NAN.tolist(), NAN.tolist()),
    "confusion_matrices": lambda: pictures.confusion_matrices({"5m": np.zeros((3, 3))}),
    "reliability_diagrams": lambda: pictures.reliability_diagrams({"5m": (NAN, NAN, np.zeros(9))}),
    "equity_curves": lambda: pictures.equity_curves(DAYS[:0], {}),
    "break_even": lambda: pictures.break_even(COSTS, ["all"], NET[5:], LEFT[5:]),
    "break_even of nobody": lambda: pictures.break_even(COSTS, [], NET[:0], LEFT[:0]),
    "drift_bars": lambda: pictures.drift_bars(NAMES[:9], NAN.tolist()),
    "attention_over_time": lambda: attention_over_time({}),
    "attention_glances": lambda: attention_glances([]),
    "gate_shares": lambda: gate_shares((), np.empty((0, 0))),
    "recalled_episodes": lambda: recalled_episodes([]),
    "run_comparison": lambda: run_comparison([Course("killed", [], [], {})]),
    "leaderboard_bars": lambda: pictures.leaderboard_bars([("a", np.nan, np.nan, np.nan)]),
}
ODD: dict[str, Callable[[], Picture]] = {
    "one bar": lambda: pictures.price_chart(walk(1)),
    "a price that never moved": lambda: pictures.price_chart(
        Bars("BTC-USDT", M1, walk(9).ts, FIVES, FIVES, FIVES, FIVES, FIVES)
    ),
    "bars with holes": lambda: pictures.price_chart(
        Bars("BTC-USDT", M1, walk(9).ts, NAN, NAN, NAN, np.arange(1, 10.0), NAN)
    ),
    "one hour": lambda: pictures.coverage([hours(1)]),
    "one class only": lambda: pictures.class_balance({"5m": [0, 7, 0]}),
    "one epoch": lambda: pictures.loss_curves([1.0], [float("nan")]),
    "one bin": lambda: pictures.reliability_diagrams(
        {"5m": (CURVE[0][:1], CURVE[1][:1], CURVE[2][3:4])}
    ),
    "one day, all lost": lambda: pictures.equity_curves(DAYS[:1], {"5 bp": np.zeros(1)}),
    "one cost": lambda: pictures.break_even(COSTS[:1], ["all"], NET[:1, :1], LEFT[:1]),
    "nothing gained or lost": lambda: pictures.break_even(
        COSTS[:1], ["all"], np.zeros((1, 1)), np.zeros(1)
    ),
    "no drift at all": lambda: pictures.drift_bars(["a"], [0.0], threshold=0.0),
    "one moment": lambda: attention_over_time({"attention": profile(1)}),
    "nothing recalled": lambda: recalled_episodes([replace(recall(1), **empty_recall())]),
    "one group": lambda: gate_shares(("a", "b"), [[1.0, 0.0]]),
    "one training without skills": lambda: run_comparison([replace(course("a"), skills={})]),
    "no interval": lambda: pictures.leaderboard_bars([("a", 1.0, np.nan, np.nan)]),
}


@cache
def drawn(name: str) -> Picture:
    return FULL[name]()


@cache
def svg(name: str) -> str:
    return drawn(name).svg()


@pytest.mark.parametrize("name", FULL)
def test_a_picture_is_valid_svg_and_png_with_a_light_ground(name: str, tmp_path: Path) -> None:
    """Both forms parse; the corner is solid white, so that it reads on dark pages too."""
    picture = drawn(name)
    assert ET.fromstring(svg(name)).tag.endswith("svg")  # noqa: S314
    path = tmp_path / "picture.png"
    path.write_bytes(picture.png())
    with Image.open(path) as image:
        assert image.convert("RGBA").getpixel((1, 1)) == (255, 255, 255, 255)


@pytest.mark.parametrize("name", FULL)
def test_the_same_data_give_the_same_bytes(name: str) -> None:
    """No date, no random identifier: a report can be compared byte by byte."""
    assert FULL[name]().svg() == svg(name)


@pytest.mark.parametrize("name", FULL)
def test_a_picture_fits_into_an_event_log(name: str) -> None:
    """As Markdown, with its data inside, none is larger than about 60 kB."""
    text = pictures.markdown(drawn(name), "what [it] shows")
    assert len(text) < LIMIT + 100
    assert text.startswith("![what it shows](data:image/")
    kind, body = text[text.index("data:image/") + 11 : -1].split(";base64,")
    raw = base64.b64decode(body, validate=True)
    assert raw.startswith(b"<svg" if kind == "svg+xml" else b"\x89PNG")


@pytest.mark.parametrize("name", EMPTY)
def test_without_data_it_says_so(name: str) -> None:
    """Nothing to show is shown as "no data", never an exception."""
    assert "no data" in EMPTY[name]().svg()


@pytest.mark.parametrize("name", ODD)
def test_little_data_are_drawn_too(name: str) -> None:
    """One bar, one bin, one epoch, a constant: there is a picture, with data."""
    picture = ODD[name]()
    assert "no data" not in picture.svg()
    assert picture.png(1.0).startswith(b"\x89PNG")


def test_names_are_words_and_never_markup() -> None:
    """A feature called <&> or $x$ is written as it is called."""
    svg = pictures.drift_bars(["<b>&$x$"], [1.0]).svg()
    assert "&lt;b&gt;&amp;$x$" in svg


def test_a_long_history_is_drawn_with_few_points() -> None:
    """Ten times the bars do not make the picture larger."""
    small, large = pictures.price_chart(walk(5_000)), pictures.price_chart(walk(50_000))
    assert len(large.svg()) < 1.3 * len(small.svg())


def test_a_drawdown_is_drawn_as_deep_as_it_was() -> None:
    """The panel's deepest point is the figure's, also where one day in thousands fell."""
    from crypto_nn.metrics import trading
    from crypto_nn.pictures.equity_curves import _deepest, drawdown

    returns = 0.01 * noise(5_000)
    returns[[1234, 1235]] = -0.5, 1.0
    fallen = drawdown(np.asarray(np.cumprod(1 + returns), dtype=np.float64))
    last, deepest = _deepest(fallen)
    np.testing.assert_allclose(deepest.min(), trading.max_drawdown(returns), rtol=1e-12)
    assert len(last) == 200
    assert last[-1] == 4_999
    few = _deepest(fallen[:3])
    assert few[0].tolist() == [0, 1, 2]
    assert few[1].tolist() == fallen[:3].tolist()


def test_merging_bars_keeps_extremes_and_volume() -> None:
    """The highest high, the lowest low, the last close and all of the volume survive."""
    from crypto_nn.pictures.price_chart import MAX_POINTS, _merged

    bars = walk(12_345)
    few = _merged(bars, MAX_POINTS)
    assert len(few) == MAX_POINTS
    assert (few.high.max(), few.low.min()) == (bars.high.max(), bars.low.min())
    assert (few.open[0], few.close[-1]) == (bars.open[0], bars.close[-1])
    np.testing.assert_allclose(few.volume.sum(), bars.volume.sum())


def test_a_strip_looks_as_its_worst_day_does() -> None:
    """A hole of a day does not fade where hundreds of days share the width of a page."""
    from crypto_nn.pictures.coverage import _worst

    layers_4CD = np.zeros((4, 2, 5), dtype=np.int64)
    layers_4CD[0], layers_4CD[1] = 1440, 1440
    layers_4CD[1, 0, 3], layers_4CD[2, 0, 1], layers_4CD[0, 1, :4] = 720, 7, 0
    due, there, aside, _ = _worst(layers_4CD)
    assert due.tolist() == [1440, 1440]
    assert there.tolist() == [720, 1440]
    assert aside.tolist() == [7, 0]


@pytest.mark.parametrize("days", [40, 900])
def test_coverage_says_how_much_is_missing(days: int) -> None:
    """The title counts what the cells show, and never rounds a share up to whole."""
    part = hours(days)
    missing = int((part.due - part.there).sum())
    assert f"{missing:,} missing" in pictures.coverage([part]).svg()
    whole = replace(part, there=part.due - (np.arange(len(part.due)) == 7))
    assert "100 %" not in pictures.coverage([whole]).svg()


def test_importing_pictures_loads_no_plotting_library() -> None:
    """Definitions that only name pictures stay light."""
    code = "import sys, crypto_nn.pictures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
