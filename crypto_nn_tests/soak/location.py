"""The code location of the soak: the platform's own definitions, put together once."""

from crypto_nn.definitions import defs as platform

defs = platform()
