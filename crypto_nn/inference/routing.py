"""Who is asked which version: a split by hash that anyone can work out again."""

import hashlib
import math
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from crypto_nn.errors import ConfigError
from crypto_nn.inference.registry import challenger_of, champion_of
from crypto_nn.store.models import ModelStore


class RoutingConfig(BaseModel):
    """Which share of questions the challenger answers while it shadows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    challenger_share: float = Field(
        default=0.0, ge=0, le=1, description="Share of keys that the challenger answers; 0 is none."
    )
    salt: str = Field(
        default="", description="Another salt draws other keys for the challenger; else the same."
    )


def route(key: str, shares: Mapping[str, float], salt: str = "") -> str:
    """The version that answers a key: always the same for the same key, shares and salt.

    Each version draws a number u from SHA-256 of salt, version and key, and the lowest
    −ln(u) / share wins (weighted rendezvous hashing). So the shares of keys are as asked, and
    where one version's share grows and no other's does, nobody who has it loses it: keys only
    move to it.

    Args:
        key: what is split: a client, or a symbol and minute.
        shares: of each version, from 0 to 1, together 1.
        salt: such as the universe, so that two splits are independent.

    Raises:
        ConfigError: shares are negative, no numbers, or do not sum to 1.
    """
    total = math.fsum(shares.values())
    odd = [f"{version}: {share}" for version, share in shares.items() if not 0 <= share <= 1]
    if odd or not math.isclose(total, 1.0, abs_tol=1e-9):
        raise ConfigError(
            f"Shares must lie between 0 and 1 and sum to 1; these sum to {total:g}"
            f"{', with ' + ', '.join(odd) if odd else ''}. Correct the shares."
        )
    asked = sorted(version for version, share in shares.items() if share > 0)
    return min(asked, key=lambda version: _wait(salt, version, key) / shares[version])


def shares_in_force(models: ModelStore, universe: str, config: RoutingConfig) -> dict[str, float]:
    """Which versions answer a universe's questions now, and with which shares.

    Raises:
        ModelError: the pointer of the universe is damaged.
        ConfigError: nobody answers yet.
    """
    champion, challenger = champion_of(models, universe), challenger_of(models, universe)
    if champion is None:
        raise ConfigError(
            f"{universe} has no champion yet. Materialise `champion`, or run "
            f"`crypto-nn train --universe {universe}`."
        )
    if challenger is None or not config.challenger_share:
        return {champion.version: 1.0}
    share = config.challenger_share
    return {champion.version: 1.0 - share, challenger.version: share}


def _wait(salt: str, version: str, key: str) -> float:
    """An exponential waiting time, drawn from a hash of which no two triples give the same text."""
    text = "".join(f"{len(part)}:{part}" for part in (salt, version, key))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 11
    return -math.log((number + 0.5) * 2.0**-53)
