"""The alerts that were told, kept in the lake."""

from dataclasses import dataclass

from crypto_nn.monitoring.alerts import Alert
from crypto_nn.store.lake import Lake


@dataclass(frozen=True)
class LakeLedger:
    """What was told before, as the table `alerts`."""

    lake: Lake

    def seen(self, key: str) -> bool:
        """Whether an alert with this key was added."""
        return self.lake.has("alerts") and self.lake.count("alerts", {"key": key}) > 0

    def add(self, alert: Alert) -> None:
        """Remember it."""
        self.lake.append("alerts", alert.to_arrow())
