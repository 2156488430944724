"""Questions are answered together, in bounds, and none is left without an answer."""

import numpy as np
import pytest

from crypto_nn.errors import FeatureError
from crypto_nn.features.live_windows import Window
from crypto_nn.server.batching import MicroBatcher, Overloaded
from crypto_nn_tests.server.made import ROWS, SYMBOL, Told, answering

WINDOW = Window(np.datetime64("2024-01-01", "us"), np.ones((ROWS, 2), np.float32))
BROKEN = Window(WINDOW.ts, np.full((ROWS, 2), np.nan, np.float32))


def test_a_batch_holds_one_version_and_at_most_its_size() -> None:
    """Five questions to two versions, at most four at once: each version sees its own alone."""
    one, other = Told(), Told((9.0, 0.0, 0.0))
    first, second = answering("v1", one), answering("v2", other)
    batcher = MicroBatcher(4, 0.0, 10)
    asked = [batcher.ask(each, SYMBOL, WINDOW, 60) for each in (first, second, first, first, first)]
    batcher.start()
    batcher.close()
    assert [int(each.result(0)[0].argmax()) for each in asked] == [2, 0, 2, 2, 2]
    assert (one.sizes, other.sizes) == ([3, 1], [1])


def test_beyond_its_capacity_a_question_is_refused_at_once() -> None:
    """What waits is bounded; what waits already is answered."""
    batcher = MicroBatcher(4, 0.0, 2)
    asked = [batcher.ask(answering("v1"), SYMBOL, WINDOW, 60) for _ in range(2)]
    with pytest.raises(Overloaded):
        batcher.ask(answering("v1"), SYMBOL, WINDOW, 60)
    batcher.start()
    batcher.close()
    assert all(each.result(0).shape == (2, 3) for each in asked)
    with pytest.raises(Overloaded):
        batcher.ask(answering("v1"), SYMBOL, WINDOW, 60)


def test_a_question_whose_time_is_up_is_not_computed() -> None:
    """Nobody waits for it any more."""
    clock, network = [0.0], Told()
    batcher = MicroBatcher(4, 0.0, 10, lambda: clock[0])
    late = batcher.ask(answering("v1", network), SYMBOL, WINDOW, 1)
    clock[0] = 2.0
    batcher.start()
    batcher.close()
    assert isinstance(late.exception(0), Overloaded)
    assert network.sizes == []


def test_a_bad_question_fails_alone() -> None:
    """Its batch is answered, and so are later ones."""
    version = answering("v1")
    batcher = MicroBatcher(2, 0.0, 10)
    asked = [batcher.ask(version, SYMBOL, one, 60) for one in (BROKEN, WINDOW, WINDOW)]
    batcher.start()
    batcher.close()
    assert isinstance(asked[0].exception(0), FeatureError)
    assert all(each.result(0).shape == (2, 3) for each in asked[1:])
