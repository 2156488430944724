"""docs/leaks.md lists the tests, laws and planted leaks that there are.

`python -m crypto_nn_tests.features.test_leaks_page` renews the lists.
"""

import re
from collections.abc import Callable, Sequence

import pytest

from crypto_nn.benchmark.controls.planted import PLANTED
from crypto_nn.features.leaks import FUTURES
from crypto_nn.indicators.laws import LAWS
from crypto_nn_tests.features.planted_hidden import WORDS
from crypto_nn_tests.market import ROOT

PAGE = ROOT / "docs" / "leaks.md"


def _line(text: str | None) -> str:
    return (text or "").split("\n")[0].rstrip(".")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def futures_list() -> str:
    """How the future is changed, by test."""
    rows = []
    for name, future in FUTURES.items():
        told = _line(future.__doc__)
        rows.append((name, told[:1].lower() + told[1:]))
    return _table(("test", "later bars are"), rows)


def laws_list() -> str:
    """Each law, as a sentence."""
    return "\n".join(f"- {law}" for law in LAWS)


def planted_list() -> str:
    """What must be found."""
    rows = [(f"`{name}`", "feature", _line(leak.__doc__)) for name, leak in PLANTED.items()]
    rows += [(f"`{name}`", kind, told.rstrip(".")) for name, (kind, told) in WORDS.items()]
    return _table(("leak", "of", "what it does"), rows)


LISTS: dict[str, Callable[[], str]] = {
    "futures": futures_list,
    "laws": laws_list,
    "planted": planted_list,
}


def renewed(text: str, marker: str) -> str:
    """The page with one list as the code has it."""
    pattern = rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)"
    assert re.search(pattern, text, re.DOTALL), marker
    return re.sub(pattern, lambda m: f"{m[1]}\n{LISTS[marker]()}\n\n{m[2]}", text, flags=re.DOTALL)


@pytest.mark.parametrize("marker", LISTS)
def test_the_page_says_what_the_code_does(marker: str) -> None:
    """What can be made from the code is never written by hand."""
    text = PAGE.read_text(encoding="utf-8")
    assert text == renewed(text, marker), "run `python -m crypto_nn_tests.features.test_leaks_page`"


if __name__ == "__main__":
    for marker in LISTS:
        PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), marker), encoding="utf-8")
