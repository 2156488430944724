"""Scaling: every feature on one footing, by what the training rows alone have shown."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from crypto_nn.bars import Float
from crypto_nn.errors import FeatureError

Matrix = NDArray[np.float32]
CHUNK_ROWS = 65_536
NEGLIGIBLE = 1e-12  # a spread this small beside the level is rounding, not information


class ScalingConfig(BaseModel):
    """How features are scaled before a model sees them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clip: float = Field(
        default=10.0, gt=0, description="scaled values are held within this many spreads"
    )


DEFAULT = ScalingConfig()


@dataclass(frozen=True, eq=False)
class RobustScaler:
    """Median to zero and interquartile range to one, so that a crash does not set the scale.

    x → clip((x − center) / scale, ±clip). The scale is the interquartile range; where that is
    zero (a feature that is mostly one value) the standard deviation; 1 for a constant. Statistics
    are float64; results are float32 and the same bits for one row as for all. Null stays null.
    """

    center_F: Float
    scale_F: Float
    clip: float = DEFAULT.clip

    @classmethod
    def fit(
        cls,
        x_NF: NDArray[np.floating[Any]],
        rows: NDArray[Any] | None = None,
        config: ScalingConfig = DEFAULT,
    ) -> "RobustScaler":
        """Learn from these rows (mask or positions; all where None), which must be of training.

        Values that are not finite are left out, feature by feature.
        """
        num_features = x_NF.shape[1]
        center_F, scale_F = np.zeros(num_features), np.ones(num_features)
        for column in range(num_features):
            values = x_NF[:, column] if rows is None else x_NF[rows, column]
            center_F[column], scale_F[column] = _center_and_scale(values)
        return cls(center_F, scale_F, config.clip)

    def transform(self, x_NF: NDArray[np.floating[Any]], out: Matrix | None = None) -> Matrix:
        """Scaled values as float32, (N, F) or (F,); `out` may be `x_NF` itself.

        Raises:
            FeatureError: the number of features is another than was fitted.
        """
        if x_NF.shape[-1] != len(self.center_F):
            raise FeatureError(
                f"{x_NF.shape[-1]} features were given to a scaler fitted on {len(self.center_F)}. "
                "Use the feature set that the version was trained with."
            )
        scaled = np.empty(x_NF.shape, dtype=np.float32) if out is None else out
        if x_NF.ndim == 1:
            scaled[:] = self._scaled(x_NF)
            return scaled
        for lo in range(0, len(x_NF), CHUNK_ROWS):
            scaled[lo : lo + CHUNK_ROWS] = self._scaled(x_NF[lo : lo + CHUNK_ROWS])
        return scaled

    def _scaled(self, x: NDArray[np.floating[Any]]) -> Float:
        with np.errstate(over="ignore"):  # beyond float64 is beyond the clip
            scaled: Float = (x.astype(np.float64) - self.center_F) / self.scale_F
        return np.clip(scaled, -self.clip, self.clip, out=scaled)

    def to_json(self) -> str:
        """Text from which `from_json` makes the same scaler, to the bit."""
        return json.dumps(
            {"center": self.center_F.tolist(), "scale": self.scale_F.tolist(), "clip": self.clip}
        )

    @classmethod
    def from_json(cls, text: str) -> "RobustScaler":
        """The scaler that `to_json` wrote."""
        read = json.loads(text)
        return cls(np.array(read["center"], float), np.array(read["scale"], float), read["clip"])


def _center_and_scale(values: NDArray[np.floating[Any]]) -> tuple[float, float]:
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size:
        return 0.0, 1.0
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    negligible = NEGLIGIBLE * abs(middle)
    for spread in (high - low, known.std()):
        if spread > negligible:
            return float(middle), float(spread)
    return float(middle), 1.0


def class_weights(classes_NH: NDArray[np.integer[Any]]) -> Float:
    """Weights that make the three classes count the same in a loss, per horizon (H, 3).

    rows / (3 · rows of the class), over rows whose class is known (≥ 0); 1 for a class that
    training rows do not have.
    """
    weights_H3 = np.ones((classes_NH.shape[1], 3))
    for horizon, classes in enumerate(classes_NH.T):
        counts = np.bincount(classes[classes >= 0], minlength=3)
        seen = counts > 0
        weights_H3[horizon, seen] = counts.sum() / (3 * counts[seen])
    return weights_H3
