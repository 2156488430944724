"""A search over settings: every trial a row, the best version kept, nothing promoted."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pyarrow as pa
import yaml

from crypto_nn import pictures
from crypto_nn.defs.io_managers import Partitions, TableReader, Tables
from crypto_nn.defs.partitions import EXPERIMENT, dimensions, universes
from crypto_nn.defs.resources import Overrides, Platform
from crypto_nn.defs.training import check_embargo, parent_of, recipe_of, tables_of
from crypto_nn.experiments import Experiment, ModelChoice
from crypto_nn.features.labels import MINUTE
from crypto_nn.features.splits import TEST, VALIDATION, Fold, Reach, Splits, nightly
from crypto_nn.models import MODELS
from crypto_nn.store.atomic import write_bytes
from crypto_nn.training.record import Lineage, TrainedVersion

if TYPE_CHECKING:
    from crypto_nn.tuning.optimizer import HyperparameterOptimizer
    from crypto_nn.tuning.result import TuningResult

log = logging.getLogger(__name__)
DAY = "datetime64[D]"
INTERIM_S = np.timedelta64(5, "s")
"""Trials that end within so long of the last writing are written down with the next one."""

models = dg.StaticPartitionsDefinition(list(MODELS))
universe_models = dg.MultiPartitionsDefinition({"universe": universes, "model": models})


@dg.asset(
    partitions_def=universe_models,
    ins={
        "splits": dg.AssetIn(
            partition_mapping=dg.MultiToSingleDimensionPartitionMapping("universe")
        )
    },
    io_manager_key="lake",
    group_name="training",
    kinds={"optuna", "pytorch"},
    owners=["team:ml"],
    pool="tuning",
    code_version=EXPERIMENT.digest("tuning", "model", "training", "labels"),
    check_specs=[dg.AssetCheckSpec("study_counts_every_trial", asset="tuning_study")],
)
def tuning_study(
    context: dg.AssetExecutionContext, platform: Platform, config: Overrides, splits: TableReader
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """A search for better settings of a model, judged on validation rows alone.

    The same rows, space and code are the same study: a second run goes on where it stopped. Each
    trial becomes a row of `trials`, which the deflated Sharpe ratio counts; the best version is
    kept in the model store, and is promoted only through the gate.
    """
    keys = dimensions(context.partition_key)
    universe, model = keys["universe"], keys["model"]
    experiment = of_model(platform.experiment(config), model)
    made = Splits.from_arrow(splits.read(where={"universe": universe}))
    search = Search(context, platform, experiment, universe, made)
    yield dg.Output(Partitions(search.parts(), search.describe))
    where = {"universe": universe, "model": model}
    newest = platform.lake.read("tuning_study", where=where).to_pylist()
    study = max(newest, key=lambda row: row["made_at"])
    problems = miscounts(platform, study)
    yield dg.AssetCheckResult(
        check_name="study_counts_every_trial",
        passed=not problems,
        metadata={"study": study["study"], "problems": dg.MetadataValue.json(problems)},
    )


def miscounts(platform: Platform, study: Mapping[str, Any]) -> list[str]:
    """Where a row of `tuning_study` and the rows of `trials` contradict each other, in words."""
    where = {"universe": study["universe"], "study": study["study"]}
    trials = platform.lake.read("trials", where=where).to_pylist()
    numbers, states = [row["number"] for row in trials], [row["state"] for row in trials]
    found = [f"{numbers.count(n)} rows of trial {n}" for n in set(numbers) if numbers.count(n) > 1]
    for state in ("complete", "pruned", "failed"):
        if states.count(state) != study[state]:
            found.append(f"{study[state]} trials are {state}, and {states.count(state)} have rows")
    best = study["best_trial"]
    if best is not None and (best, "complete") not in zip(numbers, states):
        found.append(f"the best trial, {best}, is none of the complete ones")
    version = study["best_version"]
    if version is not None and version not in platform.models.versions(study["model"]):
        found.append(f"the best version, {version}, is not in the model store")
    return found


def of_model(experiment: Experiment, model: str) -> Experiment:
    """The experiment with this model in it: in the size that the YAML names, else small."""
    if model == experiment.model.name:
        return experiment
    named = {choice.name: choice for choice in experiment.tuned}
    choice = named.get(model, ModelChoice(name=model))
    return experiment.changed(
        {"model.name": model, "model.preset": choice.preset, "model.settings": {}}
    )


def folds_of(made: Splits, experiment: Experiment) -> tuple[Fold, ...]:
    """The folds whose validation rows judge; none of their rows is of the lock box.

    The nightly layout may reach into the lock box: settings that were chosen there could not be
    judged there any more. Then it is laid out anew, so that it ends before the box.
    """
    if experiment.tuning.rows == "walk_forward":
        return made.folds
    if experiment.tuning.rows == "before_tests":
        return made.folds[:1]
    return (_newest(made, experiment),)


def answering(made: Splits, experiment: Experiment) -> Fold:
    """The fold of the version that is kept: the trials' own, or the newest where they had all."""
    if experiment.tuning.rows == "walk_forward":
        return _newest(made, experiment)
    return folds_of(made, experiment)[0]


def _newest(made: Splits, experiment: Experiment) -> Fold:
    fold, box = made.nightly, made.locked
    if box is None or fold.start >= box.end or fold.end <= box.start:
        return fold
    first = min([fold.start, *(each.start for each in made.folds)])
    reach = Reach(max(experiment.labels.horizons), experiment.reach)
    return nightly(first, box.start, experiment.splits, reach)


def shared_days(folds: tuple[Fold, ...], made: Splits) -> int:
    """Days whose rows judge trials here and are test rows of the benchmark too."""
    days = {day for fold in folds for day in _days(fold, VALIDATION)}
    return len(days & {day for fold in made.folds for day in _days(fold, TEST)})


def _days(fold: Fold, role: str) -> list[Any]:
    part = fold.role(role)
    return list(np.arange(part.start.astype(DAY), (part.end - MINUTE).astype(DAY) + 1))


class Search:
    """One run of a search: what it stores, and what is told of it."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        platform: Platform,
        experiment: Experiment,
        universe: str,
        made: Splits,
    ) -> None:
        self.context, self.platform = context, platform
        self.experiment, self.universe = experiment, universe
        self.made = made
        self.folds = folds_of(made, experiment)
        self.final = answering(made, experiment)
        self.snapshot = platform.lake.snapshot()
        self.result: TuningResult | None = None
        self.stored_at = platform.now()
        for fold in (*self.folds, self.final):
            check_embargo(experiment, fold)

    def optimizer(self) -> "HyperparameterOptimizer":
        """The search itself; torch and optuna load only now."""
        from crypto_nn.training.dataset import load_panel
        from crypto_nn.tuning.optimizer import Question, optimizer_of

        platform, experiment = self.platform, self.experiment
        folds = (*self.folds, self.final)
        start = min(fold.start for fold in folds) - experiment.reach * MINUTE
        end = max(fold.end for fold in folds)
        names = platform.feature_set(experiment).names
        members = experiment.members(self.universe)
        panel = load_panel(platform.lake, members, names, start, end, self.snapshot)
        parent = parent_of(platform, self.universe)
        question = Question(
            panel,
            self.folds,
            recipe_of(experiment, platform),
            experiment.tuning,
            experiment.benchmark,
            Lineage(self.snapshot, parent, self.universe, experiment.digest()),
        )
        return optimizer_of(question, Path(platform.home) / "tuning")

    def parts(self) -> Iterator[Tables]:
        """Run the search; its rows and those of the best version, also where it was stopped."""
        optimizer = self.optimizer()
        self.context.log.info("study %s", optimizer.job.study)
        try:
            self.result = optimizer.run(self.tell)
        except BaseException:  # also where it was told to stop: what was tried is counted
            if self.result is not None:
                self.store(self.result)
            raise
        self.store(self.result)  # whatever becomes of the best version
        models = self.platform.models
        best = optimizer.best_version(self.result, self.final, models)
        if best is not None:
            if not models.has(best.model, best.version):
                models.save(best.model, best.version, best.files)
            yield untested(self.platform, tables_of(self.platform, self.universe, best))
            assert self.result.best is not None
            self.write_best(self.result.best.params)
        yield self.rows(self.result, best)
        optimizer.clean_up(self.result)

    def tell(self, result: "TuningResult") -> None:
        """Say how it stands; every few seconds, write the trials down."""
        self.result = result
        self.context.log.info(result.line)
        log.info(result.line)
        now = self.platform.now()
        if now - self.stored_at >= INTERIM_S:
            self.stored_at = now
            self.store(result)

    def store(self, result: "TuningResult") -> None:
        """Write down what is known by now."""
        self.platform.lake.replace_all([self.rows(result, None)])

    def rows(self, result: "TuningResult", best: TrainedVersion | None) -> Tables:
        """The study and its trials, in place of what was known of them before."""
        from crypto_nn.tuning.tables import study_rows, trial_rows

        keys = {"universe": self.universe, "study": result.job.study}
        facts = {**keys, "model": self.experiment.model.name}
        told = {"snapshot": self.snapshot, "made_at": self.platform.now().item()}
        version = {"best_version": best.version} if best is not None else {}
        return Tables(
            keys,
            {
                "tuning_study": study_rows(result, {**facts, **told, **version}),
                "trials": trial_rows(result, facts),
            },
        )

    @property
    def folder(self) -> Path:
        """Where page and best settings lie."""
        reports = self.platform.reports / "tuning"
        return reports / self.universe / self.experiment.model.name

    def write_best(self, params: Mapping[str, Any]) -> None:
        """The experiment with the best settings; the addresses of alerts are left out."""
        best = with_params(self.experiment, params).model_dump(mode="json")
        for secret in ("webhook_url", "urls", "smtp_url", "heartbeat_url"):
            del best["alerts"][secret]
        text = yaml.safe_dump(best, sort_keys=False, allow_unicode=True)
        write_bytes(self.folder / "best.yaml", text.encode())

    def describe(self) -> dict[str, Any]:
        """What the UI shows: counts, best trials, importance, pictures, where the page lies."""
        from crypto_nn.pictures.document_html import to_html
        from crypto_nn.tuning.report import best_rows, compose, drawings

        result = self.result
        assert result is not None
        shared = shared_days(self.folds, self.made)
        command = f"crypto-nn train --universe {self.universe} --config {self.folder / 'best.yaml'}"
        page = self.folder / "report.html"
        write_bytes(page, to_html(compose(result, command, shared)).encode())
        shown = [pictures.markdown(each.picture, each.alt) for each in drawings(result)]
        importance = [dg.TableRecord({"setting": name, "share": f"{share:.3f}"})
                      for name, share in result.importance.items()]  # fmt: skip
        return {
            "study": result.job.study,
            "trials": len(result.trials),
            "days_shared_with_tests": shared,
            "best_trials": dg.MetadataValue.table([dg.TableRecord(r) for r in best_rows(result)]),
            **({"importance": dg.MetadataValue.table(importance)} if importance else {}),
            "pictures": dg.MetadataValue.md("\n\n".join(shown)),
            "report": dg.MetadataValue.path(str(page)),
            "best_yaml": dg.MetadataValue.path(str(self.folder / "best.yaml")),
        }


def with_params(experiment: Experiment, params: Mapping[str, Any]) -> Experiment:
    """The experiment with these settings in place, for whole trainings."""
    from crypto_nn.tuning.space import SearchSpace, Settings

    choice = experiment.model
    found = SearchSpace(Settings(choice.config(), experiment.training), {}).applied(params)
    preset = MODELS[choice.name].presets[choice.preset].model_dump()
    other = {name: value for name, value in found.model.model_dump().items()
             if value != preset[name]}  # fmt: skip
    return experiment.changed({"model.settings": other, "training": found.train.model_dump()})


def untested(platform: Platform, tables: Tables) -> Tables:
    """The rows of a version that nobody asked to be promoted.

    The gate's candidate is the version that was launched last: this one was not launched, unless
    `checkpoint` trained it before.
    """
    kept = platform.lake.has("checkpoints") and platform.lake.read(
        "checkpoints", ("launched_at",), tables.partition
    )
    launched = kept["launched_at"][0].as_py() if kept else None
    rows = tables.tables["checkpoints"]
    column = pa.array([launched], pa.timestamp("us"))
    place = rows.column_names.index("launched_at")
    changed = rows.set_column(place, "launched_at", column)
    return Tables(tables.partition, {**tables.tables, "checkpoints": changed})
