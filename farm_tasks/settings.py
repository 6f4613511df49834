"""What the environment says: one place for every variable, its default and its meaning."""

from __future__ import annotations

import functools
import os
import ssl
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from farm_tasks import redis_tls, schedule
from farm_tasks.errors import NotConfigured

_Roots = Annotated[tuple[Path, ...], NoDecode]
_ADDRESSES = {
    "broker_url": "redis://127.0.0.1:6379/0",
    "result_backend": "redis://127.0.0.1:6379/1",
}
_TLS_FILES = (
    "redis_ca_file", "redis_cert_file", "redis_key_file",
    "kitsu_ca_file", "kitsu_client_cert_file", "kitsu_client_key_file",
)  # fmt: skip


class Settings(BaseSettings):
    """Read from environment variables; the field's alias is the variable's name."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    broker_url_file: Path | None = Field(None, alias="FARM_TASKS_BROKER_URL_FILE")
    result_backend_file: Path | None = Field(None, alias="FARM_TASKS_RESULT_BACKEND_FILE")
    """Files that hold the addresses, for they may hold passwords. The variables win over them."""

    # After the files, which have to be known by then.
    broker_url: SecretStr = Field(SecretStr(""), alias="FARM_TASKS_BROKER_URL")
    result_backend: SecretStr = Field(SecretStr(""), alias="FARM_TASKS_RESULT_BACKEND")
    redis_ca_file: Path | None = Field(None, alias="FARM_TASKS_REDIS_CA_FILE")
    """The CA that the certificate of Redis, or of RabbitMQ, is checked with, for rediss:// and
    amqps://. The system's if none."""
    redis_cert_file: Path | None = Field(None, alias="FARM_TASKS_REDIS_CERT_FILE")
    redis_key_file: Path | None = Field(None, alias="FARM_TASKS_REDIS_KEY_FILE")
    """The certificate to show to Redis, and its key if it is in a file of its own."""

    result_days: float = Field(7, ge=0.01, le=3650, alias="FARM_TASKS_RESULT_DAYS")
    """Days after which the record of a submission that is no longer written to is forgotten."""

    read_roots: _Roots = Field((), alias="FARM_TASKS_READ_ROOTS")
    write_roots: _Roots = Field((), alias="FARM_TASKS_WRITE_ROOTS")

    scratch_folder: Path | None = Field(None, alias="FARM_TASKS_SCRATCH")
    """Where a worker makes movies of frames. A folder of its user's in the system's for temporary
    files if none."""

    path_map: Path | None = Field(None, alias="FARM_TASKS_PATH_MAP")
    """The TOML file that says what one place is called on each system: docs/paths.md."""

    spool_folder: Path | None = Field(None, alias="FARM_TASKS_SPOOL")
    """Where requests wait while the broker cannot be reached: docs/spool.md."""

    media_threads: int = Field(2, ge=1, le=64, alias="FARM_TASKS_MEDIA_THREADS")
    """Of the encoder, and as many for reading and colour. The bytes of a movie depend on it: the
    same on all workers, or a movie that is made again on another one is another movie."""

    font: Path | None = Field(None, alias="FARM_TASKS_FONT")
    """A TrueType or OpenType file for burn-ins and slates. Without one, ASCII's letters alone."""

    max_upload_bytes: int = Field(10 * 1024**3, gt=0, alias="FARM_TASKS_MAX_UPLOAD_BYTES")
    """zou's MAX_CONTENT_LENGTH; a proxy in front may take less."""

    retry_seconds: float = Field(
        12 * 3600, ge=0, allow_inf_nan=False, alias="FARM_TASKS_RETRY_SECONDS"
    )
    """For how long a submission that fails for now is tried again: a night by default."""

    grace_seconds: float = Field(60, ge=0, le=86400, alias="FARM_TASKS_GRACE_SECONDS")
    """How long running transfers may go on after a worker is told to end."""

    pulse_file: Path | None = Field(None, alias="FARM_TASKS_PULSE_FILE")
    """Touched by a worker every two seconds, as long as its event loop turns, for health checks."""

    flower_users_file: Path | None = Field(None, alias="FARM_TASKS_FLOWER_USERS_FILE")
    """Who may use Flower: a line ``user:password`` for each."""

    small_bytes: int = Field(8 * 1024**2, ge=0, alias="FARM_TASKS_SMALL_BYTES")
    """Uploads of at most so many bytes go to the queue for small files. 0: none by its size."""

    bandwidth: str | None = Field(None, alias="FARM_TASKS_BANDWIDTH")
    """How fast all transfers of a worker together may go: :func:`farm_tasks.schedule.bandwidth`."""

    rate: str | None = Field(None, alias="FARM_TASKS_RATE")
    """How many transfers a worker may begin: :func:`farm_tasks.schedule.rate`."""

    log_format: Literal["text", "json"] = Field("text", alias="FARM_TASKS_LOG_FORMAT")
    """What a worker's log is written as."""

    kitsu_host: str | None = Field(
        None, validation_alias=AliasChoices("KITSU_HOST", "KITSU_SERVER")
    )
    kitsu_ca_file: Path | None = Field(None, alias="KITSU_CA_FILE")
    """The CA that Kitsu's certificate is checked with, in place of those that requests trusts."""
    kitsu_client_cert_file: Path | None = Field(None, alias="KITSU_CLIENT_CERT_FILE")
    kitsu_client_key_file: Path | None = Field(None, alias="KITSU_CLIENT_KEY_FILE")
    """The certificate to show to Kitsu, and its key if it is in a file of its own."""

    bot_token: SecretStr | None = Field(None, alias="KITSU_BOT_TOKEN")
    bot_token_file: Path | None = Field(None, alias="KITSU_BOT_TOKEN_FILE")
    login: str | None = Field(None, alias="KITSU_LOGIN")
    password: SecretStr | None = Field(
        None, validation_alias=AliasChoices("KITSU_PASSWORD", "KITSU_PWD")
    )

    @field_validator("broker_url", "result_backend", mode="before")
    @classmethod
    def _from_file(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, SecretStr) and not value.get_secret_value():
            file = f"{info.field_name}_file"
            path: Path | None = info.data.get(file)
            if path is None:
                return _ADDRESSES[str(info.field_name)]
            variable = cls.model_fields[file].alias
            try:
                value = path.read_text(encoding="utf-8-sig", errors="replace").strip()
                _check_address(str(info.field_name), value)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise ValueError(f"{variable} {path}: {reason}") from None
        return value

    @field_validator("broker_url", "result_backend")
    @classmethod
    def _is_address(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        _check_address(str(info.field_name), value.get_secret_value())
        return value

    @field_validator("bandwidth")
    @classmethod
    def _is_bandwidth(cls, value: str | None) -> str | None:
        if value is not None:
            schedule.bandwidth(value)
        return value

    @field_validator("rate")
    @classmethod
    def _is_rate(cls, value: str | None) -> str | None:
        if value is not None:
            schedule.rate(value)
        return value

    @field_validator("kitsu_host")
    @classmethod
    def _holds_no_password(cls, value: str | None) -> str | None:
        # Kitsu takes none there, and an address is shown in many places.
        if value is not None and "@" in value.split("://")[-1].split("/")[0]:
            raise ValueError(
                "a name or password in the address: give it without, and set KITSU_LOGIN and "
                "KITSU_PASSWORD or KITSU_BOT_TOKEN_FILE"
            )
        return value

    @field_validator(*_TLS_FILES)
    @classmethod
    def _is_readable(cls, value: Path | None) -> Path | None:
        if value is not None:
            # OpenSSL and requests say "No such file or directory" of all of them, and not of which.
            try:
                with value.open("rb"):
                    pass
            except OSError as error:
                raise ValueError(f"{value}: {error.strerror}") from None
        return value

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        for cert, key in (_TLS_FILES[1:3], _TLS_FILES[4:6]):
            if getattr(self, key) is not None and getattr(self, cert) is None:
                fields = type(self).model_fields
                raise ValueError(
                    f"{fields[key].alias} is the key to nothing: set {fields[cert].alias} as well"
                )
        if self.redis_ca_file or self.redis_cert_file:
            for address in (self.broker_url, self.result_backend):
                if address.get_secret_value().startswith(("redis:", "sentinel:", "amqp:")):
                    raise ValueError(
                        "FARM_TASKS_REDIS_CA_FILE and FARM_TASKS_REDIS_CERT_FILE are for rediss:// "
                        "and amqps:// addresses, and one is another: it would go without TLS"
                    )
        return self

    @property
    def record_seconds(self) -> int:
        """How long a record is kept after it was last written."""
        return int(self.result_days * 86400)

    def broker(self) -> tuple[str, dict[str, Any] | None]:
        """The broker's address, and how to speak TLS to it; None without."""
        if not self.broker_is_rabbitmq:
            return self.redis(self.broker_url)
        address = self.broker_url.get_secret_value()
        if not address.startswith("amqps:"):
            return address, None
        files = {
            "ca_certs": self.redis_ca_file,
            "certfile": self.redis_cert_file,
            "keyfile": self.redis_key_file,
        }
        options: dict[str, Any] = {name: str(file) for name, file in files.items() if file}
        # With the name in the certificate; kombu alone would look at neither.
        return address, {
            **options, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": urlsplit(address).hostname
        }  # fmt: skip

    @property
    def broker_is_rabbitmq(self) -> bool:
        """Whether messages go through RabbitMQ, and not through Redis."""
        return self.broker_url.get_secret_value().startswith("amqp")

    def redis(self, address: SecretStr) -> tuple[str, dict[str, Any] | None]:
        """An address of Redis, and how to speak TLS to it: :func:`farm_tasks.redis_tls.divide`."""
        files = (self.redis_ca_file, self.redis_cert_file, self.redis_key_file)
        return redis_tls.divide(address.get_secret_value(), *files)

    @field_validator("read_roots", "write_roots", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(Path(part) for part in value.split(os.pathsep) if part)
        return value

    @field_validator("scratch_folder", "spool_folder", "path_map", "font")
    @classmethod
    def _absolute_path(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_absolute():
            raise ValueError(f"{value} is not an absolute path")
        return value

    @field_validator("read_roots", "write_roots")
    @classmethod
    def _absolute(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        for root in value:
            if not root.is_absolute():
                raise ValueError(f"{root} is not an absolute path")
        return value

    def token(self) -> str | None:
        """The bot's token, from the variable or the file that it names.

        Raises:
            NotConfigured: the file cannot be read, or what is there cannot be a token.
        """
        if self.bot_token is not None:
            return _checked_token("KITSU_BOT_TOKEN", self.bot_token.get_secret_value())
        if self.bot_token_file is None:
            return None
        try:
            text = self.bot_token_file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise NotConfigured(
                f"KITSU_BOT_TOKEN_FILE {self.bot_token_file}: {error.strerror}"
            ) from error
        return _checked_token(f"KITSU_BOT_TOKEN_FILE {self.bot_token_file}", text)


def _check_address(field: str, address: str) -> None:
    """Raise a ValueError if no broker or result backend can be there."""
    schemes = {"redis", "rediss"}
    if field == "broker_url":
        schemes |= {"amqp", "amqps", "sentinel"}
    try:
        url = urlsplit(address)
        is_address = url.scheme in schemes and bool(url.hostname) and not url.fragment
        if url.scheme.startswith("redis"):
            # Read for its check alone: a port that is no number raises here.
            is_address = is_address and url.port != 0 and url.path[1:].isdecimal()
    except ValueError:
        is_address = False
    if not is_address:
        # Without the value: it may hold a password, and this message ends in logs.
        raise ValueError(
            "not an address such as redis://:password@host:6379/0 (in a password write special "
            "characters as %23 and the like)"
        )
    redis_tls.check_address(address)


def _checked_token(where: str, text: str) -> str:
    """The token, without the blanks around it. Never told in an error: that ends in Redis."""
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise NotConfigured(
            f"{where} holds no token: one line of letters, digits and dots is expected."
        )
    return token


def _variable(place: int | str) -> str:
    """What a user knows a field by. A value that no variable gave is told by the field's name."""
    field = Settings.model_fields.get(str(place))
    return (field and field.alias) or str(place)


@functools.lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        NotConfigured: a variable has a value that cannot be used; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            ": ".join(
                [*map(_variable, problem["loc"]), problem["msg"].removeprefix("Value error, ")]
            )
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise NotConfigured(problems) from None
