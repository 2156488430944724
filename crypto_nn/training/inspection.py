"""Looking at what a model looks at: attention, gates and recalled episodes of real windows."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crypto_nn.features.panel import Panel
from crypto_nn.models import Inputs
from crypto_nn.training.evaluation import evenly
from crypto_nn.training.inspected import (
    BARS,
    AttentionProfile,
    Episode,
    Example,
    GateProfile,
    Inspection,
)
from crypto_nn.training.windows import LearningTask

WINDOWS, EXAMPLES, BATCH = 512, 6, 128
GROUPS = 5  # of windows, by volatility
BASE = "attention"
EPISODES = ("episodes", "episode_at", "episode_symbol", "episode_weights", "episode_outcomes")


def inspect_model(
    model: nn.Module, task: LearningTask, panel: Panel, temperature_H: Sequence[float]
) -> Inspection:
    """What the model looks at in validation windows: all of them in sum, some one by one.

    Args:
        panel: the rows that the task was made of, with prices as they were.
        temperature_H: softens what it says, as in `fit_temperatures`.
    """
    ends = evenly(task.validation_ends, WINDOWS)
    logits_RHC, seen = _look(model, task, ends)
    scale_HC = torch.tensor(temperature_H)[:, None]
    p_RHC = (logits_RHC / scale_HC).softmax(dim=-1).numpy()
    rows = np.linspace(0, len(ends) - 1, min(EXAMPLES, len(ends))).astype(np.int64)
    classes_NH = task.classes_NH.cpu()
    return Inspection(
        windows=len(ends),
        horizons=panel.horizons,
        attention=_attention(model, seen, task.inputs, panel.horizons),
        gates=_gates(model, seen, task.inputs, panel.sigma_N[ends.numpy()]),
        examples=tuple(
            _example(panel, int(ends[row]), task.inputs.window, int(row), seen,
                     p_RHC[row], classes_NH[ends[row]])
            for row in rows.tolist()
        ),
    )  # fmt: skip


@torch.inference_mode()
def _look(
    model: nn.Module, task: LearningTask, ends: Tensor
) -> tuple[Tensor, Mapping[str, NDArray[np.float64]]]:
    """Logits of these windows, and every named tensor that shows how they came about."""
    was_training = model.training
    model.eval()
    logits, seen = [], []
    for part in ends.split(BATCH):
        answer = model(task.windows.gather(part))
        logits.append(answer.logits_BHC.float().cpu())
        seen.append({name: tensor.detach().cpu() for name, tensor in answer.inspect.items()})
    model.train(was_training)
    names = seen[0]
    joined = {name: torch.cat([part[name] for part in seen]) for name in names}
    return torch.cat(logits), {
        name: (t.double() if t.is_floating_point() else t).numpy() for name, t in joined.items()
    }


def _attention(
    model: nn.Module,
    seen: Mapping[str, NDArray[np.float64]],
    inputs: Inputs,
    horizons: Sequence[int],
) -> dict[str, AttentionProfile]:
    """Each attention's profile; moments that are no bars are those that `model.steps` names."""
    steps: Mapping[str, int] = getattr(model, "steps", {})
    minutes = {f"{BASE}_{bars.timeframe}": bars.minutes for bars in inputs.slower} | dict(steps)
    found = {}
    for name, weights in seen.items():
        if name == f"{BASE}_horizons":
            for column, horizon in enumerate(horizons):
                found[f"{BASE} for {horizon} min"] = _profile(weights[:, column], 1)
        elif (name == BASE or name.startswith(f"{BASE}_")) and weights.ndim == 2:
            moments = name.removeprefix(f"{BASE}_") if name in steps else BARS
            found[name.replace("_", " ") if name != BASE else f"{BASE} 1m"] = _profile(
                weights, minutes.get(name, 1), moments
            )
    return found


def _profile(
    weights_BT: NDArray[np.float64], minutes: int, moments: str = BARS
) -> AttentionProfile:
    low, high = np.quantile(weights_BT, [0.1, 0.9], axis=0)
    return AttentionProfile(
        minutes=minutes,
        mean=tuple(weights_BT.mean(axis=0).tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        moments=moments,
    )


def _gates(
    model: nn.Module,
    seen: Mapping[str, NDArray[np.float64]],
    inputs: Inputs,
    sigma_B: NDArray[np.float64],
) -> dict[str, GateProfile]:
    """Each gate's weights, by volatility: in which markets is which branch listened to?"""
    order = np.argsort(np.nan_to_num(sigma_B), kind="stable")
    groups = [group for group in np.array_split(order, GROUPS) if len(group)]
    found = {}
    for name, weights_BG in seen.items():
        if name.split("_")[0] != "gate" or weights_BG.ndim != 2:
            continue
        shares = tuple(tuple(weights_BG[group].mean(axis=0).tolist()) for group in groups)
        branches = _branches(model, name, weights_BG.shape[1], inputs)
        found[name.replace("_", " ")] = GateProfile(branches=branches, shares=shares)
    return found


def _branches(model: nn.Module, gate: str, count: int, inputs: Inputs) -> tuple[str, ...]:
    """What a gate chooses between: timeframes, or what the model's `branches` says."""
    timeframes = ("1m", *(bars.timeframe for bars in inputs.slower))
    if gate in ("gate_timeframes", "gate_scales") and len(timeframes) == count:
        return timeframes
    named: Mapping[str, tuple[str, ...]] = getattr(model, "branches", {})
    return named.get(gate, tuple(f"branch {number + 1}" for number in range(count)))


def _example(
    panel: Panel,
    end: int,
    window: int,
    row: int,
    seen: Mapping[str, NDArray[np.float64]],
    p_HC: NDArray[np.float64],
    came_H: Tensor,
) -> Example:
    attention = seen[BASE][row].tolist() if BASE in seen else ()
    return Example(
        symbol=panel.symbols[panel.symbol_N[end]],
        at=str(panel.ts_N[end]),
        closes=tuple(panel.close_N[end - window + 1 : end + 1].tolist()),
        attention=tuple(attention),
        probabilities=tuple(map(tuple, p_HC.tolist())),
        came=tuple(came_H.tolist()),
        episodes=tuple(_episodes(panel, row, seen)),
    )


def _episodes(panel: Panel, row: int, seen: Mapping[str, NDArray[np.float64]]) -> list[Episode]:
    if not all(name in seen for name in EPISODES):
        return []
    place_K, at_K, symbol_K, weight_K, outcome_KH = (seen[name][row] for name in EPISODES)
    return [
        Episode(
            at=str(np.datetime64(int(at_K[k]), "us")),
            symbol=panel.symbols[int(symbol_K[k])],
            weight=float(weight_K[k]),
            outcomes=tuple(outcome_KH[k].tolist()),
        )
        for k in np.flatnonzero(place_K >= 0)
    ]
