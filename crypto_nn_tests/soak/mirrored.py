"""Whether the database has the predictions of the lake."""

from multiprocessing.connection import Connection

import numpy as np
import psycopg
import time_machine

from crypto_nn.defs.resources import Platform
from crypto_nn_tests.soak.doom import seconds
from crypto_nn_tests.soak.scenario import SYMBOL

_COLUMNS = ("ts", "horizon", "model_version", "p_down", "p_flat", "p_up")


def differences(pipe: Connection, dsn: str, now: np.datetime64) -> None:
    """Send what is wrong with the copy: each row of the lake is there once, with the same bits."""
    with time_machine.travel(seconds(now), tick=False):
        pipe.send(_differences(dsn))


def _differences(dsn: str) -> list[str]:
    platform = Platform()
    if not platform.lake.has("predictions"):
        return []
    rows = platform.lake.read("predictions", _COLUMNS, {"symbol": SYMBOL}).to_pylist()
    lake = {tuple(row.values())[:3]: tuple(row.values())[3:] for row in rows}
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "SELECT \"timestamp\" AT TIME ZONE 'UTC', horizon, model_version, p_down, p_flat, p_up"
            " FROM predictions WHERE symbol = %s",
            [SYMBOL],
        ).fetchall()
    database = {row[:3]: row[3:] for row in found}
    wrong = []
    if len(found) != len(database):
        wrong.append(f"the database has {len(found) - len(database)} predictions twice")
    missing = [key for key in lake if key not in database]
    if missing:
        state = platform.mirror.state()
        wrong.append(
            f"the database lacks {len(missing)} of {len(lake)} predictions, such as {missing[0]}; "
            f"{state.waiting} rows wait for it ({state.problem})"
        )
    other = [key for key, told in lake.items() if key in database and database[key] != told]
    if other:
        wrong.append(f"{len(other)} predictions are others in the database, such as {other[0]}")
    return wrong
