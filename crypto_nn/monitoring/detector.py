"""Drift between two frames of anybody's: the test of the platform without the platform."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crypto_nn.bars.calendar import TS, check_day
from crypto_nn.errors import BarsError, DriftError
from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.days import DayBlocks, Kind
from crypto_nn.monitoring.drift import Reference, compare
from crypto_nn.monitoring.frames import Rows, Times, paired, rows_of
from crypto_nn.monitoring.report import WRONG_TYPE, ColumnDrift, DriftReport

MAX_TEXTS = 200  # distinct texts of a column that are told apart
_FIRST_BLOCK = np.datetime64("2000-01-01", "D")
_ONE_DAY = np.timedelta64(1, "D")
_MOST_BLOCKS = 1_000_000


class DriftDetector:
    """Does a frame still look like the reference, at a stated rate of false alarms.

    Rows with a time (a time index, or a column `ts`) are cut into whole UTC days, and the newest
    day of the current frame, or the one asked for, is ranked among those of the reference before
    it. Rows without any time are cut into blocks of as many rows as the current frame has, in
    their order, each of which plays the part of a day; what is left over at the start is not used.

    Numbers are compared by their distribution; booleans, text and columns with at most
    `config.max_categories` values by the shares of their values. Whatever the frames hold there is
    a report: the verdict of a column that cannot be compared says why (`ColumnDrift.verdict`), and
    so does `reason` where none can.

    >>> detector = DriftDetector(DriftConfig(alpha=0.05)).fit(last_months)
    >>> detector.detect(today).drifted
    """

    def __init__(
        self,
        config: DriftConfig | None = None,
        *,
        symbol: str = "frame",
        model_version: str = "reference",
    ) -> None:
        """`symbol` and `model_version` are what reports say they are about."""
        self.config = config or DriftConfig()
        self.symbol = symbol
        self.model_version = model_version
        self._reference: Rows | None = None

    def fit(
        self, reference: pd.DataFrame | DayBlocks, kinds: Mapping[str, Kind] | None = None
    ) -> Self:
        """Keep a copy of what later frames are compared with.

        Args:
            reference: any frame.
            kinds: of columns that are no features: "prediction", or "performance" (a loss per row;
                only a rise is drift). Kinds share the level equally.

        Raises:
            DriftError: no frame, a name that comes twice, unreadable times, unknown kinds.
        """
        self._reference = rows_of(reference, kinds)
        return self

    def detect(
        self,
        current: pd.DataFrame | DayBlocks,
        day: str | None = None,
        now: np.datetime64 | None = None,
    ) -> DriftReport:
        """How far a day has moved from the reference, and whether that is drift.

        Args:
            current: rows with times where the reference has them.
            day: such as "2024-01-31"; the newest in `current` where left out. Rows of other days
                are not used, nor reference days on or after it. Without times it is a mere name.
            now: when the report is made, naive UTC; the end of the day where left out.

        Raises:
            DriftError: not fitted; no frame; only one side has times; unreadable times or day.
        """
        if self._reference is None:
            raise DriftError("Nothing to compare with yet; call fit() first.")
        reference, rows = self._reference, rows_of(current)
        config, note = self.config, ""
        if reference.ts_N is None and rows.ts_N is not None and not rows.num_rows:
            rows = replace(rows, ts_N=None)  # no rows have no times
        if (reference.ts_N is None) != (rows.ts_N is None):
            raise DriftError(
                "Only one of reference and current has times. Give both a time index or a column "
                "`ts`, or neither."
            )
        if reference.ts_N is None or rows.ts_N is None:
            size = rows.num_rows or reference.num_rows
            config = config.model_copy(update={"season": "all", "max_rows_per_day": max(size, 1)})
            reference, rows, date = _in_blocks(reference, rows, size, config.reference_days)
            note = f" Rows have no times: blocks of {size} rows are compared, each as a day."
            shown = _day(day) or _day(now) or str(date)
        else:
            asked = _day(day)
            date = np.datetime64(asked, "D") if asked else _newest(reference, rows)
            shown = str(date)
        report = self._compare(reference, rows, config, date)
        return replace(report, day=shown, made_at=_moment(now, shown), reason=report.reason + note)

    def _compare(
        self, reference: Rows, rows: Rows, config: DriftConfig, date: np.datetime64
    ) -> DriftReport:
        sides, coded, unfit = paired(reference, rows, MAX_TEXTS)
        kinds = {**rows.kinds, **reference.kinds}
        before, today = (
            _blocks(side.ts_N, columns, kinds, coded)
            for side, columns in zip((reference, rows), sides)
        )
        report = compare(
            Reference(self.symbol, self.model_version, before),
            today,
            config,
            day=str(date),
            made_at=date.astype(TS),
        )
        if not unfit:
            return report
        left_out = tuple(ColumnDrift(kinds[name], name, verdict=WRONG_TYPE) for name in unfit)
        reason = f"{report.reason} Columns left out for their type: {', '.join(unfit)}."
        return replace(report, columns=(*report.columns, *left_out), reason=reason)


def _blocks(
    ts_N: Times | None,
    columns: Mapping[str, NDArray[Any]],
    kinds: Mapping[str, Kind],
    coded: frozenset[str],
) -> DayBlocks:
    assert ts_N is not None
    x_NF = np.empty((len(ts_N), len(columns)))
    for j, x_N in enumerate(columns.values()):
        x_NF[:, j] = x_N
    blocks = DayBlocks.from_rows(ts_N, x_NF, tuple(columns))
    return replace(
        blocks,
        kinds=tuple(kinds[name] for name in columns),
        categorical=coded & frozenset(columns),
    )


def _in_blocks(
    reference: Rows, rows: Rows, size: int, most: int
) -> tuple[Rows, Rows, np.datetime64]:
    """Both sides with times by which each block of `size` rows is a day, the current one last."""
    num_blocks = min(reference.num_rows // max(size, 1), most, _MOST_BLOCKS)
    first = reference.num_rows - num_blocks * size
    kept = {
        name: replace(field, values=field.values[first:])
        for name, field in reference.fields.items()
    }
    at_B1 = _FIRST_BLOCK.astype(TS) + np.arange(num_blocks)[:, None] * _ONE_DAY
    step_N = np.arange(size) * np.timedelta64(1, "us")
    date = _FIRST_BLOCK + num_blocks
    before = replace(
        reference, num_rows=num_blocks * size, ts_N=(at_B1 + step_N).ravel(), fields=kept
    )
    return before, replace(rows, ts_N=date.astype(TS) + step_N[: rows.num_rows]), date


def _newest(reference: Rows, rows: Rows) -> np.datetime64:
    """The newest day of the rows; without any, the day after the reference."""
    for side, later in ((rows, 0), (reference, 1)):
        known = side.ts_N[~np.isnat(side.ts_N)] if side.ts_N is not None else np.empty(0, TS)
        if len(known):
            newest: np.datetime64 = known.max().astype("datetime64[D]") + later
            return newest
    return _FIRST_BLOCK


def _day(given: object) -> str:
    """A day as it is written, of whatever says one; empty of nothing."""
    if given is None:
        return ""
    try:
        return check_day(str(given)[:10])
    except BarsError as error:
        raise DriftError(str(error)) from error


def _moment(now: object, day: str) -> np.datetime64:
    if now is None:
        return (np.datetime64(day, "D") + _ONE_DAY).astype(TS)
    try:
        moment: np.datetime64 = np.datetime64(str(now), "us")
    except ValueError as error:
        raise DriftError(f"{now!r} is no moment: {error}. Give a numpy datetime64.") from error
    if np.isnat(moment):
        raise DriftError("`now` is no time; leave it out or give a numpy datetime64.")
    return moment
