"""How unsure an answer is, and why: the market is noisy, or the model has not seen the like.

One way for each. Aleatoric: the log-variance of the horizon's head (Kendall & Gal 2017), and the
mean entropy of the draws. Epistemic: what draws of the network disagree about, where a draw is a
dropout mask (MC dropout, Gal & Ghahramani 2016) or a member of an ensemble that learned from other
seeds (Lakshminarayanan, Pritzel & Blundell 2017).

Shapes: R windows, H horizons, C classes.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from crypto_nn.bars import Float
from crypto_nn.errors import ModelError
from crypto_nn.features.panel import Panel
from crypto_nn.inference.predictor import ModelInference
from crypto_nn.metrics.calibration import soften
from crypto_nn.models.prediction import NUM_CLASSES
from crypto_nn.training.evaluation import predict_answers
from crypto_nn.training.windows import WindowTensors

SAMPLES = 20


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """What several draws of a network say, and how far they agree. Entropies are in nats.

    `entropy_RH` = `expected_entropy_RH` + `mutual_information_RH`, and lies in [0, ln 3].

    Attributes:
        probabilities_RHC: mean of the draws' calibrated probabilities of down, flat and up.
        entropy_RH: entropy of that mean: the whole uncertainty.
        expected_entropy_RH: mean of the draws' entropies: its aleatoric part.
        mutual_information_RH: the rest, its epistemic part: how much knowing the right weights
            would tell about the class (BALD, Houlsby et al. 2011); 0 where all draws agree.
        aleatoric_sd_RH: standard deviation of the move that is expected, in units of current
            volatility (1 is a move as usual now): the root of the draws' mean variance; NaN
            where the model was not trained to say.
        draws: how many.
    """

    probabilities_RHC: Float
    entropy_RH: Float
    expected_entropy_RH: Float
    mutual_information_RH: Float
    aleatoric_sd_RH: Float
    draws: int


@dataclass(frozen=True, eq=False)
class Draw:
    """What one network says: calibrated probabilities, and variances (NaN where not trained)."""

    probabilities_RHC: Float
    variance_RH: Float


def uncertainty(
    inference: ModelInference,
    panel: Panel,
    ends: NDArray[np.int64],
    samples: int = SAMPLES,
    seed: int = 0,
) -> Uncertainty:
    """The uncertainty of one version by MC dropout: `samples` answers, each under its own dropout.

    Repeats its bits for the same windows and seed. More samples go on from the first ones. The
    version itself is left alone: a copy of its network is asked.

    Args:
        inference: the version.
        panel, ends: windows, as for `ModelInference.predict`.
        samples: draws, at least 2; the mutual information of few draws is biased low.
        seed: of the dropout.

    Raises:
        ModelError: the version learned without dropout, or there are too few samples.
        FeatureError: as for `ModelInference.predict`.
    """
    _check_draws(samples, "samples")
    name = f"version {inference.version} of {inference.model}"
    network = with_dropout(inference.network, name)
    windows, rows = inference.windows(panel, ends)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return gather(_draw(inference, network, windows, rows) for _ in range(samples))


def ensemble_uncertainty(
    members: Sequence[ModelInference], panel: Panel, ends: NDArray[np.int64]
) -> Uncertainty:
    """The uncertainty of a deep ensemble: versions that differ in their seeds, each one draw.

    Args:
        members: versions of any models, trained on the same rows with the same labels.
        panel, ends: windows, as for `ModelInference.predict`; as long as the longest reach.

    Raises:
        ModelError: there are too few members, or they learned different things.
        FeatureError: as for `ModelInference.predict`.
    """
    _check_draws(len(members), "members")
    for member in members[1:]:
        _check_same_task(members[0], member)
    return gather(_draw(member, member.network, *member.windows(panel, ends)) for member in members)


def gather(draws: Iterator[Draw]) -> Uncertainty:
    """Means over draws, one at a time: not all of them are held at once."""
    sum_RHC: Float = np.zeros(())
    entropy_RH: Float = np.zeros(())
    variance_RH: Float = np.zeros(())
    count = 0
    for draw in draws:
        sum_RHC = sum_RHC + draw.probabilities_RHC
        entropy_RH = entropy_RH + entropy(draw.probabilities_RHC)
        variance_RH = variance_RH + draw.variance_RH
        count += 1
    mean_RHC, expected_RH = sum_RHC / count, entropy_RH / count
    # Jensen's inequality, which rounding may break by a bit.
    total_RH = np.maximum(entropy(mean_RHC), expected_RH)
    epistemic_RH = total_RH - expected_RH
    sd_RH = np.sqrt(variance_RH / count)
    return Uncertainty(mean_RHC, total_RH, expected_RH, epistemic_RH, sd_RH, count)


def entropy(probabilities_RHC: Float) -> Float:
    """Entropy of each distribution over the last axis, in nats; 0·ln 0 is 0."""
    safe_RHC = np.where(probabilities_RHC > 0, probabilities_RHC, 1.0)
    entropy_RH: Float = -(probabilities_RHC * np.log(safe_RHC)).sum(axis=-1)
    return entropy_RH


def _draw(
    inference: ModelInference, network: nn.Module, windows: WindowTensors, rows: torch.Tensor
) -> Draw:
    shape = (len(rows), len(inference.horizons))
    if not len(rows):
        return Draw(np.empty((*shape, NUM_CLASSES)), np.empty(shape))
    with inference.thread_limit():
        logits_RHC, log_variance_RH = predict_answers(network, windows, rows)
    columns = enumerate(inference.temperature_H)
    probabilities = [soften(logits_RHC[:, column].numpy(), t) for column, t in columns]
    variance_RH = np.full(shape, np.nan)
    if log_variance_RH is not None and inference.recipe.train.uncertainty_weight > 0:
        variance_RH = np.exp(log_variance_RH.double().numpy())
    return Draw(np.stack(probabilities, axis=1), variance_RH)


def with_dropout(network: nn.Module, name: str) -> nn.Module:
    """A copy of a network in eval mode but for its dropout: between layers, and between LSTMs.

    Raises:
        ModelError: it drops nothing; `name` says which one.
    """
    network = deepcopy(network).eval()
    dropping = [module for module in network.modules() if _share_dropped(module) > 0]
    if not dropping:
        raise ModelError(
            f"model.settings.dropout is 0 in {name}, so that all draws would be the same and say "
            "nothing about epistemic uncertainty. Train it with a dropout above 0 and below 1, "
            "such as 0.1, or train several seeds and ask them with `ensemble_uncertainty`."
        )
    for module in dropping:
        module.train()
    return network


def _share_dropped(module: nn.Module) -> float:
    """The share of activations that a layer drops in training; norms and all else drop none."""
    if isinstance(module, nn.Dropout):
        return module.p
    return module.dropout if isinstance(module, nn.RNNBase) else 0.0


def _check_draws(count: int, what: str) -> None:
    if count < 2:
        raise ModelError(
            f"{count} {what} cannot disagree, so they say nothing about epistemic uncertainty. "
            f"Give at least 2 {what}; 10 or more give steadier numbers."
        )


def _check_same_task(first: ModelInference, other: ModelInference) -> None:
    """Raise `ModelError` unless two versions answer the same question from the same features."""
    facts = {
        "feature set": (first.recipe.fingerprint, other.recipe.fingerprint),
        "features": (first.feature_names, other.feature_names),
        "horizons": (first.horizons, other.horizons),
        "labels": (first.recipe.labels, other.recipe.labels),
        "k": (first.k, other.k),
    }
    for name, (one, another) in facts.items():
        if one != another:
            raise ModelError(
                f"Versions {first.version} and {other.version} cannot be members of one ensemble: "
                f"they differ in {name} ({one} and {another}). Train them on the same fold with "
                "the same features and labels, and other seeds."
            )
