"""The model card: what a version learned from, what it reached, and what that is worth."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from crypto_nn.features.labels import LabelConfig
from crypto_nn.training.inspected import BARS, AttentionProfile, Inspection
from crypto_nn.training.record import EpochRecord
from crypto_nn.training.scores import MODEL, Score, Scores


def model_card(
    config: Mapping[str, Any],
    scores: Scores,
    history: Sequence[EpochRecord],
    inspection: Inspection | None = None,
) -> str:
    """Markdown for a person who wonders whether to trust the version (Mitchell et al. 2019)."""
    return "\n".join(
        [
            f"# {config['model']} {config['version']}",
            "",
            _what(config),
            "",
            "## Learned from",
            "",
            *_data(config),
            "",
            "## Reached on the validation rows",
            "",
            _verdict(scores),
            "",
            *_table(scores),
            "",
            "Skill is the share of the log-loss of the training prior that is taken away; 0 is "
            "knowing nothing. The version was stopped at its best epoch on these very rows, so "
            "they flatter it a little; the benchmark report has rows that it never met, with "
            "intervals and costs.",
            "",
            "## Confidence",
            "",
            _confidence(config),
            "",
            *(_looks(inspection) if inspection else []),
            "## Training",
            "",
            *_training(config, history),
            "",
        ]
    )


def _what(config: Mapping[str, Any]) -> str:
    horizons = ", ".join(f"{h}" for h in config["horizons"])
    bars = config["model_config"].get("bars", {})
    told = ", ".join(f"{length} bars of {timeframe}" for timeframe, length in bars.items())
    slower = f", and the last {told}," if told else ""
    return (
        f"Given the last {config['window']} one-minute bars{slower} of "
        f"{', '.join(config['symbols'])} as {len(config['feature_names'])} features, "
        "it says how likely the price goes down, stays flat or goes up over the next "
        f"{horizons} minutes. {config['parameters']:,} parameters."
    )


def _data(config: Mapping[str, Any]) -> list[str]:
    labels, rows = config["labels"], config["rows"]
    lines = [
        f"- {role}: {start} to {end} UTC, {rows[role]:,} windows"
        for role, (start, end) in config["fold"]["roles"].items()
        if role in rows
    ]
    lines.append(f"- purge {config['fold']['purge']} min, embargo {config['fold']['embargo']} min")
    if config["k"] is None:
        rule = LabelConfig.model_validate(labels).rule
        lines.append(f"- classes ({labels['kind']}): {rule}; flat otherwise")
    else:
        limits = ", ".join(f"{h} min {k:.3f}" for h, k in zip(config["horizons"], config["k"]))
        lines.append(
            f"- flat: |return| ≤ k·σ·√h, σ an EWMA of past 1-minute returns (span "
            f"{labels['span']}); k fitted on the training rows: {limits}"
        )
    snapshot = config["lineage"]["snapshot"]
    lines.append(f"- lake snapshot {snapshot}" if snapshot is not None else "- no lake snapshot")
    return lines


def _verdict(scores: Scores) -> str:
    words = []
    for score in scores.of(MODEL):
        rivals = [r for r in scores.rows if r.horizon == score.horizon and r.forecaster != MODEL]
        best = max(rivals, key=lambda rival: rival.skill)
        if score.skill > max(best.skill, 0.0):
            words.append(f"{score.horizon} min: better than every baseline, if by chance or not")
        else:
            words.append(f"{score.horizon} min: **no better than {_rival(best)}**")
    return "; ".join(words) + ". Chance level: accuracy 33.3 %, log-loss ln 3 = 1.0986, skill 0."


def _rival(best: Score) -> str:
    return f"the baseline {best.forecaster}" if best.skill > 0 else "knowing nothing"


def _table(scores: Scores) -> list[str]:
    lines = [
        "| horizon | forecaster | accuracy | majority of these rows | log-loss | skill | rows |",
        "|---|---|---|---|---|---|---|",
    ]
    for score in sorted(scores.rows, key=lambda score: score.horizon):
        name = f"**{MODEL}**" if score.forecaster == MODEL else score.forecaster
        lines.append(
            f"| {score.horizon} min | {name} | {score.accuracy:.1%} | {score.majority:.1%} "
            f"| {score.log_loss:.4f} | {score.skill:+.2%} | {score.rows:,} |"
        )
    return lines


def _confidence(config: Mapping[str, Any]) -> str:
    told = ", ".join(f"{h} min {t:.2f}" for h, t in zip(config["horizons"], config["temperature"]))
    return (
        "The probability of the predicted class, calibrated by one temperature per horizon that "
        f"was fitted on the calibration rows: {told}. A high temperature says that the network was "
        "surer than it had reason to be; at 100, the highest, that it knew nothing of that horizon."
    )


def _looks(inspection: Inspection) -> list[str]:
    """What it looks at, in words; its page has the pictures."""
    lines = [
        f"- {name}: the newest {_newest(profile)} carry half of the weight"
        for name, profile in inspection.attention.items()
    ]
    for name, gate in inspection.gates.items():
        calm, wild = (
            ", ".join(f"{branch} {share:.0%}" for branch, share in zip(gate.branches, shares))
            for shares in (gate.shares[0], gate.shares[-1])
        )
        lines.append(f"- {name}: {calm} in the calmest fifth of windows, {wild} in the wildest")
    recalled = [episode for example in inspection.examples for episode in example.episodes]
    if recalled:
        known = [episode for episode in recalled if episode.outcomes[0] >= 0]
        lines.append(
            f"- recalled for {len(inspection.examples)} windows: {len(recalled)} episodes from "
            f"{min(e.at for e in recalled)[:10]} to {max(e.at for e in recalled)[:10]}, "
            f"{len(known)} with a known outcome after {inspection.horizons[0]} min"
        )
    if not lines:
        return []
    return ["## What it looks at", "", f"Means over {inspection.windows} validation windows.", "",
            *lines, ""]  # fmt: skip


def _newest(profile: AttentionProfile) -> str:
    if profile.moments == BARS:
        return f"{profile.half_life()} of {profile.minutes * len(profile.mean)} minutes"
    newest = profile.half_life() // profile.minutes
    apart = f"{profile.minutes} minute{'s' * (profile.minutes > 1)} apart"
    return f"{newest} of {len(profile.mean)} {profile.moments}, {apart},"


def _training(config: Mapping[str, Any], history: Sequence[EpochRecord]) -> list[str]:
    best = history[config["best_epoch"] - 1]
    seconds = math.fsum(record.seconds for record in history)
    lines = [
        f"- {len(history)} epoch{'s' * (len(history) > 1)} in {seconds:.0f} s, "
        f"seed {config['training']['seed']}, "
        f"{history[-1].skipped} steps skipped because their loss was no number",
        f"- kept epoch {best.epoch}: validation log-loss {best.validation_loss:.4f}, "
        f"training loss {best.train_loss:.4f}",
        f"- parent version: {config['lineage']['parent'] or 'none'}",
        f"- began from: {config['lineage'].get('pretrained') or 'random weights'}",
    ]
    return lines
