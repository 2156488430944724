"""A made-up exchange that speaks the real protocols, and breaks them on demand."""

from crypto_nn_tests.exchange.faults import GARBAGE, RestFault
from crypto_nn_tests.exchange.market import CALM, Aggregate, Character, Market, Print
from crypto_nn_tests.exchange.polygon import KEY, FakePolygon
from crypto_nn_tests.exchange.rest import Request

__all__ = [
    "CALM",
    "GARBAGE",
    "KEY",
    "Aggregate",
    "Character",
    "FakePolygon",
    "Market",
    "Print",
    "Request",
    "RestFault",
]
