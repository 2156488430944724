"""WHAT CAN BE SEEN: small pictures for the UI, the report and the docs. No picture ever raises
for want of data; matplotlib loads when the first one is drawn."""

from crypto_nn.pictures.break_even import break_even
from crypto_nn.pictures.canvas import Picture
from crypto_nn.pictures.champion_timeline import champion_timeline
from crypto_nn.pictures.class_balance import class_balance
from crypto_nn.pictures.confusion_matrices import confusion_matrices
from crypto_nn.pictures.coverage import Hours, coverage
from crypto_nn.pictures.drift_bars import drift_bars
from crypto_nn.pictures.embed import data_uri, markdown
from crypto_nn.pictures.equity_curves import equity_curves
from crypto_nn.pictures.feature_page import feature_page
from crypto_nn.pictures.feature_strips import feature_strips
from crypto_nn.pictures.heat_map import heat_map
from crypto_nn.pictures.leaderboard_bars import leaderboard_bars
from crypto_nn.pictures.loss_curves import loss_curves
from crypto_nn.pictures.price_chart import price_chart
from crypto_nn.pictures.reliability_diagrams import reliability_diagrams
from crypto_nn.pictures.skill_panels import skill_panels
from crypto_nn.pictures.tuning_plots import pareto_front, setting_importance, tuning_history

__all__ = [
    "Hours",
    "Picture",
    "break_even",
    "champion_timeline",
    "class_balance",
    "confusion_matrices",
    "coverage",
    "data_uri",
    "drift_bars",
    "equity_curves",
    "feature_page",
    "feature_strips",
    "heat_map",
    "leaderboard_bars",
    "loss_curves",
    "markdown",
    "pareto_front",
    "price_chart",
    "reliability_diagrams",
    "setting_importance",
    "skill_panels",
    "tuning_history",
]
