"""The connector gives what the platform would store, to the bit, and sends results on."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crypto_nn import DataPipelineConnector
from crypto_nn.bars.reference import with_reference
from crypto_nn.errors import DatabaseError
from crypto_nn.features import default_feature_set
from crypto_nn.features.config import FeatureConfig
from crypto_nn.sources import FilesConfig, SyntheticConfig
from crypto_nn.sources.synthetic import Gap, generate
from crypto_nn.store.database import DatabaseConfig

MARKET = SyntheticConfig(
    symbols=("BTC-USDT",),
    start=datetime(2024, 1, 10),
    end=datetime(2024, 2, 6),
    gaps=(Gap(start=datetime(2024, 2, 3, 7), minutes=4),),
)


def test_features_are_those_of_the_whole_history() -> None:
    """A stretch asked for alone has the bits that it has within all bars."""
    connector = DataPipelineConnector(MARKET)
    bars = generate(MARKET, "BTC-USDT")
    whole = default_feature_set().compute(bars, complete=True)
    found = connector.features("BTC-USDT", "2024-02-03", "2024-02-05")
    rows = (bars.ts >= np.datetime64("2024-02-03")) & (bars.ts < np.datetime64("2024-02-05"))
    np.testing.assert_array_equal(found.to_numpy(), whole[rows])
    assert list(found.columns) == list(default_feature_set().names)


def test_features_beside_a_reference_are_those_of_both_histories() -> None:
    """The reference's bars of the same minutes are fetched too, and joined as the platform does."""
    both = MARKET.model_copy(update={"symbols": ("BTC-USDT", "ETH-USDT")})
    features = default_feature_set(FeatureConfig(groups=("returns",), reference="BTC-USDT"))
    connector = DataPipelineConnector(both, features=features, reference="BTC-USDT")
    btc, eth = (generate(both, symbol) for symbol in both.symbols)
    whole = features.compute(with_reference(eth, btc), complete=True)
    found = connector.features("ETH-USDT", "2024-02-03", "2024-02-05")
    rows = (eth.ts >= np.datetime64("2024-02-03")) & (eth.ts < np.datetime64("2024-02-05"))
    np.testing.assert_array_equal(found.to_numpy(), whole[rows])
    assert found["reference_return_5"].notna().mean() > 0.9


def test_dirty_rows_are_put_aside_with_a_reason(tmp_path: Path) -> None:
    """What cannot be a bar is not given as one, and is not lost either."""
    path = tmp_path / "BTCUSDT_1m.csv"
    path.write_text(
        "ts,open,high,low,close,volume\n"
        "2024-01-31 23:59:00,1,2,1,2,5\n"
        "2024-02-01 00:00:00,2,1,2,2,5\n"
        "soon,1,2,1,2,5\n"
        "2024-02-01 00:02:00,2,3,2,2,5\n"
    )
    connector = DataPipelineConnector(FilesConfig(paths=(str(path),)))
    bars = connector.bars("BTC-USDT", "2024-01-01", "2024-03-01")
    assert [str(ts) for ts in bars.index] == [
        "2024-01-31 23:59:00+00:00",
        "2024-02-01 00:02:00+00:00",
    ]
    found = list(connector.inspections("BTC-USDT", "2024-01-01", "2024-03-01"))
    assert [inspection.month for inspection in found] == ["2024-01", "2024-02"]
    assert found[1].reasons == {"unreadable_time": 1, "high_below_low": 1}
    assert sum(inspection.received for inspection in found) == 4
    assert found[1].missing_minutes == 2


def test_nothing_there_is_an_empty_frame() -> None:
    """A stretch without bars has the columns and no rows."""
    connector = DataPipelineConnector(MARKET)
    assert connector.bars("BTC-USDT", "2023-01-01", "2023-02-01").empty


def test_results_wait_on_disk_while_the_database_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saving never fails for want of a database, and says what waits."""
    monkeypatch.setenv("CRYPTO_NN_DATABASE", "postgresql://nobody:secret@127.0.0.1:1/none")
    database = DatabaseConfig(mirror=("predictions", "bars"), attempts=1)
    connector = DataPipelineConnector(MARKET, database, spool=tmp_path)
    said = pd.DataFrame(
        {
            "ts": pd.to_datetime(["2024-02-01 00:00"], utc=True),
            "symbol": ["BTC-USDT"],
            "horizon": [5],
            "model_version": ["abc"],
            "predicted_class": [2],
            "confidence": [0.4],
        }
    )
    assert connector.save_predictions(said).waiting == 1
    bars = connector.bars("BTC-USDT", "2024-02-01", "2024-02-01 01:00")
    state = connector.save_bars(bars, "BTC-USDT")
    assert state.waiting == 61
    assert "secret" not in state.problem


def test_a_frame_that_is_no_table_is_refused_by_name(tmp_path: Path) -> None:
    """Mixed cells, two columns of one name, and text that is none."""
    database = DatabaseConfig(mirror=("predictions",))
    connector = DataPipelineConnector(MARKET, database, spool=tmp_path)
    good = pd.DataFrame({"symbol": ["BTC-USDT", "ETH-USDT"], "confidence": [0.4, 0.5]})
    twice = pd.concat([good, good[["symbol"]]], axis=1)
    for frame in (good.assign(confidence=[1, "x"]), twice, good.assign(symbol="\udcff")):
        with pytest.raises(DatabaseError, match="frame for predictions is no table"):
            connector.save_predictions(frame)
