"""How the assets are cut: symbol × month, symbol × day, universe. All in UTC.

The keys come from the YAML that was in force when the code location was loaded; reload the
location after editing it.
"""

import dagster as dg

from crypto_nn.bars.calendar import shift_month
from crypto_nn.environment import yaml_in_force
from crypto_nn.experiments import Experiment

EXPERIMENT = Experiment.load(yaml_in_force())


def _first_month() -> str:
    return min(config.first_month for config in EXPERIMENT.symbols.values())


def _end() -> str | None:
    """The first month after all data, or None while any symbol is still alive."""
    lasts = [config.last_month for config in EXPERIMENT.symbols.values()]
    known = [last for last in lasts if last is not None]
    return shift_month(max(known), 1) if len(known) == len(lasts) else None


END = _end()
symbols = dg.StaticPartitionsDefinition(list(EXPERIMENT.symbols))
months = dg.MonthlyPartitionsDefinition(
    start_date=_first_month(),
    end_date=END,
    timezone="UTC",
    fmt="%Y-%m",
    end_offset=1,  # the current month is worth having before it is over
)
days = dg.DailyPartitionsDefinition(
    start_date=f"{_first_month()}-01", end_date=END and f"{END}-01", timezone="UTC"
)
symbol_months = dg.MultiPartitionsDefinition({"symbol": symbols, "month": months})
symbol_days = dg.MultiPartitionsDefinition({"symbol": symbols, "day": days})
universes = dg.StaticPartitionsDefinition([*EXPERIMENT.universes, *EXPERIMENT.symbols])


def months_around(
    before: int, after: int, reference: str | None = None
) -> dg.MultiPartitionMapping:
    """A month of an asset needs its upstream's months from `before` earlier to `after` later.

    Args:
        before, after: numbers of months.
        reference: a symbol whose months every other symbol needs too.
    """
    window = dg.TimeWindowPartitionMapping(
        start_offset=-before, end_offset=after, allow_nonexistent_upstream_partitions=True
    )
    own: dg.PartitionMapping = dg.IdentityPartitionMapping()
    if reference is not None:
        everyone = {symbol: [symbol] for symbol in EXPERIMENT.symbols}
        own = dg.StaticPartitionMapping({**everyone, reference: list(EXPERIMENT.symbols)})
    return dg.MultiPartitionMapping(
        {
            "month": dg.DimensionPartitionMapping("month", window),
            "symbol": dg.DimensionPartitionMapping("symbol", own),
        }
    )


def dimensions(key: str) -> dict[str, str]:
    """The dimensions of a two-dimensional partition key: {"symbol": …, "month": …}."""
    assert isinstance(key, dg.MultiPartitionKey)
    return dict(key.keys_by_dimension)


def by_symbol(keys: "list[str] | tuple[str, ...]", dimension: str) -> dict[str, list[str]]:
    """The months (or days) of each symbol among the keys, in order."""
    grouped: dict[str, list[str]] = {}
    for key in keys:
        cut = dimensions(key)
        grouped.setdefault(cut["symbol"], []).append(cut[dimension])
    return {symbol: sorted(times) for symbol, times in grouped.items()}
