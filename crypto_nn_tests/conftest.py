"""What all tests share: one small home for Dagster, and no silent skips where none is allowed."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Partition keys are made from the YAML when crypto_nn.defs is first imported, so the tests' YAML
# and home must be in force before that.
_HOME = Path(tempfile.mkdtemp(prefix="crypto_nn_tests_"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ["CRYPTO_NN_HOME"] = str(_HOME / "data")
os.environ["CRYPTO_NN_CONFIG"] = str(Path(__file__).parent / "crypto_nn.yaml")
os.environ["DAGSTER_HOME"] = str(_HOME / "dagster_home")
os.environ["DO_NOT_TRACK"] = "1"


REQUIRED = set(os.environ.get("CRYPTO_NN_REQUIRE", "").split())


# The longest modules, which several workers had better begin with (`make test`).
LONGEST = (
    "defs/test_graph.py", "test_readme.py", "store/test_revisions.py",
    "defs/test_feature_columns.py", "defs/test_repairs.py", "models/test_models.py",
    "features/test_leaks.py", "defs/test_reference.py", "features/test_parity_market.py",
    "tuning/test_asset.py", "training/test_controls.py", "defs/test_live_fold.py",
    "defs/test_running.py", "test_architecture.py", "training/test_kills.py",
    "tuning/test_kills.py", "defs/test_catch_up.py", "defs/test_champion.py", "defs/test_skew.py",
    "defs/test_crash_points.py", "defs/test_storm.py", "soak/test_soak.py",
)  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest modules come first; tests that talk to real exchanges only where asked for."""
    root = Path(__file__).parent
    place = {root / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(LONGEST)))
    if "network" in config.option.markexpr:
        return
    asked = pytest.mark.skip(reason="talks to real exchanges; run `pytest -m network`")
    for item in items:
        if item.get_closest_marker("network"):
            item.add_marker(asked)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A test that is required (CRYPTO_NN_REQUIRE="market browser") must not skip."""
    report = yield
    marks = {mark.name for mark in item.iter_markers()}
    wanted = REQUIRED & marks if "network" not in marks else REQUIRED & {"network"}
    if report.skipped and wanted:  # type: ignore[attr-defined]
        report.outcome = "failed"  # type: ignore[attr-defined]
        report.longrepr = f"{item.nodeid} skipped, but {', '.join(wanted)} is required"  # type: ignore[attr-defined]
    return report
