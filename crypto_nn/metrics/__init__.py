"""How good a prediction was: classification, calibration, trading, significance."""

from crypto_nn.metrics.significance import Interval
from crypto_nn.metrics.tracker import MetricsTracker, classification_figures
from crypto_nn.metrics.trading import TradingMetrics

__all__ = ["Interval", "MetricsTracker", "TradingMetrics", "classification_figures"]
