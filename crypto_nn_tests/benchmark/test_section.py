"""The README's benchmark is what the generator writes from the committed result."""

from pathlib import Path

import pytest

from crypto_nn.benchmark.section import (
    BEGIN,
    END,
    NOTE,
    PAGE,
    README,
    RESULT,
    read,
    replaced,
    section,
    write,
    written,
)
from crypto_nn.errors import BenchmarkError
from crypto_nn_tests.benchmark.made import result

ROOT = Path(__file__).parents[2]
BEFORE = f"# Title\n\n{BEGIN}\nold\n{END}\n\nAfter.\n"


def check(root: Path) -> None:
    """README and page are what the result file gives."""
    texts = written(*read(root), (root / README).read_text(encoding="utf-8")).texts
    for path, due in texts.items():
        found = (root / path).read_text(encoding="utf-8")
        assert found == due, f"{path} is not what its result file gives: {NOTE.lower()}"


def test_the_readme_says_what_was_measured() -> None:
    """No number of the benchmark was typed or changed by hand."""
    if not (ROOT / RESULT).exists():
        pytest.skip(f"{RESULT} is not committed yet")
    check(ROOT)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a README and a result file, for which everything was written."""
    root = tmp_path_factory.mktemp("checkout")
    (root / RESULT).parent.mkdir(parents=True)
    (root / RESULT).write_bytes(result().to_bytes())
    (root / README).write_text(BEFORE, encoding="utf-8")
    write(root)
    return root


def test_a_changed_number_is_found(checkout: Path) -> None:
    """In the README or on the page: one digit is enough."""
    check(checkout)
    for path in (README, PAGE):
        text = (checkout / path).read_text(encoding="utf-8")
        line = next(
            line for line in text.splitlines() if line.startswith("| seer |") and "%" in line
        )
        digit = next(character for character in line if character.isdigit())
        other = line.replace(digit, str((int(digit) + 1) % 10), 1)
        (checkout / path).write_text(text.replace(line, other), encoding="utf-8")
        with pytest.raises(AssertionError, match="not what its result file gives"):
            check(checkout)
        (checkout / path).write_text(text, encoding="utf-8")


def test_pictures_that_are_linked_are_there(checkout: Path) -> None:
    """The README's, and those of the page."""
    text = (checkout / PAGE).read_text(encoding="utf-8")
    linked = {part.partition(")")[0] for part in text.split("](images/")[1:]}
    assert len(linked) >= 4
    assert all((checkout / "docs/images" / name).exists() for name in linked)
    assert (checkout / "docs/images/benchmark_skill.png").read_bytes()[:4] == b"\x89PNG"


def test_the_section_says_what_one_must_know() -> None:
    """Days, symbols, machine, command, date, everyone, and that few seeds make no headline."""
    text = section(result())
    for due in (
        "BTC-USDT, ETH-USDT",
        "on Binance spot",
        "24 test days",
        "2 cores",
        "in 1.2 hours",
        "Made 2024-02-29",
        "crypto-nn x | y",
        "No headline",
        "| seer |",
        "| majority |",
    ):
        assert due in text, due
    assert "<script" not in text
    assert replaced(replaced(BEFORE, text), text) == replaced(BEFORE, text)
    assert replaced(BEFORE, text).endswith("\n\nAfter.\n")


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END}{BEGIN}", BEFORE + BEFORE])
def test_a_readme_without_its_marks_is_refused(text: str) -> None:
    """Nothing is written over what one cannot see."""
    with pytest.raises(BenchmarkError, match="each once"):
        replaced(text, "x")


def test_a_missing_result_is_told(tmp_path: Path) -> None:
    """With the command that makes one."""
    with pytest.raises(BenchmarkError, match="crypto-nn benchmark"):
        read(tmp_path)
