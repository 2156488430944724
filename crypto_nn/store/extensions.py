"""DuckDB's own signed extensions, loaded from wheels and not from the network."""

from importlib.util import find_spec
from pathlib import Path

import duckdb

from crypto_nn.errors import LakeError
from crypto_nn.store.quoting import literal

DUCKLAKE, SQLITE, POSTGRES = "ducklake", "sqlite_scanner", "postgres_scanner"


def load_extensions(connection: duckdb.DuckDBPyConnection, *names: str) -> None:
    """Load extensions into a connection; DuckDB checks their signature.

    They are loaded where the wheel `duckdb-extension-…` put them, so nothing is written to the
    home folder. Where a platform has no such wheel, DuckDB downloads the extension once.

    Raises:
        LakeError: there is neither a wheel nor a network.
    """
    for name in names:
        file = _in_wheel(name)
        try:
            if file is None:
                connection.execute(f"INSTALL {name}")
            connection.execute(f"LOAD {name}" if file is None else f"LOAD {literal(str(file))}")
        except duckdb.Error as error:
            wheel = f"duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}"
            raise LakeError(
                f"DuckDB {duckdb.__version__} cannot load its extension {name}: {error} "
                f"Install its wheel (pip install {wheel}); without a network, copy that wheel "
                "from a machine that has one, or copy ~/.duckdb/extensions from there."
            ) from error


def _in_wheel(name: str) -> Path | None:
    wheel = find_spec(f"duckdb_extension_{name}")
    folders = (wheel.submodule_search_locations if wheel else None) or []
    file = f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"
    return next((path for folder in folders if (path := Path(folder, file)).is_file()), None)
