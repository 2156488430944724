"""`crypto-nn check` and `crypto-nn leaks` find what is wrong, and say so by their exit codes."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from crypto_nn.bars import Bars
from crypto_nn.cli import subjects
from crypto_nn.cli.checks import commands
from crypto_nn.errors import ConfigError
from crypto_nn.experiments import Experiment
from crypto_nn_tests.indicators.made import walk, without

OWN = "crypto_nn_tests.cli.own_checks"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place without a lake and without settings."""
    monkeypatch.setenv("CRYPTO_NN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CRYPTO_NN_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(commands, words, env={"COLUMNS": "300"})
    return result.exit_code, result.output


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of bars with a hole, and with one bar that cannot be."""
    bars = without(walk(6000, seed=3, start="2024-01-30T00:00"), (700, 730))
    bars.high[4000] = bars.low[4000] / 2
    path = tmp_path / "BTCUSDT_1m.parquet"
    pq.write_table(bars.to_arrow(), path)
    return path


def test_an_indicator_that_keeps_the_laws_passes(file: Path) -> None:
    """On made bars and on one's own; each law is named with its result."""
    code, told = run("check", f"{OWN}:Range", "--bars", str(file))
    assert code == 0, told
    assert "made bars" in told
    assert "BTC-USDT" in told
    assert "the stream gives the bits of history" in told
    assert " 0 broken, 0 not tried" in told


def test_an_indicator_that_breaks_laws_fails() -> None:
    """Another stream than history, and the future known: both are told, with the reason."""
    code, told = run("check", f"{OWN}:Centred")
    assert code == 1
    failed = [line for line in told.splitlines() if "FAILED" in line]
    assert len(failed) >= 3
    assert any("more bars change no earlier row" in line for line in failed)
    assert any("range in row" in line for line in failed)


def test_features_are_checked_by_their_indicators() -> None:
    """Several at once, each indicator once."""
    code, told = run("check", f"{OWN}:FEATURES")
    assert code == 0, told
    assert "RSI(period=14)" in told
    assert "SMA(period=5)" in told


@pytest.mark.parametrize("name", ["Range", "FEATURES", "trailing"])
def test_what_looks_back_has_no_leak(name: str, file: Path) -> None:
    """An indicator, features, a function of a frame."""
    code, told = run("leaks", "--module", f"{OWN}:{name}", "--seconds", "1", "--bars", str(file))
    assert code == 0, told
    assert told.count("no leak found") == 3


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Centred", "changed in the prefix test"),
        ("leading", "leading: "),
        ("far", "far: "),
        ("BOTH", "ahead on made bars: leading: "),
        ("noise", "other values for the same bars each time"),
        ("early_labels", "label 0: "),
        ("scaled_by_all", "other rows multiplied"),
        ("k_fold", "fold 0 train → test: "),
    ],
)
def test_what_looks_ahead_is_named_and_fails(name: str, reason: str) -> None:
    """Features, labels, scalers and splitters by import path: exit code 1 and the reason."""
    code, told = run("leaks", "--module", f"{OWN}:{name}", "--seconds", "1")
    assert code == 1, told
    assert reason in told
    assert "did not pass" in told


@pytest.mark.parametrize(
    "words",
    [
        ("check", "nonsense"),
        ("check", f"{OWN}:nothing"),
        ("check", f"{OWN}:NUMBER"),
        ("leaks", "--module", "no_such_module:function"),
        ("leaks", "--module", f"{OWN}:NUMBER"),
        ("leaks", "--module", f"{OWN}:EMPTY"),
        ("leaks", "--module", f"{OWN}:NONE"),
        ("check", f"{OWN}:NONE"),
        ("leaks", "--bars", "no_such_file.csv"),
        ("leaks", "--symbol", "NO-SUCH"),
    ],
)
def test_misuse_ends_with_2(words: tuple[str, ...]) -> None:
    """What cannot be examined is not said to leak."""
    code, told = run(*words)
    assert code == 2, told
    assert "Invalid value" in told


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("endless", "no value on any bars, so that nothing is known of endless"),
        ("words", "strings or objects in rose"),
    ],
)
def test_what_cannot_be_examined_ends_with_2(name: str, reason: str) -> None:
    """Neither a pass nor a leak: it is told why nothing is known."""
    code, told = run("leaks", "--module", f"{OWN}:{name}", "--seconds", "1")
    assert code == 2, told
    assert reason in told


def test_a_clock_passes_and_is_said_to_be_not_proven() -> None:
    """No change of bars moves it, on stretches or on all bars."""
    code, told = run("leaks", "--module", f"{OWN}:hour", "--seconds", "1")
    assert code == 0, told
    assert "not proven: no change of bars moves column 0" in told


def test_all_that_ships_is_examined_and_passes() -> None:
    """Features with the cross group, every kind of label, splits, scaler, what training fits."""
    code, told = run("leaks", "--seconds", "1")
    assert code == 0, told
    for subject in ("features", "labels: volatility", "labels: triple_barrier", "splits: rolling",
                    "splits: expanding", "scaler", "fitted in training"):  # fmt: skip
        assert f"│ {subject} " in told
    assert "no bars yet" in told


def test_a_leak_planted_in_the_platform_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever breaks purge or scaler is told by the command that all run."""
    from crypto_nn.features import scaling, splits

    fit = scaling.RobustScaler.fit.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(
        scaling.RobustScaler, "fit", classmethod(lambda cls, x_NF, rows=None: fit(cls, x_NF))
    )
    monkeypatch.setattr(
        splits, "rows_of", lambda fold, role, ts, t1_NH: ts >= fold.role(role).start
    )
    code, told = run("leaks", "--seconds", "1")
    assert code == 1
    leaky = [line for line in told.splitlines() if "LEAKS" in line]
    assert any("scaler" in line for line in leaky)
    assert any("splits: rolling" in line for line in leaky)
    assert any("fitted in training" in line for line in leaky)


def test_files_are_cleaned_as_ingest_cleans_them(file: Path) -> None:
    """The bar that cannot be is left out; all others are there."""
    found = subjects.bars_of_files([file], Experiment())
    assert list(found) == ["BTC-USDT"]
    bars: Bars = found["BTC-USDT"].check_clean()
    assert len(bars) == 6000 - 30 - 1


def test_an_import_path_is_told_what_is_wrong_with_it(tmp_path: Path) -> None:
    """The folder one is in counts; errors say what there is."""
    (tmp_path / "mine_here.py").write_text("ONE = 1\n")
    assert subjects.named("mine_here:ONE") == 1
    with pytest.raises(ConfigError, match="it has ONE"):
        subjects.named("mine_here:TWO")
    with pytest.raises(ConfigError, match="colon"):
        subjects.named("mine_here")


def test_a_class_that_lacks_a_method_is_refused() -> None:
    """What is missing and what to do, not a traceback."""
    with pytest.raises(ConfigError, match=r"Indicator cannot be made.*Write every method"):
        subjects.indicators_of("crypto_nn.indicators:Indicator")
