"""A result in one file: the report made from it is the report, to the byte."""

import gzip
import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from crypto_nn.benchmark.report import report_html, report_markdown
from crypto_nn.benchmark.result import BenchmarkResult
from crypto_nn.benchmark.scores import Score
from crypto_nn.errors import BenchmarkError
from crypto_nn_tests.benchmark.made import NOW, html, result


def test_the_report_of_the_file_is_the_report() -> None:
    """Page and Markdown, byte for byte, when the result was made included."""
    again = BenchmarkResult.from_bytes(result().to_bytes())
    assert report_html(again, NOW) == html()
    assert report_markdown(again) == report_markdown(result())
    assert "made 2024-02-29 10:00 UTC" in report_markdown(again)


def test_the_file_holds_the_whole_result() -> None:
    """Every row of the table, verdicts, curves, what is known of where it comes from."""
    one, other = result(), BenchmarkResult.from_bytes(result().to_bytes())
    assert one.table().equals(other.table())
    for name in ("config", "provenance", "kinds", "symbols", "horizons", "folds", "k_FH"):
        assert getattr(one, name) == getattr(other, name), name
    assert repr(one.verdicts) == repr(other.verdicts)
    assert repr(one.scores) == repr(other.scores)
    assert list(one.curves) == list(other.curves)
    for key, curves in one.curves.items():
        for cost, curve in curves.equity.items():
            np.testing.assert_array_equal(other.curves[key].equity[cost], curve)


def test_the_same_result_makes_the_same_file() -> None:
    """Twice the same bytes, and no hour of writing in them."""
    raw = result().to_bytes()
    assert raw == BenchmarkResult.from_bytes(raw).to_bytes()
    assert raw[4:8] == b"\0\0\0\0"


def test_what_is_not_finite_survives() -> None:
    """No loss, so an endless profit factor; no day, so no figure."""
    odd = [Score("seer", 5, name, value, math.nan, -math.inf, p_value=0.25)
           for name, value in (("endless", math.inf), ("nothing", math.nan))]  # fmt: skip
    again = BenchmarkResult.from_bytes(replace(result(), scores=tuple(odd)).to_bytes())
    assert repr(again.scores) == repr(tuple(odd))


def changed(**parts: Any) -> bytes:
    told = json.loads(gzip.decompress(result().to_bytes()))
    return gzip.compress(json.dumps(told | parts).encode())


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: b"", "no benchmark's result"),
        (lambda: b"not a file", "no benchmark's result"),
        (lambda: result().to_bytes()[:-20], "no benchmark's result"),
        (lambda: gzip.compress(b"[1, 2]"), "format is None"),
        (lambda: gzip.compress(b"{"), "no benchmark's result"),
        (lambda: gzip.compress(bytes(300 * 2**20), 1), "unpacks to more"),
        (lambda: changed(format="other"), "format is 'other'"),
        (lambda: changed(version=99), "version 99"),
        (lambda: changed(kinds=[["seer", "model"]]), "who did not compete"),
        (lambda: changed(scores={}), "damaged"),
        (lambda: changed(days=["soon"]), "damaged"),
        (lambda: changed(config={"nonsense": 1}), "damaged"),
        (lambda: changed(provenance={}), "damaged"),
    ],
)
def test_a_bad_file_is_told(made: Callable[[], bytes], words: str) -> None:
    """What is wrong, and what to do; never half a result."""
    with pytest.raises(BenchmarkError, match=words):
        BenchmarkResult.from_bytes(made())
