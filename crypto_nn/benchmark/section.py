"""The README's benchmark, written from a result file: no number in it is typed by hand."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.benchmark.arms.report import forest_drawing, learnings_markdown
from crypto_nn.benchmark.chapters.drawings import skill_drawing
from crypto_nn.benchmark.chapters.material import Material, minutes
from crypto_nn.benchmark.chapters.opening import opening_lines
from crypto_nn.benchmark.chapters.predictions import family
from crypto_nn.benchmark.chapters.setting import hours_words
from crypto_nn.benchmark.leaderboard import Standing, facts
from crypto_nn.benchmark.report import compose, report_html
from crypto_nn.benchmark.result import BenchmarkResult
from crypto_nn.benchmark.words import bps, number, percent
from crypto_nn.errors import BenchmarkError
from crypto_nn.pictures.document import Code, Document, Drawing, Table, Verdicts, Words
from crypto_nn.pictures.document_markdown import to_markdown
from crypto_nn.store.atomic import write_bytes

if TYPE_CHECKING:
    from crypto_nn.benchmark.arms.result import ArmsResult

BEGIN, END = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"
RESULT, ARMS = Path("docs/benchmark/result.json.gz"), Path("docs/benchmark/arms.json.gz")
README, IMAGES = Path("README.md"), Path("docs/images")
HTML = Path("docs/benchmark/report.html")
PAGE, LEARNINGS = Path("docs/benchmark-results.md"), Path("docs/learnings.md")
NOTE = "Written by `python docs/benchmark_section.py`"


@dataclass(frozen=True)
class Written:
    """What the generator writes: texts by path, and the pictures that they link to."""

    texts: dict[Path, str]
    drawings: dict[Path, Drawing]


def read(root: Path) -> "tuple[BenchmarkResult, ArmsResult | None]":
    """The committed result below a checkout, and that of the arms where there is one.

    Raises:
        BenchmarkError: the file is missing or damaged.
    """
    from crypto_nn.benchmark.arms.result import ArmsResult

    path = root / RESULT
    if not path.exists():
        raise BenchmarkError(
            f"There is no {path}. Run `crypto-nn benchmark --output DIR`, and copy the result file "
            "from there."
        )
    arms = root / ARMS
    found = ArmsResult.from_bytes(arms.read_bytes()) if arms.exists() else None
    return BenchmarkResult.from_bytes(path.read_bytes()), found


def written(result: BenchmarkResult, arms: "ArmsResult | None", readme: str) -> Written:
    """The README with its section made anew, and the page with every table.

    Raises:
        BenchmarkError: the README lacks the two marks between which the section stands.
    """
    document = compose(result, arms=arms)
    unfolded = [block for block in document.blocks if isinstance(block, Drawing)]
    named = {id(each): f"benchmark_{n}.png" for n, each in enumerate(unfolded, start=1)}

    def link(drawing: Drawing) -> str:
        name = named.get(id(drawing))
        return f"![{drawing.alt}](images/{name})" if name else ""

    page = to_markdown(document, link)
    skill = skill_drawing(Material.of(result))
    drawings = {IMAGES / named[id(each)]: each for each in unfolded}
    texts = {
        README: replaced(readme, section(result)),
        PAGE: f"<!-- {NOTE} from {RESULT}. -->\n\n{page}",
    }
    if arms is not None:
        texts[LEARNINGS] = f"<!-- {NOTE} from {ARMS}. -->\n\n{learnings_markdown(arms)}"
        drawings[IMAGES / "learnings.png"] = forest_drawing(arms)
    return Written(texts, {**drawings, IMAGES / "benchmark_skill.png": skill})


def write(root: Path) -> list[Path]:
    """Write everything below a checkout; returns what was written."""
    result, arms = read(root)
    made = written(result, arms, (root / README).read_text(encoding="utf-8"))
    for path, text in made.texts.items():
        write_bytes(root / path, text.encode())
    for path, drawing in made.drawings.items():
        write_bytes(root / path, drawing.picture.png())
    write_bytes(root / HTML, report_html(result, arms=arms).encode())
    return [*made.texts, *made.drawings, HTML]


def replaced(readme: str, text: str) -> str:
    """The README with `text` between its marks.

    Raises:
        BenchmarkError: a mark is missing, or there twice.
    """
    if (
        readme.count(BEGIN) != 1
        or readme.count(END) != 1
        or readme.index(END) < readme.index(BEGIN)
    ):
        raise BenchmarkError(
            f"The README must have {BEGIN} and, after it, {END}, each once and on a line of its "
            "own. Put them where the benchmark's section is to stand."
        )
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}"


def section(result: BenchmarkResult) -> str:
    """The section: what was asked, what it says, and one line for each contestant."""
    material = Material.of(result)
    source, days = result.provenance, result.days
    venue = f" on {source.venue}" if source.venue else ""
    made = "" if source.made_at is None else f" Made {str(source.made_at)[:10]}"
    hours = "" if source.hours is None else f" in {hours_words(source.hours)} of one process"
    machine = source.machine or "not stated"
    snapshot = "not stated" if source.snapshot is None else source.snapshot
    asked = (
        f"{', '.join(result.symbols)}{venue}, {days[0]} to {days[-1]} ({len(days)} test days), "
        f"everything fitted anew in each of {len(result.folds)} refits, scored every "
        f"{result.config.test_stride} minutes.{made}{hours}; machine: {machine}; crypto_nn: "
        f"{source.code_version or 'not stated'}; lake snapshot: {snapshot}."
    )
    document = Document(
        "",
        "",
        [
            Words(asked),
            Code(source.command),
            Verdicts(opening_lines(material)),
            Table(_columns(material), list(_rows(material))),
        ],
    )
    body = to_markdown(document).removeprefix("# \n\n")
    return (
        f"{body}\n`majority` and `prior` hardly change sides: their Sharpe ratio is the market's. "
        "`blend` is the mean of `logistic` and `lightgbm`, `ensemble` that of all networks.\n\n"
        f"![Log-loss skill of every contestant]({IMAGES}/benchmark_skill.png)\n\n"
        f"Every table, with intervals, paired tests, months and regimes: "
        f"[docs/benchmark-results.md]({PAGE}). What the figures mean, and why they cannot lie: "
        "[docs/benchmark.md](docs/benchmark.md).\n"
    )


def _columns(material: Material) -> list[str]:
    skills = [f"skill, {horizon}m" for horizon in material.result.horizons]
    last = material.result.horizons[-1]
    cost = f"{material.result.config.headline_cost_bps:g}"
    return ["", "family", "parameters", *skills, f"accuracy, {last}m", f"majority, {last}m",
            f"Sharpe at {cost} bp, {last}m", f"break-even, {last}m", "better than all"]  # fmt: skip


def _rows(material: Material) -> Iterator[list[str]]:
    """Everyone, the most skill on the whole first."""
    horizons = material.result.horizons
    cost = f"sharpe_{material.result.config.headline_cost_bps:g}bp"
    known = facts(material.result.table())
    places = {(s.model, s.horizon): s for s in material.everyone}
    blank = Standing("", 0, {})

    def total(name: str) -> float:
        skills = [places.get((name, h), blank)["log_loss_skill"].estimate for h in horizons]
        return float(np.nansum(skills))

    for name in sorted(material.result.kinds, key=lambda each: (-total(each), each)):
        last = places.get((name, horizons[-1]), blank)
        better = [h for h in horizons if places.get((name, h), blank).verdict.better]
        alone = [h for h in horizons if places.get((name, h), blank).verdict.better_than_each_alone]
        verdict = ", ".join(minutes(h) for h in better) or "no"
        if alone and not better:
            verdict = f"no, but than each alone: {', '.join(minutes(h) for h in alone)}"
        yield [
            name,
            family(material, name),
            number(known.get(name, {}).get("parameters", np.nan), 0),
            *(
                percent(places.get((name, h), blank)["log_loss_skill"], 2, sign=True)
                for h in horizons
            ),
            percent(last["accuracy"].estimate),
            percent(last["majority"].estimate),
            number(last[cost], 1),
            bps(last["break_even_bps"].estimate),
            verdict if material.is_model(name) else "baseline",
        ]
