"""A copy of the platform's tables in Postgres or Supabase: migrations, writers, spool, mirror.

Nothing here loads psycopg or supabase before a database is spoken to.
"""

from crypto_nn.store.database.config import DatabaseAddress, DatabaseConfig
from crypto_nn.store.database.migrate import Migration, migrate, status
from crypto_nn.store.database.mirror import Mirror, MirrorState
from crypto_nn.store.database.opening import BarTable, Writer, open_bars, open_writer
from crypto_nn.store.database.spool import Spool
from crypto_nn.store.database.trouble import Rejected, SpoolFull, Unreachable

__all__ = [
    "BarTable",
    "DatabaseAddress",
    "DatabaseConfig",
    "Migration",
    "Mirror",
    "MirrorState",
    "Rejected",
    "Spool",
    "SpoolFull",
    "Unreachable",
    "Writer",
    "migrate",
    "open_bars",
    "open_writer",
    "status",
]
