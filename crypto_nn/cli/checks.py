"""Putting things to the test: indicators to their laws, everything to the future."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crypto_nn.cli.shared import Symbols, console, experiment, group, print_rows
from crypto_nn.errors import CryptoNNError

if TYPE_CHECKING:
    from crypto_nn.bars import Bars
    from crypto_nn.features.leaks import Examination
    from crypto_nn.indicators import Indicator

commands = group("Putting things to the test.")
Files = Annotated[
    list[Path] | None, typer.Option("--bars", help="Files or folders of 1-minute bars; repeatable.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of all chance: the same seed looks alike.")]
_SHOWN = 5  # leaks of one subject


@commands.command()
def check(
    path: Annotated[str, typer.Argument(help="An import path: my_pkg.my_module:MyIndicator.")],
    bars: Files = None,
) -> None:
    """Put your own indicators to the laws that ours keep: bits, warm-up, memory, no future.

    The path may name an Indicator, a class of Indicator, a Feature or several, or a FeatureSet,
    of which each indicator is taken. Exit code 1 where a law is broken.

    Example: crypto-nn check my_pkg.my_module:MyIndicator
    """
    from crypto_nn.cli import subjects
    from crypto_nn.indicators.laws import LAWS

    try:
        indicators = subjects.indicators_of(path)
        pieces = _pieces(bars, None)
    except CryptoNNError as error:
        raise typer.BadParameter(str(error)) from None
    rows: list[dict[str, Any]] = []
    for indicator in indicators:
        for name, piece in pieces.items():
            for law in LAWS:
                result, reason = _verdict(law, indicator, subjects.without_blanks(piece))
                rows.append({"indicator": repr(indicator), "bars": name, "law": law,
                             "result": result, "reason": reason})  # fmt: skip
    print_rows(rows, title="Laws of indicators", sparse=True)
    broken = sum(row["result"] == "FAILED" for row in rows)
    kept = sum(row["result"] == "ok" for row in rows)
    console.print(f"{kept} kept, {broken} broken, {len(rows) - kept - broken} not tried.")
    if broken:
        raise typer.Exit(1)


@commands.command()
def leaks(
    symbol: Symbols = None,
    bars: Files = None,
    module: Annotated[
        str | None,
        typer.Option(help="Examine your own instead: my_pkg.my_module:my_function."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, help="For cuts by chance, after all boundaries.")
    ] = 20.0,
    seed: Seed = 0,
) -> None:
    """Look for knowledge of the future in features, labels, splits and scalers.

    Bars come from the lake (the first symbol, or those named), or from files. Awkward bars that
    are made for the purpose are always tried too. Exit code 1 where something leaks, 2 where
    something cannot be examined.

    Example: crypto-nn leaks --seconds 2
    """
    from crypto_nn.cli import subjects
    from crypto_nn.cli.shipped import shipped

    try:
        settings = experiment()
        pieces = _pieces(bars, symbol)
        if module:
            found = list(subjects.own(module, pieces, seconds, seed))
        else:
            found = list(shipped(pieces, settings, seconds, seed))
    except CryptoNNError as error:
        raise typer.BadParameter(str(error)) from None
    print_rows([_row(name, one) for name, one in found], title="Knowledge of the future")
    for name, one in found:
        _tell(name, one, is_own=module is not None)
    bad = sum(not one.passed for _, one in found)
    console.print(
        f"{sum(one.num_tests for _, one in found):,} results compared; "
        + (f"{bad} of {len(found)} did not pass." if bad else "no leak found.")
    )
    if bad:
        raise typer.Exit(1)
    unknown = _unknown(found)
    for line in unknown:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if unknown:
        raise typer.Exit(2)


def _unknown(found: "list[tuple[str, Examination]]") -> list[str]:
    """Columns that cannot be examined: words, and those without a value on any of the bars."""
    lines = []
    for subject in dict.fromkeys(one.subject for _, one in found):
        each = [one for _, one in found if one.subject == subject]
        silent = [n for n in each[0].columns if all(n in one.silent for one in each)]
        words = sorted({name for one in each for name in one.words})
        if silent:
            lines.append(f"{subject} cannot be examined: no value on any bars, so that nothing is "
                         f"known of {', '.join(silent)}. Give longer --bars")  # fmt: skip
        if words:
            lines.append(f"{subject} cannot be examined: strings or objects in {', '.join(words)}; "
                         "give numbers, or leave them out")  # fmt: skip
    return lines


def _pieces(files: list[Path] | None, symbols: list[str] | None) -> "dict[str, Bars]":
    """The bars that are asked for, and the made ones."""
    from crypto_nn.cli import subjects
    from crypto_nn.features.leaks import awkward_bars

    settings = experiment()
    if files:
        found = subjects.bars_of_files(files, settings)
    else:
        found = subjects.bars_of_lake(symbols, settings)
        if not found:
            console.print("The lake has no bars yet: only made ones are used.")
    return {**found, subjects.MADE: awkward_bars()}


def _verdict(law: str, indicator: "Indicator", bars: "Bars") -> tuple[str, str]:
    from crypto_nn.features.leaks.result import REFUSALS
    from crypto_nn.indicators.laws import LAWS, LawError, LawUntriedError

    try:
        LAWS[law](indicator, bars)
    except LawUntriedError as untried:
        return "not tried", str(untried)
    except LawError as broken:
        return "FAILED", str(broken)
    except REFUSALS as error:
        return "FAILED", f"{type(error).__name__}: {error}"
    return "ok", ""


def _row(name: str, one: "Examination") -> dict[str, Any]:
    return {"subject": one.subject, "bars": name, "columns": len(one.columns),
            "cuts": one.num_cuts, "tests": one.num_tests, "verdict": one.verdict}  # fmt: skip


def _tell(name: str, one: "Examination", is_own: bool) -> None:
    """The leaks of one subject, and what could not be told of it."""
    told = [str(leak) for leak in one.leaks[:_SHOWN]]
    if len(one.leaks) > _SHOWN:
        told.append(f"… and {len(one.leaks) - _SHOWN} more")
    if one.unstable:
        told.append(f"{', '.join(one.unstable)}: other values for the same bars each time; "
                    "fix the seed, and keep nothing between calls")  # fmt: skip
    if one.silent:
        told.append(f"no value on these bars, so nothing is known: {', '.join(one.silent)}")
    if one.unmoved and one.subject != "features":
        told.append(f"not proven: no change of bars moves {', '.join(one.unmoved)}: by the clock "
                    "alone, or by what it reads elsewhere, which no test can see")  # fmt: skip
    if one.num_left:
        told.append(f"{one.num_left} of {one.num_places} boundaries not tried: raise --seconds")
    if is_own and one.longest < one.num_bars:
        told.append(f"at most {one.longest:,} of {one.num_bars:,} bars were given at once, since "
                    "more would take too long: raise --seconds")  # fmt: skip
    for test, (count, first) in one.refused.items():
        if test != "blank":
            told.append(f"{test}: refused {count} times, the first: {first[:200]}")
    for line in told:
        text = f"{one.subject} on {name}: {line}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
