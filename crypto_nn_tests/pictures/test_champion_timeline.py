"""Who answered when, as a picture: valid, and never an exception."""

import numpy as np

from crypto_nn.pictures import champion_timeline
from crypto_nn.pictures.champion_timeline import EvidenceCurve, Mark, Spell

DAY = np.datetime64("2025-03-01T00:00", "us")


def test_it_draws_what_there_is() -> None:
    """Nothing, a champion alone, and shadows without and with days."""
    spell = Spell("3f9a1c20", "answers", DAY, DAY + np.timedelta64(9, "D"))
    days = np.arange("2025-03-01", "2025-03-05", dtype="datetime64[D]")
    curves = [
        EvidenceCurve("none yet", days[:0], np.empty(0), np.empty(0)),
        EvidenceCurve("some", days, np.array([1, 2, 4, 1e300]), np.array([1, 0.5, 0.1, 0.0])),
    ]
    assert "no data" in champion_timeline([], []).svg()
    plain = champion_timeline([spell], [Mark("3f9a1c20", "promote", DAY)]).svg()
    assert "3f9a1c20" in plain
    whole = champion_timeline([spell], [], curves, 20.0).svg()
    assert "some: better" in whole
    assert "decides: 20" in whole
    assert "mathdefault" not in whole
    assert champion_timeline([spell], [], curves).png()[:4] == b"\x89PNG"
