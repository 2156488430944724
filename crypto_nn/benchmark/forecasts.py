"""What contestants say about test rows, and where it is kept, so that nothing is asked twice."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crypto_nn.errors import ModelError
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold
from crypto_nn.store.atomic import write_atomic

Rows = NDArray[np.int64]
Probabilities_RHC = NDArray[np.float64]
NUM_CLASSES = 3
FACTS = b"crypto_nn.facts"


@dataclass(frozen=True, eq=False)
class Forecast:
    """Probabilities of down, flat and up for each test row and horizon.

    Attributes:
        probabilities_RHC: float64, each row sums to 1.
        facts: figures of the contestant itself, by metric name: parameters, latency_p50_ms …
    """

    probabilities_RHC: Probabilities_RHC
    facts: Mapping[str, float] = field(default_factory=dict)


class Contestant(Protocol):
    """Whoever learns in a fold and is judged on its test rows.

    Attributes:
        name: as the leaderboard shows it; no two contestants share one.
        kind: a baseline is what models must beat.
        seeded: whether chance plays a part, so that it is run once per seed.
        window: rows of history that a prediction needs, 1 for the newest row alone.
        fingerprint: everything that decides its forecasts, beside data, fold and seed.
    """

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> Literal["baseline", "model"]: ...
    @property
    def seeded(self) -> bool: ...
    @property
    def window(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        """Learn from the fold's rows before its test, and answer for `rows`.

        The panel's labels are blanked from the first test row on. `folder` is the contestant's
        own for this fold and seed, to go on from where it was interrupted.
        """
        ...


def check_forecast(forecast: Forecast, who: str, rows: int, horizons: int) -> Forecast:
    """Return a forecast that is one: right shape, no NaN, sums of 1; else raise `ModelError`."""
    p = forecast.probabilities_RHC
    due = (rows, horizons, NUM_CLASSES)
    if p.shape != due:
        raise ModelError(f"{who} gave probabilities of shape {p.shape}; {due} is due.")
    if not np.isfinite(p).all() or (p < 0).any():
        bad = int((~np.isfinite(p) | (p < 0)).any(axis=(1, 2)).sum())
        raise ModelError(
            f"{who} gave no probability (NaN or negative) for {bad} of {rows} test rows. "
            "Look at its inputs for infinite features."
        )
    away = np.abs(p.sum(axis=2) - 1)
    if len(p) and away.max() > 1e-4:
        raise ModelError(f"{who} gave probabilities that sum to 1 ± {away.max():.2g}, not to 1.")
    return Forecast(p / p.sum(axis=2, keepdims=True), forecast.facts)


class ForecastStore:
    """Forecasts on disk, one Parquet file for each question ever answered.

    The file's name is a hash of the question: data up to the fold's end, fold, contestant, seed
    and rows. A run that was killed finds what it had, and changed data or settings ask anew.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the answer to a question lies, or will."""
        return self.folder / "forecasts" / f"{key}.parquet"

    def load(self, key: str) -> Forecast | None:
        """The forecast, or None where the question is new or its file cannot be read."""
        path = self.path(key)
        if not path.exists():
            return None
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError):
            return None
        facts = json.loads(table.schema.metadata[FACTS])
        columns = np.column_stack([column.to_numpy() for column in table.columns])
        return Forecast(columns.reshape(len(table), -1, NUM_CLASSES), facts)

    def save(self, key: str, forecast: Forecast) -> None:
        """Keep a forecast, atomically."""
        flat = forecast.probabilities_RHC.reshape(len(forecast.probabilities_RHC), -1)
        names = [f"h{c // NUM_CLASSES}_p{c % NUM_CLASSES}" for c in range(flat.shape[1])]
        columns = [pa.array(np.ascontiguousarray(column)) for column in flat.T]
        facts = json.dumps(dict(forecast.facts)).encode()
        table = pa.table(dict(zip(names, columns))).replace_schema_metadata({FACTS: facts})
        write_atomic(self.path(key), lambda path: pq.write_table(table, path))


def question(data: str, fold: Fold, contestant: Contestant, seed: int, rows: Rows) -> str:
    """The hash by which a forecast is known."""
    parts = {
        "data": data,
        "fold": [fold.layout, *[(r.name, str(r.start), str(r.end)) for r in fold.roles]],
        "contestant": [contestant.name, contestant.fingerprint],
        "seed": seed if contestant.seeded else None,
        "rows": hashlib.sha256(rows.tobytes()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def data_hash(panel: Panel, end: np.datetime64) -> str:
    """Hash of everything in the panel that was known before `end`."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((panel.symbols, panel.names, panel.horizons)).encode())
    columns: list[NDArray[Any]] = [
        panel.ts_N, panel.x_NF, panel.close_N, panel.sigma_N, panel.scores_NH, panel.classes_NH,
    ]  # fmt: skip
    for rows in panel.slices_between(panel.ts_N.min() if len(panel) else end, end):
        for column in columns:
            digest.update(np.ascontiguousarray(column[rows]).view(np.uint8).data)
    return digest.hexdigest()
