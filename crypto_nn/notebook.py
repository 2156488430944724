"""What a notebook needs: bars, features, models and predictions as DataFrames."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crypto_nn.bars.calendar import instant, month_bounds
from crypto_nn.bars.symbol import check_symbol
from crypto_nn.benchmark.config import Sizing
from crypto_nn.environment import catalogue, home, yaml_in_force
from crypto_nn.errors import ConfigError
from crypto_nn.experiments import Experiment
from crypto_nn.inference.registry import resolve
from crypto_nn.store.lake import Lake, open_lake
from crypto_nn.store.models import ModelStore
from crypto_nn.store.raw import RawStore

if TYPE_CHECKING:
    import pyarrow as pa

    from crypto_nn.features.panel import Panel, Rows
    from crypto_nn.inference.predictor import ModelInference
    from crypto_nn.store.as_of import AsOf

Time = str | pd.Timestamp | None
FIRST, LAST = np.datetime64("1970-01-01", "us"), np.datetime64("2262-01-01", "us")


def load_bars(
    symbol: str, start: Time = None, end: Time = None, as_of: int | Time = None
) -> pd.DataFrame:
    """Clean one-minute bars that open in [start, end), indexed by `ts` (UTC).

    Args:
        as_of: a time: the bars as they were known then, that is, what inspection makes of the raw
            and live rows that had been received by then; none if nothing had been. Or a snapshot
            of the lake: the table as it was. As it is now if not given.

    Raises:
        LakeError: the symbol's bars were not materialised yet, or nothing was ever received.
    """
    if as_of is not None and not isinstance(as_of, int | np.integer):
        known, _ = _known(symbol, as_of)
        return _frame(known.table(_instant(start, FIRST), _instant(end, LAST)))
    return _frame(_read("bars", symbol, start, end, as_of))


def load_features(
    symbol: str, start: Time = None, end: Time = None, as_of: int | Time = None
) -> pd.DataFrame:
    """Features of the bars that open in [start, end), indexed by `ts` (UTC).

    Args:
        as_of: a time: the features that the feature set in force gives for the bars as they were
            known then (see `load_bars`), computed anew. Or a snapshot of the lake, such as
            `checkpoints.snapshot` names it: the table as it was. As it is now if not given.

    Raises:
        LakeError: the symbol's features were not materialised yet, or nothing was ever received.
    """
    if as_of is not None and not isinstance(as_of, int | np.integer):
        return _features_as_of(symbol, _instant(start, FIRST), _instant(end, LAST), as_of)
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
    model, panel, ends = load_windows(symbol, start, end, version)
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

    model, panel, ends = load_windows(symbol, start, end, version)
    if horizon not in model.horizons:
        raise ConfigError(
            f"Version {model.version} predicts {model.horizons} minutes ahead, not {horizon}. "
            "Choose one of these."
        )
    wanted_R = positions(model.predict(panel, ends)[:, model.horizons.index(horizon)], sizing)
    traded = trade(market_of(panel, symbol), panel.ts_N[ends], wanted_R, horizon)
    days = np.unique(panel.ts_N[ends].astype("datetime64[D]"))
    columns = {f"net_{cost:g}bp": traded.on_days(cost, days) for cost in costs_bps}
    frame = pd.DataFrame(columns, index=pd.DatetimeIndex(days, tz="UTC", name="day"))
    return frame.assign(in_sample=days < model.fold.end)


def load_windows(
    symbol: str, start: Time = None, end: Time = None, version: str | None = None
) -> "tuple[ModelInference, Panel, Rows]":
    """A version, and the windows of [start, end) that it can be asked about.

    Args:
        version: a version or `champion:<universe>`; the symbol's champion if not given.

    Returns:
        The version, the rows of the lake, and the positions in them at which its windows end: what
        `ModelInference.predict` and `inference.uncertainty` take.
    """
    from crypto_nn.features.labels import MINUTE
    from crypto_nn.training.dataset import load_panel

    experiment = Experiment.load(yaml_in_force())
    model = load_model(version or f"champion:{experiment.universe_of(check_symbol(symbol))}")
    first, last = _instant(start, FIRST), _instant(end, LAST)
    before = first - model.reach * MINUTE
    panel = load_panel(_lake(), [symbol], model.feature_names, before, last)
    ends = panel.window_ends(model.reach)
    return model, panel, ends[panel.ts_N[ends] >= first]


def _known(symbol: str, time: Time) -> "tuple[AsOf, Experiment]":
    """The symbol as it was known at a time, by the settings in force."""
    from crypto_nn.store.as_of import AsOf

    experiment = Experiment.load(yaml_in_force())
    source = experiment.symbol(check_symbol(symbol)).source
    raw, lake = RawStore(home() / "raw_bars"), _lake()
    return AsOf(raw, lake, source, symbol, _instant(time, LAST), experiment.quality), experiment


def _features_as_of(
    symbol: str, start: np.datetime64, end: np.datetime64, time: Time
) -> pd.DataFrame:
    """Each month from its anchor, as the asset `features` computes it."""
    from crypto_nn.bars.reference import with_reference
    from crypto_nn.features import default_feature_set

    known, experiment = _known(symbol, time)
    features, reference = default_feature_set(experiment.features), experiment.features.reference
    beside = _known(reference, time)[0] if reference else None
    first_month = experiment.symbol(symbol).first_month
    parts = []
    for month in known.months_of(start, end):
        first, after = month_bounds(month)
        anchor = features.anchor(month)
        complete = known.is_complete(first_month, anchor, after)
        bars = known.bars(anchor, after)
        if beside is not None:
            bars = with_reference(bars, beside.bars(anchor, after))
        x_NF = features.compute_month(bars, month, complete=complete)
        parts.append(pd.DataFrame(x_NF, known.bars(first, after).ts, list(features.names)))
    parts = parts or [pd.DataFrame(columns=list(features.names), dtype=np.float32)]
    frame = pd.concat(parts)
    frame.index = pd.DatetimeIndex(frame.index, name="ts").as_unit("us")
    within: pd.DataFrame = frame[(frame.index >= start) & (frame.index < end)].tz_localize("UTC")
    return within


def _lake() -> Lake:
    root = home() / "lake"
    file = root / "catalog.sqlite"  # another one after `rm -r` and a new start
    return _opened(root, catalogue(), file.stat().st_ino if file.exists() else 0)


@lru_cache(maxsize=1)
def _opened(root: Path, catalogue: str | None, inode: int) -> Lake:
    """Opening a lake takes a third of a second, and a notebook asks the same one all day."""
    return open_lake(root, catalogue)


def _instant(time: Time, default: np.datetime64) -> np.datetime64:
    return default if time is None else instant(time)


def _read(
    table: str, symbol: str, start: Time, end: Time, snapshot: int | None = None
) -> "pa.Table":
    bounds = [
        None if time is None else _instant(time, np.datetime64(0, "us")) for time in (start, end)
    ]
    where = {"symbol": check_symbol(symbol)}
    return _lake().read(table, None, where, bounds[0], bounds[1], snapshot)


def _frame(table: "pa.Table") -> pd.DataFrame:
    frame = table.drop_columns(["symbol", "month"]).to_pandas()
    frame["ts"] = frame["ts"].dt.tz_localize("UTC")
    indexed: pd.DataFrame = frame.set_index("ts")
    return indexed
