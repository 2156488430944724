"""Binance's public archive: one zip a month or a day, each with the SHA-256 that it must have."""

import hashlib
import io
import re
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import TS
from crypto_nn.errors import BarsError
from crypto_nn.sources.binance.klines import COLUMNS, kline_bars, ticker_of
from crypto_nn.sources.binance.web import Damaged, Garbled, Web
from crypto_nn.sources.formats.delimited import DelimitedFile

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ZIP_BYTES = 16 << 20
MAX_CSV_BYTES = 64 << 20
"""A month of one-minute klines is about 2 MB packed and 6 MB of text."""
_DIGEST = re.compile(r"\s*([0-9a-fA-F]{64})[ \t]+\*?(\S+)\s*")
_KEY = re.compile(r"<Key>[^<]*-1m-(\d{4}-\d{2}(?:-\d{2})?)\.zip</Key>")


class Archive:
    """The zips of one-minute klines, each used only once its SHA-256 has been found right.

    Args:
        web: how to ask.
        url: where the archive is.
        listing_url: where its folders can be listed.
    """

    def __init__(self, web: Web, url: str, listing_url: str) -> None:
        self._web = web
        self._url = url.rstrip("/")
        self._listing = listing_url.rstrip("/")

    def bars(self, symbol: str, period: str) -> Bars | None:
        """Every bar of a month (2024-01) or day (2024-01-31), or None where it is not published.

        Raises:
            Damaged: the file is not the one that its checksum is of, or holds no klines.
            OutOfPatience: the archive was asked with patience and did not answer.
            SourceRefused: the archive does not serve where we are.
        """
        name = file_name(symbol, period)
        url = f"{self._url}/{folder(symbol, period)}/{name}"
        for fresh in (False, True):
            due = self._due(url, name, fresh)
            packed = self._web.get(url, bytes, MAX_ZIP_BYTES, fresh) if due else None
            if packed is None:
                return None
            found = hashlib.sha256(packed.content).hexdigest()
            if found == due:
                return _read(packed.content, name, symbol, bounds_of(period))
        raise Damaged(
            f"{url} is damaged: its SHA-256 is {found}, but {due} was due, twice. Nothing of it "
            "was used. Try again later; if it stays so, tell Binance "
            "(github.com/binance/binance-public-data/issues), and set `archive_url: null` to "
            "fetch these days by REST."
        )

    def span(self, symbol: str) -> tuple[np.datetime64, np.datetime64] | None:
        """From the first day to the end of the last that is published; None where none is.

        Raises:
            OutOfPatience: the listing was asked with patience and did not answer.
        """
        months = self._published(symbol, "2017-01", 1000)
        days = self._published(symbol, "2017-01-01", 2)
        if not months and not days:
            return None
        last_days = self._published(
            symbol, "2017-01-01", 1000, after=f"{(months or days)[-1][:7]}-00"
        )
        start, month_ends = bounds_of((months or days)[0])
        first_day = bounds_of(days[0])[0] if days else start
        end = bounds_of((last_days or months or days)[-1])[1]
        return (first_day if first_day < month_ends else start), end

    def _published(self, symbol: str, kind: str, num: int, after: str = "") -> list[str]:
        """The first months, or days, that are published, by how one of them is written."""
        start = f"{folder(symbol, kind)}/{file_name(symbol, '')[:-4]}"

        def read(body: bytes) -> list[str]:
            text = body.decode("utf-8", errors="replace")
            if "<ListBucketResult" not in text:
                raise Garbled(f"no listing but {text[:60]!r}")
            return sorted(_KEY.findall(text))

        marker = f"&marker={start}{after}" if after else ""
        answer = self._web.get(f"{self._listing}?prefix={start}&max-keys={num}{marker}", read)
        return answer.content if answer else []

    def _due(self, url: str, name: str, fresh: bool) -> str | None:
        """The SHA-256 that a file must have, or None where it is not published."""

        def read(body: bytes) -> str:
            told = _DIGEST.fullmatch(body.decode("ascii", errors="replace"))
            if not told or told[2] != name:
                raise Garbled(f"no SHA-256 of {name} but {body[:80]!r}")
            return told[1].lower()

        answer = self._web.get(f"{url}.CHECKSUM", read, fresh=fresh)
        return answer.content if answer else None


def folder(symbol: str, period: str) -> str:
    """Where the archive keeps the months, or the days, of a symbol."""
    kind = "monthly" if len(period) == 7 else "daily"
    return f"data/spot/{kind}/klines/{ticker_of(symbol)}/1m"


def file_name(symbol: str, period: str) -> str:
    """What the zip of a month or day is called."""
    return f"{ticker_of(symbol)}-1m-{period}.zip"


def unpack(packed: bytes, member: str) -> bytes:
    """The one member that a zip must have, in memory and within a limit.

    Raises:
        Damaged: it is no zip, has other members, is encrypted, or unpacks to too much.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            inside = archive.infolist()
            names = [info.filename for info in inside]
            if names != [member]:
                raise Damaged(f"{member}: its zip holds {names[:5]}; just that one file is due.")
            with archive.open(inside[0]) as file:
                text = file.read(MAX_CSV_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, *_REFUSALS) as error:
        raise Damaged(f"{member}: its zip cannot be read: {error}.") from error
    if len(text) > MAX_CSV_BYTES:
        raise Damaged(
            f"{member} unpacks to more than {MAX_CSV_BYTES >> 20} MB, where a month of klines has "
            "about 6: it is no file of klines."
        )
    return text


_REFUSALS = (RuntimeError, NotImplementedError)  # encrypted; packed in a way that is not known


def _read(
    packed: bytes, name: str, symbol: str, bounds: tuple[np.datetime64, np.datetime64]
) -> Bars:
    member = name[:-4] + ".csv"
    text = unpack(packed, member)
    label = f"{name}!{member}"
    try:
        file = DelimitedFile(label, lambda: io.BytesIO(text))
        names = [column for column in COLUMNS if column in file.columns]
        tables: list[pa.Table] = [table for _, table in file.tables(names)]
        pieces = [kline_bars(table, symbol, label) for table in tables]
    except BarsError as error:
        raise Damaged(f"Binance's archive: {error}") from error
    bars = Bars.concat(pieces)
    if not ((bars.ts >= bounds[0]) & (bars.ts < bounds[1])).any():
        raise Damaged(f"{label} has {len(bars):,} rows, but none of {bounds[0]} to {bounds[1]}.")
    return bars


def bounds_of(period: str) -> tuple[np.datetime64, np.datetime64]:
    """The first instant of a month or day and the first after it (µs, UTC)."""
    first = np.datetime64(period)  # its unit is what is written: month or day
    return first.astype(TS), (first + 1).astype(TS)
