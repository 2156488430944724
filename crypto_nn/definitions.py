"""The whole platform on one screen."""

import warnings

import dagster as dg

warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

from crypto_nn.defs import (  # noqa: E402 (after the filters: these modules use beta features)
    automation,
    bars,
    benchmark,
    champion,
    controls,
    features,
    inference,
    labels,
    monitoring,
    sensors,
    skew,
    training,
    tuning,
)
from crypto_nn.defs.io_managers import (  # noqa: E402
    LakeIOManager,
    ParquetIOManager,
    RefusingIOManager,
)
from crypto_nn.defs.resources import Platform  # noqa: E402


@dg.definitions
def defs() -> dg.Definitions:
    """Assets, checks, jobs, schedules, sensors and resources, by explicit lists."""
    platform = Platform()
    return dg.Definitions(
        assets=dg.with_source_code_references(
            [
                bars.raw_bars,
                bars.bars,
                features.features,
                labels.labels,
                features.splits,
                training.checkpoint,
                tuning.tuning_study,
                benchmark.benchmark_report,
                controls.controls,
                champion.champion,
                inference.predictions,
                monitoring.drift_report,
                monitoring.model_metrics,
            ]
        ),
        asset_checks=[skew.predictions_equal_recomputed],
        jobs=automation.JOBS,
        schedules=automation.SCHEDULES,
        sensors=sensors.SENSORS,
        executor=dg.in_process_executor,
        resources={
            "platform": platform,
            "raw_parquet": ParquetIOManager(platform=platform),
            "lake": LakeIOManager(platform=platform),
            "io_manager": RefusingIOManager(),
        },
    )
