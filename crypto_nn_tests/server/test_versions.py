"""Who answers changes in one step, and never to somebody who cannot."""

import pytest

from crypto_nn.errors import ConfigError, SymbolError
from crypto_nn.server.versions import Serving, Shares
from crypto_nn_tests.server.made import SYMBOL, Registry, answering, watcher


def chosen(serving: Serving, key: str = "k") -> str:
    return serving.choose(SYMBOL, key)[1].facts.version


def test_who_began_with_a_snapshot_ends_with_it() -> None:
    """After a promotion the new version answers, and requests in flight keep the former."""
    registry = Registry({"v1": answering("v1"), "v2": answering("v2")})
    watching = watcher(registry)
    assert watching.look()
    before = watching.serving
    assert not watching.look()
    assert watching.serving is before
    registry.shares = {"v2": 1.0}
    assert watching.look()
    assert (chosen(before), chosen(watching.serving)) == ("v1", "v2")


@pytest.mark.parametrize("version", ["missing", "stranger", "other"])
def test_who_cannot_be_loaded_does_not_replace_who_answers(version: str) -> None:
    """A bundle that is not there, of other features, or of another version."""
    registry = Registry()
    registry.versions |= {
        "stranger": answering("stranger", fingerprint="0"),
        "other": answering("x"),
    }
    watching = watcher(registry)
    watching.look()
    registry.shares = {version: 1.0}
    assert not watching.look()
    assert chosen(watching.serving) == "v1"
    assert SYMBOL in watching.problems
    registry.shares = {"v1": 1.0}
    watching.look()
    assert not watching.problems


def test_a_challenger_answers_its_share_and_always_the_same_clients() -> None:
    """The same key goes the same way; with a share of a half both are asked."""
    versions = {"v1": answering("v1"), "v2": answering("v2")}
    watching = watcher(Registry(versions, {"v1": 0.5, "v2": 0.5}))
    watching.look()
    found = [chosen(watching.serving, f"client {n}") for n in range(50)]
    assert set(found) == {"v1", "v2"}
    assert found == [chosen(watching.serving, f"client {n}") for n in range(50)]


def test_without_a_champion_nobody_answers() -> None:
    """And the error names who could be asked, not what was asked."""

    class Empty(Registry):
        def of(self, universe: str) -> Shares:
            raise ConfigError("no champion yet")

    watching = watcher(Empty())
    assert not watching.look()
    assert not watching.serving.ready
    with pytest.raises(SymbolError, match="there are none"):
        chosen(watching.serving)
