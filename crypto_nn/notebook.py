"""What a notebook needs: bars, features, models and predictions as DataFrames."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crypto_nn.bars.symbol import check_symbol
from crypto_nn.benchmark.config import Sizing
from crypto_nn.environment import catalogue, home, yaml_in_force
from crypto_nn.errors import ConfigError
from crypto_nn.experiments import Experiment
from crypto_nn.inference.registry import resolve
from crypto_nn.store.lake import Lake, open_lake
from crypto_nn.store.models import ModelStore

if TYPE_CHECKING:
    import pyarrow as pa

    from crypto_nn.features.panel import Panel, Rows
    from crypto_nn.inference.predictor import ModelInference

Time = str | pd.Timestamp | None
FIRST, LAST = np.datetime64("1970-01-01", "us"), np.datetime64("2262-01-01", "us")


def load_bars(symbol: str, start: Time = None, end: Time = None) -> pd.DataFrame:
    """Clean one-minute bars that open in [start, end), indexed by `ts` (UTC).

    Raises:
        LakeError: the symbol's bars were not materialised yet.
    """
    return _frame(_read("bars", symbol, start, end))


def load_features(
    symbol: str, start: Time = None, end: Time = None, as_of: int | None = None
) -> pd.DataFrame:
    """Features of the bars that open in [start, end), indexed by `ts` (UTC).

    Args:
        as_of: a snapshot of the lake, such as `checkpoints.snapshot` names it: the features as
            they were then. The newest if not given.
    """
    return _frame(_read("features", symbol, start, end, as_of))


def load_model(version: str) -> "ModelInference":
    """A version, or the champion of a universe by `champion:BTC-USDT`, ready to be asked.

    Raises:
        ModelError: there is no such version, or its files are damaged.
    """
    from crypto_nn.inference.predictor import ModelInference

    store = ModelStore(home() / "models")
    return ModelInference.load(store, resolve(store, version))


def predict(
    symbol: str, start: Time = None, end: Time = None, version: str | None = None
) -> pd.DataFrame:
    """Calibrated probabilities of down, flat and up for each minute in [start, end) and horizon.

    Args:
        version: a version or `champion:<universe>`; the symbol's champion if not given.
    """
    model, panel, ends = _asked(symbol, start, end, version)
    p_RHC = model.predict(panel, ends)
    index = pd.MultiIndex.from_product(
        [pd.DatetimeIndex(panel.ts_N[ends], tz="UTC"), panel.horizons], names=["ts", "horizon"]
    )
    return pd.DataFrame(p_RHC.reshape(-1, 3), index=index, columns=["p_down", "p_flat", "p_up"])


def backtest(
    symbol: str,
    start: Time = None,
    end: Time = None,
    version: str | None = None,
    horizon: int = 15,
    costs_bps: Sequence[float] = (0.0, 2.0, 5.0, 10.0, 20.0),
    sizing: Sizing = "sign",
) -> pd.DataFrame:
    """What trading on the predictions would have earned: net return of each UTC day, by cost.

    Orders fill one whole bar after the prediction and are held for the horizon. `in_sample` marks
    days that the version was fitted to; only the others tell anything.

    Args:
        horizon: minutes ahead, one of the version's.
        costs_bps: costs of a round trip in basis points; each is a column such as `net_10bp`.
        sizing: "sign", "class" or "confidence", as in `benchmark.sizing`.

    Raises:
        ConfigError: the version does not predict this horizon.
    """
    from crypto_nn.benchmark.backtest import backtest as trade
    from crypto_nn.benchmark.backtest import positions
    from crypto_nn.benchmark.profits import market_of

    model, panel, ends = _asked(symbol, start, end, version)
    if horizon not in model.horizons:
        raise ConfigError(
            f"Version {model.version} predicts {model.horizons} minutes ahead, not {horizon}. "
            "Choose one of these."
        )
    wanted_R = positions(model.predict(panel, ends)[:, model.horizons.index(horizon)], sizing)
    traded = trade(market_of(panel, symbol), panel.ts_N[ends], wanted_R, horizon)
    days = np.unique(panel.ts_N[ends].astype("datetime64[D]"))
    place = (days - days[0]).astype(np.int64) if len(days) else np.empty(0, dtype=np.int64)
    columns = {
        f"net_{cost:g}bp": traded.daily(cost, days[0], days[-1])[place] if len(days) else []
        for cost in costs_bps
    }
    frame = pd.DataFrame(columns, index=pd.DatetimeIndex(days, tz="UTC", name="day"))
    return frame.assign(in_sample=days < model.fold.end)


def _asked(
    symbol: str, start: Time, end: Time, version: str | None
) -> "tuple[ModelInference, Panel, Rows]":
    """A version, and the rows of the lake that it is asked about."""
    from crypto_nn.features.labels import MINUTE
    from crypto_nn.training.dataset import load_panel

    experiment = Experiment.load(yaml_in_force())
    model = load_model(version or f"champion:{experiment.universe_of(check_symbol(symbol))}")
    first, last = _instant(start, FIRST), _instant(end, LAST)
    before = first - model.window * MINUTE
    panel = load_panel(_lake(), [symbol], model.feature_names, before, last)
    ends = panel.window_ends(model.window)
    return model, panel, ends[panel.ts_N[ends] >= first]


def _lake() -> Lake:
    return open_lake(home() / "lake", catalogue())


def _instant(time: Time, default: np.datetime64) -> np.datetime64:
    if time is None:
        return default
    stamp = pd.Timestamp(time)
    stamp = stamp.tz_convert("UTC").tz_localize(None) if stamp.tzinfo else stamp
    return np.datetime64(stamp, "us")


def _read(
    table: str, symbol: str, start: Time, end: Time, snapshot: int | None = None
) -> "pa.Table":
    bounds = [
        None if time is None else _instant(time, np.datetime64(0, "us")) for time in (start, end)
    ]
    where = {"symbol": check_symbol(symbol)}
    return Lake(home() / "lake", catalogue()).read(
        table, None, where, bounds[0], bounds[1], snapshot
    )


def _frame(table: "pa.Table") -> pd.DataFrame:
    frame = table.drop_columns(["symbol", "month"]).to_pandas()
    frame["ts"] = frame["ts"].dt.tz_localize("UTC")
    indexed: pd.DataFrame = frame.set_index("ts")
    return indexed
