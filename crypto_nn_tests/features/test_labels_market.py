"""Labels of real bars: the same however they are cut, and near thirds."""

import numpy as np

from crypto_nn.bars.calendar import month_slices
from crypto_nn.features.labels import LabelConfig, class_balance, compute_labels
from crypto_nn_tests.features.walks import assert_same, month_alone
from crypto_nn_tests.market import BTC, needs_market, real_bars

pytestmark = needs_market


def test_real_months_alone_equal_the_whole_and_are_near_thirds() -> None:
    """Half a year of BTC, with the outage of 24 March 2023; one k for every month and horizon."""
    bars = real_bars(BTC, rows=185 * 1440)
    bars = bars.between(bars.ts[0], np.datetime64("2023-07-01"))
    whole = compute_labels(bars, LabelConfig(), complete=True)
    for month, rows in list(month_slices(bars.ts))[1:]:
        assert_same(month_alone(bars, month, LabelConfig()), whole.take(rows))
    shares = class_balance(whole).to_pandas()[["down", "flat", "up"]]
    assert shares.min(axis=None) > 0.26
    assert shares.max(axis=None) < 0.42
