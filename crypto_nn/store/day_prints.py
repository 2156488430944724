"""What is stored of each day's predictions, in one hash: cheap enough to look at all of them."""

from dataclasses import dataclass

from crypto_nn.store.lake import Lake

BATCH, SERVED = "batch", "served"
TABLE_OF = {BATCH: "predictions", SERVED: "served_predictions"}

# The order of rows does not count; a row that is there twice counts twice.
_BATCH = """
SELECT symbol, CAST(CAST(ts AS DATE) AS VARCHAR) AS day, coalesce(model_version, '') AS version,
    count(*) AS rows, CAST(sum(CAST(hash(
        ts, horizon, p_down, p_flat, p_up, predicted_class, confidence
    ) AS HUGEINT)) AS VARCHAR) AS print
FROM lake.main.predictions WHERE ts IS NOT NULL GROUP BY ALL ORDER BY ALL
"""
_SERVED = _BATCH.replace("lake.main.predictions", "lake.main.served_predictions")


@dataclass(frozen=True)
class DayPrint:
    """The predictions of one symbol, day and version, as they are stored now."""

    symbol: str
    day: str
    version: str
    rows: int
    print: str


def day_prints(lake: Lake, source: str) -> list[DayPrint]:
    """Every day of which predictions are stored, with what is stored of it.

    Args:
        source: batch (`predictions`) or served (`served_predictions`); none where the table was
            never written.
    """
    if not lake.has(TABLE_OF[source]):
        return []
    cursor = lake.catalogue.cursor()
    try:
        rows = cursor.execute(_BATCH if source == BATCH else _SERVED).fetchall()
    finally:
        cursor.close()
    return [DayPrint(*row) for row in rows]
