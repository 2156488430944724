"""Which column of a file is which: our own names, and those of common tools and archives."""

from collections.abc import Mapping, Sequence

from crypto_nn.bars.bars import OPTIONAL, REQUIRED
from crypto_nn.errors import BarsError

ALIASES: Mapping[str, tuple[str, ...]] = {
    "ts": ("ts", "timestamp", "open_time", "opentime", "window_start", "datetime", "date_time",
           "time", "unix", "date", "start_time", "start", "t", "index", "__index_level_0__", ""),
    "open": ("open", "o", "open_price"),
    "high": ("high", "h", "high_price"),
    "low": ("low", "l", "low_price"),
    "close": ("close", "c", "close_price"),
    "volume": ("volume", "v", "vol", "base_volume"),
    "vwap": ("vwap", "vw", "volume_weighted_average_price"),
    "trades": ("trades", "n", "transactions", "number_of_trades", "num_trades", "trade_count",
               "tradecount", "count"),
    "quote_volume": ("quote_volume", "quote_asset_volume"),
    "symbol": ("symbol", "ticker", "pair"),
}  # fmt: skip
"""For each of our columns the names under which it is found, the likeliest first."""

_BINANCE = ("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume",
            "count", "taker_buy_volume", "taker_buy_quote_volume", "ignore")  # fmt: skip
_KRAKEN = ("ts", "open", "high", "low", "close", "volume", "trades")

HEADERLESS: Mapping[int, tuple[str, ...]] = {12: _BINANCE, 7: _KRAKEN, 6: _KRAKEN[:6]}
"""The columns of files that begin with a row of values, by how many they are."""


def find_columns(found: Sequence[str], label: str) -> dict[str, int]:
    """The position of each of our columns among those of a file; other columns are ignored.

    Raises:
        BarsError: a column that bars need is not there.
    """
    plain = [_plain(name) for name in found]
    columns = {
        ours: next(plain.index(alias) for alias in aliases if alias in plain)
        for ours, aliases in ALIASES.items()
        if any(alias in plain for alias in aliases)
    }
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        some = ", ".join(repr(name[:30]) for name in found[:15])
        raise BarsError(
            f"{label}: column {', '.join(missing)} is missing; found {some}. "
            f"Due are {', '.join(REQUIRED)}, and {', '.join(OPTIONAL)}, symbol where known: "
            "rename the columns, or give a Binance kline or Polygon flat file as it is."
        )
    return columns


def name_headerless(fields: Sequence[str], label: str) -> tuple[str, ...] | None:
    """The columns of a file whose first line is `fields`; None where that line is a header."""
    stamp, *numbers = fields
    if not (stamp[:1].isdigit() and numbers and all(_is_number(field) for field in numbers)):
        return None
    if len(fields) not in HEADERLESS:
        raise BarsError(
            f"{label} has no header and {len(fields)} columns; without one, 6 (ts, open, high, "
            "low, close, volume), 7 (and trades) or 12 (Binance klines) are due. Add a header line."
        )
    return HEADERLESS[len(fields)]


def _plain(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    return "" if plain.startswith("unnamed:") else plain  # how pandas reads back its own index


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
