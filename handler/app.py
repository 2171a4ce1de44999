"""Builds the application: everything once, from one settings object, with the error envelopes around it.

Nothing happens at import. `create_app` makes the upstream's pool, the gate, the keyring, the limiter and the log, hands
them to the routes, and wraps the routes in `Envelope`, which gives every answer its request id and rate headers and
turns every failure into an answer in the route's own shape.
"""

import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Lifespan

from handler import __version__
from handler.anthropic_routes import AnthropicRoutes
from handler.callers import Gate, Keyring, Tokens
from handler.credentials.header import api_key
from handler.credentials.oauth import CredentialsFile, FixedToken
from handler.envelope import Envelope
from handler.models import Catalogue
from handler.openai_routes import OpenAIRoutes
from handler.ratelimit.gcra import Quota
from handler.ratelimit.limiter import Limiter
from handler.reception import Policy, Reception
from handler.relay import Relay
from handler.routes import table
from handler.settings import LONG_TOKEN, Settings
from handler.telemetry import Telemetry
from handler.translate.chat_request import Options
from handler.transport import Pool, Timeouts


def create_app(settings: Settings) -> FastAPI:
    """The proxy as an ASGI application. Opens no connection before the first request."""
    telemetry = Telemetry(settings.log_level, _salt(settings))
    pool = Pool(
        Timeouts(
            connect=settings.upstream_connect_timeout_seconds,
            first_byte=settings.upstream_first_byte_timeout_seconds,
            idle=settings.upstream_idle_timeout_seconds,
        )
    )
    relay = Relay(pool, settings.upstream_base_url)
    policy = Policy(
        prompt=settings.claude_code_system_prompt,
        betas=tuple(beta.encode() for beta in settings.full_mode_betas),
        aliases=settings.model_aliases,
        request_bytes=settings.request_bytes,
        loopback=settings.loopback,
    )
    reception = Reception(relay, _gate(settings), _keyring(settings), policy)
    options = Options(settings.default_max_tokens, settings.auto_prompt_cache)
    openai = OpenAIRoutes(reception, Catalogue(), options)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await relay.aclose()

    app = _Application(
        lambda router: Envelope(router, telemetry, _limiter(settings), settings.trusted_proxy_hops), lifespan
    )
    app.add_route("/health", _health(), methods=["GET"])
    app.router.routes.extend(table(AnthropicRoutes(reception), openai))
    return app


class _Application(FastAPI):
    """FastAPI with one middleware: the envelope does what its own stack of six does, and more, for less time.

    It exports nothing either: the telemetry FastAPI brings would hand exceptions to whatever an environment names.
    """

    def __init__(self, envelope: Callable[[ASGIApp], ASGIApp], lifespan: Lifespan["_Application"]) -> None:
        super().__init__(
            title="claude-code-proxy",
            version=__version__,
            openapi_url=None,
            redirect_slashes=False,
            lifespan=lifespan,
            telemetry={
                "tracing": False,
                "metrics": False,
                "logs": False,
                "operation_spans": False,
                "auto_configure": False,
            },
        )
        self._envelope = envelope

    def build_middleware_stack(self) -> ASGIApp:
        """Called by Starlette, once."""
        return self._envelope(self.router)


def _health() -> Callable[[Request], Awaitable[Response]]:
    started = time.monotonic()

    async def health(_: Request) -> Response:
        uptime = round(time.monotonic() - started, 3)
        return JSONResponse({"status": "ok", "version": __version__, "uptime_seconds": uptime})

    return health


def _salt(settings: Settings) -> bytes:
    """With a shared table a client must have one name in all instances; elsewhere the salt ends with the process."""
    if settings.rate_limit_table is None:
        return secrets.token_bytes(32)
    seed = (settings.rate_limit_table, settings.aws_lambda_function_name or "", settings.upstream_base_url)
    return hashlib.sha256("\n".join(("claude-code-proxy", *seed)).encode()).digest()


def _gate(settings: Settings) -> Gate:
    tokens: Tokens | None = None
    if settings.auth_token:
        values = tuple(token.get_secret_value() for token in settings.auth_token)

        async def fixed() -> Sequence[str]:
            return values

        tokens = fixed
    exposed = settings.on_lambda and settings.function_url_auth_type != "AWS_IAM" and settings.holds_credential
    return Gate(tokens, minimum_length=LONG_TOKEN if exposed else 0)


def _keyring(settings: Settings) -> Keyring:
    key: httpx.Auth | None = None
    if settings.anthropic_api_key is not None:
        key = api_key(settings.anthropic_api_key.get_secret_value())
    if settings.claude_code_oauth_token is not None:
        return Keyring(key, FixedToken(settings.claude_code_oauth_token))
    if settings.claude_credentials_file is not None:
        return Keyring(key, CredentialsFile(settings.claude_credentials_file))
    return Keyring(key)


def _limiter(settings: Settings) -> Limiter | None:
    if not settings.rate_limit_enabled:
        return None
    quota = Quota(settings.rate_limit_per_minute, settings.rate_limit_burst)
    return Limiter(quota)
