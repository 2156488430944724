"""What watches: drift starts retraining, a person is told, and what was missed is made up for."""

from crypto_nn.defs.alarms import alert_on_failure, dead_man_switch
from crypto_nn.defs.catch_up import fill_missing_partitions
from crypto_nn.defs.drift_sensors import alert_on_drift, retrain_on_drift

__all__ = [
    "SENSORS",
    "alert_on_drift",
    "alert_on_failure",
    "dead_man_switch",
    "fill_missing_partitions",
    "retrain_on_drift",
]

SENSORS = [
    retrain_on_drift,
    alert_on_drift,
    alert_on_failure,
    dead_man_switch,
    fill_missing_partitions,
]
