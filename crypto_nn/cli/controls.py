"""Is the benchmark itself to be believed?"""

from typing import Annotated

import typer

from crypto_nn.cli.shared import console, group, now, print_rows
from crypto_nn.environment import home

commands = group("Is the benchmark itself to be believed?")


@commands.command()
def controls(
    runs: Annotated[
        int, typer.Option(min=20, help="Markets without an edge that are judged.")
    ] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of all chance.")] = 0,
    networks: Annotated[
        bool, typer.Option(help="Whether DLinear competes too, which takes longest.")
    ] = True,
    workers: Annotated[int, typer.Option(min=1, help="Processes that judge side by side.")] = 2,
) -> None:
    """Let the benchmark judge what has a known answer; exit code 1 where it is wrong.

    Markets in which no direction can be known, permuted labels, markets with an edge of 52 and
    55 %, and twenty planted leaks. The page with all tests lies under the home's reports.

    Example: crypto-nn controls --runs 40
    """
    from crypto_nn.benchmark.controls.control import ControlConfig
    from crypto_nn.benchmark.controls.report import compose
    from crypto_nn.benchmark.controls.run import run_controls
    from crypto_nn.pictures.document_html import to_html
    from crypto_nn.store.atomic import write_bytes

    config = ControlConfig(runs=runs, seed=seed, networks=networks, workers=workers)
    found = run_controls(config, lambda line: console.print(f"Next: {line}.", highlight=False))
    print_rows(found.rows(), title=f"Controls, seed {seed}")
    page = home() / "reports" / "controls" / "report.html"
    write_bytes(page, to_html(compose(found, now())).encode())
    console.print(f"Report: {page}", soft_wrap=True)
    failed = [control.claim for control in found.controls if not control.passed]
    for claim in failed:
        console.print(f"FAILED: {claim}.", markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)
    console.print(f"All {len(found.controls)} controls hold.")
