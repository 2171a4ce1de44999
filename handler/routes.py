"""Every path there is, under every mode prefix (PRODUCT.md 1, 2). What is not in the table never goes upstream.

The order of checks is one for all: route, rate limit (both before an endpoint runs), gate, credential, content type,
size, body.
"""

from collections.abc import Awaitable, Callable

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from handler import modes
from handler.anthropic_routes import AnthropicRoutes
from handler.call import Call
from handler.modes import Mode
from handler.openai_routes import OpenAIRoutes

Method = Callable[[Call], Awaitable[None]]


class Endpoint:
    """An ASGI application for one route in one mode."""

    def __init__(self, name: str, mode: Mode, prefix: str, method: Method) -> None:
        self._name, self._mode, self._prefix, self._method = name, mode, prefix, method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(self._mode, self._prefix, scope, receive, send)
        call.visit.route, call.visit.mode = self._name, self._mode.name
        await self._method(call)


def table(anthropic: AnthropicRoutes, openai: OpenAIRoutes) -> list[Route]:
    """Every route, the busiest first."""
    read, write, both = ["GET"], ["POST"], ["GET", "POST"]
    paths: list[tuple[str, list[str], Method]] = [
        ("/v1/messages", write, anthropic.messages),
        ("/v1/chat/completions", write, openai.chat),
        ("/openai/v1/chat/completions", write, openai.chat),
        ("/v1/messages/count_tokens", write, anthropic.messages),
        ("/v1/models", read, anthropic.models),
        ("/v1/models/{id}", read, anthropic.models),
        ("/openai/v1/models", read, openai.models),
        ("/openai/v1/models/{id:path}", read, openai.model),
        ("/v1/messages/batches", both, anthropic.stateful),
        ("/v1/messages/batches/{id}", ["GET", "DELETE"], anthropic.stateful),
        ("/v1/messages/batches/{id}/results", read, anthropic.download),
        ("/v1/messages/batches/{id}/cancel", write, anthropic.stateful),
        ("/v1/files", both, anthropic.stateful),
        ("/v1/files/{id}", ["GET", "DELETE"], anthropic.stateful),
        ("/v1/files/{id}/content", read, anthropic.download),
        ("/", ["HEAD"], _warm_up),
        ("", ["HEAD"], _warm_up),
        ("/api/hello", ["HEAD"], _warm_up),
    ]
    return [
        _route(prefix + path, Endpoint(path, mode, prefix, method), methods)
        for path, methods, method in paths
        for prefix, mode in modes.PREFIXES.items()
        if prefix + path
    ]


def _route(path: str, endpoint: Endpoint, methods: list[str]) -> Route:
    route = Route(path, endpoint, methods=methods)
    # Starlette adds HEAD to GET; an upstream's answer to it would be waited for in vain.
    route.methods = set(methods)
    return route


async def _warm_up(call: Call) -> None:
    """HEAD / and HEAD /api/hello: what Claude Code sends before its first request."""
    await call.send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await call.send({"type": "http.response.body", "body": b""})
