"""All trainings beside each other: a list, and two compared."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crypto_nn.errors import ModelError
from crypto_nn.inference.registry import flattened
from crypto_nn.pictures import Picture
from crypto_nn.pictures.run_comparison import Course, run_comparison
from crypto_nn.store.lake import Lake

TABLE, HISTORY = "runs", "training_history"
_LISTED = ("run", "universe", "model", "preset", "version", "state", "reason", "started_at",
           "ended_at", "epochs", "validation_loss", "metrics", "error")  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """How two trainings differ: settings and results, row by row, and the courses they took.

    `warning` says why their losses cannot be compared, where they cannot.
    """

    settings: list[dict[str, Any]]
    results: list[dict[str, Any]]
    courses: tuple[Course, ...]
    warning: str = ""

    def picture(self) -> Picture:
        """Validation losses by epoch, and the skills that were reached."""
        title = "Trainings compared" + " (on other rows)" * bool(self.warning)
        return run_comparison(self.courses, title)


def list_runs(lake: Lake, universe: str | None = None) -> list[dict[str, Any]]:
    """Every training that was started, newest first, in few words."""
    if not lake.has(TABLE):
        return []
    where = {"universe": universe} if universe else None
    rows = lake.read(TABLE, _LISTED, where).to_pylist()
    return [_listed(row) for row in sorted(rows, key=lambda row: row["started_at"], reverse=True)]


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    skills = [f"{skill:+.2f}" for _, skill in sorted(_percent(row["metrics"]).items())]
    ended, loss, error = row["ended_at"], row["validation_loss"], row["error"] or ""
    return {
        "run": row["run"][:8],
        "universe": row["universe"],
        "model": f"{row['model']}:{row['preset']}" if row["preset"] else row["model"],
        "version": (row["version"] or "")[:8],
        "state": row["state"],
        "started": f"{row['started_at']:%m-%d %H:%M}",
        "seconds": round((ended - row["started_at"]).total_seconds()) if ended else None,
        "loss": None if loss is None else f"{loss:.4f}",
        "skill %": " ".join(skills),
        "error": error.splitlines()[0] if error else None,
    }


def _percent(metrics: str | None) -> dict[int, float]:
    return {horizon: 100 * skill for horizon, skill in skills_of(metrics).items()}


def compare_runs(lake: Lake, one: str, other: str) -> Comparison:
    """Two trainings, each named by its run, its version, or the beginning of either.

    Raises:
        ModelError: no training has that name, or several have.
    """
    rows = [find_run(lake, name) for name in (one, other)]
    names = [_name(row, rows) for row in rows]
    settings = [
        {path: json.dumps(value) for path, value in flattened(json.loads(row["settings"]))}
        for row in rows
    ]
    paths = sorted({*settings[0], *settings[1]})
    return Comparison(
        [
            {
                "setting": path,
                **{n: s.get(path) for n, s in zip(names, settings)},
            }
            for path in paths
            if settings[0].get(path) != settings[1].get(path)
        ],
        _results(rows, names),
        tuple(_course(lake, row, f"{row['model']} {n[:8]}") for row, n in zip(rows, names)),
        _other_rows([_config(lake, row) for row in rows]),
    )


def _config(lake: Lake, row: dict[str, Any]) -> dict[str, Any]:
    """What the table `checkpoints` has of a version's `config.json`; nothing where it has none."""
    where = {"universe": row["universe"], "version": row["version"] or ""}
    found = lake.read("checkpoints", ("config",), where) if lake.has("checkpoints") else None
    config: dict[str, Any] = json.loads(found["config"][0].as_py()) if found else {}
    return config


def _other_rows(configs: Sequence[dict[str, Any]]) -> str:
    """Why losses of the two are not those of the same rows and classes; empty where they are."""
    if not all(configs):
        return ""
    facts = [
        {
            "validation rows": config["rows"]["validation"],
            "validation begins": config["fold"]["roles"]["validation"][0][:16],
            "embargo": config["fold"]["embargo"],
            "what is flat (k)": config["k"] and [round(k, 4) for k in config["k"]],
        }
        for config in configs
    ]
    odd = [f"{name} {facts[0][name]} and {facts[1][name]}" for name in facts[0]
           if facts[0][name] != facts[1][name]]  # fmt: skip
    return f"Losses are not comparable: {'; '.join(odd)}." if odd else ""


def find_run(lake: Lake, name: str) -> dict[str, Any]:
    """The row of `runs` whose run or version begins so; of a version the newest that trained it.

    Raises:
        ModelError: there is none, or names of several begin so.
    """
    rows = lake.read(TABLE).to_pylist() if lake.has(TABLE) else []
    found = [row for row in rows if row["run"].startswith(name)]
    if not found:
        found = [row for row in rows if (row["version"] or "").startswith(name)]
        trained = [row for row in found if row["state"] == "complete"]
        found = trained or found
        if len({row["version"] for row in found}) == 1:
            return max(found, key=lambda row: row["started_at"])
    if len(found) == 1 and name:
        return found[0]
    several = f"{len(found)} begin so; write more of it" if found else "none begins so"
    raise ModelError(
        f"There is no single training {name!r}: {several}. List them with `crypto-nn runs list`."
    )


def skills_of(metrics: str | None) -> dict[int, float]:
    """Log-loss skill by horizon, from a row's metrics."""
    prefix, suffix = "skill_", "m"
    return {
        int(name[len(prefix) : -len(suffix)]): value
        for name, value in json.loads(metrics or "{}").items()
        if name.startswith(prefix) and name.endswith(suffix)
    }


def _name(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """The version, or the run where two trainings made the same version or none."""
    versions = [each["version"] for each in rows]
    unique = row["version"] and versions[0] != versions[1]
    return str(row["version"] if unique else row["run"][:8])


def _results(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    plain = ("model", "preset", "state", "started_at", "epochs", "parameters", "validation_loss",
             "snapshot", "code_hash", "machine")  # fmt: skip
    facts = []
    for row in rows:
        metrics = json.loads(row["metrics"] or "{}")
        own = {n: v for n, v in metrics.items() if n.split("_")[0] in ("accuracy", "log", "skill")}
        facts.append({**{name: row[name] for name in plain}, **own})
    every = list(dict.fromkeys(name for fact in facts for name in fact))
    return [
        {"result": name, **{n: _shown(fact.get(name)) for n, fact in zip(names, facts)}}
        for name in every
        if facts[0].get(name) != facts[1].get(name)
    ]


def _course(lake: Lake, row: dict[str, Any], name: str) -> Course:
    where = {"universe": row["universe"], "version": row["version"] or ""}
    epochs = lake.read(HISTORY, where=where).to_pylist() if lake.has(HISTORY) else []
    epochs.sort(key=lambda epoch: epoch["epoch"])
    return Course(
        name,
        [epoch["train_loss"] for epoch in epochs],
        [epoch["validation_loss"] for epoch in epochs],
        skills_of(row["metrics"]),
    )


def _shown(value: Any) -> Any:
    return value if isinstance(value, int | float | str | type(None)) else str(value)
