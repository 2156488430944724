"""A database as a source of bars keeps the laws of sources, by Postgres and by Supabase."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from crypto_nn.bars import M1
from crypto_nn.errors import ConfigError, SourceError, SourceRefused, SourceUnavailable
from crypto_nn.experiments import Experiment
from crypto_nn.sources import SupabaseConfig, SupabaseSource, SyntheticConfig, open_source
from crypto_nn.sources.patience import Patience
from crypto_nn.sources.synthetic import Gap, generate
from crypto_nn.store.database import DatabaseAddress, DatabaseConfig, migrate
from crypto_nn.store.database.postgres import PostgresBars, PostgresWriter
from crypto_nn.store.database.rows import bar_rows
from crypto_nn.store.database.supabase import SupabaseBars
from crypto_nn_tests.contracts import source as law
from crypto_nn_tests.store.database.servers import (
    Cluster,
    Gateway,
    free_port,
    key_of,
    make_project,
    running_postgrest,
)

MARKET = SyntheticConfig(
    symbols=("BTC-USDT", "ETH-USDT"),
    start=datetime(2024, 1, 30, 18),
    end=datetime(2024, 2, 1, 9),
    gaps=(Gap(start=datetime(2024, 1, 31, 23, 50), minutes=30),),
)
CUTS = np.array(["2024-01-31T23:59", "2024-02-01", "2024-01-31T05:30:30"], "M8[us]")
EVERYTHING = SupabaseConfig()
IMPATIENT = Patience(attempts=3, first_wait_s=0.5, max_wait_s=2.0)

Open = Callable[..., SupabaseSource]


class HandClock:
    """Stands still but for waiting."""

    def __init__(self, now: str) -> None:
        self.time, self.slept = np.datetime64(now, "us"), 0.0

    def now(self) -> np.datetime64:
        """The time that the test says."""
        return self.time

    def monotonic(self) -> float:
        """Only waiting takes time."""
        return self.slept

    def sleep(self, seconds: float) -> None:
        """Wait at once."""
        self.slept += seconds


@pytest.fixture(scope="module")
def market(supabase_like: Cluster) -> str:
    """A project with a made-up market in its table `bars`."""
    make_project(supabase_like, "market")
    dsn = supabase_like.dsn("market", "owner")
    migrate(dsn)
    writer = PostgresWriter(SecretStr(dsn))
    for symbol in MARKET.symbols:
        table = generate(MARKET, symbol).to_arrow()
        named = table.append_column("symbol", [[symbol] * table.num_rows])
        writer.upsert("bars", bar_rows(named))
    writer.close()
    return "market"


@pytest.fixture(params=["postgres", pytest.param("supabase", marks=pytest.mark.postgrest)])
def opened(request: pytest.FixtureRequest, supabase_like: Cluster, market: str) -> Iterator[Open]:
    """Opens sources on the market; the API cuts each answer at fewer rows than are asked for."""
    clock = HandClock("2024-06-01")
    tables: list[SupabaseBars] = []
    if request.param == "postgres":
        dsn = SecretStr(supabase_like.dsn(market, "owner"))
        yield lambda config=EVERYTHING: SupabaseSource(config, PostgresBars(dsn), clock)
        return
    binary = request.getfixturevalue("binary")
    with running_postgrest(binary, supabase_like.dsn(market, "authenticator"), 700) as port:
        gateway = Gateway(port)

        def by_api(config: SupabaseConfig = EVERYTHING) -> SupabaseSource:
            key = SecretStr(key_of("crypto_nn_reader"))
            tables.append(SupabaseBars(SecretStr(gateway.url), key))
            return SupabaseSource(config, tables[-1], clock)

        yield by_api
        for table in tables:
            table.close()
        gateway.close()


def test_the_table_keeps_the_laws_of_sources(opened: Open) -> None:
    """Ordered closed bars, honest slices, the same twice, clear refusals, not one row cut off."""
    source = opened()
    assert source.symbols() == MARKET.symbols
    law.check_ordered_and_closed(source)
    law.check_honours_start_and_end(source, CUTS)
    law.check_same_bars_twice(source, opened())
    law.check_pieces_are_small(source)
    law.check_outside_is_empty(source)
    law.check_unknown_is_refused(source)
    for symbol in MARKET.symbols:
        law.check_same(law.everything(source, symbol), generate(MARKET, symbol))


def test_configured_symbols_are_all_that_is_offered(opened: Open) -> None:
    source = opened(SupabaseConfig(symbols=("ETH-USDT", "SOL-USDT")))
    assert source.symbols() == ("ETH-USDT", "SOL-USDT")
    with pytest.raises(SourceError, match="no bars of BTC-USDT"):
        source.available("BTC-USDT")
    with pytest.raises(SourceError, match="has no rows of SOL-USDT"):
        source.available("SOL-USDT")


def test_a_bar_that_is_still_open_is_not_given(supabase_like: Cluster, market: str) -> None:
    """At 08:30:30 the bar of 08:29 has closed, and that of 08:30 has not; the symbol is live."""
    table = PostgresBars(SecretStr(supabase_like.dsn(market, "owner")))
    source = SupabaseSource(SupabaseConfig(), table, HandClock("2024-02-01T08:30:30"))
    known = source.available("BTC-USDT")
    assert (known.end, known.live) == (np.datetime64("2024-02-01T08:30"), True)
    start = np.datetime64("2024-02-01T08:20", "us")
    (bars,) = source.fetch("BTC-USDT", M1, start, np.datetime64("2024-03-01", "us"))
    assert bars.ts[-1] == np.datetime64("2024-02-01T08:29")
    later = SupabaseSource(SupabaseConfig(), table, HandClock("2024-02-01T09:11"))
    assert not later.available("BTC-USDT").live


@pytest.mark.postgrest
def test_a_busy_api_is_asked_again_and_then_what_is_missing_is_told(gateway: Gateway) -> None:
    """Answers of 503 cost waits, not bars; giving up names the stretch."""
    table = SupabaseBars(SecretStr(gateway.url), SecretStr(key_of("crypto_nn_reader")))
    clock = HandClock("2024-06-01")
    source = SupabaseSource(SupabaseConfig(patience=IMPATIENT), table, clock, seed=1)
    gateway.fail_with = [503, 429]
    assert source.symbols() == ()
    assert 0 < clock.slept < 2
    start, end = CUTS[0], CUTS[0] + np.timedelta64(60, "m")
    gateway.fail_with = [502] * 3
    with pytest.raises(SourceUnavailable, match="BTC-USDT from 2024-01-31T23:59") as caught:
        source._page("BTC-USDT", start, end, 10)
    assert caught.value.symbol == "BTC-USDT"
    assert caught.value.missing == ((start, end),)
    gateway.fail_with = [502] * 3
    with pytest.raises(SourceUnavailable) as caught:  # before the first bar is known
        source.fetch("BTC-USDT", M1, start, end)
    assert caught.value.missing == ((start, end),)
    table.close()


@pytest.mark.postgrest
def test_a_key_that_may_not_read_is_refused_for_good(gateway: Gateway) -> None:
    table = SupabaseBars(SecretStr(gateway.url), SecretStr(key_of("anon")))
    source = SupabaseSource(SupabaseConfig(patience=IMPATIENT), table, HandClock("2024-06-01"))
    with pytest.raises(SourceRefused, match="SUPABASE_KEY"):
        source.symbols()
    assert len(gateway.requests) == 1
    table.close()


def test_the_environment_names_the_database_and_nothing_is_asked_before_it_must_be(
    supabase_like: Cluster, market: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CRYPTO_NN_DATABASE", "SUPABASE_URL", "SUPABASE_KEY"):
        monkeypatch.delenv(name, raising=False)
    source: Any = open_source(SupabaseConfig())
    with pytest.raises(SourceRefused, match="SUPABASE_URL is not set"):
        source.symbols()
    monkeypatch.setenv("OTHER", supabase_like.dsn(market, "owner"))
    assert open_source(SupabaseConfig(dsn_variable="OTHER")).symbols() == MARKET.symbols
    monkeypatch.setenv("CRYPTO_NN_DATABASE", f"postgresql://x:y@127.0.0.1:{free_port()}/x")
    monkeypatch.setattr(source, "_clock", HandClock("2024-06-01"))
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        source.symbols()


@pytest.mark.parametrize(
    "settings", [{"key": "c4nary"}, {"dsn_variable": "postgresql://u:c4nary@host/db"}]
)
def test_a_secret_in_the_yaml_is_refused_without_showing_it(settings: dict[str, str]) -> None:
    """Only names of variables may stand there."""
    for config in (DatabaseAddress, DatabaseConfig, SupabaseConfig):
        with pytest.raises(ValueError, match=r"_variable|key") as caught:
            config.model_validate(settings)
        assert "c4nary" not in str(caught.value)
    for where in ({"database": settings}, {"sources": {"own": {"kind": "supabase", **settings}}}):
        with pytest.raises(ConfigError) as refused:
            Experiment.parse(where)
        assert "c4nary" not in str(refused.value)
