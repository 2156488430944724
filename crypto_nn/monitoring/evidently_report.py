"""A drift page for people, by Evidently. The alarm is decided elsewhere (`drift.compare`)."""

import html
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crypto_nn.errors import DriftError
from crypto_nn.store.atomic import write_bytes

_NOTE = (
    "Columns are shown in standard deviations of the reference. Evidently's fixed thresholds take "
    "neighbouring minutes for independent; whether a day is drift is decided by comparison with "
    "whole other days, in the tables drift_report and drift_decisions."
)


@dataclass(frozen=True)
class Page:
    """What was written.

    Attributes:
        path: the HTML file; it needs no network.
        json_path: the same figures as JSON, beside it; strict JSON, null where there is no number.
        columns: the columns on it.
        left_out: columns that cannot be shown, each with the reason.
        size_bytes: of the file.
    """

    path: Path
    json_path: Path
    columns: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    size_bytes: int


def write_html(
    reference_frame: pd.DataFrame,
    current_frame: pd.DataFrame,
    path: Path,
    *,
    max_rows: int = 5000,
    max_columns: int = 90,
    seed: int = 0,
) -> Page:
    """Write Evidently's data drift page of two frames with numeric columns, and its JSON beside it.

    Both are of one run. The JSON has Evidently's metrics as they are, `crypto_nn.note` with what
    they are good for, and `crypto_nn.left_out`.

    Columns are put on the reference's mean and standard deviation, since Evidently would damp any
    that moves by less than 0.001; columns empty or constant on the reference or empty today are
    left out and named on the page. Frames longer than `max_rows` are sampled. A page takes 3.7 MB
    and 66 kB for each column, whatever the rows: below 10 MB at `max_columns`.

    Raises:
        DriftError: no column can be shown.
    """
    reference_frame = _sample(reference_frame, max_rows, seed)
    current_frame = _sample(current_frame, max_rows, seed)
    left_out = dict(_left_out(reference_frame, current_frame))
    columns = [name for name in reference_frame.columns if name not in left_out]
    left_out |= dict.fromkeys(columns[max_columns:], "more columns than a page holds")
    columns = columns[:max_columns]
    if not columns:
        raise DriftError(
            f"No column can be shown: {', '.join(f'{k} ({v})' for k, v in left_out.items())}. "
            "Give frames that share a numeric column with values."
        )
    reference, current = _scaled(reference_frame[columns], current_frame[columns])
    snapshot = _run(reference, current)
    page = _with_banner(str(snapshot.get_html_str(as_iframe=False)), left_out)
    content = page.encode()
    json_path = path.with_suffix(".json")
    write_bytes(json_path, _strict_json(snapshot.json(), left_out))
    write_bytes(path, content)
    return Page(path, json_path, tuple(columns), tuple(left_out.items()), len(content))


def _left_out(reference: pd.DataFrame, current: pd.DataFrame) -> list[tuple[str, str]]:
    found = [(name, "not in the reference") for name in current.columns if name not in reference]
    for name in reference.columns:
        if name not in current:
            found.append((name, "missing today"))
        elif not _numeric(reference[name]) or not _numeric(current[name]):
            found.append((name, "not numeric"))
        else:
            ref = reference[name].to_numpy(float)
            ref, now = ref[np.isfinite(ref)], current[name].to_numpy(float)
            if not len(ref) or not np.isfinite(now).any():
                found.append((name, "empty in the reference" if not len(ref) else "missing today"))
            elif ref.min() == ref.max():
                found.append((name, "constant in the reference"))
    return found


def _numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column.dtype))


def _sample(frame: pd.DataFrame, max_rows: int, seed: int) -> pd.DataFrame:
    return frame.sample(max_rows, random_state=seed) if len(frame) > max_rows else frame


def _scaled(reference: pd.DataFrame, current: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    reference = reference.astype(float).replace([np.inf, -np.inf], np.nan)
    current = current.astype(float).replace([np.inf, -np.inf], np.nan)
    mean, sd = reference.mean(), reference.std(ddof=0)
    sd = sd.where(sd > 0, 1.0)
    return (reference - mean) / sd, (current - mean) / sd


def _run(reference: pd.DataFrame, current: pd.DataFrame) -> Any:
    """Evidently's snapshot: numbers and figures of one comparison."""
    os.environ.setdefault("DO_NOT_TRACK", "1")  # before the import, which reads it
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=list(reference.columns))
    reference_set = Dataset.from_pandas(reference, data_definition=definition)
    current_set = Dataset.from_pandas(current, data_definition=definition)
    with np.errstate(invalid="ignore", divide="ignore"):  # a column may stand still for a day
        return Report([DataDriftPreset()]).run(current_set, reference_set)


def _strict_json(text: str, left_out: dict[str, str]) -> bytes:
    """Evidently writes NaN and Infinity, which no parser but Python's reads."""
    found = json.loads(text, parse_constant=lambda _: None)
    named = {str(name): why for name, why in left_out.items()}
    found["crypto_nn"] = {"note": _NOTE, "left_out": named}
    return json.dumps(found, allow_nan=False, indent=1).encode()


def _with_banner(page: str, left_out: dict[str, str]) -> str:
    named = "; ".join(f"{html.escape(str(k))}: {v}" for k, v in left_out.items()) or "none"
    head, body, rest = page.partition("<body>")
    return (
        f'{head}{body}<p style="font-family: sans-serif; margin: 1em">'
        f"{_NOTE}<br>Columns left out: {named}.</p>{rest}"
    )
