"""The first thing read: what the benchmark says, and the verdict on each model and horizon."""

import math
from collections.abc import Iterator, Mapping, Sequence

from crypto_nn.benchmark.chapters.material import HEADLINE_SEEDS, Material, minutes
from crypto_nn.benchmark.leaderboard import Standing
from crypto_nn.benchmark.words import bps, number, percent
from crypto_nn.models.baselines import BASELINES
from crypto_nn.pictures.document import Block, Details, Table, Tone, Verdicts

Line = tuple[Tone, str]
Places = Mapping[tuple[str, int], Standing]
SURE = 0.95
MANY = 3  # more names than these are counted
ALWAYS = (*BASELINES, "DLinear:small")


def opening_blocks(material: Material) -> Iterator[Block]:
    """A few lines for who reads no further, then every verdict."""
    yield Verdicts(opening_lines(material))
    if material.models:
        yield _matrix(material)
        lines = [line for h in material.result.horizons for line in _verdicts(material, h)]
        yield Details("Every verdict in words", [Verdicts(lines)])


def opening_lines(material: Material) -> list[Line]:
    """What the benchmark says, in a few lines: doubts first, then horizons, then money."""
    return [*_warnings(material), *_told(material), *_earned(material)]


def _warnings(material: Material) -> Iterator[Line]:
    result = material.result
    if result.config.permute_labels:
        yield "warning", "Control run: labels were dealt to other days. Nothing can be learned."
    missing = [name for name in ALWAYS if name not in material.result.kinds]
    if missing:
        yield (
            "warning",
            f"Baselines left out: {', '.join(missing)}. A verdict is worth no more than those that "
            "were there.",
        )
    if not material.models:
        yield "neutral", "Baselines only: no model was entered."
    elif material.few_seeds:
        counts = sorted({material.seeds[name] for name in material.models})
        seeds = " or ".join("one" if count == 1 else str(count) for count in counts)
        noun = "seed" if counts == [1] else "seeds"
        yield (
            "warning",
            f"No headline: networks were trained with {seeds} {noun}; a headline needs "
            f"{HEADLINE_SEEDS}. Take the figures as what these runs did.",
        )


def _told(material: Material) -> Iterator[Line]:
    """Who told more than every baseline, horizon by horizon."""
    for horizon in material.result.horizons:
        models = material.models_at(horizon)
        if not models:
            continue
        better = [standing for standing in models if standing.verdict.better]
        alone = [s for s in models if s.verdict.better_than_each_alone and s not in better]
        unknown = all(standing.verdict.better is None for standing in models)
        first = models[0]
        baselines = [s for s in material.at(horizon) if not material.is_model(s.model)]
        most = f"Most skill: {first.model}, {_skill(first)}"
        if baselines:
            most += f"; the best baseline, {baselines[0].model}, has {_skill(baselines[0])}"
        count = f"{len(models)} model{'s' if len(models) > 1 else ''}"
        skilled = sum(standing["log_loss_skill"].low > 0 for standing in models)
        if not baselines:
            said = "no baseline ran, and so there is no verdict"
        elif unknown:
            said = "too few test days for a verdict"
        else:
            said = f"{skilled or 'none'} of {count} told more than the class shares; "
            said += f"better than every baseline: {_names(better) or 'none'}"
            if alone:
                said += f"; better than each single one, but not than their blend: {_names(alone)}"
        tone: Tone = "good" if better else "warning" if unknown else "neutral"
        yield tone, f"{minutes(horizon)} ahead: {said}. {most}."


def _earned(material: Material) -> Iterator[Line]:
    """What was left after costs."""
    cost = f"{material.result.config.headline_cost_bps:g}"
    sharpe = f"sharpe_{cost}bp"
    traded = [s for s in material.everyone if not math.isnan(s[sharpe].estimate)]
    shown = [s for s in traded if material.is_model(s.model)] or traded
    if not traded:
        return
    sure = [standing for standing in traded if standing[sharpe].low > 0]
    best = max(shown, key=lambda standing: standing[sharpe].estimate)
    top = max(shown, key=lambda s: _or_least(s["break_even_bps"].estimate))
    trials = material.result.provenance.num_trials
    lasting = [s for s in sure if s["deflated_sharpe"].estimate > SURE]
    lead = f"{len(sure) or 'none'} of {len(traded)} ways to trade (contestant and horizon, and all "
    lead += "horizons combined)"
    lead += (
        f" {'have' if len(sure) > 1 else 'has'} an annual Sharpe ratio whose interval lies above 0"
    )
    if sure:
        lead += f", {len(lasting) or 'none'} of them also after deflation for {trials:,} trials"
    yield (
        "good" if lasting else "neutral",
        f"After costs of {cost} bp per round trip: {lead}. Best model: {best.model}, "
        f"{minutes(best.horizon)}, {number(best[sharpe], 1)}. Highest break-even cost of a "
        f"model: "
        f"{bps(top['break_even_bps'].estimate)} ({top.model}, {minutes(top.horizon)}).",
    )


def _or_least(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _matrix(material: Material) -> Block:
    """Model by horizon: better than every baseline, or which one it did not beat."""
    horizons = material.result.horizons
    places = {(s.model, s.horizon): s for s in material.everyone}
    order = sorted(material.models, key=lambda name: (-_total(places, name, horizons), name))
    rows = [[name, *(_short(places.get((name, h))) for h in horizons)] for name in order]
    return Table(
        ["", *(f"{horizon} minutes" for horizon in horizons)],
        rows,
        "Better than every baseline? Log-loss skill, and the baseline that was not beaten",
    )


def _total(places: Places, name: str, horizons: Sequence[int]) -> float:
    skills = [places[name, h]["log_loss_skill"].estimate for h in horizons if (name, h) in places]
    return sum(skill for skill in skills if not math.isnan(skill))


def _short(standing: Standing | None) -> str:
    if standing is None:
        return "–"
    skill = percent(standing["log_loss_skill"].estimate, 2, sign=True)
    verdict = standing.verdict
    if verdict.better is None:
        return f"too few days: {skill}"
    if verdict.better:
        return f"better: {skill}"
    if verdict.better_than_each_alone:
        return f"than each single one: {skill}"
    return f"no: {skill} ({verdict.hardest})"


def _verdicts(material: Material, horizon: int) -> Iterator[Line]:
    for standing in material.models_at(horizon):
        verdict = standing.verdict
        tone: Tone = "warning" if verdict.better is None else "neutral"
        accuracy = percent(standing["accuracy"].estimate)
        majority = percent(standing["majority"].estimate)
        yield (
            "good" if verdict.better else tone,
            f"{standing.model}, {minutes(horizon)}: {verdict.text}. Log-loss skill "
            f"{_skill(standing)}; accuracy {accuracy}, majority {majority}.",
        )


def _skill(standing: Standing) -> str:
    return percent(standing["log_loss_skill"], 2, sign=True)


def _names(better: list[Standing]) -> str:
    if len(better) > MANY:
        return f"{len(better)} of them"
    return ", ".join(standing.model for standing in better)
