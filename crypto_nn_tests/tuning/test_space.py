"""What may vary is checked before the first trial, by path and value."""

from typing import Any

import pytest

from crypto_nn.errors import ConfigError
from crypto_nn.experiments import Experiment, ModelChoice
from crypto_nn.models import MODELS
from crypto_nn.tuning.space import from_choice, to_choice


def parsed(space: dict[str, Any], **tuning: Any) -> Experiment:
    return Experiment.parse({"tuning": {"space": space, **tuning}})


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"training.lr": {"low": 1e-4, "high": 1}}, r"training\.lr is not a setting.*window"),
        ({"training.learning_rate": {"low": -1, "high": 1}}, r"learning_rate has -1.*greater"),
        ({"training.window": {"low": 8.5, "high": 20}}, r"window has 8\.5.*integer"),
        ({"training.schedule": {"choices": ["cosine", "sine"]}}, r"schedule has 'sine'.*'plateau'"),
        ({"training.schedule": {"low": 1, "high": 2}}, r"schedule has 1"),
        ({"training.seed": {"low": 0, "high": 9}}, r"seed may not vary.*luck"),
        ({"model.settings.hidden": {"choices": [0, 8]}}, r"hidden has 0.*greater than or equal"),
        ({"model.settings.heads": {"choices": [2]}}, r"heads is not a setting.*hidden"),
        ({"labels.horizons": {"choices": [5]}}, r"labels\.horizons.*paths begin with training\."),
        ({"training.dropout.x": {"choices": [5]}}, r"dropout\.x is not a setting"),
        ({"training.learning_rate": {"low": 2, "high": 1}}, r"low 2 is not below high 1"),
        ({"training.learning_rate": {"low": 0, "high": 1, "log": True}}, r"log needs low above 0"),
        ({"training.learning_rate": {"choices": []}}, r"choices \(one at least\)"),
        ({"training.learning_rate": {"low": 1, "steps": 3}}, r"steps is not a setting"),
        ({"training.weight_decay": {"low": 0, "high": float("inf")}}, r"high.*finite"),
        ({"training.weight_decay": {"choices": [0.1, float("nan")]}}, r"nan.*finite"),
    ],
)  # fmt: skip
def test_a_wrong_space_names_path_value_and_what_is_allowed(
    space: dict[str, Any], words: str
) -> None:
    """The whole YAML is refused, before anything is trained."""
    with pytest.raises(ConfigError, match=words):
        parsed(space)


@pytest.mark.parametrize(
    "tuning", [{"training": {"max_window": 1}}, {"training": {"max_epochs": 0}},
               {"models": ["Nope"]}, {"models": ["DLinear:huge"]}, {"spaces": {"Nope": {}}},
               {"storage_variable": "postgresql://u:pw@host"}, {"heartbeat_s": 60}]
)  # fmt: skip
def test_other_mistakes_are_refused_too(tuning: dict[str, Any]) -> None:
    """With the key that is wrong; an address in the YAML is not repeated."""
    with pytest.raises(ConfigError, match=r"tuning") as refused:
        parsed({}, **tuning)
    assert "pw@host" not in str(refused.value)


def test_a_value_that_goes_with_no_other_is_refused() -> None:
    """Unless another path of the space can make it fit: then only that trial is lost."""
    heads = {"model.settings.heads": {"choices": [2, 5]}}
    model = {"name": "TransformerPredictor"}
    width = {"model.settings.width": {"choices": [32, 40]}}
    stuck = {"model.settings.layers": {"low": 1, "high": 2}}
    for more in ({}, stuck):
        with pytest.raises(ConfigError, match=r"heads has 5: .*width"):
            Experiment.parse({"model": model, "tuning": {"space": {**heads, **more}}})
    Experiment.parse({"model": model, "tuning": {"space": {**heads, **width}}})
    cpu, amp = {"device": "cpu"}, {"training.amp": {"choices": ["off", "fp16"]}}
    with pytest.raises(ConfigError, match=r"amp has 'fp16': .*needs a GPU"):
        Experiment.parse({"training": cpu, "tuning": {"space": amp}})


@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_has_a_space_of_its_own(name: str) -> None:
    """Around the settings in force, with every value allowed together with every other one."""
    space = Experiment().search_space(ModelChoice(name=name))
    assert {"training.learning_rate", "training.weight_decay"} < set(space.ranges)
    assert set(space.current) == set(space.ranges)
    for path, range_ in space.ranges.items():
        for value in range_.ends:
            space.applied({**space.current, path: value})


def test_splits_leave_room_for_what_is_tuned() -> None:
    """The farthest window of the space, and models that are only tuned, widen the embargo."""
    plain = Experiment().reach
    assert parsed({"training.window": {"low": 16, "high": 96}}).reach == 96
    slow = ModelChoice(name="AttentiveLSTM").config().reach(Experiment().training.window)
    assert parsed({}, models=["AttentiveLSTM"]).reach == max(plain, slow) > plain
    wide = {"model.settings.bars.1h": {"low": 4, "high": 24, "step": 4}}
    tuned = parsed({}, models=["AttentiveLSTM"], spaces={"AttentiveLSTM": wide})
    assert tuned.reach > 23 * 60
    whole = {"model.settings.bars": {"choices": [{"5m": 12}, {"1h": 24}, {"5m": 6}]}}
    tuned = parsed({}, models=["AttentiveLSTM"], spaces={"AttentiveLSTM": whole})
    assert tuned.reach == 23 * 60 + 1


def test_choices_that_are_lists_survive_a_study() -> None:
    """A study holds plain values; lists are written out."""
    for choice in (None, True, 3, 0.5, "cosine", [8, 16], {"5m": 12}):
        assert from_choice(to_choice(choice)) == choice
