"""How daemons die in `crashes`; without Dagster, which takes seconds to import."""

from dataclasses import dataclass

SENSOR, SCHEDULE = "retrain_on_drift", "nightly_retraining"


@dataclass(frozen=True)
class Case:
    """One daemon that dies.

    Attributes:
        name: of the sensor or schedule.
        point: stage of the tick, as Dagster's own tests name it.
        signal: that it dies of.
        times: how often in a row.
    """

    name: str
    point: str
    signal: int
    times: int = 1
