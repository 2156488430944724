"""The drift page that people read."""

import json
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
    assert sorted(each.name for each in path.parent.iterdir()) == ["drift.html", "drift.json"]
    figures = json.loads(page.json_path.read_text(), parse_constant=pytest.fail)
    assert figures["crypto_nn"]["left_out"] == dict(page.left_out)
    assert figures["metrics"][0]["value"] == {"count": 1.0, "share": 0.5}
    values = {each["metric_name"].split(",")[0]: each["value"] for each in figures["metrics"]}
    assert values["ValueDrift(column=moves"] < 0.001 < values["ValueDrift(column=calm"]


def test_a_page_of_eighty_columns_stays_below_ten_megabytes(tmp_path: Path) -> None:
    """Measured on twenty: what the page itself takes is known, a column costs the same each."""
    rng = np.random.default_rng(2)
    names = [f"a_feature_with_a_rather_long_name_{j}" for j in range(20)]
    before, now = (
        pd.DataFrame(rng.standard_t(3, (rows, 20)), columns=names) for rows in (6000, 50)
    )
    size = write_html(before, now, tmp_path / "page.html").size_bytes
    a_page_of_none = 3_650_000
    each = (size - a_page_of_none) / 20
    assert each > 0
    assert a_page_of_none + 90 * each < 10_000_000


def test_frames_without_a_column_to_show_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DriftError, match=r"calm \(missing today\)"):
        write_html(frame(10, 0)[["calm"]], frame(10, 0)[["calm"]] * np.nan, tmp_path / "a.html")
