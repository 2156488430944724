"""The code that a column follows from: all that runs, and little else."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.reference import with_reference
from crypto_nn.features import default_feature_set
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.feature import Feature
from crypto_nn.features.feature_set import FeatureSet
from crypto_nn.features.source_code import SHARED, code_from, code_of, places_of

FEATURES = default_feature_set(FeatureConfig(reference="BTC-USDT"))
ROOM = Path(sys.modules["crypto_nn"].__path__[0])
ASIDE = {
    "errors.py",  # what is raised is no value
    "bars/symbol.py",  # whether a name is one
    "features/feature.py",  # which indicators and transform it has is its fingerprint's affair
}

MEMBER = '''
"""A feature of one's own."""
from dataclasses import dataclass

import numpy as np

from crypto_nn.features import transforms as to
from crypto_nn.features.feature import Feature, Output
from crypto_nn.indicators.windowed import Windowed
from own_features.parts import scale


@dataclass(frozen=True)
class Spread(Windowed):
    """High less low."""

    @property
    def outputs(self):
        return ("spread",)

    @property
    def warm_up(self):
        return 0

    def compute(self, bars):
        return (scale(bars.high - bars.low),)

    def fresh(self):
        raise NotImplementedError


SPREAD = Feature("spread", to.as_is, (Output(Spread()),), "High less low")
'''
PARTS = """
def scale(values):
    return values / FACTOR


FACTOR = 2.0
"""

Load = Callable[[dict[str, str]], Feature]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Write a package of one's own, with some files changed, and import its feature anew."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def forget() -> None:
        for name in [name for name in sys.modules if name.startswith("own_features")]:
            del sys.modules[name]

    def fresh(changed: dict[str, str]) -> Feature:
        forget()
        files = {"__init__": "", "member": MEMBER, "parts": PARTS} | changed
        (tmp_path / "own_features").mkdir(exist_ok=True)
        for name, text in files.items():
            path = tmp_path / "own_features" / f"{name}.py"
            path.unlink(missing_ok=True)
            path.write_text(text)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        importlib.invalidate_caches()
        found: Feature = importlib.import_module("own_features.member").SPREAD
        return found

    yield fresh
    forget()


def test_words_count_for_nothing_and_a_number_in_another_file_does(load: Load) -> None:
    """Comments, docstrings and layout may change; what is computed may not."""
    first = code_of(load({}))
    told = MEMBER.replace("High less low.", "The range of a bar.").replace("(scale(", "( scale(")
    assert code_of(load({"member": told + "\n# no more\n"})) == first
    others = {
        code_of(load({"member": MEMBER.replace("bars.low", "bars.open")})),
        code_of(load({"parts": PARTS.replace("2.0", "3.0")})),
        code_of(load({"parts": PARTS.replace("values / FACTOR", "values * FACTOR")})),
    }
    assert len(others - {first}) == 3
    assert code_of(load({})) == first


def test_what_runs_in_the_package_for_a_member_is_followed(load: Load) -> None:
    """A member follows from its own files and from ours that it uses, definition by definition."""
    places = places_of(load({}))
    assert {("own_features.member", ""), ("own_features.parts", "")} <= places
    assert ("crypto_nn.features.transforms", "as_is") in places
    assert ("crypto_nn.features.transforms", "distance") not in places


def made_up(num: int = 4000) -> Bars:
    """Bars with a hole and a standstill, beside a reference."""
    noise = np.random.default_rng(0)
    ts = np.datetime64("2024-01-30", "us") + np.arange(num) * M1.step
    close = 100 * np.exp(np.cumsum(noise.normal(0, 1e-3, num)))
    opening = np.append(close[0], close[:-1])
    high, low = np.maximum(opening, close) * 1.0002, np.minimum(opening, close) * 0.9998
    bars = Bars("ETH-USDT", M1, ts, opening, high, low, close, noise.exponential(5, num))
    bars = bars.take(np.r_[0:1500, 1540:num])
    return with_reference(bars, bars)


def executed(feature_set: FeatureSet, bars: Bars) -> set[tuple[str, str]]:
    """File and outermost name of all code of the package that runs while a month is computed."""
    found: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(ROOM)):
            name = code.co_qualname.partition(".")[0]
            found.add((Path(code.co_filename).relative_to(ROOM).as_posix(), name))

    sys.setprofile(note)
    try:
        feature_set.compute_month(bars, "2024-02", complete=True)
    finally:
        sys.setprofile(None)
    return found


@pytest.mark.parametrize("feature", FEATURES.features, ids=FEATURES.names)
def test_all_code_that_runs_for_a_column_is_hashed(feature: Feature) -> None:
    """Whatever is executed to compute a column is among the definitions that it follows from."""
    whole = {f"{module.removeprefix('crypto_nn.').replace('.', '/')}.py" for module in SHARED}
    single = {
        (f"{module.removeprefix('crypto_nn.').replace('.', '/')}.py", name)
        for module, name in places_of(feature)
    }
    missed = {
        (file, name)
        for file, name in executed(FEATURES.only([feature.name]), made_up())
        if file not in whole | ASIDE and (file, name) not in single and not name.startswith("<")
    }
    assert missed == set()


def test_a_column_follows_from_its_own_indicators_only() -> None:
    """A change of the RSI leaves the columns alone that do not use it."""
    using = {
        feature.name
        for feature in FEATURES.features
        if ("crypto_nn.indicators.rsi", "RSI") in places_of(feature)
    }
    due = {
        feature.name
        for feature in FEATURES.features
        if any(type(one).__name__ == "RSI" for one in feature.indicators)
    }
    assert due <= using
    assert len(using) < len(FEATURES.names) / 3
    assert "log_return_1" not in using


def test_functions_have_a_code_of_their_own() -> None:
    """Labels and bars are told apart by what makes them; the same place gives the same hash."""
    labels = code_from(("crypto_nn.features.labels", "compute_labels"))
    bars = code_from(("crypto_nn.bars.quality", "inspect"))
    assert labels != bars
    assert labels == code_from(("crypto_nn.features.labels", "compute_labels"))
