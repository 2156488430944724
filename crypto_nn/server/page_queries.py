"""The questions that the live page asks the lake: each bounded, each about one symbol."""

# Identifiers are constants or go through `quoting.quote`, and values are bound.
# ruff: noqa: S608

import re
from collections.abc import Collection, Sequence
from typing import Any

from crypto_nn.store.catalogue import Connection
from crypto_nn.store.live import bars_now
from crypto_nn.store.quoting import quote

Row = dict[str, Any]
_CLASS = re.compile(r"class_([1-9][0-9]{0,4})m")
_SAID = "ts, horizon, model_version, p_down, p_flat, p_up, predicted_class, confidence"


class Questions:
    """Questions about one symbol over one connection.

    Args:
        connection: to the lake, read-only.
        symbol: such as BTC-USDT.
    """

    def __init__(self, connection: Connection, symbol: str) -> None:
        self._connection, self.symbol = connection, symbol
        sql = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'"
        self.tables: Collection[str] = {row[0] for row in connection.execute(sql).fetchall()}

    def newest(self) -> Any:
        """The open of the newest bar, naive UTC; None where there is none."""
        parts = []
        if "bars" in self.tables:
            parts.append(
                "SELECT max(ts) AS ts FROM lake.main.bars WHERE symbol = $symbol AND month ="
                " (SELECT max(month) FROM lake.main.bars WHERE symbol = $symbol)"
            )
        if "live_bars" in self.tables:
            parts.append(
                "SELECT max(date_trunc('minute', ts)) AS ts FROM lake.main.live_bars"
                " WHERE symbol = $symbol AND fit"
            )
        if not parts:
            return None
        found = self._ask(f"SELECT max(ts) AS ts FROM ({' UNION ALL '.join(parts)})")
        return found[0]["ts"]

    def candles(self, since: Any, most: int) -> list[Row]:
        """The newest bars that open at or after `since`, oldest first."""
        rows = self._ask(
            "SELECT ts, open AS o, high AS h, low AS l, close AS c, volume AS v"
            f" FROM ({bars_now(self.tables)}) WHERE symbol = $symbol AND ts >= $since"
            " AND isfinite(open + high + low + close + volume) ORDER BY ts DESC LIMIT $most",
            since=since,
            most=most,
        )
        return rows[::-1]

    def answers(self, since: Any, most: int) -> list[Row]:
        """What was said since, each (bar, horizon, version) once, beside what became of it."""
        said = []
        if "predictions" in self.tables:
            said.append(
                f"SELECT {_SAID}, coalesce(in_sample, false) AS in_sample, 1 AS turn, ts AS told_at"
                " FROM lake.main.predictions WHERE symbol = $symbol AND ts >= $since"
            )
        if "served_predictions" in self.tables:
            said.append(
                f"SELECT {_SAID}, false AS in_sample, 0 AS turn, served_at AS told_at"
                " FROM lake.main.served_predictions WHERE symbol = $symbol AND ts >= $since"
            )
        if not said:
            return []
        rows = self._ask(
            f"WITH said AS ({' UNION ALL '.join(said)}), became AS ({self._became()})"
            " SELECT said.* EXCLUDE (turn, told_at), outcome, move_bps"
            " FROM said LEFT JOIN became USING (ts, horizon)"
            " WHERE predicted_class BETWEEN 0 AND 2 AND isfinite(p_down + p_flat + p_up)"
            " QUALIFY 1 = row_number() OVER"
            " (PARTITION BY ts, horizon, model_version ORDER BY turn, told_at)"
            " ORDER BY ts DESC, horizon LIMIT $most",
            since=since,
            most=most,
        )
        return rows[::-1]

    def _became(self) -> str:
        nothing = "SELECT $since AS ts, 0 AS horizon, 0 AS outcome, 0.0 AS move_bps WHERE false"
        if "labels" not in self.tables:
            return nothing
        sql = (
            "SELECT column_name FROM duckdb_columns()"
            " WHERE database_name = 'lake' AND table_name = 'labels'"
        )
        names = {row[0] for row in self._connection.execute(sql).fetchall()}
        known = [int(match[1]) for name in sorted(names) if (match := _CLASS.fullmatch(name))]
        parts = [
            f"SELECT ts, {h} AS horizon, {quote(f'class_{h}m')} AS outcome,"
            f" {quote(f'return_{h}m')} * 1e4 AS move_bps FROM lake.main.labels"
            " WHERE symbol = $symbol AND ts >= $since"
            for h in known
            if f"return_{h}m" in names
        ]
        return " UNION ALL ".join(parts) or nothing

    def latency(self, since: Any) -> list[Row]:
        """Median and 99th percentile of the time to answer; no row where nobody was answered."""
        if "served_predictions" not in self.tables:
            return []
        return self._ask(
            "SELECT quantile_cont(latency_ms, 0.5) AS p50_ms, quantile_cont(latency_ms, 0.99)"
            " AS p99_ms, count(*) AS answers FROM (SELECT DISTINCT ts, served_at, latency_ms FROM"
            " lake.main.served_predictions WHERE symbol = $symbol AND ts >= $since"
            " AND isfinite(latency_ms)) HAVING count(*) > 0",
            since=since,
        )

    def drift(self, most: int) -> list[Row]:
        """The verdicts of the last days, oldest first."""
        rows = self._table(
            "drift_decisions",
            "SELECT day, drift_score AS score, drifted, reason, worst_feature"
            " FROM lake.main.drift_decisions WHERE symbol = $symbol QUALIFY 1 ="
            " row_number() OVER (PARTITION BY day ORDER BY made_at DESC)"
            " ORDER BY day DESC LIMIT $most",
            most=most,
        )
        return rows[::-1]

    def moved(self, most: int) -> list[Row]:
        """The columns of the last drift report that moved the most."""
        return self._table(
            "drift_report",
            "SELECT name, kind, max(score) AS score FROM lake.main.drift_report"
            " WHERE symbol = $symbol AND isfinite(score) AND day = (SELECT max(day)"
            " FROM lake.main.drift_report WHERE symbol = $symbol)"
            " GROUP BY name, kind ORDER BY score DESC, name LIMIT $most",
            most=most,
        )

    def shadows(self, universe: str, champion: str) -> list[Row]:
        """Who was compared with the champion on the last day of its universe."""
        return self._table(
            "shadow_scores",
            "SELECT shadow AS version, role, day, rows, champion_loss, shadow_loss, e_better,"
            " e_worse FROM lake.main.shadow_scores"
            " WHERE universe = $universe AND champion = $champion"
            " QUALIFY 1 = row_number() OVER (PARTITION BY shadow ORDER BY day DESC, made_at DESC)"
            " ORDER BY day DESC, shadow LIMIT 4",
            universe=universe,
            champion=champion,
        )

    def alerts(self) -> Sequence[Row]:
        """The last alerts that fired, and their ends, oldest first."""
        return self._table(
            "alerts",
            "SELECT * FROM (SELECT * FROM lake.main.alerts ORDER BY made_at DESC LIMIT 5000)"
            " ORDER BY made_at",
        )

    def _table(self, name: str, sql: str, **values: Any) -> list[Row]:
        return self._ask(sql, **values) if name in self.tables else []

    def _ask(self, sql: str, **values: Any) -> list[Row]:
        given = values | ({"symbol": self.symbol} if "$symbol" in sql else {})
        rows: list[Row] = self._connection.execute(sql, given).to_arrow_table().to_pylist()
        return rows
