"""Features of one's own: what an import path may name, and what is said where it may not."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from pydantic import ValidationError

from crypto_nn.bars import M5
from crypto_nn.errors import FeatureError
from crypto_nn.features import default_feature_set, plugins
from crypto_nn.features.config import GROUPS, FeatureConfig
from crypto_nn.features.feature import OWN
from crypto_nn.features.plugins import load_members
from crypto_nn_tests.features import own_members
from crypto_nn_tests.indicators.made import walk

HERE = "crypto_nn_tests.features.own_members"


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("FAST_RSI", ["rsi_7"]),
        ("BOTH", ["rsi_7", "rsi_7_5m"]),
        ("TALL", ["body", "reach"]),
        ("Body", ["body", "reach"]),
    ],
)
def test_what_a_path_may_name(name: str, columns: list[str]) -> None:
    """A feature, several, an indicator, and a class of indicators made with its defaults."""
    members = load_members([f"{HERE}:{name}"])
    assert [member.name for member in members] == columns
    assert {member.group for member in members} == {OWN}


def test_own_columns_stand_after_the_shipped_ones() -> None:
    """With the values that their definition says, in history and live."""
    config = FeatureConfig(groups=("returns",), members=(f"{HERE}:Body", f"{HERE}:BOTH"))
    features, bars = default_feature_set(config), walk(400, seed=3)
    assert features.names[7:] == ("body", "reach", "rsi_7", "rsi_7_5m")
    x_NF = features.compute(bars, complete=True, dtype=np.float64)
    assert_array_equal(x_NF[:, 7], np.log(bars.close / bars.open))
    live = features.stream(bars[:300], complete=True)
    rows = [live.update(bar, np.float64) for bar in bars[300:]]
    assert_array_equal(rows, x_NF[300:])


def test_an_indicator_tells_its_meaning() -> None:
    """The column's description is the first sentence of the docstring, apart for each output."""
    one, other = load_members([f"{HERE}:Body"])
    assert one.description == "body: How far a bar went, and how far it reached."
    assert other.description == "reach: How far a bar went, and how far it reached."


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (f"{HERE}", "is not an import path"),
        ("own/members.py:FAST", "is not an import path"),
        (f"{HERE}:os.system", "is not an import path"),
        ("no_such_package.features:RSI", r"cannot be imported \(ModuleNotFoundError"),
        (f"{HERE}:SLOW", r"has no 'SLOW'; it has .*FAST_RSI, SLOW_RSI, BOTH, TALL"),
        (f"{HERE}:NUMBER", r"is an object of type int; a Feature, a tuple"),
        (f"{HERE}:MIXED", "is a list of Feature, str; a Feature, a tuple"),
        (f"{HERE}:NOTHING", "is a list of nothing; a Feature, a tuple"),
        (f"{HERE}:Bar", "is the class Bar; a Feature, a tuple"),
        (f"{HERE}:NeedsArgument", "cannot be made without arguments"),
        (f"{HERE}:Windowed", "cannot be made without arguments"),
        (f"{HERE}:ENDLESS", r"OBV\(\) never forgets"),
        (f"{HERE}:HOLLOW", "'hollow': it is made of nothing"),
        (f"{HERE}:SPACED", "'my rsi': a name of small letters"),
        (f"{HERE}:CAPITAL", "'Rsi_14': a name of small letters"),
        (f"{HERE}:CAPITAL_KEY", "'Symbol': a name of small letters"),
        (f"{HERE}:ACCENT", "'rsi_é': a name of small letters"),
        (f"{HERE}:UNNAMED", "its name is None; a text is due"),
        (f"{HERE}:KEY", "'ts': ts, symbol, month are the keys of the table"),
        (f"{HERE}:WORD", "'order': that is a word of SQL"),
        (f"{HERE}:ROW", "'rowid': that is a word of SQL"),
        (f"{HERE}:TEXT_INSIDE", r"Output\('rsi'\) is of no Indicator; one is due, such as"),
        (f"{HERE}:CLASS_INSIDE", r"Output\(RSI\) has a class; RSI\(\) is due"),
        (f"{HERE}:NO_OUTPUT", r"its outputs hold RSI\(period=7\); an Output is due"),
        (f"{HERE}:LISTED", "its outputs are of type list; a tuple of Output is due"),
        (f"{HERE}:BEFORE", r"asks for output -1 of RSI\(period=7\), which has 1"),
        (f"{HERE}:NO_NUMBER", r"asks for output 'rsi' of RSI\(period=7\), which has 1"),
        (f"{HERE}:ONE_NAME", r"`outputs` of OneName\(rows=5\) are 'beside'; .* a tuple of names"),
        (f"{HERE}:OneName", r"`outputs` of OneName\(rows=5\) are 'beside'; .* a tuple of names"),
        (f"{HERE}:Untold", r"cannot say what it is \(KeyError: 'name'\)"),
        (f"{HERE}:NO_FUNCTION", "its transform is 3.0; a function is due"),
        (f"{HERE}:TWO_DUE", r"its transform ratio\(value.*, unit.* is given 1 outputs; one param"),
        (f"{HERE}:NONE_DUE", r"its transform <lambda>\(\) is given 1 outputs; one param"),
        (f"{HERE}:TEXT_TIME", "its timeframe is '5m'; one of crypto_nn.bars is due"),
        (f"{HERE}:THIRD", r"asks for output 2 of RSI\(period=7\), which has 1"),
        (f"{HERE}:SHIPPED_NAME", "has a column 'rsi_14', and so have the shipped features"),
    ],
)
def test_what_is_wrong_is_said(path: str, said: str) -> None:
    """Each message names the path, what was found and what is due."""
    with pytest.raises(FeatureError, match=said) as told:
        load_members([path], taken=default_feature_set().names)
    assert path.split(":")[0] in str(told.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Bare", r"Bare\(rows=5\)\.compute gives a ndarray; a tuple of arrays is due"),
        ("Short", r"beside_5 is float64 \(401,\); float64 \(402,\) is due"),
        ("Scribbling", "fails with ValueError: assignment destination is read-only"),
        ("Failing", "fails with KeyError: 'funding'"),
        ("Whole", r"beside_5 is int64 \(402,\); float64 \(402,\) is due"),
        ("Blank", "all 402 rows are NaN; its warm-up is 5"),
        ("Ahead", "row 400 is .* if bars end at row 401 and .* if they go on"),
        ("Bent", "row 5 is .* live, bar by bar and .* in history"),
        ("OneFloat", r"the stream of OneFloat\(rows=5\) gives .* for a bar; a tuple of 1 floats"),
        ("Unequal", "Unequal is not a dataclass"),
        ("CENTRED_ON_ALL", "row 7 is .* if bars end at row 403 and .* if they go on"),
        ("ROLLED", "row 0 is .* if bars end at row 396 and .* if they go on"),
        ("CONSTANT", "it is a float for 404 bars; an array of as many floats is due"),
        ("SHORTER", r"it is of float64 \(403,\) for 404 bars"),
        ("COUNTED", r"it is of int64 \(404,\) for 404 bars"),
        ("DIVIDED", "fails with ZeroDivisionError"),
    ],
)
def test_a_member_that_breaks_a_promise_is_not_loaded(name: str, said: str) -> None:
    """Tried on a few hundred bars; the message names it, the row, and who looks closer."""
    with pytest.raises(FeatureError, match=said) as told:
        load_members([f"{HERE}:{name}"])
    text = str(told.value)
    assert text.startswith(f"features.members: {HERE}:{name}, column ")
    assert text.endswith(
        f"`crypto-nn check {HERE}:{name}` and `crypto-nn leaks --module {HERE}:{name}` look closer."
    )


def test_a_member_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a few hundred bars beyond its warm-up, however long; then it is remembered."""
    plugins._load.cache_clear()
    monkeypatch.setattr(own_members.Odd, "calls", [])
    load_members([f"{HERE}:LONG", f"{HERE}:ODD"])
    tried = list(own_members.Odd.calls)
    assert max(tried) == 397 + 5
    assert len(tried) < 20
    load_members([f"{HERE}:ODD"])
    assert own_members.Odd.calls == tried


def test_every_shipped_feature_would_be_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial refuses nothing that keeps the laws, at any timeframe."""
    shipped = default_feature_set(FeatureConfig(reference="BTC-USDT")).features
    monkeypatch.setattr(own_members, "ALL_SHIPPED", shipped, raising=False)
    assert load_members([f"{HERE}:ALL_SHIPPED"]) == shipped
    plugins._load.cache_clear()


def test_made_bars_hold_what_members_stumble_over() -> None:
    """Clean, with a hole, minutes that stand still, a month's turn, and every optional column."""
    bars = plugins._made_bars(500, M5).check_clean()
    steps = np.diff(bars.ts) // M5.step
    assert sorted(set(steps.tolist())) == [1, 4]
    assert (bars.volume == 0).sum() == 40
    assert (bars.high == bars.low).sum() >= 40
    assert len(set(bars.ts.astype("datetime64[M]"))) == 2
    for column in (bars.vwap, bars.trades, bars.reference):
        assert column is not None
        assert np.isfinite(column).all()


def test_names_are_compared_as_tables_do() -> None:
    """`RSI_7` that is there already is the `rsi_7` of a member."""
    with pytest.raises(FeatureError, match="'rsi_7', and so have the shipped features"):
        load_members([f"{HERE}:FAST_RSI"], taken=("RSI_7",))


def test_a_column_twice_names_both_owners() -> None:
    """So that one knows which of one's own to change."""
    with pytest.raises(FeatureError, match=rf"{HERE}:BOTH has .* and so has {HERE}:FAST_RSI"):
        load_members([f"{HERE}:FAST_RSI", f"{HERE}:BOTH"])


def test_one_list_with_a_column_twice_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path is its own rival."""
    monkeypatch.setattr(own_members, "TWICE", (own_members.FAST_RSI,) * 2, raising=False)
    with pytest.raises(FeatureError, match=rf"{HERE}:TWICE has .* and so has {HERE}:TWICE"):
        load_members([f"{HERE}:TWICE"])
    plugins._load.cache_clear()


def test_a_module_that_fails_is_told_with_its_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in the user's file, or one raised by it, becomes a message that quotes it."""
    (tmp_path / "half_done.py").write_text("raise KeyError('todo')\n")
    (tmp_path / "misspelt.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FeatureError, match=r"half_done cannot be imported \(KeyError: 'todo'\)"):
        load_members(["half_done:X"])
    (tmp_path / "refused.py").write_text(
        "from crypto_nn.errors import FeatureError\nraise FeatureError('period is 0.')\n"
    )
    with pytest.raises(FeatureError, match=r"refused refuses to be made: period is 0\.$"):
        load_members(["refused:X"])
    with pytest.raises(FeatureError, match=r"misspelt cannot be imported \(SyntaxError"):
        load_members(["misspelt:X"])


def test_nothing_but_the_import_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that a path names is not called; a module is imported once."""
    code = (
        "from crypto_nn.features import transforms as to\n"
        "from crypto_nn.features.feature import Feature, Output\n"
        "from crypto_nn.indicators import RSI\n"
        "imported = open(__file__ + '.log', 'a')\n"
        "imported.write('imported\\n')\n"
        "imported.close()\n"
        "MINE = Feature('mine', to.centred, (Output(RSI(9)),), 'Mine')\n"
        "def made():\n"
        "    raise SystemExit('called')\n"
    )
    (tmp_path / "my_features.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(3):
        assert [one.name for one in load_members(["my_features:MINE"])] == ["mine"]
        with pytest.raises(FeatureError, match="is an object of type function"):
            load_members(["my_features:made"])
    assert (tmp_path / "my_features.py.log").read_text() == "imported\n"
    monkeypatch.delitem(sys.modules, "my_features")


def test_groups_follow_the_reference() -> None:
    """`cross` comes with a reference, listed or not, and cannot be had without."""
    assert FeatureConfig().chosen == GROUPS
    assert FeatureConfig(reference="BTC-USDT").chosen == (*GROUPS, "cross")
    few = FeatureConfig(groups=("cross", "returns"), reference="BTC-USDT")
    assert few.chosen == ("cross", "returns")
    assert FeatureConfig(groups=("returns",), reference="BTC-USDT").chosen == ("returns", "cross")
    with pytest.raises(ValidationError, match=r"set features\.reference to the symbol"):
        FeatureConfig(groups=("cross",))
    again = FeatureConfig.model_validate(FeatureConfig(reference="BTC-USDT").model_dump())
    assert again == FeatureConfig(reference="BTC-USDT")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"reference": "btcusdt"}, "reference: 'btcusdt' is not a symbol"),
        ({"members": ("my_features.MINE",)}, "'my_features.MINE'; an import path is due"),
        ({"members": ("a:B", "a:B")}, "members has a:B twice"),
        ({"groups": ("trend", "trend")}, "groups has trend twice"),
    ],
)
def test_a_wrong_choice_is_refused(wrong: dict[str, object], said: str) -> None:
    """Before anything is imported."""
    with pytest.raises(ValidationError, match=said):
        FeatureConfig.model_validate(wrong)
