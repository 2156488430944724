"""`crypto-nn ingest` without the graph: a dry run, or a process that records until stopped."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crypto_nn.cli.shared import console, experiment, print_rows
from crypto_nn.environment import catalogue, home
from crypto_nn.errors import ConfigError

if TYPE_CHECKING:
    from crypto_nn.sources import SourceConfig
    from crypto_nn.sources.survey import Found


def record_live(wanted: Sequence[str] | None) -> None:
    """Record the bars of these symbols, or of all whose source has live ones."""
    from crypto_nn.sources import open_source
    from crypto_nn.sources.clock import StoppableClock
    from crypto_nn.sources.recording import has_live_bars, record
    from crypto_nn.store.lake import Lake

    settings, clock = experiment(), StoppableClock()
    sources = {name: open_source(config, clock) for name, config in settings.sources.items()}
    named = {symbol: settings.symbol(symbol).source for symbol in wanted or settings.symbols}
    if not wanted:
        named = {symbol: name for symbol, name in named.items() if has_live_bars(sources[name])}
        if not named:
            raise ConfigError(
                f"None of {', '.join(settings.symbols)} comes from a source with live bars; "
                "binance and polygon have them. Add a symbol of such a source to the YAML."
            )
    console.print(f"Recording {', '.join(named)} into live_bars. Stop with ^C.")
    config = settings.realtime.model_copy(update={"quality": settings.quality})
    done = record(
        Lake(home() / "lake", catalogue()),
        sources,
        named,
        config=config,
        recorder=settings.recorder,
        tell=lambda state: console.print(str(state), markup=False, highlight=False),
        on_stop=clock.stop,
    )
    rows = sum(one.rows for one in done.recorders.values())
    console.print(f"Stopped. {rows} rows recorded; refresh_bars folds them into bars.")


def print_survey(wanted: Sequence[str] | None, first: str | None, last: str | None) -> None:
    """What would be fetched of these symbols, and what would be refused and why."""
    from crypto_nn.bars.calendar import check_month
    from crypto_nn.sources import open_source
    from crypto_nn.sources.survey import survey

    for month in (first, last):
        if month is not None:
            check_month(month)
    if first and last and last < first:
        raise ConfigError(f"--from {first} is after --to {last}; swap them.")
    settings = experiment()
    named: dict[str, list[str]] = {}
    for symbol in wanted or settings.symbols:
        named.setdefault(settings.symbol(symbol).source, []).append(symbol)
    for name, symbols in named.items():
        source = open_source(_hasty(settings.sources[name]))
        for symbol in symbols:
            config = settings.symbol(symbol)
            low = max(first or config.first_month, config.first_month)
            high = last or config.last_month
            found = survey(source, [symbol], low, high)
            print_rows([_told(one) for one in found], f"{symbol} from {name}", sparse=True)
    console.print("Nothing was fetched or written.")


def _hasty(config: "SourceConfig") -> "SourceConfig":
    """A source that says soon that it cannot be reached: nobody waits half an hour for a look."""
    from crypto_nn.sources.patience import Patience

    if not hasattr(config, "patience"):
        return config
    return config.model_copy(update={"patience": Patience(attempts=3, give_up_after_s=30.0)})


def _told(found: "Found") -> dict[str, object]:
    months = list(found.months)
    rows = [count for count in found.months.values() if count is not None]
    span = f"{months[0]} … {months[-1]} ({len(months)})" if months else "none"
    return {
        "from": found.origin,
        "layout": found.layout,
        "first bar": "" if found.first is None else str(found.first)[:16],
        "last bar": "" if found.last is None else str(found.last)[:16],
        "stamps": " ".join(part for part in (found.unit, found.spacing) if part),
        "months": span,
        "rows": sum(rows) if rows else "",
        "requests": "" if found.requests is None else found.requests,
        "refused": found.refused,
    }
