"""The leaderboard on a terminal: a table per horizon, and the verdicts in words."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

WIDTH = 110  # below it, figures would be cut off


def wide_console() -> Console:
    """A terminal at least as wide as the leaderboard; a narrower window wraps its lines."""
    return Console(width=max(Console().width, WIDTH))


def print_leaderboard(console: Console, rows: Sequence[Mapping[str, str]], title: str) -> None:
    """Print the rows of `benchmark.leaderboard.leaderboard`, the best log-loss skill first."""
    console.print(f"\n[bold]{title}[/]")
    for table in _tables(rows):
        console.print(table)
    for row in rows:
        if row["verdict"] != "baseline":
            console.print(f"  {row['horizon']} {row['model']}: [bold]{row['verdict']}[/]")
    console.print(
        "[dim]Skill: share of surprise taken away from one who knows only how often each class "
        "comes. Majority: accuracy of always naming the commonest class. Direction: 50 % is "
        "chance. Sharpe: net, annual.[/]"
    )


def _tables(rows: Sequence[Mapping[str, str]]) -> Iterator[Table]:
    for horizon, group in groupby(rows, key=lambda row: row["horizon"]):
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        members = list(group)
        shown = [name for name in members[0] if name not in ("horizon", "verdict")]
        for name in shown:
            heading = f"{horizon} ahead" if name == "model" else name
            table.add_column(heading, no_wrap=True, justify="left" if name == "model" else "right")
        for row in members:
            style = "dim" if row["verdict"] == "baseline" else "bold"
            table.add_row(*(row[name] for name in shown), style=style)
        yield table
