"""What was asked, of whom, on which days: what one needs to believe a benchmark."""

from collections.abc import Iterator

import numpy as np

from crypto_nn.benchmark.chapters.material import Material
from crypto_nn.pictures.document import Block, Code, Details, Facts, Heading, Table, Words

SIZING = {
    "sign": "one unit long or short, whichever side is likelier",
    "class": "one unit on the predicted side, none where flat is predicted",
    "confidence": "p(up) - p(down) units",
}


def setting_blocks(material: Material) -> Iterator[Block]:
    """The header: data, labels, costs, chance, code and machine; folds and k folded away."""
    yield Heading("What was asked")
    yield Facts([*_market(material), *_chance(material), *_origin(material)])
    yield _folds(material)
    if material.result.provenance.command:
        yield Words("Made again by:")
        yield Code(material.result.provenance.command)


def _market(material: Material) -> Iterator[tuple[str, str]]:
    result = material.result
    config, source = result.config, result.provenance
    yield "symbols", ", ".join(result.symbols)
    yield "venue", source.venue or "not stated"
    yield "test", f"{result.days[0]} to {result.days[-1]}, {len(result.days)} days, UTC"
    yield "test rows", f"every {config.test_stride} minutes, the same for all contestants"
    yield "refits", f"{len(result.folds)}; everything is fitted anew in each, on earlier rows"
    yield "classes", source.label or "down, flat, up as in the table `labels`"
    yield "k", _k_words(material)
    if source.training:
        yield "networks learn", source.training
    yield "execution", "decided at a bar's close, filled at the close of the next bar"
    yield "position", SIZING[config.sizing] + ", held for the horizon"
    costs = ", ".join(f"{cost:g}" for cost in config.costs_bps)
    yield "costs", f"{costs} bp per round trip (fees + slippage)"


def _chance(material: Material) -> Iterator[tuple[str, str]]:
    config = material.result.config
    yield "intervals", f"{100 * config.level:g} %, {config.resamples:,} draws of whole days"
    yield "seeds", _seed_words(material)
    yield (
        "trials so far",
        f"{material.result.provenance.num_trials:,}, with those of this benchmark: each "
        "contestant, seed and way to trade (horizons, and all combined)",
    )
    presets = sorted({name.rpartition(":")[2] for name in material.models if ":" in name})
    if presets:
        yield "sizes", f"{', '.join(presets)}: the preset stands behind each network's name"


def _origin(material: Material) -> Iterator[tuple[str, str]]:
    source = material.result.provenance
    yield "lake snapshot", "not stated" if source.snapshot is None else str(source.snapshot)
    yield "code", source.code_version or "not stated"
    yield "machine", source.machine or "not stated"
    if source.hours is not None:
        yield "time of forecasting", f"{hours_words(source.hours)} of one process"
    if source.peak_memory_mb is not None:
        yield "peak memory", f"{source.peak_memory_mb:,.0f} MB in one process"


def hours_words(hours: float) -> str:
    """A span of time: 1.5 hours, 12 minutes."""
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"


def _seed_words(material: Material) -> str:
    config = material.result.config
    told = ", ".join(map(str, config.seeds))
    usual = len(config.seeds)
    more = [name for name in material.models if material.seeds[name] > usual]
    if not more:
        return told
    counts = ", ".join(f"{name} ({material.seeds[name]})" for name in more)
    return f"{told}; more for {counts}"


def _k_words(material: Material) -> str:
    k_FH = material.result.k_FH
    if not any(k_FH):
        return "the labels' own"
    values = np.array(k_FH)
    return (
        f"{values.min():.3f} to {values.max():.3f}, set in each fold so that a third of its "
        "training rows is flat"
    )


def _folds(material: Material) -> Block:
    result = material.result
    names = [role.name for role in result.folds[0].roles]
    with_k = any(result.k_FH)
    columns = ["fold", *names, *([f"k, {h}m" for h in result.horizons] if with_k else ())]
    rows = []
    for number, fold in enumerate(result.folds):
        spans = [_span(role.start, role.end) for role in fold.roles]
        k_H = [f"{k:.3f}" for k in result.k_FH[number]] if with_k else []
        rows.append([str(fold.number), *spans, *k_H])
    return Details(
        "The folds, and k in each", [Table(columns, rows, "Dates in UTC, both included")]
    )


def _span(start: np.datetime64, end: np.datetime64) -> str:
    last = (end - np.timedelta64(1, "us")).astype("datetime64[D]")
    return f"{start.astype('datetime64[D]')} to {last}"
