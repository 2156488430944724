"""All features of a frame of bars in one call, for whoever works with pandas."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bar, Bars
from crypto_nn.bars.bars import OPTIONAL, REQUIRED
from crypto_nn.bars.calendar import instant
from crypto_nn.bars.reference import with_reference
from crypto_nn.errors import BarsError, FeatureError
from crypto_nn.features.catalog_table import catalog
from crypto_nn.features.catalogue import default_feature_set
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.live import LiveFeatures
from crypto_nn.features.missing import Missing, missing

_UNNAMED = "UNNAMED-BARS"


class TechnicalFeatureEngineering:
    """From open, high, low, close and volume to every feature, in history and live.

    The columns are those that the platform stores and its models see, with the same bits:

        features = TechnicalFeatureEngineering()
        table = features.transform(frame)  # a row for each minute, a column for each feature

    Attributes:
        config: which groups of features, and what a hole in the bars does.
        features: the set that does the work.
    """

    def __init__(self, config: FeatureConfig | None = None) -> None:
        self.config = config or FeatureConfig()
        self.features = default_feature_set(self.config)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns of the result, in order."""
        return self.features.names

    @property
    def warm_ups(self) -> Mapping[str, int]:
        """At most so many minutes after a start or a long gap a column is missing."""
        return {one.name: one.warm_up_minutes for one in self.features.features}

    def catalog(self) -> pd.DataFrame:
        """What each column is: description, formula, unit, warm-up, source and more, by name."""
        frame: pd.DataFrame = catalog(self.features).to_pandas()
        return frame.set_index("name")

    def transform(
        self,
        bars: pd.DataFrame | Bars,
        symbol: str | None = None,
        reference: pd.DataFrame | Bars | None = None,
        complete: bool = True,
    ) -> pd.DataFrame:
        """The features of every bar.

        Args:
            bars: 1-minute bars of one symbol: `ts` (the open; UTC, a column or the index), `open`,
                `high`, `low`, `close`, `volume`.
            symbol: such as "BTC-USDT", for messages; a frame's column `symbol` if None.
            reference: bars of `config.reference`, where the group `cross` is chosen.
            complete: whether nothing came before these bars. If so, features begin after their
                warm-up. If not, a month is null unless the bars reach back to its anchor: then
                values do not depend on where a frame happens to begin.

        Returns:
            float32, one column per feature, indexed by `ts` (UTC); NaN where it is missing.

        Raises:
            BarsError: a column is missing, there twice or no number, `ts` is of another zone, or
                bars are not in order, not on the minute or not possible.
            FeatureError: the bars are not 1-minute bars, or the reference is missing.
        """
        known = self._known(bars, symbol, reference)
        return self._table(known, self.features.compute(known, complete))

    def missing(
        self,
        bars: pd.DataFrame | Bars,
        symbol: str | None = None,
        reference: pd.DataFrame | Bars | None = None,
        complete: bool = True,
    ) -> pd.DataFrame:
        """True where `transform` has no value; no feature is computed for it."""
        known = self._known(bars, symbol, reference)
        return self._table(known, missing(self.features, known, complete) != Missing.KNOWN)

    def why_missing(
        self,
        bars: pd.DataFrame | Bars,
        symbol: str | None = None,
        reference: pd.DataFrame | Bars | None = None,
        complete: bool = True,
    ) -> pd.DataFrame:
        """Why `transform` has no value: the names of `Missing` as categories, "known" where it has.

        They are known, no_history, warm_up, after_gap, stale and no_reference.
        """
        known = self._known(bars, symbol, reference)
        codes_NF = missing(self.features, known, complete).astype(np.int8)
        reasons = pd.CategoricalDtype([reason.name.lower() for reason in Missing])
        columns = [pd.Categorical.from_codes(code_N, dtype=reasons) for code_N in codes_NF.T]
        return pd.DataFrame(dict(zip(self.feature_names, columns)), index=_index(known))

    def stream(
        self,
        history: pd.DataFrame | Bars,
        symbol: str | None = None,
        reference: pd.DataFrame | Bars | None = None,
        complete: bool = True,
    ) -> "LiveTechnicalFeatures":
        """Features for live bars after `history`; the arguments are those of `transform`."""
        known = self._known(history, symbol, reference)
        return LiveTechnicalFeatures(self.features.stream(known, complete), self.feature_names)

    def _table(self, bars: Bars, values_NF: NDArray[Any]) -> pd.DataFrame:
        return pd.DataFrame(values_NF, index=_index(bars), columns=list(self.feature_names))

    def _known(
        self,
        bars: pd.DataFrame | Bars,
        symbol: str | None,
        reference: pd.DataFrame | Bars | None,
    ) -> Bars:
        """The bars, beside their reference where that is read."""
        known = _bars_of(bars, symbol)
        if reference is not None:
            if self.config.reference is None:
                raise FeatureError(
                    f"{known.symbol}: reference bars were given, and no feature reads them. Use "
                    'TechnicalFeatureEngineering(FeatureConfig(reference="BTC-USDT")), with the '
                    "symbol that they are of."
                )
            return with_reference(known, _bars_of(reference, self.config.reference))
        if self.config.reference is None or known.reference is not None:
            return known
        if known.symbol == self.config.reference:
            return with_reference(known, known)
        raise FeatureError(
            f"{known.symbol}: the group `cross` sees a market beside {self.config.reference}. Give "
            f"the bars of {self.config.reference} as `reference`."
        )


class LiveTechnicalFeatures:
    """The newest row of features, bar by bar, with the same bits as `transform` gives."""

    def __init__(self, live: LiveFeatures, names: tuple[str, ...]) -> None:
        self._live = live
        self._names = pd.Index(names)

    def update(self, bar: Mapping[str, Any] | Bar) -> pd.Series:
        """Take the next closed bar; give its features, named by its `ts`.

        Args:
            bar: a `Bar`, or its `ts`, `open`, `high`, `low`, `close`, `volume` by name (`reference`
                too where the group `cross` is chosen: the reference's close of that minute). The
                time may be a `datetime`, a `pd.Timestamp`, a `np.datetime64` or a text; as in
                history it is UTC, and one of another zone is refused.

        Raises:
            BarsError: the bar is not later than the last, off the minute, of another zone or not
                possible; it was not taken.
        """
        taken = bar if isinstance(bar, Bar) and _is_plain(bar) else _bar_of(bar)
        stamp = pd.Timestamp(taken.ts, tz="UTC")
        return pd.Series(self._live.update(taken), index=self._names, name=stamp)


def _is_plain(bar: Bar) -> bool:
    """Whether it holds what a stream of bars takes as it is."""
    ts, *numbers = bar
    return isinstance(ts, np.datetime64) and all(isinstance(one, float) for one in numbers)


def _bar_of(given: Any) -> Bar:
    """A bar as a frame of one row would give it."""
    if not isinstance(given, Bar | Mapping | pd.Series):
        raise BarsError(
            f"A {type(given).__name__} was given; a Bar or a mapping of {', '.join(REQUIRED)} is "
            "due. The bar was not taken."
        )
    said: dict[Any, Any] = given._asdict() if isinstance(given, Bar) else dict(given)
    reference = _reference_of(said.pop("reference", None))
    # A number would be taken for nanoseconds: it is refused as it is in a frame.
    if "ts" in said and not isinstance(said["ts"], int | float | np.number):
        instant(said["ts"])
        said["ts"] = pd.Timestamp(said["ts"])
    frame = pd.DataFrame([said])
    return Bars.from_pandas(_checked(frame, _UNNAMED), _UNNAMED)[0]._replace(reference=reference)


def _reference_of(said: Any) -> float:
    """NaN where nothing is said."""
    try:
        if not np.iscomplexobj(said):  # of one of NumPy's, float() would drop a part
            return np.nan if said is None or said is pd.NA else float(said)
    except (TypeError, ValueError):
        pass
    raise BarsError(
        f"The reference of a bar is {said!r}; its close is due as a number, or NaN where there is "
        "none. The bar was not taken."
    )


def _checked(frame: pd.DataFrame, symbol: str) -> pd.DataFrame:
    """The frame, if each column that is read is there once and holds no complex numbers."""
    columns = frame.columns
    read = [name for name in (*REQUIRED, *OPTIONAL, "symbol") if name in columns]
    twice = [name for name in read if (columns == name).sum() > 1]
    if twice:
        raise BarsError(
            f"{symbol}: column {', '.join(twice)} is there more than once; found "
            f"{', '.join(map(str, columns))}. Keep one: frame.loc[:, ~frame.columns.duplicated()]."
        )
    unreal = [name for name in read if frame[name].dtype.kind == "c"]
    if unreal:
        raise BarsError(
            f"{symbol}: column {', '.join(unreal)} holds complex numbers; real ones are due, such "
            f"as frame[{unreal[0]!r}].to_numpy().real."
        )
    return frame


def _index(bars: Bars) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(bars.ts, name="ts").tz_localize("UTC")


def _bars_of(given: pd.DataFrame | Bars, symbol: str | None) -> Bars:
    if not isinstance(given, pd.DataFrame | Bars):
        raise FeatureError(
            f"A {type(given).__name__} was given; a pandas DataFrame or Bars of one symbol is due."
        )
    if isinstance(given, Bars):
        bars = given.check_clean()
    else:
        frame = _checked(given, symbol or _UNNAMED)
        bars = Bars.from_pandas(frame, symbol or _symbol_in(frame)).check_clean()
    steps = np.diff(bars.ts)
    if len(steps) and (smallest := steps.min()) > M1.step:
        minutes = smallest / np.timedelta64(1, "m")
        raise FeatureError(
            f"{bars.symbol}: no two bars are closer than {minutes:g} minutes. Features are "
            "computed on 1-minute bars; slower timeframes are made of them."
        )
    return bars


def _symbol_in(frame: pd.DataFrame) -> str:
    if "symbol" not in frame.columns or frame.empty:
        return _UNNAMED
    found = frame["symbol"].unique()
    if len(found) > 1:
        raise FeatureError(
            f"The frame has bars of {', '.join(map(str, found[:5]))}; one symbol at a time is due: "
            "`for symbol, bars in frame.groupby('symbol')`."
        )
    return str(found[0])
