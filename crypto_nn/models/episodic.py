"""EpisodicMemoryNetwork: asks what came of past windows that looked like this one.

- an LSTM over the window, and attention over its moments, as in `LSTMPricePredictor`
- a query from what it has read, and from the window's sketch
- the K most similar of M past windows, of which only those count whose outcomes were known when
  the window closed; softmax over them and over having found nothing
- their outcomes, weighted, through a gate into the summary

After neural episodic control (Pritzel et al. 2017), which looks up values by learned keys, and
kNN-LM (Khandelwal et al. 2020), which mixes what followed in similar contexts into a prediction.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from crypto_nn.models.configs.memory import EpisodicConfig
from crypto_nn.models.episodes import NOT_KNOWN, EpisodeStore, Recalled
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.importance import importance
from crypto_nn.models.initialise import OUTPUT_STD, initialise, initialise_output
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.lstm import TemporalAttention
from crypto_nn.models.prediction import Answers, Prediction, Windows
from crypto_nn.models.window_encoder import WindowEncoder

SHARPNESS = 2.0  # first gain of queries: too small a one weighs all that is found alike


class EpisodicMemoryNetwork(nn.Module):
    """An LSTM that is told what followed the most similar of its stored episodes.

    Keys are a linear map of sketches, then layer norm; the window's own sketch goes through the
    same map, so that a fresh model already finds what looks alike. Retrieval can be learned
    through: the gradient reaches the query and the keys of what was found.
    """

    branches: ClassVar = {"gate": ("memory",)}

    def __init__(self, config: EpisodicConfig, inputs: Inputs) -> None:
        super().__init__()
        self.neighbours = config.neighbours
        self.power = config.importance
        self.episodes = EpisodeStore(inputs, config.episodes, config.segments)
        self.encode = WindowEncoder(inputs, config)
        self.attend = TemporalAttention(config.hidden, config.attention)
        self.key = nn.Sequential(
            nn.Linear(config.segments * inputs.num_features, config.key), nn.LayerNorm(config.key)
        )
        self.ask = nn.Linear(config.hidden, config.key)
        self.query_norm = nn.LayerNorm(config.key)
        self.nothing_D = nn.Parameter(torch.empty(config.key))
        self.value = nn.Sequential(
            nn.Linear(5 * inputs.num_horizons + config.key, config.hidden), nn.GELU()
        )
        self.gate = nn.Linear(config.key + config.hidden, 1)
        self.drop = nn.Dropout(config.dropout)
        initialise(self)
        initialise_output(self.ask)  # at first, a window asks for what its own sketch is like
        nn.init.constant_(self.query_norm.weight, SHARPNESS)
        nn.init.normal_(self.nothing_D, std=OUTPUT_STD)
        self.head = HorizonHeads(inputs, config.hidden, config.head, config.dropout)

    def forward(self, windows: Windows) -> Prediction:
        states_BTD = self.encode(windows)
        attended_BD, attention_BT = self.attend(states_BTD)
        state_BD = states_BTD[:, -1] + attended_BD
        query_BD = self.query_norm(self.key(self.episodes.sketch_of(windows)) + self.ask(state_BD))
        keys_MD = self.key(self.episodes.sketch)
        found = self.episodes.recall(
            query_BD, keys_MD, self.nothing_D, windows.t_B, self.neighbours
        )
        value_BD = self.value(torch.cat([found.outcome_BO, found.key_BD], dim=1))
        gate_B1 = self.gate(torch.cat([query_BD, value_BD], dim=1)).sigmoid()
        summary_BD = self.drop(state_BD + gate_B1 * value_BD)
        inspect = self._inspect(found) | {"attention": attention_BT, "gate": gate_B1}
        return self.head(summary_BD, windows, **inspect)

    def _inspect(self, found: Recalled) -> dict[str, Tensor]:
        episodes_BK, store = found.episodes_BK, self.episodes
        return {
            "episodes": episodes_BK,
            "episode_weights": found.weights_BK,
            "episode_known_at": store.look_up("known_at", episodes_BK, 0),
            "episode_outcomes": store.look_up("classes", episodes_BK, NOT_KNOWN),
            "episode_at": store.look_up("t", episodes_BK, 0),
            "episode_symbol": store.look_up("symbol", episodes_BK, NOT_KNOWN),
        }

    def remember(self, windows: Windows, prediction: Prediction, answers: Answers) -> None:
        """Offer a step's windows to memory, weighted by how much they surprised the model."""
        self.episodes.remember(windows, answers, importance(prediction, answers, self.power))
