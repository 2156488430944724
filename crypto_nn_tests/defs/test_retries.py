"""A step is tried again where that can help, and only there."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from crypto_nn import pictures
from crypto_nn.bars import Bars
from crypto_nn.defs import bars as defs_bars
from crypto_nn.defs.automation import month_key
from crypto_nn.defs.graph import Graph
from crypto_nn.errors import BarsError, SourceRefused, SourceUnavailable
from crypto_nn.sources.synthetic import SyntheticSource
from crypto_nn_tests.defs.graph import fresh_graph

SYMBOL = "SYN-USDT"
KEY = month_key(SYMBOL, "2024-01")
NEVER = 99
NOT_NOW = SourceUnavailable("the line is dead", SYMBOL, [(np.datetime64(0, "us"),) * 2])


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    """An empty home, and pauses that nobody has to sit out."""
    monkeypatch.setenv("CRYPTO_NN_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster_home"))
    monkeypatch.setattr(defs_bars, "PAUSES_S", (0, 0, 0))
    monkeypatch.setattr(pictures, "markdown", lambda picture, alt: alt)
    return fresh_graph()


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> list[int]:
    """Let the source fail so often; what comes back counts how often it was asked."""
    asked, fetch = [0], SyntheticSource.fetch

    def tried(self: SyntheticSource, *how: object) -> Iterator[Bars]:
        asked[0] += 1
        if asked[0] <= times:
            raise error
        yield from fetch(self, *how)  # type: ignore[arg-type]

    monkeypatch.setattr(SyntheticSource, "fetch", tried)
    return asked


def daemon_run(graph: Graph) -> dg.ExecuteInProcessResult:
    """The month's raw bars, as the daemon runs it."""
    job = graph.definitions.resolve_job_def("refresh_bars")
    return job.execute_in_process(
        instance=graph.instance,
        partition_key=KEY,
        asset_selection=[dg.AssetKey("raw_bars")],
        raise_on_error=False,
    )


@pytest.mark.parametrize("times", [1, 3])
def test_a_network_that_comes_back_is_waited_for(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """The same run fetches the month once the source answers again."""
    asked = failing(monkeypatch, NOT_NOW, times)
    result = daemon_run(graph)
    assert result.success
    assert asked == [times + 1]
    assert graph.platform.raw.read(SYMBOL, "2024-01", "synthetic").num_rows == 31 * 1440


@pytest.mark.parametrize(
    ("error", "tries"),
    [(NOT_NOW, 4), (SourceRefused("the key is wrong"), 1), (BarsError("bad data"), 1)],
)
def test_what_stays_broken_fails(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int
) -> None:
    """A dead network after three pauses; a refused key and bad data once, at once."""
    asked = failing(monkeypatch, error, NEVER)
    result = daemon_run(graph)
    assert not result.success
    assert asked == [tries]


def test_a_person_is_not_kept_waiting(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command tells at once what failed, in the source's own words."""
    asked = failing(monkeypatch, NOT_NOW, NEVER)
    with pytest.raises(SourceUnavailable, match="the line is dead"):
        graph.refresh([SYMBOL], "2024-01", "2024-01")
    assert asked == [1]


def test_pauses_grow_and_no_other_asset_asks_to_be_tried_again(graph: Graph) -> None:
    """Bad data is bad the second time, too; a worker that was killed is `run_retries`' business."""
    monkeypatched = (60, 120, 240)
    assert sorted(monkeypatched) == list(monkeypatched)
    policies = [
        each.op.retry_policy for each in graph.definitions.resolve_asset_graph().assets_defs
    ]
    assert set(policies) == {None}
