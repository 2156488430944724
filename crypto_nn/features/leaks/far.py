"""All bars at once: for what looks farther ahead than a stretch, or minds how many bars there are.

Stretches of days show nothing of a column that knows the price of a month ahead: it has no value
on them. So the middle and other far cuts of the whole history are tried too.
"""

import time
from collections.abc import Callable
from functools import partial

from crypto_nn.features.leaks.cuts import Window
from crypto_nn.features.leaks.search import Search

_SHARES = (1 / 2, 3 / 4, 1 / 4, 7 / 8, 1 / 10)  # of the bars, before the cut
_TESTS = ("prefix", "perturbation")
_DUE = 4  # results that are due at least
_MARGIN = 1.5  # a long history takes more than its share, by memory and sorting


def look_far(search: Search, main: Window, seconds: float) -> None:
    """Cut all bars in the middle, and elsewhere until time is up.

    Args:
        search: which has begun on `main`.
        main: the stretch that was looked at so far.
        seconds: how long this may take; what would take longer is tried on fewer bars.
    """
    num = len(search.bars)
    if main == (0, num) or search.is_settled:
        return
    begin = partial(search.repeat, main)
    window = (0, affordable(begin, main[1] - main[0], num, seconds))
    ends_at = time.monotonic() + seconds
    whole = search.whole(window)
    if whole is None:
        return
    search.note_moved(search.bars[slice(*window)], whole)
    for number, cut in enumerate(far_cuts(window)):
        if number and time.monotonic() > ends_at:
            return
        search.cut(window, cut, _TESTS)


def far_cuts(window: Window) -> list[int]:
    """Where a long stretch is cut, the middle first."""
    return [window[0] + int(share * (window[1] - window[0])) for share in _SHARES]


def affordable(once: Callable[[], object], some: int, num: int, seconds: float) -> int:
    """How many bars may be given at once, from the seconds that some bars take."""
    began = time.monotonic()
    once()
    each = (time.monotonic() - began) / some
    return max(some, min(num, int(seconds / (_DUE * _MARGIN * each + 1e-12))))
