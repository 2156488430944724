"""A benchmark's result as one file: gzip'd JSON, from which its report is made again.

Nothing in it is code. The same result gives the same bytes, and the report made from the file is
the report made from the result, byte for byte.
"""

import gzip
import io
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.profits import BreakEvenSurface
from crypto_nn.benchmark.result import BenchmarkResult, Curves, Provenance
from crypto_nn.benchmark.scores import Score
from crypto_nn.benchmark.verdict import Verdict
from crypto_nn.errors import BenchmarkError
from crypto_nn.features.splits import Fold, Role
from crypto_nn.metrics.calibration import ReliabilityCurve
from crypto_nn.metrics.significance import Interval

FORMAT, VERSION = "crypto_nn benchmark result", 1
MOST_BYTES = 256 * 2**20  # unpacked; a file that claims more is no result
NOT_FINITE = {"inf": math.inf, "-inf": -math.inf}
TEXTS = ("model", "metric", "symbol", "period", "regime")
NUMBERS = ("value", "low", "high", "p_value")
COUNTS = ("horizon", "fold", "seed")
Json = dict[str, Any]


def dump(result: BenchmarkResult) -> bytes:
    """The file's bytes."""
    told: Json = {
        "format": FORMAT,
        "version": VERSION,
        "config": result.config.model_dump(mode="json"),
        "provenance": _provenance(result.provenance),
        "kinds": list(result.kinds.items()),
        "symbols": result.symbols,
        "horizons": result.horizons,
        "folds": [_fold(fold) for fold in result.folds],
        "k": result.k_FH,
        "days": [str(day) for day in result.days],
        "buy_and_hold": _floats(result.buy_and_hold),
        "overfitting": [[horizon, *_floats([p])] for horizon, p in result.overfitting.items()],
        "break_even": [[h, name, _surface(of)] for h, (name, of) in result.break_even.items()],
        "scores": _scores(result.scores),
        "verdicts": [_verdict(verdict) for verdict in result.verdicts],
        "curves": [_curves(*key, curves) for key, curves in result.curves.items()],
    }
    text = json.dumps(told, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return gzip.compress(text.encode(), 9, mtime=0)


def load(raw: bytes) -> BenchmarkResult:
    """The result in these bytes.

    Raises:
        BenchmarkError: they are no result, of another version, or damaged.
    """
    told = _told(raw)
    try:
        return _result(told)
    except (KeyError, IndexError, TypeError, ValueError, ValidationError) as error:
        raise BenchmarkError(
            f"The benchmark's result is damaged, or of another make ({type(error).__name__}: "
            f"{error}). Run the benchmark again: forecasts that are there are not made twice."
        ) from error


def _told(raw: bytes) -> Json:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
            text = packed.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise BenchmarkError(
                f"The file unpacks to more than {MOST_BYTES:,} bytes; no benchmark's result does."
            )
        told = json.loads(text)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise BenchmarkError(
            f"This is no benchmark's result ({error}); the gzip'd JSON that "
            "`crypto-nn benchmark --output` writes is due."
        ) from error
    found = told.get("format") if isinstance(told, dict) else None
    if found != FORMAT:
        raise BenchmarkError(f"This is no benchmark's result: its format is {found!r}.")
    if told.get("version") != VERSION:
        raise BenchmarkError(
            f"This result is of version {told.get('version')!r}; {VERSION} is due. Make it again, "
            "or read it with the crypto_nn that wrote it."
        )
    return dict(told)


def _result(told: Json) -> BenchmarkResult:
    result = BenchmarkResult(
        config=BenchmarkConfig.model_validate(told["config"]),
        provenance=_provenance_of(told["provenance"]),
        kinds=dict(told["kinds"]),
        symbols=tuple(told["symbols"]),
        horizons=tuple(told["horizons"]),
        folds=tuple(_fold_of(each) for each in told["folds"]),
        k_FH=tuple(tuple(each) for each in told["k"]),
        scores=tuple(_scores_of(told["scores"])),
        verdicts=tuple(_verdict_of(each) for each in told["verdicts"]),
        curves=dict(_curves_of(each) for each in told["curves"]),
        days=np.array(told["days"], dtype="datetime64[D]"),
        buy_and_hold=_array(told["buy_and_hold"]),
        overfitting={horizon: _float(p) for horizon, p in told["overfitting"]},
        break_even={h: (name, _surface_of(of)) for h, name, of in told["break_even"]},
    )
    names = {score.model for score in result.scores} | {name for name, _ in result.curves}
    if unknown := names - set(result.kinds):
        raise ValueError(f"figures of {', '.join(sorted(unknown))}, who did not compete")
    return result


def _provenance(source: Provenance) -> Json:
    return {**asdict(source), "made_at": None if source.made_at is None else str(source.made_at)}


def _provenance_of(told: Json) -> Provenance:
    at = told["made_at"]
    return Provenance(**{**told, "made_at": None if at is None else np.datetime64(at)})


def _fold(fold: Fold) -> Json:
    roles = [[role.name, str(role.start), str(role.end)] for role in fold.roles]
    return {**{f.name: getattr(fold, f.name) for f in fields(fold)}, "roles": roles}


def _fold_of(told: Json) -> Fold:
    roles = (Role(n, np.datetime64(a, "us"), np.datetime64(b, "us")) for n, a, b in told["roles"])
    return Fold(**{**told, "roles": tuple(roles)})


def _scores(scores: Sequence[Score]) -> Json:
    """Column by column: texts as a list of those that occur and the place of each in it."""
    columns: Json = {}
    for name in TEXTS:
        values = [getattr(score, name) for score in scores]
        known = list(dict.fromkeys(values))
        place = {value: number for number, value in enumerate(known)}
        columns[name] = {"known": known, "places": [place[value] for value in values]}
    columns |= {name: [getattr(score, name) for score in scores] for name in COUNTS}
    return columns | {name: _floats(getattr(score, name) for score in scores) for name in NUMBERS}


def _scores_of(told: Json) -> Iterable[Score]:
    columns: dict[str, list[Any]] = {name: told[name] for name in COUNTS}
    columns |= {name: [told[name]["known"][n] for n in told[name]["places"]] for name in TEXTS}
    columns |= {name: [_float(value) for value in told[name]] for name in NUMBERS}
    names = tuple(columns)
    for values in zip(*columns.values(), strict=True):
        yield Score(**dict(zip(names, values)))


def _verdict(verdict: Verdict) -> Json:
    gains = [
        [name, *_floats([gain.estimate, gain.low, gain.high, gain.level, gain.p_value])]
        for name, gain in verdict.gains.items()
    ]
    return {"model": verdict.model, "horizon": verdict.horizon, "gains": gains}


def _verdict_of(told: Json) -> Verdict:
    gains = {name: Interval(*map(_float, figures)) for name, *figures in told["gains"]}
    return Verdict(told["model"], told["horizon"], gains)


def _curves(model: str, horizon: int, curves: Curves) -> Json:
    of = curves.reliability
    return {
        "model": model,
        "horizon": horizon,
        "confusion": [_floats(row) for row in curves.confusion_CC],
        "reliability": [_floats(of.confidence_K), _floats(of.accuracy_K), of.rows_K.tolist()],
        "equity": [[cost, _floats(curve)] for cost, curve in curves.equity.items()],
    }


def _curves_of(told: Json) -> tuple[tuple[str, int], Curves]:
    confidence, accuracy, rows = told["reliability"]
    reliability = ReliabilityCurve(
        _array(confidence), _array(accuracy), np.array(rows, dtype=np.int64)
    )
    confusion = np.array([_array(row) for row in told["confusion"]], dtype=np.float64)
    equity: Mapping[float, NDArray[np.float64]] = {
        float(cost): _array(curve) for cost, curve in told["equity"]
    }
    return (told["model"], told["horizon"]), Curves(confusion, reliability, equity)


def _surface(surface: BreakEvenSurface) -> Json:
    return {f.name: _nested(getattr(surface, f.name)) for f in fields(surface)}


def _surface_of(told: Json) -> BreakEvenSurface:
    columns = {name: np.array(_numbers(values)) for name, values in told.items()}
    columns["round_trips_Q"] = columns["round_trips_Q"].astype(np.int64)
    return BreakEvenSurface(**columns)


def _nested(array: NDArray[Any]) -> list[Any]:
    return [_nested(row) for row in array] if array.ndim > 1 else _floats(array)


def _numbers(values: Sequence[Any]) -> list[Any]:
    return [_numbers(each) if isinstance(each, list) else _float(each) for each in values]


def _floats(values: Iterable[float]) -> list[float | str | None]:
    """Numbers as JSON knows them: what cannot be told is null, without end is a word."""
    return [_plain(float(value)) for value in values]


def _plain(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return int(value) if value == int(value) and abs(value) < 1e15 else value


def _float(value: Any) -> float:
    if value is None:
        return math.nan
    return NOT_FINITE[value] if isinstance(value, str) else float(value)


def _array(values: Sequence[Any]) -> NDArray[np.float64]:
    return np.array([_float(value) for value in values], dtype=np.float64)
