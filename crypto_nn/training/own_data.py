"""Bars from a file, made into what a version can be asked about."""

from collections.abc import Mapping

import pyarrow as pa

from crypto_nn.bars import M1, Bars
from crypto_nn.errors import SourceError
from crypto_nn.features import FeatureSet
from crypto_nn.features.labels import LabelConfig, Labels, compute_labels
from crypto_nn.features.panel import Part
from crypto_nn.sources import FilesConfig, open_source


def parts_of_files(
    config: FilesConfig,
    before: Mapping[str, Bars],
    feature_set: FeatureSet,
    labels: LabelConfig,
) -> dict[str, Part]:
    """Features and labels of the clean bars in these files, by symbol.

    Args:
        before: what the lake has of each symbol: history that the first bars of the files need.

    Raises:
        BarsError: bars are not clean; ingest them instead, which puts such rows aside.
        SourceError: the files cannot be read.
    """
    source = open_source(config)
    parts = {}
    for symbol in source.symbols():
        there = source.available(symbol)
        bars = Bars.concat(list(source.fetch(symbol, M1, there.start, there.end))).check_clean()
        if symbol in before:
            history = before[symbol]
            bars = Bars.concat([history, bars.take(bars.ts > history.ts[-1])])
        x_NF = feature_set.compute(bars, complete=True)
        found = compute_labels(bars, labels, complete=True)
        parts[symbol] = Part.from_arrays(x_NF, feature_set.names, found, bars)
    return parts


def appended(before: Mapping[str, Part], after: Mapping[str, Part]) -> dict[str, Part]:
    """Each symbol's part, continued by what `after` has later than its last bar.

    Raises:
        SourceError: no symbol of `before` has later bars in `after`.
    """
    joined, found = dict(before), False
    for symbol, part in after.items():
        if symbol not in before:
            continue
        last = before[symbol].bars.ts[-1]
        later = part.bars.ts > last
        if later.any():
            found = True
            joined[symbol] = _joined(before[symbol], _later(part, later))
    if not found:
        raise SourceError(
            f"The files have bars of {', '.join(after)}; bars of {', '.join(before)} are due that "
            "are later than those the version learned from."
        )
    return joined


def _later(part: Part, mask: "pa.ChunkedArray") -> Part:
    return Part(part.features.filter(pa.array(mask)), part.labels.take(mask), part.bars.take(mask))


def _joined(one: Part, other: Part) -> Part:
    names = one.features.column_names
    return Part(
        pa.concat_tables(
            [one.features, other.features.select(names)], promote_options="permissive"
        ),
        Labels.from_arrow(pa.concat_tables([one.labels.to_arrow(), other.labels.to_arrow()])),
        Bars.concat([one.bars, other.bars]),
    )
