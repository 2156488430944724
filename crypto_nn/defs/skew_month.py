"""Some days of predictions, worked out again: what the job `check_skew` does with a month."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from crypto_nn.bars.calendar import TS, day_bounds, month_bounds
from crypto_nn.defs.resources import Platform
from crypto_nn.defs.window_bars import UNTIL, WindowBars, months_of, rests_until
from crypto_nn.errors import CryptoNNError
from crypto_nn.store.day_prints import BATCH, SERVED, TABLE_OF
from crypto_nn.store.lineage import Made

if TYPE_CHECKING:
    from crypto_nn.inference.predictor import ModelInference
    from crypto_nn.inference.skew import Again, Finding, Said


@dataclass(frozen=True)
class Day:
    """The predictions of a symbol and day from one source.

    Attributes:
        symbol: whose.
        day: YYYY-MM-DD.
        source: batch or served.
        checked_of: by version, a hash of what is stored and of the bars it is on record to rest on.
        made: how the month's predictions came about, where that is on record.
    """

    symbol: str
    day: str
    source: str
    checked_of: dict[str, str]
    made: Made | None

    @property
    def month(self) -> str:
        """The month of the day."""
        return self.day[:7]


def until_of(record: Made) -> np.datetime64:
    """The newest minute that was known when a month was predicted."""
    return np.datetime64(record.made_of[UNTIL], "us")


class SkewMonth:
    """Some days of a symbol's month, worked out again."""

    def __init__(
        self,
        platform: Platform,
        symbol: str,
        month: str,
        source: str,
        days: Sequence[Day],
        tolerance: float,
    ) -> None:
        from crypto_nn.inference.skew import COLUMNS

        self.platform, self.symbol, self.month = platform, symbol, month
        self.source, self.days, self.tolerance = source, days, tolerance
        self.record = days[0].made
        names = sorted(one.day for one in days)
        bounds = day_bounds(names[0])[0], day_bounds(names[-1])[1]
        there, table = platform.lake.has(TABLE_OF[source]), TABLE_OF[source]
        columns = COLUMNS if source == BATCH else (*COLUMNS, "served_at")
        where = {"symbol": symbol}
        self.table = platform.lake.read(table, columns, where, *bounds) if there else None
        self.bars: WindowBars | None = None
        if symbol in platform.experiment().symbols:
            self.bars = WindowBars(platform, symbol)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of the ledger, version by version."""
        from crypto_nn.inference.skew import finding_row

        now = self.platform.now().item()
        for version in sorted({name for one in self.days for name in one.checked_of}):
            days = [one for one in self.days if version in one.checked_of]
            for one, finding in zip(days, self._of_version(version, [one.day for one in days])):
                yield {
                    "symbol": self.symbol,
                    "day": one.day,
                    "source": self.source,
                    "model_version": version,
                    **finding_row(finding),
                    "checked_of": one.checked_of[version],
                    "made_at": now,
                }

    def _of_version(self, version: str, days: Sequence[str]) -> Iterator["Finding"]:
        from crypto_nn.inference.skew import MISSING, Finding, compare, judged

        said = {day: self._said(day, version) for day in days}
        try:
            model, again = self._again(version, days)
        except CryptoNNError as error:  # it cannot be asked any more
            for day in days:
                yield Finding(0, len(said[day]), verdict=MISSING, note=str(error))
            return
        for day in days:
            everyone = self._said(day) if self.source == BATCH else None
            finding = compare(said[day], again, day, everyone)
            yield judged(finding, self._revised(day, model), self.tolerance)

    def _again(self, version: str, days: Collection[str]) -> "tuple[ModelInference, Again]":
        from crypto_nn.inference.predictor import ModelInference
        from crypto_nn.inference.skew import answer_again

        if self.bars is None:
            self.platform.experiment().symbol(self.symbol)  # says that it is not followed
        assert self.bars is not None
        feature_set = self.bars.feature_set
        model = ModelInference.load(self.platform.models, version, feature_set.fingerprint)
        again = answer_again(model, feature_set, self.bars, self.month, days, self._known_until())
        return model, again

    def _known_until(self) -> np.datetime64:
        """The newest minute that was known: on record, else the newest that is predicted."""
        if self.record is not None:
            return until_of(self.record)
        where = {"symbol": self.symbol}
        bounds = month_bounds(self.month)
        ts = self.platform.lake.read(TABLE_OF[self.source], ("ts",), where, *bounds)["ts"]
        return np.datetime64(ts.to_numpy()[-1], "us")

    def _said(self, day: str, version: str | None = None) -> "Said":
        from crypto_nn.inference.skew import COLUMNS, Said

        if self.table is None:
            return Said.nothing()
        start, end = day_bounds(day)
        ts = self.table["ts"].to_numpy().astype(TS)
        kept = (ts >= start) & (ts < end)
        if version is not None:
            versions = self.table["model_version"].to_pylist()
            kept &= np.array([(name or "") == version for name in versions], dtype=np.bool_)
        return Said.from_arrow(self.table.select(COLUMNS).filter(pa.array(kept)))

    def _revised(self, day: str, model: "ModelInference") -> bool | None:
        """Whether the bars that the day's predictions looked at are others now."""
        assert self.bars is not None
        if self.source == SERVED:
            return self._corrected_since(day, model.reach) or None
        if self.record is None:
            return None
        now = self.bars.days(self.month, model.reach, until_of(self.record))
        return rests_until(now, day) != rests_until(self.record.rests_on, day)

    def _corrected_since(self, day: str, reach: int) -> bool:
        """Whether a bar that was looked at was corrected after the day's first answer."""
        assert self.bars is not None
        assert self.table is not None
        start, end = day_bounds(day)
        ts = self.table["ts"].to_numpy().astype(TS)
        served = self.table["served_at"].to_numpy()[(ts >= start) & (ts < end)]
        first = self.bars.stretch(months_of(self.month, reach)[0])[0]
        raw, source = self.platform.raw, self.platform.experiment().symbol(self.symbol).source
        months = np.arange(first.astype("M8[M]"), np.datetime64(self.month, "M") + 1)
        for month in map(str, months):
            if not raw.has(self.symbol, month, source):
                continue
            rows = raw.read(self.symbol, month, source)
            opened, received = rows["ts"].to_numpy(), rows["received_at"].to_numpy()
            late = (rows["revision"].to_numpy() > 0) & (received > np.min(served))
            if (late & (opened >= first) & (opened < end)).any():
                return True
        return False
