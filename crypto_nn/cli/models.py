"""Trained versions, and which one answers."""

from typing import TYPE_CHECKING, Annotated

import typer

from crypto_nn.cli.shared import console, experiment, group, lake, model_store, now, print_rows
from crypto_nn.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import numpy as np

    from crypto_nn.benchmark.stored_versions import StoredVersions

commands = group("Trained versions, and which one answers.")


@commands.command("list")
def listmodel_store() -> None:
    """All trained versions, newest first, with champions and challengers marked."""
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
    """Let a version answer for a universe from now on; one that cannot answer is refused.

    Example: crypto-nn models promote 3f9a1c20 --universe BTC-USDT --reason "checked by hand"
    """
    from crypto_nn.inference import registry

    members, store = experiment().members(universe), model_store()
    whole = registry.resolve(store, version)
    _check_answers(universe, members, whole)
    before = registry.champion_of(store, universe)
    if before is not None and before.version == whole:
        console.print(f"{whole} answers for {universe} already, since {before.at}.")
        return
    champion = registry.promote(lake(), store, universe, whole, reason, now())
    console.print(f"{champion.version} answers for {universe} since {champion.at}.")


@commands.command()
def rollback(universe: str, reason: Annotated[str, typer.Option(help="Why.")] = "by hand") -> None:
    """Let the champion before the present one answer again.

    Example: crypto-nn models rollback BTC-USDT
    """
    from crypto_nn.inference import registry

    members, store = experiment().members(universe), model_store()
    present, before = (
        registry.champion_of(store, universe),
        registry.before_champion(store, universe),
    )
    _check_answers(universe, members, before)
    seen = present.version if present else None
    champion = registry.rollback(lake(), store, universe, reason, now(), seen)
    console.print(f"{champion.version} answers for {universe} since {champion.at}.")


@commands.command()
def history(
    universe: str,
    at: Annotated[
        str | None, typer.Option(help="Only who answered then, such as 2025-06-01T12:00 (UTC).")
    ] = None,
) -> None:
    """Who answered for a universe since when and why, who shadowed, and what became of it.

    Example: crypto-nn models history BTC-USDT
    """
    from crypto_nn.inference import registry

    experiment().members(universe)
    store = model_store()
    if at is not None:
        live = registry.who_was_live(store, universe, _moment(at))
        console.print(f"{live} answered for {universe}." if live else "Nobody answered yet.")
        return
    rows = [
        {"at": each["at"][:16], "version": each["version"], "action": each["action"],
         "reason": each["reason"]}
        for each in registry.history(store, universe)
    ]  # fmt: skip
    print_rows(rows, title=f"Versions of {universe}, oldest first, UTC")


@commands.command()
def shadows(
    universe: Annotated[str | None, typer.Argument(help="A symbol or universe; all.")] = None,
) -> None:
    """Who is compared with the champion, the evidence so far, and what it takes.

    Example: crypto-nn models shadows BTC-USDT
    """
    from crypto_nn.benchmark.standings import present

    settings, store, tables = experiment(), model_store(), lake()
    if universe is not None:
        settings.members(universe)
    versions = _versions()
    rows = [
        {
            "universe": name,
            "version": each.shadow,
            "champion": each.champion,
            "role": each.role,
            "days": each.standing.days,
            "from": each.first_day,
            "to": each.last_day,
            "nats better": each.standing.gain,
            "e better": each.standing.e_better,
            "e worse": each.standing.e_worse,
            "due": settings.gate.evidence_due,
        }
        for name in ([universe] if universe else settings.active_universes)
        for each in present(tables, store, name, versions, settings.gate)
    ]
    print_rows(rows, title="Shadows")


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


def _versions() -> "StoredVersions":
    """The stored versions, on the features of the settings in force."""
    from crypto_nn.benchmark.stored_versions import StoredVersions
    from crypto_nn.features import default_feature_set

    settings = experiment()
    feature_set = default_feature_set(settings.features)
    kind, stride = settings.labels.kind, settings.gate.stride_minutes
    return StoredVersions.of(lake(), model_store(), feature_set, kind, stride)


def _check_answers(universe: str, members: tuple[str, ...], version: str) -> None:
    """Refuse a version that cannot answer for these symbols."""
    from crypto_nn.benchmark.pairs import check_answers

    try:
        check_answers(_versions(), members, version)
    except ModelError as error:
        raise ModelError(
            f"It cannot answer for {universe}, and nothing was changed. {error}"
        ) from None


def _moment(text: str) -> "np.datetime64":
    from datetime import UTC, datetime

    import numpy as np

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no time. Write it as 2025-06-01T12:00, in UTC.") from None
    return np.datetime64(at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at, "us")
