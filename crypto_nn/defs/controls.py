"""Whether the benchmark itself is to be believed, asked every week."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from crypto_nn import pictures
from crypto_nn.benchmark.controls.control import ControlConfig, to_arrow
from crypto_nn.defs.io_managers import Partitions, Tables
from crypto_nn.defs.resources import Platform
from crypto_nn.store.atomic import write_bytes

if TYPE_CHECKING:
    from crypto_nn.benchmark.controls.run import Controls

CHECKS = (
    "paired_tests_reject_as_often_as_they_say",
    "nothing_is_better_where_nothing_can_be",
    "edge_of_50_percent_is_recovered",
    "edge_of_52_percent_is_recovered",
    "edge_of_55_percent_is_recovered",
    "leaks_that_inflate_are_caught",
)
WARNINGS = ("edge_of_50_percent_is_recovered", "edge_of_52_percent_is_recovered",
            "edge_of_55_percent_is_recovered")  # fmt: skip
"""One 99 % interval in a hundred misses, so that these alone do not prove a fault."""


class ControlSettings(dg.Config, ControlConfig):
    """How many markets are judged in this run, and with which seed."""


@dg.asset(
    io_manager_key="lake",
    group_name="evaluation",
    kinds={"duckdb", "pytorch"},
    owners=["team:ml"],
    check_specs=[dg.AssetCheckSpec(name, asset="controls") for name in CHECKS],
)
def controls(
    context: dg.AssetExecutionContext, platform: Platform, config: ControlSettings
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """The benchmark on what has a known answer: no edge, a known edge, and planted leaks.

    It reads nothing of the lake: a run says whether the code in force judges honestly.
    """
    from crypto_nn.benchmark.controls.run import run_controls

    settings = ControlConfig(**config.model_dump())
    found = run_controls(settings, context.log.info)
    made_at = platform.now()
    table = to_arrow(found.controls, settings, made_at.item())
    yield dg.Output(
        Partitions([Tables({}, {"controls": table})]),
        metadata=_describe(found, platform, made_at),
    )
    for control in found.controls:
        severe = dg.AssetCheckSeverity.ERROR
        yield dg.AssetCheckResult(
            check_name=control.name,
            passed=control.passed,
            severity=dg.AssetCheckSeverity.WARN if control.name in WARNINGS else severe,
            description=f"{control.claim[:1].upper()}{control.claim[1:]}.",
            metadata={"measured": dg.MetadataValue.json(
                [f"{one.subject}: {one.value:.4g}, due {one.due}" for one in control.findings]
            )},
        )  # fmt: skip


def _describe(found: "Controls", platform: Platform, made_at: Any) -> dict[str, Any]:
    """The table, the picture, and where the page with all tests lies."""
    from crypto_nn.benchmark.controls.report import compose, drawings
    from crypto_nn.pictures.document_html import to_html

    page = platform.reports / "controls" / "report.html"
    write_bytes(page, to_html(compose(found, made_at)).encode())
    shown = [pictures.markdown(each.picture, each.alt) for each in drawings(found)]
    return {
        "markets": found.config.runs,
        "controls": dg.MetadataValue.table([dg.TableRecord(row) for row in found.rows()]),
        "pictures": dg.MetadataValue.md("\n\n".join(shown)),
        "report": dg.MetadataValue.path(str(page)),
    }
