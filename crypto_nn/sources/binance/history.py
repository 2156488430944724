"""History the cheapest way that is whole: months and days from the archive, the rest by REST.

How a stretch is fetched:

1. At most `PAGE` minutes: one REST request, however old they are.
2. Else, in a month that is over, where at least `WHOLE_MONTH` of it is asked for (or REST is off):
   the month's zip, as soon as it is published.
3. Else, of each day that is over, the day's zip, where more than `PAGE` minutes of it are asked
   for and it is published.
4. What remains (today, days not published yet, the ends of a range): REST, a thousand a request.

A hole in a zip is asked of REST before it is left a gap, since archive files have been published
cut short. Where one of the two ways is off (null in the configuration) the other does it all;
where the archive does not answer, REST takes over and the log says so.
"""

import logging
from collections.abc import Iterator

import numpy as np

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import months_between
from crypto_nn.errors import SourceRefused
from crypto_nn.sources.binance.archive import Archive, bounds_of
from crypto_nn.sources.binance.config import BinanceConfig
from crypto_nn.sources.binance.klines import PAGE, Klines
from crypto_nn.sources.binance.web import Web
from crypto_nn.sources.formats.naming import fill_positions
from crypto_nn.sources.patience import OutOfPatience

_log = logging.getLogger(__name__)

WHOLE_MONTH = np.timedelta64(8, "D")
"""From so much of a month on, its one zip is less to ask for than its days' zips."""
MAX_HOLES = 10
"""So many holes of one zip are asked of REST; a market with more of them is thin, not cut."""

_MONTHS_LATE = np.timedelta64(7, "D")
_TICK = np.timedelta64(1, "us")
Stretch = tuple[np.datetime64, np.datetime64]


class History:
    """One symbol's bars, in order.

    Args:
        web: how to ask.
        config: which ways are on.
        symbol: whose bars.
        start: from when on (µs, UTC).

    Attributes:
        given: up to where every bar that there is has been given.
    """

    def __init__(self, web: Web, config: BinanceConfig, symbol: str, start: np.datetime64) -> None:
        self.given = start
        self._web, self._symbol = web, symbol
        self._archive = (
            Archive(web, config.archive_url, config.listing_url) if config.archive_url else None
        )
        self._klines = Klines(web, config.api_url) if config.api_url else None
        self._asks_holes = True

    def bars(self, end: np.datetime64) -> Iterator[Bars]:
        """The bars from the start to `end`.

        Raises:
            OutOfPatience: Binance was asked with patience and did not answer.
            Damaged: a file of the archive is not what its checksum says.
            SourceRefused: it does not serve where we are.
        """
        for month in months_between(self.given, end):
            low, high = bounds_of(month)
            for bars, until in self._month(month, max(low, self.given), min(high, end)):
                if len(bars):
                    yield bars
                self.given = until

    def _month(
        self, month: str, start: np.datetime64, end: np.datetime64
    ) -> Iterator[tuple[Bars, np.datetime64]]:
        """Some stretch within a month: pieces, each with up to where it is whole."""
        _, high = bounds_of(month)
        if not self._is_short(start, end) and high <= self._web.now():
            whole = self._klines is None or end - start >= WHOLE_MONTH
            found = self._zip(month) if whole else None
            if found is not None:
                yield self._mended(found, start, end), end
                return
        yield from self._days(start, end)

    def _days(
        self, start: np.datetime64, end: np.datetime64
    ) -> Iterator[tuple[Bars, np.datetime64]]:
        waiting = start
        first, last = start.astype("datetime64[D]"), (end - _TICK).astype("datetime64[D]")
        for day in np.arange(first, last + 1):
            low, high = bounds_of(str(day))
            low, high, over = max(low, start), min(high, end), high <= self._web.now()
            if not over or self._is_short(low, high):
                continue
            found = self._zip(str(day))
            if found is not None:
                yield from self._rest(waiting, low)
                yield self._mended(found, low, high), high
                waiting = high
        yield from self._rest(waiting, end)

    def _rest(
        self, start: np.datetime64, end: np.datetime64
    ) -> Iterator[tuple[Bars, np.datetime64]]:
        if start >= end:
            return
        for page in self._klines.pages(self._symbol, start, end) if self._klines else ():
            yield page, page.ts[-1] + M1.step
        yield Bars.empty(self._symbol), end

    def _is_short(self, start: np.datetime64, end: np.datetime64) -> bool:
        """Whether one request by REST gives it all."""
        return self._klines is not None and bool(end - start <= PAGE * M1.step)

    def _zip(self, period: str) -> Bars | None:
        """What the archive has of a month or day; None where it does not have or give it."""
        if self._archive is None:
            return None
        try:
            return self._archive.bars(self._symbol, period)
        except (OutOfPatience, SourceRefused) as error:
            if self._klines is None:
                raise
            _log.warning("Binance's archive gives nothing, so REST is asked instead: %s", error)
            self._archive = None
            return None

    def _mended(self, bars: Bars, start: np.datetime64, end: np.datetime64) -> Bars:
        """The rows of a zip in [start, end), and what REST has of the minutes it lacks."""
        part = within(bars, start, end)
        holes = holes_of(part, start, end)
        if self._klines is None or not self._asks_holes or len(holes) > MAX_HOLES:
            return part
        try:
            found = [page for hole in holes for page in self._klines.pages(self._symbol, *hole)]
        except (OutOfPatience, SourceRefused) as error:
            _log.warning("Holes in Binance's archive could not be asked of REST: %s", error)
            self._asks_holes = False
            return part
        if not found:
            return part
        _log.info("%s: REST has %d bars that a zip lacks", self._symbol, sum(map(len, found)))
        whole = Bars.concat([part, *found])
        return whole.take(np.argsort(whole.ts, kind="stable"))


def expected_requests(
    config: BinanceConfig, start: np.datetime64, end: np.datetime64, now: np.datetime64
) -> int:
    """About how many requests [start, end) takes: each zip has a checksum, holes come on top."""
    total, by_rest = 0, 0
    for month in months_between(start, end):
        low, high = bounds_of(month)
        low, high, published = max(low, start), min(high, end), high + _MONTHS_LATE <= now
        short = config.api_url and high - low <= PAGE * M1.step
        whole = config.api_url is None or high - low >= WHOLE_MONTH
        if short or config.archive_url is None:
            by_rest += -int(-((high - low) / M1.step) // PAGE)
        elif published and whole:
            total += 2
        else:
            days = np.arange(low.astype("datetime64[D]"), high.astype("datetime64[D]"))
            zips = int(np.sum(days + 2 <= now))
            total += 2 * zips
            by_rest += -int(-((high - low) / M1.step - zips * 1440) // PAGE)
    return total + (by_rest if config.api_url else 0)


def within(bars: Bars, start: np.datetime64, end: np.datetime64) -> Bars:
    """The rows in [start, end), as they stand; one without a time counts with the one before."""
    present = ~np.isnat(bars.ts)
    counted = bars.ts[fill_positions(present)] if present.any() else bars.ts
    return bars.take((counted >= start) & (counted < end))


def holes_of(bars: Bars, start: np.datetime64, end: np.datetime64) -> list[Stretch]:
    """The stretches of a minute or more within [start, end) that no bar covers."""
    ts = np.unique(bars.ts[~np.isnat(bars.ts)])
    opens, closes = np.append(ts, end), np.insert(ts + M1.step, 0, start)
    missing = opens - closes >= M1.step
    return list(zip(closes[missing], opens[missing]))
