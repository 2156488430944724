"""What can go wrong with a database, by what it means for the rows that wait."""

from crypto_nn.errors import DatabaseError


class Unreachable(DatabaseError):
    """The database did not answer, or lost the connection: the rows wait, and may be in already."""


class Rejected(DatabaseError):
    """The database will never take these rows: they break one of its rules."""


class SpoolFull(DatabaseError):
    """The disk space for waiting rows is used up: nothing was added, what waits is kept."""
