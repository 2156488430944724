"""The model card as a page: its words, and pictures of how the version learned and looks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crypto_nn.pictures.attention import (
    Attention,
    Glance,
    attention_glances,
    attention_over_time,
)
from crypto_nn.pictures.document import Document, Drawing, Facts, Heading, Table, Words
from crypto_nn.pictures.episodes import Recall, recalled_episodes
from crypto_nn.pictures.gates import gate_shares
from crypto_nn.pictures.loss_curves import loss_curves
from crypto_nn.training.inspected import BARS, AttentionProfile, Example, Inspection
from crypto_nn.training.record import EpochRecord, TrainedVersion
from crypto_nn.training.scores import MODEL, Scores


def card_page(trained: TrainedVersion, inspection: Inspection) -> Document:
    """What `config.json`, `history.json` and `inspection.json` of a version tell a person."""
    config, history = trained.config, trained.history
    scores = Scores.from_dict(config["scores"])
    return Document(
        f"{config['model']} {config['version']}",
        f"{config['parameters']:,} parameters, learned from {', '.join(config['symbols'])}",
        [
            Facts(_facts(config)),
            Heading("Reached on the validation rows"),
            Words(
                "Skill is the share of the training prior's log-loss that is taken away; 0 is no "
                "skill, chance is ln 3 = 1.0986 nats. The version was stopped at its best epoch on "
                "these very rows, so they flatter it a little."
            ),
            _scores(scores),
            Heading("How it learned"),
            Drawing(_losses(history), "training and validation loss by epoch"),
            *pictures_of(inspection),
        ],
    )


def pictures_of(inspection: Inspection) -> list[Heading | Words | Drawing]:
    """Attention over time, gates, and episodes with their outcomes; what the model has of them."""
    blocks: list[Heading | Words | Drawing] = []
    profiles = {name: _attention(each) for name, each in inspection.attention.items()}
    if profiles or inspection.gates:
        blocks += [
            Heading("What it looks at"),
            Words(
                f"Means over {inspection.windows} validation windows; the band holds 80 % of them, "
                "the dashed line is an equal weight for all. Weights show where information is "
                "taken from, not that it helps."
            ),
        ]
    if profiles:
        blocks.append(Drawing(attention_over_time(profiles), "attention by minutes before now"))
    for name, gate in inspection.gates.items():
        blocks.append(
            Drawing(gate_shares(gate.branches, gate.shares, name), f"{name} by volatility")
        )
    glances = [_glance(each) for each in inspection.examples if each.attention]
    if glances:
        blocks.append(Drawing(attention_glances(glances), "single windows, what was said and came"))
    recalls = [_recall(each) for each in inspection.examples if each.episodes][:4]
    if recalls:
        blocks += [
            Heading("What it recalled"),
            Words(
                "Episodes that were called to mind, when they were, and what had come of them over "
                f"{inspection.horizons[0]} minutes. Only episodes whose outcome was known at the "
                "window's time can be recalled."
            ),
            Drawing(recalled_episodes(recalls), "recalled episodes with their outcomes"),
        ]
    return blocks


def _attention(profile: AttentionProfile) -> Attention:
    mean_T, low_T, high_T = map(np.asarray, (profile.mean, profile.low, profile.high))
    newest = "bar" if profile.moments == BARS else f"of the {profile.moments}"
    return Attention(profile.minutes, mean_T, low_T, high_T, newest)


def _glance(example: Example) -> Glance:
    return Glance(
        _title(example),
        np.asarray(example.closes),
        np.asarray(example.attention),
        np.asarray(example.probabilities[0]),
        example.came[0],
    )


def _recall(example: Example) -> Recall:
    return Recall(
        _title(example),
        np.array([episode.at for episode in example.episodes], dtype="datetime64[us]"),
        np.array([episode.weight for episode in example.episodes]),
        np.array([episode.outcomes[0] for episode in example.episodes], dtype=np.int64),
        example.came[0],
    )


def _title(example: Example) -> str:
    return f"{example.symbol} {example.at[:16].replace('T', ' ')}"


def _losses(history: Sequence[EpochRecord]) -> Any:
    return loss_curves(
        [record.train_loss for record in history], [record.validation_loss for record in history]
    )


def _facts(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    roles = config["fold"]["roles"]
    facts = [(role, f"{start[:16]} to {end[:16]} UTC") for role, (start, end) in roles.items()]
    bars = config["model_config"].get("bars", {})
    facts += [
        ("window", f"{config['window']} minutes of {len(config['feature_names'])} features"),
        *((f"{timeframe} window", f"{length} bars") for timeframe, length in bars.items()),
        ("horizons", ", ".join(f"{horizon} min" for horizon in config["horizons"])),
        ("kept epoch", str(config["best_epoch"])),
        ("seed", str(config["training"]["seed"])),
        ("temperature", ", ".join(f"{each:.2f}" for each in config["temperature"])),
        ("parent", config["lineage"]["parent"] or "none"),
        ("lake snapshot", str(config["lineage"]["snapshot"])),
    ]
    return facts


def _scores(scores: Scores) -> Table:
    ordered = sorted(scores.rows, key=lambda score: (score.horizon, score.forecaster != MODEL))
    rows = [
        [
            f"{score.horizon} min",
            score.forecaster,
            f"{score.skill:+.2%}",
            f"{score.log_loss:.4f}",
            f"{score.accuracy:.1%}",
            f"{score.majority:.1%}",
        ]
        for score in ordered
    ]
    quiet = frozenset(n for n, score in enumerate(ordered) if score.forecaster != MODEL)
    columns = ["horizon", "forecaster", "skill", "log-loss", "accuracy", "majority"]
    return Table(columns, rows, "Beside every baseline, on the same rows", quiet)
