"""The environment, read once (PRODUCT.md 7): one frozen object, nonsense refused by the name of its variable.

Locally `.env` is read as well. Secrets are `SecretStr`: no repr, log line or error message shows one.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from handler.aws import Account
from handler.setting_types import File, Key, Name, Names, Origin, Pairs, Seconds, Tokens, is_loopback

MIB = 1024 * 1024
LOCAL_REQUEST_BYTES = 32 * MIB
# Lambda takes 6 MB of event, in which a body's quotes are escaped; below that the refusal is still ours.
LAMBDA_REQUEST_BYTES = 11 * MIB // 2
LONG_TOKEN = 32
_DOTENV = ".env"
_ON_AWS = ("rate_limit_table", "auth_token_secret", "anthropic_api_key_secret")


class SettingsError(Exception):
    """A setting that makes no sense; the message names the variable and never its value."""


class Settings(BaseSettings):
    """Every setting there is. Raises pydantic's ValidationError; `load` makes it readable."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_file=_DOTENV, env_ignore_empty=False, populate_by_name=True
    )

    auth_token: Tokens = Field(
        (),
        description="callers' token(s), comma-separated while rotating; needed on Lambda while the server holds a key",
    )
    auth_token_secret: Name = Field(None, description="Secrets Manager name or ARN to read `AUTH_TOKEN` from")
    anthropic_api_key: Key = Field(None, description="the server's own key")
    anthropic_api_key_secret: Name = Field(None, description="Secrets Manager name or ARN to read the key from")
    claude_code_oauth_token: Key = Field(None, description="the owner's own token; loopback only, see the notice")
    claude_credentials_file: File = Field(
        None, description="the Claude CLI's credentials file, read only; loopback only, see the notice"
    )
    claude_code_system_prompt: str = Field(
        "You are Claude Code, Anthropic's official CLI for Claude.",
        description="the system block that full mode puts first; empty turns it off",
    )
    full_mode_betas: Names = Field(
        ("claude-code-20250219",), description="merged into `anthropic-beta` in full mode; empty turns it off"
    )
    upstream_base_url: Origin = Field("https://api.anthropic.com", description="http only for loopback")
    upstream_connect_timeout_seconds: Seconds = Field(5, description="name, TCP and TLS")
    upstream_first_byte_timeout_seconds: Seconds = Field(300, description="until an answer begins")
    upstream_idle_timeout_seconds: Seconds = Field(120, description="between two bytes of an answer")
    max_request_bytes: int | None = Field(
        None, gt=0, le=1024 * MIB, description="32 MiB; on Lambda 5.5 MiB, what its payload limit allows"
    )
    rate_limit_enabled: bool = Field(True, description="the limit per client")
    rate_limit_per_minute: int = Field(60, ge=1, le=1_000_000, description="requests a minute, per client")
    rate_limit_burst: int = Field(10, ge=0, le=1_000_000, description="as many more at once")
    rate_limit_table: Name = Field(None, description="a DynamoDB table that all instances share")
    trusted_proxy_hops: int = Field(0, ge=0, le=16, description="how many `X-Forwarded-For` hops to believe")
    model_aliases: Pairs = Field({}, description="`gpt-4o=claude-...,other=claude-...`: names a client insists on")
    auto_prompt_cache: bool = Field(True, description="automatic prompt caching on OpenAI routes")
    default_max_tokens: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="for OpenAI requests that name none: 32000 or the model's maximum; 8192 for an unknown model",
    )
    proxy_response_mode: Literal["auto", "stream", "buffer"] = Field("auto", description="on Lambda: stream or buffer")
    deadline_margin_seconds: float = Field(
        10, ge=0, le=600, allow_inf_nan=False, description="on Lambda: how long before the kill an answer is ended"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field("INFO", description="of the log")
    host: str = Field("127.0.0.1", min_length=1, description="another address wants `AUTH_TOKEN`")
    port: int = Field(8000, ge=0, le=65535, description="0 takes a free one")

    # Set by AWS and by the template, not by the user.
    aws_lambda_function_name: Name = Field(None, exclude=True)
    function_url_auth_type: Name = Field(None, exclude=True)
    deployment_id: Name = Field(None, exclude=True)
    aws_region: Name = Field(None, exclude=True, validation_alias=AliasChoices("aws_region", "aws_default_region"))
    aws_access_key_id: Name = Field(None, exclude=True)
    aws_secret_access_key: Key = Field(None, exclude=True)
    aws_session_token: Key = Field(None, exclude=True)
    aws_endpoint_url: Origin | None = Field(None, exclude=True)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("settings hold secrets and are not pickled")

    @property
    def on_lambda(self) -> bool:
        """Whether this process runs in a Lambda sandbox (or an emulator of one)."""
        return self.aws_lambda_function_name is not None

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return not self.on_lambda and is_loopback(self.host)

    @property
    def request_bytes(self) -> int:
        """The largest request body that is read."""
        return self.max_request_bytes or (LAMBDA_REQUEST_BYTES if self.on_lambda else LOCAL_REQUEST_BYTES)

    @property
    def holds_oauth(self) -> bool:
        """Whether the owner's OAuth credential is configured."""
        return self.claude_code_oauth_token is not None or self.claude_credentials_file is not None

    @property
    def holds_credential(self) -> bool:
        """Whether the server can call upstream for a caller who brings no credential."""
        return self.holds_oauth or bool(self.anthropic_api_key or self.anthropic_api_key_secret)

    @property
    def gated(self) -> bool:
        """Whether callers need a token."""
        return bool(self.auth_token or self.auth_token_secret)

    def account(self) -> Account:
        """Where the table and the secrets are. Complete whenever one of them is set."""
        secret, token = self.aws_secret_access_key, self.aws_session_token
        return Account(
            region=self.aws_region or "",
            access_key_id=self.aws_access_key_id or "",
            secret_access_key=secret.get_secret_value() if secret else "",
            session_token=token.get_secret_value() if token else None,
            endpoint=self.aws_endpoint_url,
        )

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        for one, other in (("anthropic_api_key", "anthropic_api_key_secret"), ("auth_token", "auth_token_secret")):
            if getattr(self, one) and getattr(self, other):
                raise ValueError(f"{one.upper()} and {other.upper()} are both set; keep one")
        if self.claude_code_oauth_token and self.claude_credentials_file:
            raise ValueError("CLAUDE_CODE_OAUTH_TOKEN and CLAUDE_CREDENTIALS_FILE are both set; keep one")
        key = self.anthropic_api_key
        if key and key.get_secret_value().startswith("sk-ant-oat"):
            raise ValueError("ANTHROPIC_API_KEY holds an OAuth token; it wants an API key (sk-ant-api...)")
        uses_aws = [name for name in _ON_AWS if getattr(self, name)]
        if uses_aws and not (self.aws_region and self.aws_access_key_id and self.aws_secret_access_key):
            raise ValueError(
                f"{uses_aws[0].upper()} needs AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (on Lambda they "
                "are there; elsewhere `aws configure export-credentials --format env` prints them)"
            )
        if self.holds_oauth and not self.loopback:
            raise ValueError(
                "CLAUDE_CODE_OAUTH_TOKEN and CLAUDE_CREDENTIALS_FILE are for the owner's own machine: "
                "they work only while HOST is a loopback address, and not on Lambda"
            )
        if self.holds_credential and not self.gated and not self.loopback and not self.on_lambda:
            raise ValueError("HOST is not a loopback address and the server holds a credential: AUTH_TOKEN must be set")
        return self


def load() -> Settings:
    """The settings of this process. Raises SettingsError, which names the variable and never shows its value."""
    on_lambda = "AWS_LAMBDA_FUNCTION_NAME" in os.environ
    try:
        if not on_lambda:
            _check_lines(Path(_DOTENV))
        return Settings(_env_file=None) if on_lambda else Settings()
    except UnicodeDecodeError:
        raise SettingsError(".env: is not text in UTF-8") from None
    except ValidationError as invalid:
        lines = [
            ": ".join([*(str(part).upper() for part in error["loc"][:1]), _reason(error["msg"])])
            for error in invalid.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise SettingsError("\n".join(lines)) from None


def _check_lines(path: Path) -> None:
    """Refuses a line that would be passed over without a word, an AUTH_TOKEN's perhaps."""
    if not path.is_file():
        return
    from dotenv.parser import parse_stream

    with path.open(encoding="utf-8") as lines:
        for line in parse_stream(lines):
            if line.error or (line.key is not None and line.value is None):
                raise SettingsError(f".env, line {line.original.line}: wants NAME=value (a quote may be missing)")


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")
