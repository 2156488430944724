"""Histories of training as text that other programs read."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields

from crypto_nn.training.record import EpochRecord


def to_json(history: Sequence[EpochRecord]) -> str:
    """A list with one object per epoch, as in a version's `history.json`."""
    return json.dumps(
        [asdict(record) for record in history], sort_keys=True, allow_nan=False, indent=1
    )


def from_json(text: str | bytes) -> tuple[EpochRecord, ...]:
    """The history that `to_json` wrote; older ones lack what was not recorded then."""
    return tuple(EpochRecord(**record) for record in json.loads(text))


def to_csv(history: Sequence[EpochRecord]) -> str:
    """A line of names, then one line per epoch; a field is empty where nothing was recorded."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, [field.name for field in fields(EpochRecord)], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(asdict(record) for record in history)
    return text.getvalue()
