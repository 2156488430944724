"""Where a stream stands, small enough to be kept, so that a restart goes on with the same bits.

The states of indicators are not kept: a stream opened anew over the stored bars has the same. What
is kept is the proof: the newest row and a digest of the bars that it follows from.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.bars import REQUIRED
from crypto_nn.bars.calendar import TS, month_of
from crypto_nn.errors import FeatureError
from crypto_nn.features.feature_set import FeatureSet
from crypto_nn.features.live import LiveFeatures
from crypto_nn.features.live_windows import LiveWindows

FORMAT = "crypto_nn.stream/1"
MOST_NAMED = 5

Row = NDArray[np.float32]


@dataclass(frozen=True)
class History:
    """The bars that a stream's rows can follow from, up to its last.

    Attributes:
        num_bars: how many there are.
        digest: SHA-256 of their times, prices, volumes and reference prices.
        first: the first of them, where the history began later than the features can look back;
            else None.
    """

    num_bars: int
    digest: str
    first: str | None


@dataclass(frozen=True)
class Snapshot:
    """Where a stream stood after its last bar.

    Attributes:
        fingerprint: of its feature set.
        symbol: whose bars it took.
        complete: whether nothing was missing before them.
        window: rows in a window, for `LiveWindows`; None for `LiveFeatures`.
        last: open of the last bar (UTC); None where it had taken none.
        row: by column the bits of its newest float32 as hexadecimal, None for null; None where
            there was no row to be had.
        history: the bars that it followed from, where they were at hand.
    """

    fingerprint: str
    symbol: str
    complete: bool
    window: int | None
    last: str | None
    row: Mapping[str, str | None] | None
    history: History | None

    @classmethod
    def of(cls, features: FeatureSet, stream: LiveFeatures, bars: Bars | None = None) -> "Snapshot":
        """Of a stream of rows.

        Args:
            features: the set that the stream was made by.
            stream: the stream, after any bar.
            bars: those that it has taken, with its history, where they are at hand: then a
                revision is noticed even where it does not show in the newest row.
        """
        row = None if stream.newest is None else _to_bits(features, stream.newest)
        last = None if stream.last is None else str(stream.last.astype(TS))
        found = cls(features.fingerprint, stream.symbol, stream.complete, None, last, row, None)
        if bars is None or last is None:
            return found
        return replace(found, history=found._history(features, bars))

    @classmethod
    def of_windows(cls, stream: LiveWindows) -> "Snapshot":
        """Of a stream of windows; it has kept the bars that it follows from."""
        features, bars, newest = stream.features, stream.bars, stream.newest()
        row = None if newest is None else _to_bits(features, newest.x_TF[-1])
        last = str(bars.ts[-1].astype(TS)) if len(bars) else None
        found = cls(
            features.fingerprint, stream.symbol, stream.complete, stream.window, last, row, None
        )
        return replace(found, history=found._history(features, bars)) if last else found

    def to_bytes(self) -> bytes:
        """JSON with a checksum of its own; save it atomically (`store.atomic.write_bytes`)."""
        facts = {"format": FORMAT, **asdict(self)}
        return json.dumps({**facts, "sha256": _checksum(facts)}, indent=1).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Snapshot":
        """The snapshot that `to_bytes` wrote.

        Raises:
            FeatureError: it is damaged, of another format, or no snapshot.
        """
        try:
            facts = json.loads(content)
            found, checksum = facts.pop("format"), facts.pop("sha256")
        except (ValueError, AttributeError, KeyError, TypeError):
            raise FeatureError(
                f"These {len(content)} bytes are no snapshot of a stream: JSON with a format and "
                "a checksum is due. Open the stream anew from its bars."
            ) from None
        if found != FORMAT:
            raise FeatureError(
                f"The snapshot is of format {found!r}, and {FORMAT!r} is due. Open the stream anew "
                "from its bars."
            )
        if checksum != _checksum({"format": found, **facts}):
            raise FeatureError(
                "The snapshot is damaged: its content has another checksum than it says. Open the "
                "stream anew from its bars."
            )
        history = facts.pop("history")
        return cls(**facts, history=History(**history) if history else None)

    def restore(self, features: FeatureSet, bars: Bars) -> LiveFeatures:
        """The stream as it was after its last bar; bars that came since are fed by the caller.

        Args:
            features: a set of the same fingerprint.
            bars: the stored bars, from the anchor of the last bar's month on; later ones than the
                last are left aside.

        Raises:
            FeatureError: the feature set is another one, bars are missing, or they do not give
                the same bits, because they were revised since.
            BarsError: the bars are not clean.
        """
        self._check_kind(features, windows=False)
        seen = self._seen(features, bars)
        stream = features.stream(seen, self.complete)
        self._check_same(features, seen, stream.newest)
        return stream

    def restore_windows(self, features: FeatureSet, bars: Bars) -> LiveWindows:
        """The stream of windows as it was after its last bar; see `restore`.

        Bars from the anchor of the month of the window's oldest row on are due.
        """
        self._check_kind(features, windows=True)
        seen = self._seen(features, bars)
        assert self.window is not None
        stream = LiveWindows(features, seen, self.window, self.complete)
        newest = stream.newest()
        self._check_same(features, seen, None if newest is None else newest.x_TF[-1])
        return stream

    def _check_kind(self, features: FeatureSet, windows: bool) -> None:
        if self.fingerprint != features.fingerprint:
            raise FeatureError(
                f"The snapshot is of the feature set {self.fingerprint}, and this one is "
                f"{features.fingerprint}. Use the settings and the code that it was made with, or "
                "open the stream anew from its bars."
            )
        if windows != (self.window is not None):
            found, due = ("windows", "restore_windows") if self.window else ("rows", "restore")
            raise FeatureError(f"The snapshot is of a stream of {found}: call `{due}`.")

    def _seen(self, features: FeatureSet, bars: Bars) -> Bars:
        """Of the bars at hand those that the stream had taken."""
        if bars.symbol != self.symbol:
            raise FeatureError(
                f"The snapshot is of {self.symbol}, and these are bars of {bars.symbol}."
            )
        if self.last is None:
            return bars[:0]
        last = np.datetime64(self.last, "us")
        seen = bars[: int(np.searchsorted(bars.ts, last, side="right"))]
        if self.history is not None and self.history.first is not None:
            seen = seen[int(np.searchsorted(seen.ts, np.datetime64(self.history.first, "us"))) :]
        if not len(seen) or seen.ts[-1] != last:
            there = f"from {bars.ts[0]} to {bars.ts[-1]}" if len(bars) else "none"
            raise FeatureError(
                f"{self.symbol}: the stream had taken the bar of {last}, and it is not among these "
                f"bars ({there}). Give all stored bars from {self._since(features)} to that one."
            )
        return seen

    def _since(self, features: FeatureSet) -> np.datetime64:
        """From where on bars count for the rows that the stream holds."""
        back = ((self.window or 1) - 1) * M1.step
        return features.anchor(month_of(np.datetime64(self.last, "us") - back))

    def _history(self, features: FeatureSet, bars: Bars) -> History:
        since = self._since(features)
        first = str(bars.ts[0].astype(TS)) if bars.ts[0] > since else None
        end = np.datetime64(self.last, "us") + M1.step
        return _history_of(bars.between(since, end), first)

    def _check_same(self, features: FeatureSet, bars: Bars, row: Row | None) -> None:
        found = None if row is None else _to_bits(features, row)
        told = []
        if found != self.row:
            told.append(_differences(self.row or {}, found or {}))
        if self.history is not None:
            now = self._history(features, bars)
            if now.digest != self.history.digest:
                told.append(
                    f"the bars since {self._since(features)} are others: {self.history.num_bars} "
                    f"then, {now.num_bars} now"
                )
        if told:
            raise FeatureError(
                f"{self.symbol}: the stream does not come back as it was at {self.last}: "
                f"{'; '.join(told)}. Bars were revised since, or not all were given: from "
                f"{self._since(features)} on they are due. Open a new stream over the bars as they "
                "are now, `features.stream(bars, complete)`."
            )


def _differences(then: Mapping[str, str | None], now: Mapping[str, str | None]) -> str:
    """Which columns of a row have other values now."""
    if not then or not now:
        return "there was no row then" if now else "there is no row now"
    names = [name for name in then if then[name] != now[name]]
    few = [f"{name} ({_number(then[name])} then, {_number(now[name])} now)" for name in names]
    more = ", …" if len(few) > MOST_NAMED else ""
    return f"{len(names)} of {len(then)} columns differ: {', '.join(few[:MOST_NAMED])}{more}"


def _to_bits(features: FeatureSet, row: Row) -> dict[str, str | None]:
    bits = np.ascontiguousarray(row, dtype=np.float32).view(np.uint32)
    return {
        name: None if null else f"{value:08x}"
        for name, value, null in zip(features.names, bits.tolist(), np.isnan(row).tolist())
    }


def _number(bits: str | None) -> str:
    return "null" if bits is None else f"{np.uint32(int(bits, 16)).view(np.float32):.9g}"


def _history_of(bars: Bars, first: str | None) -> History:
    seen = hashlib.sha256()
    for name in REQUIRED:
        seen.update(np.ascontiguousarray(getattr(bars, name)).view(np.uint8).data)
    if bars.reference is not None and not np.isnan(bars.reference).all():
        seen.update(np.where(np.isnan(bars.reference), -1.0, bars.reference).tobytes())
    return History(len(bars), seen.hexdigest(), first)


def _checksum(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
