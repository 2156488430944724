"""`crypto-nn monitor`: a process that watches the platform, for Prometheus and for people."""

import os
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from crypto_nn.cli.shared import console, experiment, group, now
from crypto_nn.cli.status import alerts_of, watched_by
from crypto_nn.environment import secret
from crypto_nn.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from crypto_nn.experiments import Experiment
    from crypto_nn.monitoring.channels import AppriseChannel
    from crypto_nn.monitoring.service import Monitor

commands = group("A process that watches the platform.")
MAIL_SERVER = "CRYPTO_NN_SMTP"
_GRACE_S = 0.4  # for a look that is under way when it is stopped
_ONCE_PATIENCE_S = 30.0


@commands.command()
def monitor(
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where Prometheus scrapes; 0 takes a free one.")
    ] = 9090,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    alert_email: Annotated[
        str | None, typer.Option(help="Who gets every alert by mail, such as you@example.com.")
    ] = None,
    interval: Annotated[
        float, typer.Option(min=1, max=86400, help="Seconds between two looks.")
    ] = 30.0,
    once: Annotated[
        bool, typer.Option("--once", help="Look once, tell, print the metrics, and stop.")
    ] = False,
) -> None:
    """Watch the platform: metrics for Prometheus, alerts for people, a dead man's switch.

    Mail goes through the server of CRYPTO_NN_SMTP, else of alerts.smtp_url in the YAML
    (mailto(s)://user:password@host:port), else through localhost:25. Stop with ^C or SIGTERM.

    Example: crypto-nn monitor --metrics-port 9090 --alert-email you@example.com
    """
    if not 1 <= interval <= 86400:  # nan is in every range
        raise ConfigError("--interval: a number of seconds from 1 to 86400 is due.")
    settings = experiment()
    if once:
        patient = settings.alerts.model_copy(update={"patience_s": _ONCE_PATIENCE_S})
        settings = settings.model_copy(update={"alerts": patient})
    mail = _mail(settings, alert_email)
    watcher = _monitor(settings, mail, once)
    if once:
        watcher.look()
        typer.echo(_metrics(watcher, interval), nl=False)
        return
    _serve(watcher, host, metrics_port, interval, mail)


def _mail(settings: "Experiment", address: str | None) -> "AppriseChannel | None":
    """The channel of --alert-email."""
    from crypto_nn.monitoring.channels import AppriseChannel, check_mail_server, mail_to

    if address is None:
        return None
    server: SecretStr | None = secret(MAIL_SERVER)
    try:
        if server:
            check_mail_server(server)
    except ValueError as error:
        raise ConfigError(f"{MAIL_SERVER}: {error}.") from None
    try:
        return AppriseChannel(mail_to(address, server or settings.alerts.smtp_url))
    except ValueError as error:
        raise ConfigError(f"--alert-email: {error}.") from None


def _monitor(settings: "Experiment", mail: "AppriseChannel | None", once: bool) -> "Monitor":
    from crypto_nn.monitoring.service import Monitor

    alerts = alerts_of(settings, [mail] if mail else [])
    return Monitor(watched_by(settings, now()), alerts, now, once)


def _metrics(watcher: "Monitor", interval: float) -> str:
    from prometheus_client import generate_latest

    from crypto_nn.monitoring.exporter import registry_of

    registry = registry_of(lambda: watcher.latest, now, interval, lambda: watcher.num_failures)
    return generate_latest(registry).decode()


def _serve(
    watcher: "Monitor", host: str, port: int, interval: float, mail: "AppriseChannel | None"
) -> None:
    """Watch and answer until a signal comes; then be gone within a second."""
    from prometheus_client import start_http_server

    from crypto_nn.monitoring.exporter import registry_of
    from crypto_nn.monitoring.spool import Spool

    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    registry = registry_of(lambda: watcher.latest, now, interval, lambda: watcher.num_failures)
    try:
        server, answering = start_http_server(port, host, registry)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"{host}:{port} cannot be listened on ({error}). Choose another --metrics-port or "
            "--host."
        ) from None
    alerts = watcher.alerts
    spool = Spool(alerts.spool / mail.name, alerts.config.spool_limit) if mail else None
    if spool:
        spool.subscribe()  # the daemon's alerts too come by mail
    ways = ", ".join(channel.name for channel in alerts.channels) or "the log alone"
    console.print(
        f"Metrics on http://{host}:{server.server_port}/metrics; alerts to {ways}. Stop with ^C.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    looking = threading.Thread(target=watcher.run, args=(stop, interval), daemon=True)
    looking.start()
    while not stop.wait(1.0):
        if not looking.is_alive():
            break  # its error is on stderr; who supervises us starts us again
    failed = not stop.is_set()
    stop.set()
    server.shutdown()
    server.server_close()
    answering.join(_GRACE_S)
    looking.join(_GRACE_S)
    if failed:
        raise typer.Exit(1)  # with the heartbeat left, so that the daemon tells
    watcher.heartbeats.stop("monitor")
    if spool:
        spool.unsubscribe()
    if looking.is_alive():  # in a database that does not answer
        sys.stdout.flush()
        os._exit(0)
