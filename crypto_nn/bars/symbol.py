"""Symbols are written with their true quote currency: BTC-USDT is not BTC-USD."""

import re

from crypto_nn.errors import SymbolError

_SYMBOL = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{2,10}")
# Longest first: BTCUSDT is BTC-USDT, never BTCUS-DT or BTCU-SDT.
QUOTES = ("FDUSD", "USDT", "USDC", "TUSD", "BUSD", "USD", "EUR", "GBP", "JPY", "TRY", "BRL", "BTC",
          "ETH", "BNB")  # fmt: skip


def check_symbol(symbol: str) -> str:
    """Return `symbol` if it is written BASE-QUOTE in capitals, else raise `SymbolError`."""
    if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
        raise SymbolError(
            f"{symbol!r} is not a symbol. Write base and quote in capitals with a hyphen "
            "between them, such as BTC-USDT."
        )
    return symbol


def symbol_from(text: str) -> str:
    """Read a symbol as venues write it: `BTCUSDT`, `X:BTCUSD`, `BTC/USD`, `btc_usdt`.

    Raises:
        SymbolError: where base and quote cannot be told apart.
    """
    plain = text.strip().upper().removeprefix("X:")
    for separator in "-/_":
        if plain.count(separator) == 1:
            return check_symbol(plain.replace(separator, "-"))
    for quote in QUOTES:
        if plain.endswith(quote) and len(plain) > len(quote):
            return check_symbol(f"{plain[: -len(quote)]}-{quote}")
    raise SymbolError(
        f"{text!r} does not end in a quote currency that is known ({', '.join(QUOTES)}). "
        "Write the symbol as BASE-QUOTE, such as BTC-USDT."
    )
