"""Do the parts of a split keep apart? What folds are put to, ours and your own.

The rule (López de Prado 2018, ch. 7, in walk-forward order): no label of an earlier part may be
known only after the first input window of a later part has begun, and nothing learns from what
comes after that by which it is judged.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Times
from crypto_nn.features import splits as ours
from crypto_nn.features.leaks.leak import Examination, Leak
from crypto_nn.features.splits import DAY, MINUTE, TEST, Fold, Reach, Role, Splits

_MARGIN = 2 * DAY  # before and after a fold: what lies farther is not looked at
RowsOf = Callable[[Fold, str, Times, Times], NDArray[np.bool_]]
OVERLAP = "in both parts"
LABEL = "its label is known only after the later part has begun"
ORDER = "later than the part that it comes before"
EMBARGO = "fewer minutes between the parts than longest horizon + window"
PURGE = "kept although its label is known only after the part has ended"
LOCKED = "reaches into the lock box"
TESTS = "in the tests of two folds"


@dataclass
class _Findings:
    """Leaks by part and rule, and how much was compared."""

    ts: Times
    reach: Reach
    found: dict[tuple[str, str], Leak] = field(default_factory=dict)
    num_tests: int = 0

    def note(self, part: str, rule: str, rows: NDArray[np.int64], cut: int) -> None:
        """Rows of a part that break a rule, if there are any."""
        self.num_tests += 1
        if len(rows):
            leak = Leak(-1, rule, cut, int(rows[0]), len(rows), part, self.ts[cut],
                        self.ts[rows[0]])  # fmt: skip
            self.found.setdefault((part, rule), leak)


def examine_splits(
    splits: Splits,
    ts: Times,
    t1_NH: Times,
    reach: Reach,
    rows_of: RowsOf | None = None,
    seed: int = 0,
    subject: str = "splits",
) -> Examination:
    """Look for rows that teach what they must not, in every fold.

    Args:
        splits: folds, the nightly layout and the lock box.
        ts: opens of the bars of one symbol, ascending (N,).
        t1_NH: when each label is known.
        reach: minutes that labels look ahead, and that input windows look back.
        rows_of: which rows a part has; `splits.rows_of` if None.
        seed: of the rows whose labels are made later, to see whether they are purged.
    """
    findings = _Findings(ts, reach)
    rng = np.random.default_rng(seed)
    folds = [_Laid(fold, rows_of or ours.rows_of, ts, t1_NH) for fold in splits.folds]
    tonight = _Laid(splits.nightly, rows_of or ours.rows_of, ts, t1_NH)
    for laid in (*folds, tonight):
        _examine_parts(findings, laid.name, laid.parts, _known(t1_NH))
        _examine_gaps(findings, laid.fold)
        _examine_purge(findings, laid, rng)
    if splits.locked is not None:
        _examine_lock(findings, folds, splits.locked, _known(t1_NH))
    for one, other in combinations(folds, 2):
        if TEST in one.parts and TEST in other.parts:
            both = _common(one.parts[TEST], other.parts[TEST])
            pair = f"test of {one.name} and {other.name}"
            findings.note(pair, TESTS, both, int(both[0]) if len(both) else 0)
    return _examination(findings, subject, [laid.name for laid in (*folds, tonight)])


class _Laid:
    """A fold laid on bars: which rows each part has, of those within days of the fold."""

    def __init__(self, fold: Fold, rows_of: RowsOf, ts: Times, t1_NH: Times) -> None:
        self.fold, self.name = fold, f"{fold.layout} {fold.number}"
        bounds = np.array([fold.start - _MARGIN, fold.end + _MARGIN])
        self.lo, hi = (int(row) for row in np.searchsorted(ts, bounds))
        self.ts, self.t1_NH, self._rows_of = ts[self.lo : hi], t1_NH[self.lo : hi], rows_of
        self.parts = {role.name: self.rows(role.name, self.t1_NH) for role in fold.roles}

    def rows(self, part: str, t1_NH: Times) -> NDArray[np.int64]:
        """The rows that a part would have if its labels were known at these times."""
        return self.lo + np.flatnonzero(self._rows_of(self.fold, part, self.ts, t1_NH))


def examine_row_splits(
    folds: Iterable[Mapping[str, NDArray[Any]] | Sequence[NDArray[Any]]],
    ts: Times,
    t1_NH: Times,
    reach: Reach,
    subject: str = "splits",
) -> Examination:
    """The same for folds that are given as rows, such as those of scikit-learn's splitters.

    Args:
        folds: each the rows (positions or a mask) of its parts in the order of their use, by name
            or as (train, test).
        ts, t1_NH, reach: as for `examine_splits`.
    """
    findings = _Findings(ts, reach)
    names = []
    for number, fold in enumerate(folds):
        parts = dict(fold) if isinstance(fold, Mapping) else dict(zip(_PARTS[len(fold)], fold))
        rows = {name: _positions(part) for name, part in parts.items()}
        _examine_parts(findings, f"fold {number}", rows, _known(t1_NH))
        names.append(f"fold {number}")
    return _examination(findings, subject, names)


_PARTS = {2: ("train", "test"), 3: ("train", "validation", "test")}


def _examination(findings: _Findings, subject: str, names: Sequence[str]) -> Examination:
    leaks = tuple(findings.found.values())
    return Examination(subject, tuple(names), leaks, num_cuts=len(names),
                       num_tests=findings.num_tests)  # fmt: skip


def _examine_parts(
    findings: _Findings, fold: str, parts: Mapping[str, NDArray[np.int64]], known_N: Times
) -> None:
    """Each part beside each later one: no row in both, none too late, no label that reaches in."""
    ts, window = findings.ts, (findings.reach.window - 1) * MINUTE
    for (name, rows), (later_name, later) in combinations(parts.items(), 2):
        if not len(rows) or not len(later):
            continue
        pair, cut = f"{fold} {name} → {later_name}", int(later.min())
        findings.note(pair, OVERLAP, _common(rows, later), cut)
        findings.note(pair, ORDER, rows[ts[rows] > ts[later].max()], cut)
        findings.note(pair, ORDER, later[ts[later] < ts[rows].min()], cut)
        begins = ts[later].min() - window
        late = ~(known_N[rows] <= begins) & (ts[rows] < ts[later].max())
        findings.note(pair, LABEL, rows[late], cut)


def _examine_gaps(findings: _Findings, fold: Fold) -> None:
    due = max(fold.embargo, findings.reach.horizon + findings.reach.window) * MINUTE
    for before, after in pairwise(fold.roles):
        cut = min(int(np.searchsorted(findings.ts, after.start)), len(findings.ts) - 1)
        short = np.array([cut]) if after.start - before.end < due else np.empty(0, np.int64)
        pair = f"{fold.layout} {fold.number} {before.name} → {after.name}"
        findings.note(pair, EMBARGO, short, cut)


def _examine_purge(findings: _Findings, laid: _Laid, rng: np.random.Generator) -> None:
    """Let labels of some rows be known only later: those rows must leave the part."""
    late_N = rng.random(len(laid.ts)) < 0.5
    for role in laid.fold.roles:
        later_NH = laid.t1_NH.copy()
        column = rng.integers(0, later_NH.shape[1]) if later_NH.ndim == 2 else ...
        moved_N = np.maximum(laid.ts, role.end) + MINUTE
        later_NH[late_N, column] = moved_N[late_N]
        kept = _common(laid.rows(role.name, later_NH), laid.lo + np.flatnonzero(late_N))
        cut = min(int(np.searchsorted(findings.ts, role.end)), len(findings.ts) - 1)
        findings.note(f"{laid.name} {role.name}", PURGE, kept, cut)


def _examine_lock(
    findings: _Findings, folds: Sequence[_Laid], locked: Role, known_N: Times
) -> None:
    begin = min(int(np.searchsorted(findings.ts, locked.start)), len(findings.ts) - 1)
    for laid in folds:
        for part, rows in laid.parts.items():
            inside = (findings.ts[rows] < locked.end) & ~(known_N[rows] <= locked.start)
            findings.note(f"{laid.name} {part}", LOCKED, rows[inside], begin)


def _common(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.intersect1d(one, other, assume_unique=True)


def _known(t1_NH: Times) -> Times:
    known_N: Times = t1_NH.max(axis=1) if t1_NH.ndim == 2 else t1_NH
    return known_N


def _positions(part: NDArray[Any]) -> NDArray[np.int64]:
    rows = np.asarray(part)
    found = np.flatnonzero(rows) if rows.dtype == bool else np.unique(rows)
    return found.astype(np.int64)
