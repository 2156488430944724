"""Settings that do not fit together are refused with what was found and what to do."""

from pathlib import Path

import pytest

from crypto_nn.errors import ConfigError
from crypto_nn.experiments import Experiment


def test_the_reference_must_be_followed_too() -> None:
    """A market is seen beside one whose bars come in; itself will do."""
    with pytest.raises(ConfigError, match=r"features\.reference is 'BTC-USDT'.*SYN-USDT"):
        Experiment.parse({"features": {"reference": "BTC-USDT"}})
    experiment = Experiment.parse({"features": {"reference": "SYN-USDT"}})
    assert "cross" in experiment.features.chosen


def test_cross_columns_need_a_reference() -> None:
    """The group alone does not say beside which market."""
    with pytest.raises(ConfigError, match=r"set features\.reference"):
        Experiment.parse({"features": {"groups": ["returns", "cross"]}})


def test_a_reference_changes_what_depends_on_features() -> None:
    """Its digest is another one, and that of other groups is not."""
    with_it = Experiment.parse({"features": {"reference": "SYN-USDT"}})
    assert with_it.digest("features") != Experiment().digest("features")
    assert with_it.digest("labels") == Experiment().digest("labels")


@pytest.mark.parametrize("name", ["../u", "a:b", "große", "", "a" * 81, ".hidden"])
def test_a_universe_has_a_plain_name(name: str) -> None:
    """It names folders, pointers and partitions."""
    with pytest.raises(ConfigError, match="begins with a letter or digit"):
        Experiment.parse({"universes": {name: ["SYN-USDT"]}})


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    """Also where size and name stay the same; a broken one is refused, a removed one missing."""
    path = tmp_path / "crypto_nn.yaml"
    for epochs in (3, 4, 3):
        path.write_text(f"training: {{max_epochs: {epochs}}}")
        assert Experiment.load(path).training.max_epochs == epochs
    path.write_text("training: {max_epochs: many}")
    with pytest.raises(ConfigError, match="max_epochs"):
        Experiment.load(path)
    path.unlink()
    with pytest.raises(ConfigError, match="no file"):
        Experiment.load(path)


def test_what_a_caller_does_to_a_loaded_experiment_stays_with_it(tmp_path: Path) -> None:
    """The next one to load the same file gets what the file says."""
    path = tmp_path / "crypto_nn.yaml"
    path.write_text(Experiment().to_yaml())
    Experiment.load(path).symbols.clear()
    assert Experiment.load(path) == Experiment()
