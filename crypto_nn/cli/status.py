"""`crypto-nn status`: is everything fresh and healthy."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crypto_nn.cli.shared import console, experiment, group, now, table
from crypto_nn.environment import catalogue, home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crypto_nn.experiments import Experiment
    from crypto_nn.monitoring.alerts import Alerts
    from crypto_nn.monitoring.channels import Channel
    from crypto_nn.monitoring.health import Watched

commands = group("Is everything fresh and healthy.")
_LATE_HOURLY_S, _LATE_S = 3 * 3600.0, 26 * 3600.0  # two refreshes may fail


@commands.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Is everything fresh and healthy: bars, drift, champions, trainings, alerts, daemon, disk.

    ✓ is well, ✗ is not, – says nothing of either. Exit code 1 where something is not.

    Example: crypto-nn status
    """
    from crypto_nn.monitoring.health import collect
    from crypto_nn.monitoring.verdicts import verdicts

    settings, at = experiment(), now()
    watched = watched_by(settings, at)
    snapshot = collect(watched, alerts_of(settings), at)
    lines = verdicts(snapshot, watched, settings.alerts.dead_man_minutes)
    wrong = [line for line in lines if line.ok is False]
    if as_json:
        found = [{"what": line.what, "ok": line.ok, "found": line.found} for line in lines]
        typer.echo(json.dumps({"at": f"{at}Z", "ok": not wrong, "lines": found}, indent=2))
    else:
        rows = [(line.mark, line.what, line.found) for line in lines]
        console.print(table(("", "what", "found"), rows, f"{home()} at {str(at)[:16]} UTC"))
        told = f"{len(wrong)} of {len(lines)} are not well." if wrong else "All is well."
        console.print(told)
    if wrong:
        raise typer.Exit(1)


def watched_by(settings: "Experiment", at: Any) -> "Watched":
    """What is looked at, by the settings in force."""
    from crypto_nn.monitoring.health import Watched

    this = str(at)[:7]
    automation = settings.automation
    hourly = automation.refresh_bars.split()[1].startswith("*")
    return Watched(
        home=home(),
        catalogue=catalogue(),
        symbols={
            symbol: one.last_month is None or one.last_month >= this
            for symbol, one in settings.symbols.items()
        },
        universes=settings.active_universes,
        late_s=_LATE_HOURLY_S if hourly else _LATE_S,
        next_retraining=f"next by cron {automation.nightly_retraining} UTC"
        if automation.enabled
        else "automation is off",
    )


def alerts_of(settings: "Experiment", more: "Sequence[Channel]" = ()) -> "Alerts":
    """Who tells a person, by the settings in force and by further channels."""
    from crypto_nn.monitoring.alerts import Alerts
    from crypto_nn.monitoring.channels import channels_of
    from crypto_nn.monitoring.ledger import LakeLedger
    from crypto_nn.store.lake import Lake

    channels = (*channels_of(settings.alerts), *more)
    ledger = LakeLedger(Lake(home() / "lake", catalogue()))
    return Alerts(settings.alerts, home() / "alerts_spool", ledger, now=now, channels=channels)
