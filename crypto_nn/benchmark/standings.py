"""How the shadows of a universe stand, and who answered when: for people to look at."""

from dataclasses import dataclass

import numpy as np

from crypto_nn.benchmark.gate import GateConfig
from crypto_nn.benchmark.pairs import challenge_of, watch_of
from crypto_nn.benchmark.shadow import CannotAnswer, Standing, Versions, scores_of, stand
from crypto_nn.inference import registry
from crypto_nn.metrics.paired import e_process
from crypto_nn.pictures.champion_timeline import EvidenceCurve, Mark, Spell
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore

BECAME = {
    "promote": "was promoted",
    "keep": "was not promoted",
    "shadow": "shadows the champion",
    "reject": "was rejected",
    "expire": "was let go",
    "rollback": "is back",
}
"""What became of a version, by the action in its history."""


@dataclass(frozen=True, eq=False)
class Shadowing:
    """One present comparison.

    Attributes:
        first_day, last_day: between which days are compared, YYYY-MM-DD.
    """

    shadow: str
    champion: str
    role: str
    first_day: str
    last_day: str
    standing: Standing
    curve: EvidenceCurve


def present(
    lake: Lake, models: ModelStore, universe: str, versions: Versions, config: GateConfig
) -> list[Shadowing]:
    """The challenger and the watching predecessor of a universe, as far as the days on record go.

    One that cannot be loaded is left out: the next judgement deals with it.
    """
    found = []
    for pair_of in (challenge_of, watch_of):
        try:
            pair = pair_of(models, universe, versions, config)
        except CannotAnswer:
            continue
        if pair is None or pair.end <= pair.start:
            continue
        days = scores_of(lake, pair)
        evidence = e_process([d.champion_loss - d.shadow_loss for d in days], config.paired)
        dates = np.array([day.day for day in days], dtype="datetime64[D]")
        found.append(
            Shadowing(
                pair.shadow,
                pair.champion,
                pair.role,
                str(pair.start),
                str(pair.end - 1),
                stand(days, config),
                EvidenceCurve(
                    f"{pair.shadow[:8]} ({pair.role})", dates, evidence.better_T, evidence.worse_T
                ),
            )
        )
    return found


def timeline(
    models: ModelStore, universe: str, now: np.datetime64
) -> tuple[list[Spell], list[Mark]]:
    """Who answered and who shadowed from when to when, and what ended it."""
    spells, marks = [], []
    open_since: dict[str, tuple[str, np.datetime64]] = {}
    for event in registry.history(models, universe):
        at = np.datetime64(event["at"], "us")
        ends = [] if event["action"] == "keep" else ["shadows"]
        ends += ["answers"] if event["action"] in registry.ANSWERS else []
        for kind in ends:
            if kind in open_since:
                version, start = open_since.pop(kind)
                spells.append(Spell(version, kind, start, at))
        if event["action"] in registry.ANSWERS:
            open_since["answers"] = (event["version"], at)
        elif event["action"] == "shadow":
            open_since["shadows"] = (event["version"], at)
        if event["action"] not in ("keep", "shadow"):
            marks.append(Mark(event["version"], event["action"], at))
    spells += [
        Spell(version, kind, start, max(start, now))
        for kind, (version, start) in open_since.items()
    ]
    return sorted(spells, key=lambda spell: (spell.start, spell.version)), marks
