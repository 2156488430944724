"""Parquet files that carry a SHA-256 of all their other bytes, so that no flipped bit passes."""

import hashlib
import io
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from crypto_nn.errors import BarsError
from crypto_nn.store.atomic import write_bytes

KEY = "crypto_nn.seal"
_BLANK = b"sha256:" + b"0" * 64
_SEAL = re.compile(rb"sha256:[0-9a-f]{64}")
_TAIL = 1 << 16  # the footer of a month's file is far shorter


def write_sealed(
    path: Path, table: pa.Table, few_values: Sequence[str] = (), rising: Sequence[str] = ()
) -> str:
    """Write a table atomically; the same rows give the same bytes. Returns its digest.

    The digest is of the file with the digest's own 64 places set to 0: it covers the rows and
    everything else in the file, where a hash of the rows would miss a damaged statistic.

    Args:
        few_values: columns with few different values, which are written as a dictionary.
        rising: columns of integers or times of which the differences are written.
    """
    sink = io.BytesIO()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        write_statistics=True,
        use_dictionary=list(few_values),
        column_encoding=dict.fromkeys(rising, "DELTA_BINARY_PACKED"),
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({KEY: _BLANK.decode()})
    content = sink.getvalue()
    at = content.rindex(_BLANK)
    digest = hashlib.sha256(content).hexdigest()
    write_bytes(path, content[:at] + b"sha256:" + digest.encode() + content[at + len(_BLANK) :])
    return digest


def read_sealed(path: Path) -> pa.Table:
    """The table of a file, after its digest has been verified over the very bytes that are read.

    Raises:
        BarsError: the file is damaged, or was not written by `write_sealed`.
    """
    content = path.read_bytes()
    verify(content, path)
    return pq.ParquetFile(pa.BufferReader(content)).read()


def claimed(path: Path) -> str:
    """The digest that a file says it has, from its last bytes alone; who reads it verifies it.

    Raises:
        BarsError: it says none.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return _find(file.read(), path)[0][7:].decode()


def verify(content: bytes, path: Path) -> str:
    """The digest that the bytes carry, if it is theirs; the same errors as `read_sealed`."""
    match = _find(content, path)
    blank = content[: match.start()] + _BLANK + content[match.end() :]
    digest = hashlib.sha256(blank).hexdigest()
    if match[0] != b"sha256:" + digest.encode():
        raise BarsError(
            f"{path} is damaged: its SHA-256 is {digest}, but it was written with "
            f"{match[0][7:].decode()}. Restore it from a backup, or move it away and materialise "
            "`raw_bars` for it again."
        )
    return digest


def _find(content: bytes, path: Path) -> re.Match[bytes]:
    at = content.rfind(KEY.encode())
    match = _SEAL.search(content, at) if at >= 0 else None
    if match is None:
        raise BarsError(
            f"{path} carries no {KEY}: it is damaged, or was not written by this store. "
            "Bring such files in as a source (`crypto-nn ingest`), not into the store's folder."
        )
    return match
