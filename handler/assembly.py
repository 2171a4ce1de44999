"""What the app is made of, as the settings say: the log, the limit, the gate, the keys. Nothing here runs yet."""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence

import httpx

from handler.aws import AwsService
from handler.callers import Gate, Keyring, Tokens
from handler.credentials.header import api_key
from handler.credentials.oauth import CredentialsFile, FixedToken, OwnerToken
from handler.ratelimit.gcra import Quota
from handler.ratelimit.limiter import Limiter, Store
from handler.settings import LONG_TOKEN, Settings
from handler.telemetry import Telemetry
from handler.transport import Pool, Timeouts, Trust

# AWS answers within milliseconds or not at all; a request waits behind these.
_AWS_TIMEOUTS = Timeouts(connect=1.0, first_byte=2.0, idle=2.0)


class Assembly:
    """The parts for one app. `warm` fetches ahead what the first request will need; `close` ends connections."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trust = Trust()
        self._aws_pool = Pool(_AWS_TIMEOUTS, self._trust)
        self._ahead: list[Callable[[], Awaitable[None]]] = []
        service = settings.aws_lambda_function_name or "claude-code-proxy"
        self.telemetry = Telemetry(settings.log_level, _salt(settings), service, metrics=settings.on_lambda)

    def upstream(self) -> Pool:
        """The transport to the upstream."""
        return Pool(
            Timeouts(
                connect=self._settings.upstream_connect_timeout_seconds,
                first_byte=self._settings.upstream_first_byte_timeout_seconds,
                idle=self._settings.upstream_idle_timeout_seconds,
            ),
            self._trust,
        )

    def limiter(self) -> Limiter | None:
        """The rate limit, if it is on."""
        settings = self._settings
        if not settings.rate_limit_enabled:
            return None
        quota = Quota(settings.rate_limit_per_minute, settings.rate_limit_burst)
        return Limiter(quota, self._table(), self.telemetry.limit_store)

    def gate(self) -> Gate:
        """Who is let in."""
        settings = self._settings
        minimum = 0
        if settings.on_lambda and settings.holds_credential:
            minimum = 1 if settings.function_url_auth_type == "AWS_IAM" else LONG_TOKEN
        return Gate(self._tokens(), minimum)

    def keyring(self) -> Keyring:
        """The credentials the server itself holds."""
        settings = self._settings
        owner: OwnerToken | None = None
        if settings.claude_code_oauth_token is not None:
            owner = FixedToken(settings.claude_code_oauth_token)
        elif settings.claude_credentials_file is not None:
            owner = CredentialsFile(settings.claude_credentials_file)
        return Keyring(self._key(), owner)

    async def warm(self) -> None:
        """Loads certificates and fetches secrets before they are asked for. A failure shows when they are."""
        if self._settings.upstream_base_url.startswith("https:"):
            _ = self._trust.context
        await asyncio.gather(*(fetch() for fetch in self._ahead))

    async def close(self) -> None:
        """Ends the connections to AWS."""
        await self._aws_pool.aclose()

    def _table(self) -> Store | None:
        settings = self._settings
        if settings.rate_limit_table is None:
            return None
        from handler.ratelimit.dynamodb import DynamoStore

        service = AwsService(settings.account(), "dynamodb", "DynamoDB_20120810", "1.0", self._aws_pool)
        return DynamoStore(service, settings.rate_limit_table)

    def _tokens(self) -> Tokens | None:
        settings = self._settings
        if settings.auth_token_secret is not None:
            from handler.credentials import secrets_manager

            kept = secrets_manager.tokens(self._secrets(), settings.auth_token_secret, self.telemetry.warn)
            self._ahead.append(kept.warm)
            return kept.get
        if not settings.auth_token:
            return None
        values = tuple(token.get_secret_value() for token in settings.auth_token)

        async def fixed() -> Sequence[str]:
            return values

        return fixed

    def _key(self) -> httpx.Auth | None:
        settings = self._settings
        if settings.anthropic_api_key is not None:
            return api_key(settings.anthropic_api_key.get_secret_value())
        if settings.anthropic_api_key_secret is None:
            return None
        from handler.credentials import secrets_manager

        kept = secrets_manager.api_key(self._secrets(), settings.anthropic_api_key_secret, self.telemetry.warn)
        self._ahead.append(kept.warm)
        return secrets_manager.SecretKey(kept)

    def _secrets(self) -> AwsService:
        return AwsService(self._settings.account(), "secretsmanager", "secretsmanager", "1.1", self._aws_pool)


def _salt(settings: Settings) -> bytes:
    """With a shared table a client must have one name in all instances; elsewhere the salt ends with the process."""
    if settings.rate_limit_table is None:
        return secrets.token_bytes(32)
    seed = (settings.rate_limit_table, settings.aws_lambda_function_name or "", settings.deployment_id or "")
    return hashlib.sha256("\n".join(("claude-code-proxy", *seed)).encode()).digest()
