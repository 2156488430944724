"""What the assets work with: the stores under one home, the experiment in force, the clock."""

from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
from pydantic import Field

from crypto_nn.defs.dead_runs import mark_process
from crypto_nn.environment import catalogue, home, yaml_in_force
from crypto_nn.experiments import Experiment
from crypto_nn.monitoring.alerts import Alerts
from crypto_nn.monitoring.ledger import LakeLedger
from crypto_nn.sources import BarSource, open_source
from crypto_nn.store.database import Mirror
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore
from crypto_nn.store.raw import RawStore

if TYPE_CHECKING:
    from crypto_nn.features import FeatureSet


class Overrides(dg.Config):
    """Settings of the YAML that are different in this run alone."""

    set: dict[str, Any] = Field(
        default_factory=dict,
        description='By dotted path, such as {"training.max_epochs": 3, "model.preset": "full"}.',
    )


class Platform(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The stores under one home, and the experiment that is in force."""

    home: str = Field(default_factory=lambda: str(home()), description="CRYPTO_NN_HOME.")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Where this is for a run, write down that this process executes it."""
        if context.run is not None and context.instance is not None:
            mark_process(context.instance, context.run.run_id)

    def experiment(self, overrides: Overrides | None = None) -> Experiment:
        """The YAML's experiment, with this run's overrides."""
        experiment = Experiment.load(yaml_in_force())
        return experiment.changed(overrides.set) if overrides and overrides.set else experiment

    @cached_property
    def lake(self) -> Lake:
        """The queryable tables."""
        return Lake(Path(self.home) / "lake", catalogue())

    @cached_property
    def raw(self) -> RawStore:
        """The bars as sources gave them."""
        return RawStore(Path(self.home) / "raw_bars")

    @cached_property
    def models(self) -> ModelStore:
        """The trained versions and the pointers to champions."""
        return ModelStore(Path(self.home) / "models")

    @property
    def alerts(self) -> Alerts:
        """What tells a person: the log, and the channels of the YAML."""
        config = self.experiment().alerts
        return Alerts(config, Path(self.home) / "alerts_spool", self._told, now=self.now)

    @cached_property
    def _told(self) -> LakeLedger:
        return LakeLedger(self.lake)

    @cached_property
    def mirror(self) -> Mirror:
        """The copy of tables in Postgres or Supabase; off where the YAML names no table."""
        return Mirror(self.experiment().database, Path(self.home) / "mirror")

    @property
    def work(self) -> Path:
        """Where unfinished work is kept, so that a killed run goes on."""
        return Path(self.home) / "work"

    @property
    def reports(self) -> Path:
        """Where HTML reports are written."""
        return Path(self.home) / "reports"

    def feature_page(self, symbol: str) -> Path:
        """Where the page with a symbol's features lies, once they have been made."""
        return self.reports / "features" / f"{symbol}.html"

    def now(self) -> np.datetime64:
        """The time, naive UTC: everything below is handed it."""
        return np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")

    def feature_set(self, experiment: Experiment) -> "FeatureSet":
        """The features of an experiment; TA-Lib loads only now."""
        from crypto_nn.features import default_feature_set

        return default_feature_set(experiment.features)

    def source_of(self, symbol: str) -> tuple[str, BarSource]:
        """The name of a symbol's primary source, and the opened source."""
        experiment = self.experiment()
        name = experiment.symbol(symbol).source
        return name, open_source(experiment.sources[name])
