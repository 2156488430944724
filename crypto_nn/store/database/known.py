"""What was handed over before, day by day, so that a partition made anew sends only its news."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock

from crypto_nn.store.atomic import make_folder, write_bytes
from crypto_nn.store.database.tables import DatabaseTable


class Known:
    """Digests of the days of each symbol that are in the spool or the database already.

    One small file for each table, symbol and month. Forgetting is harmless: rows are sent again,
    and the same rows again change nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def news(self, spec: DatabaseTable, rows: pa.Table) -> Iterator[pa.Table]:
        """The rows of days that are new or changed; remembered when the context ends well."""
        make_folder(self.folder)
        with FileLock(str(self.folder / f".{spec.name}.lock")):
            days = {key: rows.take(places) for key, places in _days(spec, rows).items()}
            digests = {key: _digest(spec, part) for key, part in days.items()}
            known: dict[Path, dict[str, str]] = {}
            for key in days:
                path = self._path(spec, key)
                known[path] = known[path] if path in known else _read(path)
            new = [key for key in days if known[self._path(spec, key)].get(key) != digests[key]]
            yield pa.concat_tables([days[key] for key in new]) if new else rows.slice(0, 0)
            for key in new:
                known[self._path(spec, key)][key] = digests[key]
            with suppress(OSError):  # forgetting is harmless
                for path in {self._path(spec, key) for key in new}:
                    write_bytes(path, json.dumps(known[path], indent=0).encode())

    def _path(self, spec: DatabaseTable, key: str) -> Path:
        day, symbol = key.split("|")[:2]
        name = hashlib.sha256(symbol.encode()).hexdigest()[:16]
        return self.folder / spec.name / name / f"{day[:7]}.json"


def _days(spec: DatabaseTable, rows: pa.Table) -> dict[str, pa.Array]:
    """The places of the rows of each symbol and day, and of each version where there are some."""
    day = rows[spec.time].to_numpy().astype("datetime64[D]").astype(str)
    parts = [pa.array(day, pa.string()), pc.fill_null(rows["symbol"], "")]  # the day names files
    if "model_version" in spec.columns:
        parts.append(rows["model_version"])
    encoded = pc.binary_join_element_wise(*parts, "|").combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    cuts = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    keys = encoded.dictionary.to_pylist()
    return {key: pa.array(order[cuts[n] : cuts[n + 1]]) for n, key in enumerate(keys)}


def _digest(spec: DatabaseTable, rows: pa.Table) -> str:
    """Of what the rows say, in the order of their keys."""
    ordered = rows.sort_by([(name, "ascending") for name in spec.key]).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, ordered.schema) as writer:
        writer.write_table(ordered)
    return hashlib.sha256(sink.getvalue()).hexdigest()[:32]


def _read(path: Path) -> dict[str, str]:
    try:
        told = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {str(key): str(digest) for key, digest in told.items()} if isinstance(told, dict) else {}
