"""What all architectures' settings share."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from crypto_nn.models.inputs import reach_of


class ModelConfig(BaseModel):
    """The settings of one architecture; each model has its own subclass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def slower(self) -> Mapping[str, int]:
        """How many closed bars of which slower timeframes the model looks at; most at none."""
        return {}

    def reach(self, window: int) -> int:
        """How many minutes, without a hole, an answer looks back on."""
        return reach_of(window, self.slower)
