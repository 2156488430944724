"""The graph, run box by box in this process: what the command line and the demo do."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from crypto_nn.bars.calendar import check_day, check_month, day_bounds, months_between
from crypto_nn.defs.automation import day_key, month_key
from crypto_nn.defs.bars import BY_HAND
from crypto_nn.defs.dagster_storage import check_settings
from crypto_nn.defs.dead_runs import end_dead_runs
from crypto_nn.defs.outlook import reference_first
from crypto_nn.defs.resources import Platform
from crypto_nn.environment import dagster_home
from crypto_nn.errors import ConfigError, Interrupted
from crypto_nn.experiments import Experiment
from crypto_nn.features.labels import MINUTE
from crypto_nn.features.splits import LOCK_BOX
from crypto_nn.models import MODELS
from crypto_nn.monitoring.alerts import Alert
from crypto_nn.sources import FilesConfig

FAR = np.datetime64("2262-01-01", "us")
TAKERS = {
    "retrain": ("splits", "checkpoint", "benchmark_report"),
    "tune": ("tuning_study",),
    "benchmark": ("benchmark_report",),
}
"""Who takes settings that are different in one run alone, by job."""
DAGSTER_YAML = Path(__file__).parents[2] / "data" / "dagster_home" / "dagster.yaml"


def instance_here() -> dg.DagsterInstance:
    """Dagster's memory: at DAGSTER_HOME, else beside the data; made where it is missing."""
    return _instance_at(dagster_home())


@cache  # Dagster remembers the last instance by a weak reference: it must not be dropped
def _instance_at(folder: Path) -> dg.DagsterInstance:
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    check_settings(settings)
    if not settings.exists():
        shipped = (
            DAGSTER_YAML.read_text() if DAGSTER_YAML.exists() else "telemetry: {enabled: false}"
        )
        settings.write_text(shipped)
    return dg.DagsterInstance.from_config(str(folder))


@dataclass(frozen=True)
class Graph:
    """The platform's jobs, ready to run in this process and recorded as any other run is."""

    definitions: dg.Definitions
    platform: Platform
    experiment: Experiment
    instance: dg.DagsterInstance

    @classmethod
    def here(cls, definitions: dg.Definitions) -> "Graph":
        """The graph of the YAML and the home that are in force."""
        platform = Platform()
        return cls(definitions, platform, platform.experiment(), instance_here())

    def symbols(self, wanted: Sequence[str] | None) -> list[str]:
        """These symbols, each checked; all where none is named. The reference comes first."""
        for symbol in wanted or ():
            self.experiment.symbol(symbol)
        return reference_first(self.experiment, wanted or list(self.experiment.symbols))

    def months(self, symbol: str, first: str | None = None, last: str | None = None) -> list[str]:
        """The months of a symbol that have data, between two months where they are given."""
        config = self.experiment.symbol(symbol)
        available = self.platform.source_of(symbol)[1].available(symbol)
        end = min(available.end, self.platform.now())
        months = months_between(available.start, end)
        lowest = max(check_month(first or config.first_month), config.first_month)
        highest = check_month(last or config.last_month or (months or [lowest])[-1])
        found = [month for month in months if lowest <= month <= highest]
        if not found:
            raise ConfigError(
                f"{symbol} has no bars between {lowest} and {highest}; its source has "
                f"{available.start} to {available.end}. Choose months within."
            )
        return found

    def refresh(
        self, symbols: Sequence[str] | None, first: str | None = None, last: str | None = None
    ) -> None:
        """Raw bars, bars, features and labels, one single run per symbol."""
        for symbol in self.symbols(symbols):
            months = self.months(symbol, first, last)
            keys = [month_key(symbol, months[0]), month_key(symbol, months[-1])]
            self.run("refresh_bars", keys if len(months) > 1 else keys[:1])

    def received(self, symbols: Sequence[str] | None) -> list[dict[str, Any]]:
        """What is kept of each symbol: rows, quarantine with its commonest reason, gaps."""
        lake, rows = self.platform.lake, []
        for symbol in self.symbols(symbols):
            where = {"symbol": symbol}
            reasons = Counter(
                lake.read("quarantined_bars", ("reason",), where)["reason"].to_pylist()
            )
            gaps = lake.read("bar_gaps", ("minutes",), where)["minutes"].to_pylist()
            top = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(3))
            rows.append(
                {
                    "symbol": symbol,
                    "bars": lake.count("bars", where),
                    "quarantined": sum(reasons.values()),
                    "reasons": top,
                    "gaps": len(gaps),
                    "missing minutes": sum(gaps),
                }
            )
        return rows

    def retrain(self, universe: str | None, overrides: Mapping[str, Any] | None = None) -> None:
        """Splits, checkpoint, benchmark, champion and metrics of a universe."""
        for name in (universe,) if universe else self.experiment.active_universes:
            self.experiment.members(name)
            self.run("retrain", [name], overrides, {"reason": "manual", "universe": name})

    def tune(
        self, universe: str, model: str | None = None, overrides: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Search for better settings of a model; the search's row of `tuning_study`."""
        self.experiment.members(universe)
        where = {"universe": universe}
        lake, name = self.platform.lake, model or self.experiment.model.name
        if name not in MODELS:
            raise ConfigError(f"There is no model {name!r}; there are {', '.join(MODELS)}.")
        if not lake.has("splits") or not lake.count("splits", where):
            self.run("cut_splits", [universe])
        key = dg.MultiPartitionKey({"universe": universe, "model": name})
        self.run("tune", [key], overrides, {"reason": "manual", **where})
        rows = lake.read("tuning_study", where={**where, "model": name}).to_pylist()
        newest: dict[str, Any] = max(rows, key=lambda row: row["made_at"])
        return newest

    def benchmark(self, universe: str, overrides: Mapping[str, Any] | None = None) -> Path:
        """Every model and baseline on the folds that the settings say; the folder of the report.

        Months of the universe's symbols that have no features yet are refreshed first.
        """
        changed = self._ready(universe, overrides)
        if changed.benchmark.refit == "splits":
            self.run("cut_splits", [universe])
        self.run("benchmark", [universe], overrides, {"reason": "manual", "universe": universe})
        return self.platform.reports / "benchmark" / universe

    def learnings(
        self, universe: str, overrides: Mapping[str, Any] | None = None, tell: Any = None
    ) -> Path:
        """The stated learnings put to the test on the benchmark's folds; the report's folder."""
        from crypto_nn.defs.benchmark import ask_learnings

        changed = self._ready(universe, overrides)
        if changed.benchmark.refit == "splits":
            self.run("cut_splits", [universe])
        return ask_learnings(self.platform, changed, universe, tell or (lambda step: None))

    def _ready(self, universe: str, overrides: Mapping[str, Any] | None) -> Experiment:
        """The settings of a benchmark, with every month of its symbols there."""
        changed = self.experiment.changed(overrides or {})
        for symbol in changed.members(universe):
            have = {month for name, month in self._made("features") if name == symbol}
            if not set(self.months(symbol)) <= have:
                self.refresh([symbol])
        return changed

    def _made(self, table: str) -> Sequence[tuple[Any, ...]]:
        lake = self.platform.lake
        return lake.partitions(table, ("symbol", "month")) if lake.has(table) else ()

    def outcome(self, universe: str) -> tuple[list[dict[str, str]], str]:
        """The leaderboard's rows after a retraining, and what became of the new version."""
        from crypto_nn.benchmark.leaderboard import leaderboard
        from crypto_nn.benchmark.standings import BECAME
        from crypto_nn.inference.registry import champion_of

        report = self.platform.lake.read("benchmark_report", where={"universe": universe})
        events = self.platform.lake.read("champion_history", where={"universe": universe})
        last, champion = events.to_pylist()[-1], champion_of(self.platform.models, universe)
        answers = champion.version if champion else "nobody"
        told = f"{last['version']} {BECAME[last['action']]}: {last['reason']}. {answers} answers."
        return leaderboard(report, self.experiment.benchmark.headline_cost_bps), told

    def predict(self, symbols: Sequence[str] | None, month: str | None = None) -> None:
        """The champion's predictions of a month; the last one where none is named."""
        for symbol in self.symbols(symbols):
            self.run("predict", [month_key(symbol, self.months(symbol, month, month)[-1])])

    def watch(self, symbols: Sequence[str] | None, day: str | None = None) -> list[dict[str, Any]]:
        """The drift report of a day (the last one where none is named), as rows to print."""
        rows: list[dict[str, Any]] = []
        for symbol in self.symbols(symbols):
            which = check_day(day) if day else self.last_day(symbol)
            self.months(symbol, which[:7], which[:7])
            self.run("watch", [day_key(symbol, which)])
            found = self.platform.lake.read(
                "drift_decisions", where={"symbol": symbol, "day": which}
            ).to_pylist()
            keep = ("symbol", "day", "drift_score", "threshold", "drifted", "p_value",
                    "worst_feature", "effect", "reference_days", "reason")  # fmt: skip
            rows += [{name: row[name] for name in keep} for row in found]
        return rows

    def last_day(self, symbol: str) -> str:
        """The last UTC day of which a symbol has bars to its end."""
        available = self.platform.source_of(symbol)[1].available(symbol)
        end = min(available.end, self.platform.now())
        return str(end.astype("datetime64[D]") - 1)

    def everything(
        self, symbols: Sequence[str] | None, first: str | None = None, last: str | None = None
    ) -> None:
        """All boxes in order, for these symbols and the universes that answer for them."""
        names = self.symbols(symbols)
        self.refresh(names, first, last)
        for universe in dict.fromkeys(self.experiment.universe_of(name) for name in names):
            self.retrain(universe)
        self.predict(names)
        self.watch(names)

    def evaluate(self, checkpoint: str, test_data: str) -> list[dict[str, str]]:
        """The leaderboard of a version and the baselines on test data of one's choice.

        Args:
            checkpoint: a version, or `champion:<universe>`.
            test_data: days in the lake as `2025-06-01..2025-06-30`, `lock-box`, or a path of bars.
        """
        from crypto_nn.benchmark.evaluate import evaluate, test_fold
        from crypto_nn.features.panel import Panel
        from crypto_nn.inference.predictor import ModelInference
        from crypto_nn.inference.registry import resolve
        from crypto_nn.training.dataset import load_parts
        from crypto_nn.training.own_data import appended, parts_of_files

        experiment, feature_set = self.experiment, self.platform.feature_set(self.experiment)
        version = resolve(self.platform.models, checkpoint)
        model = ModelInference.load(self.platform.models, version, feature_set.fingerprint)
        fold, names = model.fold, model.feature_names
        free = fold.end + fold.embargo * MINUTE
        before = fold.start - (model.reach + max(model.horizons)) * MINUTE
        own_file = Path(test_data).exists()
        start, end = (free, FAR) if own_file else self._days(test_data, model.symbols, free)
        test_fold(model, start, end)  # refuses days that it has seen, before anything is read
        last = fold.end if own_file else end
        parts = load_parts(self.platform.lake, model.symbols, names, before, last)
        if own_file:
            config = FilesConfig(paths=(str(Path(test_data).resolve()),))
            history = {symbol: part.bars for symbol, part in parts.items()}
            theirs = parts_of_files(config, history, feature_set, experiment.labels)
            parts = appended(parts, theirs)
        end = min(end, max(part.bars.ts[-1] for part in parts.values()) + MINUTE)
        return evaluate(
            model, Panel.from_parts(parts), test_fold(model, start, end), experiment.benchmark
        )

    def _days(
        self, text: str, symbols: Sequence[str], free: np.datetime64
    ) -> tuple[np.datetime64, np.datetime64]:
        """The stretch that `2025-06-01..2025-06-30` or `lock-box` means, end exclusive."""
        if text == "lock-box":
            return self._open_lock_box(symbols, free)
        first, separator, last = text.partition("..")
        if not separator:
            raise ConfigError(
                f"--test-data {text!r} is neither a file, nor days such as 2025-06-01..2025-06-30, "
                "nor `lock-box`."
            )
        if last < first:
            raise ConfigError(f"--test-data {text!r} ends before it begins; swap the two days.")
        return day_bounds(first)[0], day_bounds(last)[1]

    def _open_lock_box(
        self, symbols: Sequence[str], free: np.datetime64
    ) -> tuple[np.datetime64, np.datetime64]:
        """The days that no benchmark fold has seen; opening them is written down."""
        universe = self.experiment.universe_of(symbols[0])
        rows = self.platform.lake.read(
            "splits", where={"universe": universe, "layout": LOCK_BOX}
        ).to_pylist()
        if not rows:
            raise ConfigError(
                f"{universe} has no lock box. Set splits.lock_box_days before splits."
            )
        start, end = (np.datetime64(rows[0][name], "us") for name in ("starts_at", "ends_at"))
        if start < free:
            raise ConfigError(
                f"The lock box of {universe} is {start} to {end}, and this version has seen data "
                f"until {free}. Only a version that was trained before the box can be judged on it."
            )
        opened = Alert(
            kind="lock_box",
            key=f"lock_box:{universe}:{self.platform.now()}",
            title=f"The lock box of {universe} was opened",
            message=f"{start} to {end}: what is chosen from now on knows it.",
            at=self.platform.now(),
        )
        self.platform.alerts.tell(opened)
        return start, end

    def run(
        self,
        job: str,
        keys: Sequence[str],
        overrides: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run a job over the box from the first key to the last; raises what a step raises.

        Raises:
            Interrupted: this process was told to stop (SIGINT, SIGTERM).
        """
        end_dead_runs(self.instance)
        definition = self.definitions.resolve_job_def(job)
        config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        if overrides:
            takers = TAKERS.get(job, ())
            config["ops"] = {name: {"config": {"set": dict(overrides)}} for name in takers}
        one = len(keys) == 1
        first, last = keys[0], keys[-1]
        cover = {} if one else {"dagster/asset_partition_range_start": first,
                                "dagster/asset_partition_range_end": last}  # fmt: skip
        try:
            return definition.execute_in_process(
                run_config=config,
                instance=self.instance,
                partition_key=first if one else None,
                tags={**(tags or {}), **cover, BY_HAND: "true"},
            )
        except dg.DagsterExecutionInterruptedError:
            raise Interrupted(
                f"{job} was stopped. What is finished is kept, and nothing is half written: "
                "start the same command again to go on."
            ) from None
