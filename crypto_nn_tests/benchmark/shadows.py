"""A universe of invented versions: how good each is, is known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from crypto_nn.benchmark.gate import GateConfig, Verdict
from crypto_nn.benchmark.judgement import Court, judge_night
from crypto_nn.errors import ModelError
from crypto_nn.inference import registry
from crypto_nn.inference.out_of_sample import Answers
from crypto_nn.metrics.significance import Interval
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore
from crypto_nn.store.tables import TABLES

BTC = "BTC-USDT"
FIRST = np.datetime64("2025-03-01")
DAY = np.timedelta64(1, "D")
HORIZONS = (5, 60)
CONFIG = GateConfig(stride_minutes=30, min_days=5)


def at(day: int, hours: float = 3.25) -> np.datetime64:
    """A quarter past three on the n-th day after the first."""
    return (FIRST + day).astype("datetime64[us]") + np.timedelta64(round(hours * 3600e6), "us")


@dataclass
class Invented:
    """Versions with a stated skill: the probability that they give to what happens, day by day.

    Attributes:
        skill: by version; the probability is skill + noise of the day.
        learned: days after the first until which a version has learned.
        broken: versions that cannot be loaded.
        mad: versions whose answers are no numbers.
        silent: versions that say nothing.
        newest_day: bars reach to the end of so many days after the first.
    """

    skill: dict[str, float]
    learned: dict[str, int] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    mad: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    outages: set[int] = field(default_factory=set)
    newest_at: np.datetime64 = field(default_factory=lambda: at(0))
    asked: list[tuple[str, str]] = field(default_factory=list)
    spread: float = 0.006

    def learned_until(self, version: str) -> np.datetime64:
        if version in self.broken:
            raise ModelError(f"{version} is damaged")
        return at(self.learned.get(version, 0), 0)

    def newest(self, symbol: str) -> np.datetime64 | None:
        return self.newest_at

    def answers(
        self, version: str, symbol: str, start: np.datetime64, end: np.datetime64
    ) -> Answers:
        self.learned_until(version)
        self.asked.append((version, str(start.astype("datetime64[D]"))))
        ts = np.arange(start, min(end, self.newest_at), np.timedelta64(30, "m")).astype("M8[us]")
        day = int((start.astype("datetime64[D]") - FIRST).astype(int))
        if version in self.silent or day in self.outages:
            ts = ts[:0]
        classes = np.random.default_rng([day + 1000, len(symbol)]).integers(0, 3, (len(ts), 2))
        noise = np.random.default_rng([day + 1000, *version.encode()]).normal(0, self.spread)
        right = np.clip(self.skill[version] + noise, 0.05, 0.9)
        p = np.full((len(ts), 2, 3), (1 - right) / 2)
        np.put_along_axis(p, classes[..., None], right, axis=2)
        if version in self.mad:
            p[:1] = np.nan
        return Answers(symbol, version, HORIZONS, ts, p, classes)


@dataclass
class World:
    """A lake, a model store, and a night after another."""

    home: Path
    versions: Invented
    config: GateConfig = CONFIG
    symbols: Sequence[str] = (BTC,)
    better: bool = False
    comparable: bool = True

    def __post_init__(self) -> None:
        self.lake, self.models = Lake(self.home / "lake"), ModelStore(self.home / "models")
        for version in self.versions.skill:
            self.models.save("LSTM", version, {"config.json": version.encode()})

    def court(self, now: np.datetime64) -> Court:
        interval = Interval(-0.1 if self.better else 0.1, -0.2, -0.05 if self.better else 0.2)

        def compare(candidate: str, champion: str) -> Verdict:
            told = "better" if self.better else "not shown to be better"
            return Verdict(self.better, told, interval if self.comparable else None)

        return Court(
            self.lake, self.models, BTC, self.symbols, self.config, self.versions, compare, now
        )

    def night(self, day: int, candidate: str, bars: bool = True) -> list[str]:
        """What is decided at a quarter past three of that day; bars have come in until then."""
        if bars:
            self.versions.newest_at = at(day, 3.2)
        return judge_night(self.court(at(day)), candidate)

    @property
    def champion(self) -> str | None:
        champion = registry.champion_of(self.models, BTC)
        return champion.version if champion else None

    @property
    def challenger(self) -> str | None:
        challenger = registry.challenger_of(self.models, BTC)
        return challenger.version if challenger else None

    def actions(self) -> list[tuple[str, str]]:
        """All events but those that changed nothing."""
        events = registry.history(self.models, BTC)
        return [(e["action"], e["version"]) for e in events if e["action"] != "keep"]

    def scored(self) -> list[dict[str, object]]:
        """The rows of `shadow_scores`, without when they were made."""
        if not self.lake.has("shadow_scores"):
            return []
        rows: list[dict[str, object]] = self.lake.read("shadow_scores").to_pylist()
        return [{k: v for k, v in row.items() if k != "made_at"} for row in rows]

    def raise_alarm(self, version: str, day: int, symbol: str = BTC, alarm: bool = True) -> None:
        """What the monitor writes when a version does worse than it did."""
        row = {"symbol": symbol, "day": str(FIRST + day), "model_version": version,
               "metric": "labels", "horizon": 0, "alarm": alarm}  # fmt: skip
        schema = pa.schema([(c.name, c.arrow) for c in TABLES["model_monitor"].columns])
        self.lake.append("model_monitor", pa.Table.from_pylist([row], schema))
