"""Training a kept version again, to see that it gives the same bytes."""

from typing import TYPE_CHECKING, Annotated

import typer

from crypto_nn.cli.shared import console, errors, group, lake, model_store, print_rows
from crypto_nn.errors import CryptoNNError

if TYPE_CHECKING:
    from crypto_nn.inference.reproduce import Reproduction

commands = group("Training a kept version again, to see that it gives the same bytes.")
EXIT_CODES = {"same": 0, "different": 1, "not comparable": 2}


@commands.command()
def reproduce(
    version: Annotated[
        str, typer.Argument(help="A version, its beginning, or `champion:BTC-USDT`.")
    ],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Train also where code or machine are others.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put files made now in place of damaged ones.")
    ] = False,
) -> None:
    """Train a version again from its record and compare the bytes of its files.

    Ends with 0 where they are the same, 1 where they differ, and 2 where data, code or machine are
    not those of then, or something stands in the way, so that nothing can be said.

    Example: crypto-nn reproduce champion:BTC-USDT
    """
    from crypto_nn.inference.reproduce import reproduce as train_again

    try:
        store = model_store()
        found = train_again(store, lake(), version, anyway, progress=True)
        _tell(found)
        if repair:
            path = store.restore(found.kept.model, found.kept.version, found.repaired())
            console.print(f"Mended: {path}", markup=False, soft_wrap=True)
    except CryptoNNError as error:  # its own exit code: 1 says that bytes differ
        errors.print(f"[bold red]{type(error).__name__}[/]: ", end="")
        errors.print(str(error), markup=False, highlight=False)
        raise typer.Exit(EXIT_CODES["not comparable"]) from None
    raise typer.Exit(EXIT_CODES[found.verdict])


def _tell(found: "Reproduction") -> None:
    """Every file beside its twin, what one should know, and the verdict."""
    kept, verdict = found.kept, found.verdict
    rows = [{"file": f.name, "bytes": f.likeness, "how": f.detail} for f in found.files]
    if rows:
        print_rows(rows, title=f"{kept.model} {kept.version}, trained again", sparse=True)
    for note in found.notes:
        console.print(f"- {note}", markup=False, highlight=False, soft_wrap=True)
    if verdict == "not comparable":
        trained = "was trained" if found.files else "was not trained"
        console.print(f"{kept.version} {trained}, and is not comparable:", markup=False)
        for reason in found.unlike:
            console.print(f"- {reason}", markup=False, highlight=False, soft_wrap=True)
        if found.version not in (None, kept.version):
            console.print(f"The version of now is {found.version}.", markup=False)
    elif verdict == "different":
        console.print(
            f"{kept.version} is DIFFERENT: data, settings, code and machine are those of then, and "
            "the bytes are not.", markup=False
        )  # fmt: skip
    else:
        console.print(f"{kept.version} is the same in every byte that training decides.")
