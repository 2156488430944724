"""The drift page that people read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crypto_nn.errors import DriftError
from crypto_nn.monitoring.evidently_report import write_html

pytestmark = [
    pytest.mark.filterwarnings("ignore:numpy.core is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:litestar"),
    pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning"),  # litestar's own
]


def frame(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"calm": rng.standard_normal(rows), "moves": rng.standard_normal(rows)})


def test_the_page_shows_what_can_be_shown_and_names_what_cannot(tmp_path: Path) -> None:
    reference, today = frame(3000, 0), frame(500, 1)
    today["moves"] += 1
    reference *= 1e-5  # as small as returns of a minute
    today *= 1e-5
    today.loc[3, "calm"] = np.inf
    reference = reference.assign(empty=np.nan, constant=7.0, words="a")
    today = today.assign(fresh=1.0, empty=1.0, constant=8.0, words="b")
    reference["<gone>"], today["<gone>"] = 1.0, np.nan
    path = tmp_path / "reports" / "drift.html"
    path.parent.mkdir()
    page = write_html(reference, today, path, max_rows=1000)
    text = path.read_text()
    assert page.columns == ("calm", "moves")
    assert dict(page.left_out) == {
        "fresh": "not in the reference",
        "empty": "empty in the reference",
        "<gone>": "missing today",
        "constant": "constant in the reference",
        "words": "not numeric",
    }
    assert "constant: constant in the reference" in text
    assert "&lt;gone&gt;: missing today" in text
    assert page.size_bytes == path.stat().st_size < 10_000_000
    assert "Drift is detected for 50.0% of columns (1 out of 2)" in text.replace("\\n", " ")
    assert [each.name for each in path.parent.iterdir()] == ["drift.html"]


def test_frames_without_a_column_to_show_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DriftError, match=r"calm \(missing today\)"):
        write_html(frame(10, 0)[["calm"]], frame(10, 0)[["calm"]] * np.nan, tmp_path / "a.html")
