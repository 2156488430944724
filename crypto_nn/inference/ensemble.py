"""Several versions asked as one: the mean of what they say, and how far they disagree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Float
from crypto_nn.errors import FeatureError, ModelError
from crypto_nn.features.live_windows import Window
from crypto_nn.inference.answering import Answering


@dataclass(frozen=True, eq=False)
class Opinion:
    """What is said of B windows.

    Attributes:
        p_BHC: probabilities of down, flat and up, float64.
        epistemic_BH: mutual information of the class and the member, in nats (Houlsby et al.
            2011): 0 where all members agree; None of a single version, which cannot disagree.
    """

    p_BHC: Float
    epistemic_BH: Float | None


class EnsembleInference:
    """Versions that learned the same task: of other seeds, or of other families of models.

    The answer is the mean of the members' calibrated probabilities. Its confidence is never
    above the mean of its members' confidences, so that disagreement can only lower it.

    Attributes:
        members: as given; one is allowed, and has no epistemic uncertainty.
        version: the member's, or all of them joined by `+`.
        symbols: those that every member knows.
        reach: the longest of the members'.
    """

    def __init__(self, members: Sequence[Answering]) -> None:
        """Ask these as one.

        Raises:
            ModelError: there is none, one is given twice, no symbol is known to all, or they
                differ in horizons, labels or k.
            FeatureError: they learned from different features.
        """
        if not members:
            raise ModelError("An ensemble of no versions was asked for; give at least one.")
        self.members = tuple(members)
        names = [member.facts.version for member in members]
        if len(set(names)) < len(names):
            raise ModelError(
                f"A version is twice among {', '.join(names)}, and would agree with itself. "
                "Give each once."
            )
        first = members[0].facts
        for member in members[1:]:
            _check_same_task(members[0], member)
        self.version = "+".join(names)
        self.horizons, self.fingerprint = first.horizons, first.fingerprint
        self.feature_names = first.feature_names
        self.reach = max(member.facts.reach for member in members)
        shared = set(first.symbols).intersection(*(m.facts.symbols for m in members))
        self.symbols = tuple(symbol for symbol in first.symbols if symbol in shared)
        if not self.symbols:
            raise ModelError(
                f"No symbol is known to all of {', '.join(names)}. Use members of one universe."
            )

    def opinion(self, symbols: Sequence[str], windows: Sequence[Window]) -> Opinion:
        """What the members say of windows of `reach` unscaled rows each.

        Raises `FeatureError` as `VersionFacts.ask` does.
        """
        p_MBHC = np.stack([_ask(member, symbols, windows, self.reach) for member in self.members])
        mean_BHC: Float = p_MBHC.mean(axis=0)
        if len(self.members) == 1:
            return Opinion(mean_BHC, None)
        return Opinion(mean_BHC, disagreement(p_MBHC))

    def probabilities(self, symbols: Sequence[str], windows: Sequence[Window]) -> Float:
        """The mean probabilities (B, H, 3) alone, as `Answering.probabilities`."""
        return self.opinion(symbols, windows).p_BHC


def disagreement(p_MBHC: NDArray[np.float64]) -> Float:
    """Entropy of the members' mean less the mean of their entropies (B, H), in nats, ≥ 0."""
    total_BH = _entropy(p_MBHC.mean(axis=0))
    expected_BH = _entropy(p_MBHC).mean(axis=0)
    # Jensen's inequality, which rounding may break by a bit.
    found: Float = np.maximum(total_BH - expected_BH, 0.0)
    return found


def as_ensemble(answering: Answering | EnsembleInference) -> EnsembleInference:
    """The same; a single version as an ensemble of one."""
    if isinstance(answering, EnsembleInference):
        return answering
    return EnsembleInference((answering,))


def check_fingerprint(asked: EnsembleInference, fingerprint: str) -> None:
    """Raise `FeatureError` unless the features come from the set that the versions learned from."""
    if fingerprint != asked.fingerprint:
        raise FeatureError(
            f"Version {asked.version} learned from feature set {asked.fingerprint!r}, and the "
            f"features here are of {fingerprint!r}. Use the set that it was trained with, or "
            "train a new version on this one."
        )


def _ask(member: Answering, symbols: Sequence[str], windows: Sequence[Window], reach: int) -> Float:
    own = member.facts.reach
    if own < reach:
        windows = [Window(w.ts, w.x_TF[len(w.x_TF) - own :]) for w in windows]
    return member.probabilities(symbols, windows)


def _entropy(p: NDArray[np.float64]) -> Float:
    safe = np.where(p > 0, p, 1.0)
    found: Float = -(p * np.log(safe)).sum(axis=-1)
    return found


def _check_same_task(first: Answering, other: Answering) -> None:
    one, another = first.facts, other.facts
    pair = f"Versions {one.version} and {another.version} cannot be members of one ensemble"
    if (one.fingerprint, one.feature_names) != (another.fingerprint, another.feature_names):
        raise FeatureError(
            f"{pair}: they learned from feature sets {one.fingerprint!r} and "
            f"{another.fingerprint!r}. Train them on the same features."
        )
    same = {
        "horizons": (one.horizons, another.horizons),
        "labels": (one.config.get("labels"), another.config.get("labels")),
        "k": (one.config.get("k"), another.config.get("k")),
    }
    for name, (mine, theirs) in same.items():
        if mine != theirs:
            raise ModelError(
                f"{pair}: they differ in {name} ({mine} and {theirs}). Train them on the same fold "
                "with the same labels."
            )
