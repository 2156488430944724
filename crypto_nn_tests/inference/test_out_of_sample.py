"""What a version says on days that it has not seen, and what became of it."""

from pathlib import Path

import numpy as np
import pytest

from crypto_nn.errors import FeatureError
from crypto_nn.inference.out_of_sample import Answers, answers_between
from crypto_nn.inference.predictor import ModelInference
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore
from crypto_nn.training.dataset import load_panel
from crypto_nn.training.version import train_version
from crypto_nn_tests.inference.test_reproduce import (
    DAYS,
    MINUTES,
    NAMES,
    RECIPE,
    SYMBOL,
    fill,
)
from crypto_nn_tests.training.market import DAY, MINUTE, START, fold, random_bars

HOLE = slice(2000, 2010)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, ModelInference]:
    """Two and a half days of bars, ten minutes of the second missing, and a version."""
    root: Path = tmp_path_factory.mktemp("answers")
    lake, models = Lake(root / "lake"), ModelStore(root / "models")
    fill(lake, random_bars(MINUTES))
    panel = load_panel(lake, [SYMBOL], NAMES, START, START + 3 * DAY)
    trained = train_version(panel, fold(DAYS), RECIPE, with_card=False)
    models.save(trained.model, trained.version, trained.files)
    whole = lake.read("features")
    keep = np.ones(whole.num_rows, dtype=bool)
    keep[HOLE] = False
    lake.replace({"features": whole.filter(keep)}, {"symbol": SYMBOL, "month": "2024-03"})
    return lake, ModelInference.load(models, trained.version)


def asked(
    world: tuple[Lake, ModelInference],
    start: np.datetime64 = START,
    end: np.datetime64 = START + 3 * DAY,
    stride: int = 5,
) -> Answers:
    return answers_between(*world, SYMBOL, NAMES, start, end, stride, RECIPE.labels.kind)


def test_each_row_is_what_the_version_says_there(world: tuple[Lake, ModelInference]) -> None:
    """Answers and classes are those of the panel, at every fifth minute with a whole window."""
    lake, model = world
    found = asked(world)
    panel = load_panel(lake, [SYMBOL], NAMES, START, START + 3 * DAY)
    ends = panel.window_ends(model.reach)
    ends = ends[panel.ts_N[ends].astype("datetime64[m]").astype(int) % 5 == 0]
    np.testing.assert_array_equal(found.ts_R, panel.ts_N[ends])
    np.testing.assert_allclose(found.p_RHC, model.predict(panel, ends), atol=1e-6)
    assert model.k is not None
    np.testing.assert_array_equal(found.classes_RH, panel.classes_at(model.k)[ends])
    assert found.horizons == (5, 15)
    hole = (found.ts_R >= START + HOLE.start * MINUTE) & (
        found.ts_R < START + (HOLE.stop + model.reach - 1) * MINUTE
    )
    assert not hole.any()


def test_a_day_does_not_depend_on_the_stretch_it_is_asked_in(
    world: tuple[Lake, ModelInference],
) -> None:
    """The same minutes and the same bits, alone and among others."""
    alone, among = asked(world, START + DAY, START + 2 * DAY), asked(world)
    part = among.between(START + DAY, START + 2 * DAY)
    np.testing.assert_array_equal(part.ts_R, alone.ts_R)
    np.testing.assert_array_equal(part.p_RHC, alone.p_RHC)
    odd = asked(world, START + DAY + 3 * MINUTE, START + 2 * DAY)
    np.testing.assert_array_equal(odd.ts_R, alone.ts_R[1:])


def test_a_row_is_of_the_day_on_which_it_begins(world: tuple[Lake, ModelInference]) -> None:
    """The last minutes of a day keep their outcome of the next; without one it is −1."""
    day = asked(world, START + DAY, START + 2 * DAY, stride=1)
    assert (day.classes_RH[-1] >= 0).all()
    assert (day.day_R() == (START + DAY).astype("datetime64[D]")).all()
    last = asked(world, START + 2 * DAY, stride=1)
    assert (last.classes_RH[-1] == -1).all()
    assert last.ts_R[-1] == START + (MINUTES - 1) * MINUTE


def test_where_there_are_no_bars_there_are_no_answers(world: tuple[Lake, ModelInference]) -> None:
    """An empty stretch is no error."""
    found = asked(world, START + 30 * DAY, START + 31 * DAY)
    assert len(found) == 0
    assert found.p_RHC.shape == (0, 2, 3)
    assert found.classes_RH.shape == (0, 2)
    joined = Answers.join([asked(world, START, START + DAY), found])
    assert len(joined) == len(asked(world, START, START + DAY))


def test_labels_of_other_horizons_are_refused(
    world: tuple[Lake, ModelInference], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers are never set beside outcomes of another time."""
    monkeypatch.setattr(world[1], "horizons", (5, 60))
    with pytest.raises(FeatureError, match=r"answers for \(5, 60\) minutes ahead"):
        asked(world)


def test_a_version_of_other_features_is_refused(world: tuple[Lake, ModelInference]) -> None:
    """Columns in another order are other features."""
    lake, model = world
    with pytest.raises(FeatureError, match="their order"):
        answers_between(lake, model, SYMBOL, NAMES[::-1], START, START + DAY, 5, "volatility")
