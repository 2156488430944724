"""A search told: tables and pictures for the UI and the page, and the best settings as YAML."""

from collections.abc import Sequence

from crypto_nn import pictures
from crypto_nn.pictures.document import (
    Block,
    Code,
    Document,
    Drawing,
    Facts,
    Heading,
    Table,
    Tone,
    Verdicts,
    Words,
)
from crypto_nn.tuning.result import TrialResult, TuningResult

SHOWN = 10
OPTIMISTIC = (
    "The best of many trials on the same validation rows is too good: part of its lead is luck. "
    "Nothing is promoted here. Train with the best settings, and let the walk-forward benchmark "
    "and the gate say, on rows that no trial has seen."
)
SHARED = (
    "{days} of the days that judged these trials are test days of the walk-forward benchmark too: "
    "of these settings it will say too much. The days after today, and the lock box, will not. "
    "With tuning.rows: before_tests no day is shared."
)


def best_rows(result: TuningResult, count: int = SHOWN) -> list[dict[str, str]]:
    """The best trials, as text by column."""
    sign = 1 if result.job.directions[0] == "minimize" else -1
    ranked = sorted(result.complete, key=lambda trial: sign * trial.values[0])
    return [_row(result, trial) for trial in ranked[:count]]


def _row(result: TuningResult, trial: TrialResult) -> dict[str, str]:
    row = {"trial": str(trial.number)}
    if not result.job.is_multi:
        row["log-loss"] = f"{trial.values[0]:.5f}"
    row["skill"] = _said(trial.mean_skill, ".3%")
    row["Sharpe"] = _said(trial.sharpe, ".2f")
    row["p99 ms"] = _said(trial.p99_ms, ".2f")
    row["version"] = trial.version or ""
    return row | {path: _value(value) for path, value in trial.params.items()}


def _said(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def drawings(result: TuningResult) -> list[Drawing]:
    """History, importance and, with two objectives, the Pareto front."""
    job, multi = result.job, result.job.is_multi
    told = [(trial.number, trial.values[0]) for trial in result.complete]
    unit = "log-loss skill" if multi else "validation log-loss, nats"
    pruned = [(trial.number, trial.stood) for trial in result.trials if trial.stood is not None]
    history = pictures.tuning_history(
        told, pruned, unit, multi, f"{len(result.trials)} trials of {job.study}"
    )
    found = [Drawing(history, f"{unit} of each trial, and the best so far")]
    if result.importance:
        bars = pictures.setting_importance(result.importance)
        found.append(Drawing(bars, "Share of the differences between trials by setting"))
    if multi:
        points = [(trial.number, trial.values[0], trial.values[1]) for trial in result.complete]
        front = {trial.number for trial in result.front}
        found.append(Drawing(pictures.pareto_front(points, front), "Skill against latency"))
    return found


def compose(result: TuningResult, command: str, shared: int = 0) -> Document:
    """The page of a study.

    Args:
        command: how the best settings are trained.
        shared: days that judged trials and are test days of the benchmark too.
    """
    job, best = result.job, result.best
    counts = {state: len(result.in_state(state)) for state in ("complete", "pruned", "failed")}
    facts = [
        ("study", job.study),
        ("trials", ", ".join(f"{count} {state}" for state, count in counts.items())),
        ("left", f"{result.open} queued; {job.asked} were asked for"),
        ("proposed by", f"{job.sampler}, seed {job.seed}; pruner {job.pruner}"),
    ]
    facts.append(("p99 ms", "of one window on one thread, measured while other workers competed"))
    if best is not None:
        facts += [("best trial", str(best.number)), ("its version", best.version or "")]
    warnings: list[tuple[Tone, str]] = [("warning", OPTIMISTIC)]
    if shared:
        warnings.append(("warning", SHARED.format(days=shared)))
    blocks: list[Block] = [Verdicts(warnings), Facts(facts)]
    blocks += [*drawings(result), Heading("The best trials")]
    blocks.append(_table(best_rows(result)))
    if job.is_multi:
        blocks += [Heading("Not beaten by others"), _table([_row(result, t) for t in result.front])]
    failed = [(str(trial.number), trial.error or "") for trial in result.in_state("failed")]
    if failed:
        blocks += [Heading("Failed"), Table(("trial", "why"), failed)]
    space = [(path, _range(job.ranges[path].model_dump(exclude_defaults=True)))
             for path in sorted(job.ranges)]  # fmt: skip
    blocks += [Heading("What could vary"), Table(("setting", "range"), space), Code(command)]
    return Document(f"Tuning {job.study}", "Validation rows only; every trial is counted", blocks)


def _table(rows: Sequence[dict[str, str]]) -> Block:
    if not rows:
        return Words("None is complete.")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return Table(columns, [[row.get(name, "") for name in columns] for row in rows])


def _range(facts: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())
