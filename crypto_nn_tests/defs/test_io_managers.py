"""Partitions are stored in transactions; what was made before an error stays."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from crypto_nn.defs.io_managers import LakeIOManager, Partitions, Tables
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import BarsError
from crypto_nn_tests.store.workers import label_rows

MONTHS = ["2024-01", "2024-02", "2024-03", "2024-04", "2024-05"]


@pytest.mark.parametrize(("together", "writes"), [(1, 5), (2, 3), (6, 1)])
@pytest.mark.parametrize("fails", [False, True])
def test_partitions_are_stored_together_and_survive_an_error(
    tmp_path: Path, together: int, writes: int, fails: bool
) -> None:
    """As many transactions as asked for; an error comes after all that was made is stored."""
    platform = Platform(home=str(tmp_path))
    before = platform.lake.snapshot()

    def parts() -> Iterator[Tables]:
        for month in MONTHS:
            partition = {"symbol": "BTC-USDT", "month": month}
            yield Tables(partition, {"labels": label_rows(3, 1.0)})
        if fails:
            raise BarsError("2024-06 is damaged")

    manager = LakeIOManager(platform=platform)
    with dg.build_output_context(asset_key=dg.AssetKey("labels")) as context:
        if fails:
            with pytest.raises(BarsError, match="2024-06 is damaged"):
                manager.handle_output(context, Partitions(parts(), together=together))
        else:
            manager.handle_output(context, Partitions(parts(), dict, together))
            told = context.consume_logged_metadata()
            found = {name: told[name].value for name in ("rows", "snapshot")}
            assert found == {"rows": 15, "snapshot": platform.lake.snapshot()}
    stored = platform.lake.partitions("labels", ("month",))
    assert [month for (month,) in stored] == MONTHS
    assert platform.lake.snapshot() == before + writes
    platform.lake.close()
