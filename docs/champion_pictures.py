"""Takes the picture of docs/champion.md: a made-up universe, judged by the code that ships.

`python docs/champion_pictures.py` writes docs/images/champion_timeline.png.
"""

import tempfile
from pathlib import Path

from crypto_nn.benchmark.gate import GateConfig
from crypto_nn.benchmark.standings import present, timeline
from crypto_nn.pictures import champion_timeline
from crypto_nn_tests.benchmark.shadows import BTC, Invented, World, at

IMAGES = Path(__file__).parent / "images"
# the probability that each gives to what happens, and the day until which it learned
SKILL = {"v1-first": 0.400, "v2-better": 0.410, "v3-worse": 0.395, "v4-same": 0.4105}
LEARNED = {"v1-first": 0, "v2-better": 1, "v3-worse": 30, "v4-same": 60}
NIGHTS = (("v1-first", 0, 1), ("v2-better", 1, 30), ("v3-worse", 30, 60), ("v4-same", 60, 75))


def main() -> None:
    """Four versions: one is promoted, one is rejected, one shadows."""
    config = GateConfig(stride_minutes=30)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), Invented(SKILL, LEARNED, spread=0.008), config)
        for candidate, first, last in NIGHTS:
            for day in range(first, last):
                world.night(day, candidate)
        spells, marks = timeline(world.models, BTC, at(75))
        shadows = present(world.lake, world.models, BTC, world.versions, config)
        curves = [shadow.curve for shadow in shadows]
        title = "Who answered, who shadowed, and the evidence so far"
        picture = champion_timeline(spells, marks, curves, config.evidence_due, title)
        (IMAGES / "champion_timeline.png").write_bytes(picture.png())


if __name__ == "__main__":
    main()
