"""The report: everything one needs to believe a benchmark, or to doubt it."""

from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.benchmark.arms.report import arms_blocks
from crypto_nn.benchmark.chapters.confidence import confidence_blocks
from crypto_nn.benchmark.chapters.material import Material
from crypto_nn.benchmark.chapters.opening import opening_blocks
from crypto_nn.benchmark.chapters.over_time import over_time_blocks
from crypto_nn.benchmark.chapters.predictions import prediction_blocks
from crypto_nn.benchmark.chapters.reading import reading_blocks
from crypto_nn.benchmark.chapters.setting import setting_blocks
from crypto_nn.benchmark.chapters.size import size_blocks
from crypto_nn.benchmark.chapters.trading import trading_blocks
from crypto_nn.benchmark.result import BenchmarkResult
from crypto_nn.pictures.document import Block, Document
from crypto_nn.pictures.document_html import to_html
from crypto_nn.pictures.document_markdown import to_markdown

if TYPE_CHECKING:
    from crypto_nn.benchmark.arms.result import ArmsResult


def report_html(
    result: BenchmarkResult,
    made_at: np.datetime64 | None = None,
    arms: "ArmsResult | None" = None,
) -> str:
    """The report as one page that needs no other file and no network."""
    return to_html(compose(result, made_at, arms))


def report_markdown(
    result: BenchmarkResult,
    made_at: np.datetime64 | None = None,
    with_pictures: bool = False,
    arms: "ArmsResult | None" = None,
) -> str:
    """The report as Markdown, with its pictures inside where wanted."""
    return to_markdown(compose(result, made_at, arms), with_pictures)


def compose(
    result: BenchmarkResult,
    made_at: np.datetime64 | None = None,
    arms: "ArmsResult | None" = None,
) -> Document:
    """What the report says, before it is a page.

    Args:
        made_at: when the result was made, UTC; as the result says where None.
        arms: measured answers to stated learnings, where they were asked.
    """
    material = Material.of(result)
    blocks: list[Block] = [
        *opening_blocks(material),
        *setting_blocks(material),
        *prediction_blocks(material),
        *trading_blocks(material),
        *size_blocks(material),
        *confidence_blocks(material),
        *over_time_blocks(material),
        *(arms_blocks(arms) if arms is not None else ()),
        *reading_blocks(material),
    ]
    title = f"Benchmark of {result.provenance.universe or ', '.join(result.symbols)}"
    span = f"Test {result.days[0]} to {result.days[-1]}, {len(result.days)} test days"
    when = made_at if made_at is not None else result.provenance.made_at
    if when is None:
        return Document(title, span, blocks)
    at = str(when.astype("datetime64[m]")).replace("T", " ")
    return Document(title, f"{span} · made {at} UTC", blocks)
