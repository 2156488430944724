"""Where the database is, and what is mirrored there. No address or key stands in the YAML."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")

Via = Literal["auto", "postgres", "supabase"]
Mirrored = Literal["predictions", "model_metrics", "bars"]


def _is_name(text: str) -> str:
    if not _NAME.fullmatch(text):  # the text may be the secret itself: it is not repeated
        raise ValueError(
            "this must be the name of an environment variable, in capitals; addresses and keys "
            "never stand in the YAML"
        )
    return text


Variable = Annotated[str, AfterValidator(_is_name)]


class DatabaseAddress(BaseModel):
    """How a Postgres or a Supabase project is reached: by variables of the environment."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    via: Via = Field(
        default="auto",
        description="postgres (by its address), supabase (by its API), or auto: Postgres where "
        "its address is set, else Supabase.",
    )
    dsn_variable: Variable = Field(
        default="CRYPTO_NN_DATABASE",
        description="Environment variable with the postgresql:// address.",
    )
    url_variable: Variable = Field(
        default="SUPABASE_URL", description="Environment variable with the project's https address."
    )
    key_variable: Variable = Field(
        default="SUPABASE_KEY", description="Environment variable with the project's API key."
    )
    token_variable: Variable = Field(
        default="SUPABASE_TOKEN",
        description="Environment variable with a JWT of a narrower role, such as crypto_nn_writer; "
        "where it is set, the key only opens the gateway.",
    )
    connect_timeout_s: float = Field(
        default=5.0, ge=1, description="Patience for a connection (seconds)."
    )
    timeout_s: float = Field(default=60.0, ge=1, description="Patience for an answer (seconds).")


class DatabaseConfig(DatabaseAddress):
    """What is copied to a database as it is made. The lake stays the truth; this is a copy."""

    mirror: tuple[Mirrored, ...] = Field(
        default=(), description="Tables to copy: predictions, model_metrics, bars. None: off."
    )
    features: tuple[str, ...] = Field(
        default=(), description="Features to copy with each prediction, as JSON; they take space."
    )
    spool_limit_mb: int = Field(
        default=1024, ge=1, description="Disk for what waits for the database; full is an alarm."
    )
    batch_rows: int = Field(
        default=10_000, ge=1, le=100_000, description="Rows of one transaction at most."
    )
    attempts: int = Field(default=3, ge=1, le=10, description="Attempts in a row for one batch.")
    first_wait_s: float = Field(
        default=0.5, gt=0, description="Longest wait after the first failure (seconds); it doubles."
    )
    max_wait_s: float = Field(
        default=300.0,
        gt=0,
        description="Longest time for which a dead database is left alone (seconds).",
    )
