"""Trained versions, and which one answers."""

from typing import Annotated

import typer

from crypto_nn.cli.shared import console, experiment, group, lake, model_store, now, print_rows

commands = group("Trained versions, and which one answers.")


@commands.command("list")
def listmodel_store() -> None:
    """All trained versions, newest first, with the champions marked."""
    from crypto_nn.inference.registry import list_versions

    print_rows(list_versions(lake(), model_store()), title="Versions")


@commands.command()
def show(version: str) -> None:
    """The model card of a version, named by its beginning too, or of `champion:BTC-USDT`."""
    from crypto_nn.inference.registry import model_card, resolve

    store = model_store()
    console.print(model_card(store, resolve(store, version)), markup=False, highlight=False)


@commands.command()
def promote(
    version: Annotated[str, typer.Argument(help="A version, or the beginning of it.")],
    universe: Annotated[str, typer.Option(help="A symbol or universe it shall answer for.")],
    reason: Annotated[str, typer.Option(help="Why.")] = "by hand",
) -> None:
    """Let a version answer for a universe from now on.

    Example: crypto-nn models promote 3f9a1c20 --universe BTC-USDT --reason "checked by hand"
    """
    from crypto_nn.inference import registry

    experiment().members(universe)
    store = model_store()
    whole = registry.resolve(store, version)
    champion = registry.promote(lake(), store, universe, whole, reason, now())
    console.print(f"{champion.version} answers for {universe} since {champion.at}.")


@commands.command()
def rollback(universe: str, reason: Annotated[str, typer.Option(help="Why.")] = "by hand") -> None:
    """Let the champion before the present one answer again.

    Example: crypto-nn models rollback BTC-USDT
    """
    from crypto_nn.inference import registry

    champion = registry.rollback(lake(), model_store(), universe, reason, now())
    console.print(f"{champion.version} answers for {universe} since {champion.at}.")


@commands.command()
def prune(
    keep: Annotated[int, typer.Option(min=1, help="Newest versions of each universe that stay.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove versions that nothing needs.

    The best, all that ever answered, and those that trainings begin from, stay.

    Example: crypto-nn models prune --keep 20 --dry-run
    """
    from dataclasses import asdict

    from crypto_nn.inference.retention import remove_spent, spent_versions, starts

    tables, store = lake(), model_store()
    needed = starts(tables, store, experiment().training.pretrained)
    gone = (spent_versions if dry_run else remove_spent)(tables, store, keep, needed)
    title = "Versions that would be removed" if dry_run else "Versions removed"
    print_rows([asdict(each) for each in gone], title=title)
