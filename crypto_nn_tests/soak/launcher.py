"""How the soak's daemon starts a run: it asks the stage for a process, and waits for its end."""

from collections.abc import Callable, Mapping
from typing import Any, Self

from dagster import DagsterRun
from dagster._config.config_schema import UserConfigSchema
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._serdes import ConfigurableClass
from dagster._serdes.config_class import ConfigurableClassData

ask: list[Callable[[str], None]] = []
"""What starts the process of a run and returns when it has ended; the daemon puts it here."""


class StageLauncher(RunLauncher, ConfigurableClass):
    """Every run is a process of its own, and the daemon waits for it: one at a time."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """How Dagster writes it down."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """It has no settings."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """The launcher that `dagster.yaml` names."""
        return cls(inst_data=inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's process, and wait for it."""
        ask[-1](context.dagster_run.run_id)

    def terminate(self, run_id: str) -> bool:
        """There is nobody to end: whoever asks is the only one alive."""
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """As the launcher that ships, which asks whether the process lives."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """No process of a run outlives `launch_run`: one that has not finished was killed."""
        return CheckRunHealthResult(WorkerStatus.FAILED, "the process of the run is gone")
