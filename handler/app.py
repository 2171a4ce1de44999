"""Builds the application: everything once, from one settings object, with the error envelopes around it.

Nothing happens at import. The routes are wrapped in `Envelope`, which gives every answer its request id and rate
headers and turns every failure into an answer in the route's own shape.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Lifespan

from handler import __version__
from handler.anthropic_routes import AnthropicRoutes
from handler.assembly import Assembly
from handler.envelope import Envelope
from handler.models import Catalogue
from handler.openai_routes import OpenAIRoutes
from handler.reception import Policy, Reception
from handler.relay import Relay
from handler.routes import table
from handler.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The proxy as an ASGI application. Opens no connection before its lifespan starts."""
    assembly = Assembly(settings)
    relay = Relay(assembly.upstream(), settings.upstream_base_url)
    policy = Policy(
        prompt=settings.claude_code_system_prompt,
        betas=tuple(beta.encode() for beta in settings.full_mode_betas),
        aliases=settings.model_aliases,
        request_bytes=settings.request_bytes,
        loopback=settings.loopback,
    )
    reception = Reception(relay, assembly.gate(), assembly.keyring(), policy)
    openai = OpenAIRoutes(
        reception,
        Catalogue(),
        default_max_tokens=settings.default_max_tokens,
        auto_prompt_cache=settings.auto_prompt_cache,
    )
    limiter = assembly.limiter()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(assembly.warm())
        yield
        warming.cancel()
        await openai.aclose()
        await relay.aclose()
        await assembly.close()

    app = _Application(
        lambda router: Envelope(router, assembly.telemetry, limiter, settings.trusted_proxy_hops), lifespan
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
