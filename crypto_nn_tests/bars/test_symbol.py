"""Symbols carry their true quote, however a venue writes them."""

import pytest

from crypto_nn.bars.symbol import check_symbol, symbol_from
from crypto_nn.errors import SymbolError


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BTCUSDT", "BTC-USDT"),
        ("X:BTCUSD", "BTC-USD"),
        ("X:BTC-USD", "BTC-USD"),
        ("BTC/EUR", "BTC-EUR"),
        ("btc_usdt", "BTC-USDT"),
        (" ethbtc ", "ETH-BTC"),
        ("1000SHIBUSDC", "1000SHIB-USDC"),
        ("BTCFDUSD", "BTC-FDUSD"),
        ("TUSDUSDT", "TUSD-USDT"),
        ("BTC-USDT", "BTC-USDT"),
    ],
)
def test_venues_spellings_are_read(text: str, symbol: str) -> None:
    """Base and quote are found, and reading the result again changes nothing."""
    assert symbol_from(text) == symbol
    assert symbol_from(symbol) == symbol
    assert check_symbol(symbol) == symbol


@pytest.mark.parametrize("text", ["", "BTC", "USDT", "BITCOIN", "X:", "a-b-c", "BTC-$", "-USDT"])
def test_what_has_no_base_and_quote_is_refused(text: str) -> None:
    """Nothing is guessed: what cannot be told apart is an error that says how to write it."""
    with pytest.raises(SymbolError, match="such as BTC-USDT"):
        symbol_from(text)


@pytest.mark.parametrize("text", ["BTCUSDT", "btc-usdt", "BTC_USDT", "BTC-USDT ", "BTC-USDT-PERP"])
def test_only_one_way_of_writing_is_ours(text: str) -> None:
    """Inside the platform a symbol is BASE-QUOTE in capitals."""
    with pytest.raises(SymbolError, match="is not a symbol"):
        check_symbol(text)
