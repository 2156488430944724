"""Splits: which rows teach, which choose, which calibrate and which judge, in order of time."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from crypto_nn.bars import Times
from crypto_nn.bars.calendar import TS
from crypto_nn.errors import ConfigError

TRAIN, VALIDATION, CALIBRATION, TEST = "train", "validation", "calibration", "test"
LOCK_BOX, NIGHTLY = "lock_box", "nightly"
DAY = np.timedelta64(1, "D")
MINUTE = np.timedelta64(60_000_000, "us")
Lengths = tuple[tuple[str, int], ...]


class SplitConfig(BaseModel):
    """How the history is cut into folds, in whole UTC days.

    Each fold is train → validation → calibration → test. A model is fitted on the first,
    stopped on the second, its confidence set on the third, and judged on the last, which it
    never met. Between them lies an embargo (see `embargo_of`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: Literal["expanding", "rolling"] = Field(
        default="rolling", description="train on all history so far, or on the last train_days"
    )
    train_days: int = Field(
        default=60, ge=1, description="days of training (of the first fold, where expanding)"
    )
    validation_days: int = Field(default=7, ge=1, description="days that stop the training")
    calibration_days: int = Field(default=7, ge=1, description="days that set the confidence")
    test_days: int = Field(default=14, ge=1, description="days that judge")
    step_days: int | None = Field(
        default=None, ge=1, description="days from one test to the next; test_days where not given"
    )
    max_folds: int = Field(default=6, ge=1, description="the newest folds that are kept")
    extra_embargo_minutes: int = Field(
        default=0, ge=0, description="minutes on top of longest horizon + window between roles"
    )
    lock_box_days: int = Field(
        default=30, ge=0, description="last days of the first history, kept for one final verdict"
    )

    @model_validator(mode="after")
    def _tests_do_not_overlap(self) -> "SplitConfig":
        if self.step < self.test_days:
            raise ValueError(
                f"step_days is {self.step} and test_days {self.test_days}: tests would overlap. "
                "Let step_days be at least test_days."
            )
        return self

    @property
    def step(self) -> int:
        """Days from one test block to the next."""
        return self.test_days if self.step_days is None else self.step_days

    @property
    def lengths(self) -> Lengths:
        """Days of each role in order of time."""
        return (
            (TRAIN, self.train_days),
            (VALIDATION, self.validation_days),
            (CALIBRATION, self.calibration_days),
            (TEST, self.test_days),
        )


@dataclass(frozen=True)
class Role:
    """What the rows of a stretch of time are for.

    A row belongs to it when its bar opens at or after `start` and all its labels are known at
    `end` (µs, UTC).
    """

    name: str
    start: np.datetime64
    end: np.datetime64


@dataclass(frozen=True)
class Fold:
    """One question put honestly: learn from these rows, be judged on those.

    Attributes:
        number: 0 is the oldest fold of its layout.
        layout: "expanding", "rolling", "nightly" or "lock_box".
        roles: stretches of time in order, an embargo between each and the next.
        purge: minutes before a role's end whose rows have labels that reach past it.
        embargo: minutes between the end of a role and the start of the next.
    """

    number: int
    layout: str
    roles: tuple[Role, ...]
    purge: int
    embargo: int

    def role(self, name: str) -> Role:
        """The role of this name.

        Raises:
            ConfigError: this fold has no such role (the nightly one has no test).
        """
        for role in self.roles:
            if role.name == name:
                return role
        raise ConfigError(
            f"Fold {self.number} ({self.layout}) has no {name} part; it has "
            f"{', '.join(role.name for role in self.roles)}."
        )

    @property
    def start(self) -> np.datetime64:
        """Where its first role starts."""
        return self.roles[0].start

    @property
    def end(self) -> np.datetime64:
        """Where its last role ends."""
        return self.roles[-1].end


@dataclass(frozen=True)
class Reach:
    """How far a row reaches through time, in minutes: its labels forward, its window back."""

    horizon: int
    window: int


def embargo_of(reach: Reach, config: SplitConfig) -> int:
    """Minutes that lie fallow between roles: longest horizon + window + what the user adds.

    Labels of a role are known by its end, and the windows of the next begin at most `window`
    minutes before its start: with this gap no window of one role sees a minute that a label of
    the role before it has told of (López de Prado 2018, ch. 7). The memory of the features
    (days, for an EWMA) would have to be added only where training rows come after a test, as
    in k-fold; in walk-forward order, features that remember the past are what a model has live.
    """
    return reach.horizon + reach.window + config.extra_embargo_minutes


def walk_forward(
    start: np.datetime64,
    end: np.datetime64,
    config: SplitConfig,
    reach: Reach,
    locked: Role | None = None,
) -> tuple[Fold, ...]:
    """The newest `max_folds` folds of the history [start, end), oldest first.

    Counted back from the last whole UTC day, so that the last test is the newest there can be;
    tests never overlap. No fold touches the lock box: `locked` as the first materialisation fixed
    it, else the one that `lock_box` gives for this end. Folds lie before it, and also after it
    once there are enough days for a whole fold that does without the box's days.

    Raises:
        ConfigError: the history is too short for one fold.
    """
    locked = locked or lock_box(end, config)
    first, last = _ceil_day(start), _floor_day(end)
    before = (first, last if locked is None else min(last, locked.start))
    after = [] if locked is None else [(max(first, locked.end), last)]
    ends = [(lo, hi) for stretch in (*after, before) for lo, hi in _counted_back(*stretch, config)]
    if not ends:
        _check_long_enough(*before, config.lengths, locked)
    newest = reversed(ends[: config.max_folds])
    return tuple(_fold(number, lo, hi, config, reach) for number, (lo, hi) in enumerate(newest))


def _counted_back(
    first: np.datetime64, last: np.datetime64, config: SplitConfig
) -> list[tuple[np.datetime64, np.datetime64]]:
    """Where the folds of an open stretch begin at the earliest and end, newest first."""
    due = sum(days for _, days in config.lengths)
    spare = int((last - first) // DAY) - due
    if spare < 0:
        return []
    return [(first, last - n * config.step * DAY) for n in range(1 + spare // config.step)]


def nightly(start: np.datetime64, end: np.datetime64, config: SplitConfig, reach: Reach) -> Fold:
    """What tonight's model learns from: the newest days, with no test, since the test is tomorrow.

    It may reach into the lock box, which judges a way of working and not tonight's version.

    Raises:
        ConfigError: the history is too short.
    """
    first, last = _ceil_day(start), _floor_day(end)
    untested = config.lengths[:-1]
    _check_long_enough(first, last, untested, None)
    return Fold(0, NIGHTLY, _roles(first, last, config, untested, reach), *_gaps(config, reach))


def lock_box(end: np.datetime64, config: SplitConfig) -> Role | None:
    """The last days before `end`, put aside before anyone has looked; None where 0 days are.

    Fix it once, with the first history that a universe has; later ones hand it on.
    """
    if not config.lock_box_days:
        return None
    last = _floor_day(end)
    return Role(LOCK_BOX, last - config.lock_box_days * DAY, last)


def rows_of(fold: Fold, role: str, ts: Times, t1_NH: Times) -> NDArray[np.bool_]:
    """Which rows belong to a role, purged through their label intervals (N,).

    A row does when its bar opens in the role and its last label is known by the role's end.

    Args:
        ts: opens of the bars (N,), in any order, several symbols if wanted.
        t1_NH: when each label is known, (N, H) or (N,); a NaT keeps a row out of every role.
    """
    part = fold.role(role)
    known = t1_NH.max(axis=1) if t1_NH.ndim == 2 else t1_NH
    mask: NDArray[np.bool_] = (ts >= part.start) & (known <= part.end)
    return mask


def _fold(
    number: int, first: np.datetime64, last: np.datetime64, config: SplitConfig, reach: Reach
) -> Fold:
    roles = _roles(first, last, config, config.lengths, reach)
    return Fold(number, config.layout, roles, *_gaps(config, reach))


def _gaps(config: SplitConfig, reach: Reach) -> tuple[int, int]:
    return reach.horizon, embargo_of(reach, config)


def _roles(
    first: np.datetime64,
    last: np.datetime64,
    config: SplitConfig,
    lengths: Lengths,
    reach: Reach,
) -> tuple[Role, ...]:
    """The roles that end at `last`; the embargo is taken from the end of the earlier one."""
    embargo = embargo_of(reach, config)
    _check_embargo_fits(embargo, lengths)
    roles: list[Role] = []
    stop = last
    for name, days in reversed(lengths):
        start = stop - days * DAY
        if name == TRAIN and config.layout == "expanding":
            start = first
        fallow = embargo * MINUTE if roles else 0 * MINUTE
        roles.append(Role(name, start, stop - fallow))
        stop = start
    return tuple(reversed(roles))


def _check_embargo_fits(embargo: int, lengths: Lengths) -> None:
    name, days = min(lengths, key=lambda length: length[1])
    if embargo >= days * 1440:
        raise ConfigError(
            f"The embargo of {embargo} minutes (longest horizon + window + extra_embargo_minutes) "
            f"leaves nothing of the {days} day(s) of {name}. Raise splits.{name}_days, or shorten "
            "the window."
        )


def _check_long_enough(
    first: np.datetime64,
    last: np.datetime64,
    lengths: Lengths,
    locked: Role | None,
) -> None:
    there = max(0, int((last - first) // DAY))
    due = sum(days for _, days in lengths)
    if there >= due:
        return
    parts = " + ".join(f"{days} {name}" for name, days in lengths)
    aside = ""
    if locked is not None:
        aside = f" before the lock box ({_day(locked.start)} to {_day(locked.end)})"
    raise ConfigError(
        f"There are {there} whole days of bars from {_day(first)} to {_day(last)}{aside}, and one "
        f"fold needs {due} ({parts}). Ingest at least {due - there} more days, or lower "
        f"splits.{lengths[0][0]}_days{' or splits.lock_box_days' if locked else ''}."
    )


def _floor_day(ts: np.datetime64) -> np.datetime64:
    day: np.datetime64 = ts.astype("datetime64[D]")
    return day.astype(TS)


def _ceil_day(ts: np.datetime64) -> np.datetime64:
    day = _floor_day(ts.astype(TS))
    return day if day == ts else day + DAY


def _day(ts: np.datetime64) -> str:
    return str(ts.astype("datetime64[D]"))


SPLITS_SCHEMA = pa.schema(
    [
        ("universe", pa.string()),
        ("layout", pa.string()),
        ("fold", pa.int32()),
        ("role", pa.string()),
        ("starts_at", pa.timestamp("us")),
        ("ends_at", pa.timestamp("us")),
        ("purge_minutes", pa.int32()),
        ("embargo_minutes", pa.int32()),
    ]
)


@dataclass(frozen=True)
class Splits:
    """Everything that a universe's history is cut into.

    Attributes:
        folds: walk-forward, oldest first.
        nightly: what tonight's model learns from.
        locked: the lock box, where there is one.
    """

    folds: tuple[Fold, ...]
    nightly: Fold
    locked: Role | None

    def to_arrow(self, universe: str) -> pa.Table:
        """The rows of the table `splits`, one for each role."""
        folds = [*self.folds, self.nightly]
        if self.locked is not None:
            folds.append(Fold(0, LOCK_BOX, (self.locked,), 0, 0))
        return to_arrow(folds, universe)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> "Splits":
        """The splits that `to_arrow` wrote for one universe."""
        folds = from_arrow(table)
        box = [fold.roles[0] for fold in folds if fold.layout == LOCK_BOX]
        tonight = [fold for fold in folds if fold.layout == NIGHTLY]
        if len(tonight) != 1:
            raise ConfigError(
                f"The splits hold {len(tonight)} nightly layouts; one is due. Materialise `splits`."
            )
        walk = tuple(fold for fold in folds if fold.layout not in (LOCK_BOX, NIGHTLY))
        return cls(walk, tonight[0], box[0] if box else None)


def make_splits(
    start: np.datetime64,
    end: np.datetime64,
    config: SplitConfig,
    reach: Reach,
    locked: Role | None = None,
) -> Splits:
    """Walk-forward folds, the nightly layout and the lock box of the history [start, end).

    `locked` is the lock box of an earlier materialisation; without it one is fixed now.

    Raises:
        ConfigError: the history is too short for one fold.
    """
    locked = locked or lock_box(end, config)
    folds = walk_forward(start, end, config, reach, locked)
    return Splits(folds, nightly(start, end, config, reach), locked)


def to_arrow(folds: list[Fold] | tuple[Fold, ...], universe: str) -> pa.Table:
    """The rows of the table `splits` for these folds, one for each role."""
    rows: list[dict[str, Any]] = [
        {
            "universe": universe,
            "layout": fold.layout,
            "fold": fold.number,
            "role": role.name,
            "starts_at": role.start.astype(TS).item(),
            "ends_at": role.end.astype(TS).item(),
            "purge_minutes": fold.purge,
            "embargo_minutes": fold.embargo,
        }
        for fold in folds
        for role in fold.roles
    ]
    return pa.Table.from_pylist(rows, schema=SPLITS_SCHEMA)


def from_arrow(table: pa.Table) -> tuple[Fold, ...]:
    """The folds of one universe that `to_arrow` wrote, by layout and then by number."""
    grouped: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        grouped.setdefault((row["layout"], row["fold"]), []).append(row)
    folds = []
    for (layout, number), rows in sorted(grouped.items()):
        roles = (
            Role(r["role"], np.datetime64(r["starts_at"], "us"), np.datetime64(r["ends_at"], "us"))
            for r in rows
        )
        ordered = tuple(sorted(roles, key=lambda role: role.start))
        first = rows[0]
        folds.append(
            Fold(number, layout, ordered, first["purge_minutes"], first["embargo_minutes"])
        )
    return tuple(folds)
