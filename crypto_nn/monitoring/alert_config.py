"""Where alerts go, and with how much patience."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

_MONTH_S = 31 * 86400.0


class AlertConfig(BaseModel):
    """Where alerts go: always to the log and the table `alerts`, and to the channels named here."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    webhook_url: SecretStr | None = Field(
        default=None, description="Address that takes alerts as JSON; never shown."
    )
    urls: tuple[SecretStr, ...] = Field(
        default=(),
        description="Addresses as apprise writes them, such as mailtos://, slack://, tgram://, "
        "json://; never shown.",
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="Mail server of `monitor --alert-email`, mailto(s)://user:password@host:port; "
        "never shown.",
    )
    heartbeat_url: SecretStr | None = Field(
        default=None,
        description="Address that is asked once a minute while all is running (a dead man's "
        "switch outside, such as healthchecks.io); never shown.",
    )
    timeout_s: float = Field(
        default=2.0, gt=0, le=3600, description="Patience of the webhook for one attempt."
    )
    attempts: int = Field(
        default=2, ge=1, description="Attempts of the webhook before the spool keeps an alert."
    )
    backoff_s: float = Field(
        default=0.25, ge=0, le=3600, description="Pause after a failure; it doubles."
    )
    patience_s: float = Field(
        default=1.5,
        gt=0,
        le=3600,
        description="How long whoever tells an alert waits for all channels together.",
    )
    pause_s: float = Field(
        default=15.0,
        ge=0,
        le=_MONTH_S,
        description="A channel that failed is left alone so long; it doubles with each failure.",
    )
    max_pause_s: float = Field(
        default=900.0, ge=0, le=_MONTH_S, description="The longest such pause."
    )
    spool_limit: int = Field(
        default=1000, ge=1, description="Alerts that may wait for a channel; then the oldest goes."
    )
    dead_man_minutes: float = Field(
        default=10.0,
        ge=2,
        le=_MONTH_S / 60,
        description="Silence of the daemon or the monitor after which the other one alerts.",
    )

    @field_validator("webhook_url", "heartbeat_url")
    @classmethod
    def _is_http(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not url.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("it must begin with https:// or http://")
        return url

    @field_validator("urls")
    @classmethod
    def _are_channels(cls, urls: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if urls:
            from crypto_nn.monitoring.channels import check_address  # apprise, only where used

            for number, url in enumerate(urls):
                check_address(url, f"the entry {number + 1}")
        return urls

    @field_validator("smtp_url")
    @classmethod
    def _is_mail_server(cls, url: SecretStr | None) -> SecretStr | None:
        if url:
            from crypto_nn.monitoring.channels import check_mail_server

            check_mail_server(url)
        return url
