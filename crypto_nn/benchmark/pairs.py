"""Which versions of a universe are compared now, on which days, and whether they can answer."""

from collections.abc import Sequence

import numpy as np

from crypto_nn.benchmark.gate import GateConfig
from crypto_nn.benchmark.shadow import (
    CHALLENGER,
    DAY,
    PREDECESSOR,
    CannotAnswer,
    Pair,
    Versions,
    ask,
)
from crypto_nn.errors import FeatureError, ModelError
from crypto_nn.inference.registry import challenger_of, champion_of, predecessor_of
from crypto_nn.store.models import ModelStore


def challenge_of(
    models: ModelStore, universe: str, versions: Versions, config: GateConfig
) -> Pair | None:
    """The challenger's comparison with the champion; None where nobody shadows.

    Its days begin after both folds, also where that lies before the shadowing began: neither has
    learned from them.

    Raises:
        CannotAnswer: one of the two cannot be loaded.
    """
    champion, challenger = champion_of(models, universe), challenger_of(models, universe)
    if champion is None or challenger is None:
        return None
    start = fresh_from(versions, champion.version, challenger.version)
    end = start + config.max_shadow_days * DAY
    return Pair(universe, champion.version, challenger.version, CHALLENGER, start, end)


def watch_of(
    models: ModelStore, universe: str, versions: Versions, config: GateConfig
) -> Pair | None:
    """The comparison of the champion with the one before it, from the day of the promotion on.

    Raises:
        CannotAnswer: one of the two cannot be loaded.
    """
    champion, before = champion_of(models, universe), predecessor_of(models, universe)
    if champion is None or before is None:
        return None
    promoted = np.datetime64(before.at, "D")
    start = max(promoted, fresh_from(versions, champion.version, before.version))
    end = promoted + config.rollback_days * DAY
    return Pair(universe, champion.version, before.version, PREDECESSOR, start, max(start, end))


def fresh_from(versions: Versions, *names: str) -> np.datetime64:
    """The first whole day that none of these versions has learned from.

    Raises:
        CannotAnswer: one of them cannot be loaded.
    """
    latest = max(learned_until(versions, version) for version in names)
    day: np.datetime64 = latest.astype("datetime64[D]")
    return day if day == latest else day + DAY


def learned_until(versions: Versions, version: str) -> np.datetime64:
    """The end of what a version was made from; raises `CannotAnswer` where it cannot be loaded."""
    try:
        return versions.learned_until(version)
    except (ModelError, FeatureError) as error:
        raise CannotAnswer(version, str(error)) from error


def check_answers(versions: Versions, symbols: Sequence[str], version: str) -> int:
    """How many answers a version gives for the newest day of these symbols.

    Raises:
        CannotAnswer: it cannot be loaded, or its answers are no probabilities.
    """
    learned_until(versions, version)
    return num_answers(versions, symbols, version, DAY)


def num_answers(
    versions: Versions, symbols: Sequence[str], version: str, stretch: np.timedelta64
) -> int:
    """How many answers it gives for the newest `stretch` of these symbols; errors as above."""
    count = 0
    for symbol in symbols:
        newest = versions.newest(symbol)
        if newest is not None:
            count += len(ask(versions, version, symbol, newest - stretch, newest).ts_R)
    return count
