"""Every endpoint, one short method each, under every mode prefix (PRODUCT.md 1, 2).

The order of checks is one for all: route, rate limit (both before these methods run), gate, credential, content type,
size, body. What is not in `Routes.table` never goes upstream.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from starlette.datastructures import Headers as HeaderView
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from handler import modes
from handler.callers import OAUTH_REFUSAL, Credential, Gate, Keyring, choose
from handler.errors import ProxyError
from handler.modes import Mode
from handler.relay import CallerLeftError, Relay
from handler.telemetry import Visit
from handler.translate.exchange import Exchange, UpstreamRequest
from handler.translate.passthrough import Passthrough
from handler.wire.json_object import JsonObject

_ID = "{id}"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say about requests. Sizes in bytes; `loopback` is the address the server listens on."""

    prompt: str
    betas: tuple[bytes, ...]
    aliases: Mapping[str, str]
    request_bytes: int
    loopback: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One request at its endpoint, its body unread."""

    mode: Mode
    prefix: str
    scope: Scope
    receive: Receive
    send: Send

    @property
    def visit(self) -> Visit:
        """What the log will say of it."""
        visit: Visit = self.scope["visit"]
        return visit

    @property
    def headers(self) -> HeaderView:
        """The request's headers."""
        return HeaderView(scope=self.scope)

    @property
    def target(self) -> bytes:
        """The raw path below the mode prefix, with the query string as it came."""
        raw: bytes = self.scope.get("raw_path") or self.scope["path"].encode()
        query: bytes = self.scope.get("query_string", b"")
        path = raw[len(self.prefix) :]
        return path + b"?" + query if query else path


Method = Callable[[Call], Awaitable[None]]


class Endpoint:
    """An ASGI application for one route in one mode."""

    def __init__(self, name: str, mode: Mode, prefix: str, method: Method) -> None:
        self._name, self._mode, self._prefix, self._method = name, mode, prefix, method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(self._mode, self._prefix, scope, receive, send)
        call.visit.route, call.visit.mode = self._name, self._mode.name
        await self._method(call)


class Routes:
    """The endpoints, with what they need to answer."""

    def __init__(self, relay: Relay, gate: Gate, keyring: Keyring, policy: Policy) -> None:
        self._relay, self._gate, self._keyring, self._policy = relay, gate, keyring, policy

    def table(self) -> list[Route]:
        """Every route, the busiest first."""
        read, write, both = ["GET"], ["POST"], ["GET", "POST"]
        anthropic: list[tuple[str, list[str], Method]] = [
            ("/v1/messages", write, self.messages),
            ("/v1/messages/count_tokens", write, self.messages),
            ("/v1/models", read, self.models),
            (f"/v1/models/{_ID}", read, self.models),
            ("/v1/messages/batches", both, self.stateful),
            (f"/v1/messages/batches/{_ID}", ["GET", "DELETE"], self.stateful),
            (f"/v1/messages/batches/{_ID}/results", read, self.download),
            (f"/v1/messages/batches/{_ID}/cancel", write, self.stateful),
            ("/v1/files", both, self.stateful),
            (f"/v1/files/{_ID}", ["GET", "DELETE"], self.stateful),
            (f"/v1/files/{_ID}/content", read, self.download),
            ("/", ["HEAD"], warm_up),
            ("", ["HEAD"], warm_up),
            ("/api/hello", ["HEAD"], warm_up),
        ]
        return [
            _route(prefix + path, Endpoint(path, mode, prefix, method), methods)
            for path, methods, method in anthropic
            for prefix, mode in modes.PREFIXES.items()
            if prefix + path
        ]

    async def messages(self, call: Call) -> None:
        """POST /v1/messages and count_tokens: relayed, in full mode with the prompt put first."""
        credential = await self._credential(call)
        body = JsonObject(await self._json_body(call))
        edits = self._alias(body)
        mode, betas = call.mode, self._betas(call.mode, credential)
        if mode.injects and modes.comes_from_claude_code(body.value):
            mode = modes.UNTOUCHED
            betas = (modes.OAUTH_BETA,) if credential.oauth and self._policy.loopback else ()
        elif credential.oauth and not self._policy.loopback:
            raise ProxyError(400, OAUTH_REFUSAL)
        elif mode.injects:
            edits |= modes.with_prompt(body, self._policy.prompt)
        raw = body.edited(edits) if edits else body.raw
        await self._relayed(call, credential, self._passthrough(call, mode, betas, raw))

    async def models(self, call: Call) -> None:
        """GET /v1/models and one model: relayed."""
        credential = await self._credential(call)
        if credential.oauth and not self._policy.loopback and "id" in call.scope["path_params"]:
            raise ProxyError(400, OAUTH_REFUSAL)
        exchange = self._passthrough(call, call.mode, self._betas(call.mode, credential), b"")
        await self._relayed(call, credential, exchange)

    async def stateful(self, call: Call) -> None:
        """Batches and files: relayed with the caller's own API key, bodies as they are."""
        credential = await self._credential(call, stateful=True)
        body = b""
        if call.scope["method"] == "POST" and call.scope["path"].endswith("/batches"):
            body = JsonObject(await self._json_body(call)).raw
        elif call.scope["method"] == "POST":
            body = await self._body(call)
        exchange = self._passthrough(call, call.mode, self._betas(call.mode, credential), body)
        await self._relayed(call, credential, exchange)

    async def download(self, call: Call) -> None:
        """A batch's results or a file's content: streamed, of whatever type, with the caller's own API key."""
        credential = await self._credential(call, stateful=True)
        exchange = self._passthrough(call, call.mode, self._betas(call.mode, credential), b"", download=True)
        await self._relayed(call, credential, exchange)

    async def _credential(self, call: Call, *, stateful: bool = False) -> Credential:
        own = await self._gate.admit(call.scope["headers"])
        return choose(call.mode, own, self._keyring, stateful=stateful)

    def _betas(self, mode: Mode, credential: Credential) -> tuple[bytes, ...]:
        if not mode.injects:
            return ()
        return (*self._policy.betas, modes.OAUTH_BETA) if credential.oauth else self._policy.betas

    def _alias(self, body: JsonObject) -> dict[str, str]:
        model = body.value.get("model")
        alias = self._policy.aliases.get(model) if isinstance(model, str) else None
        return {"model": json.dumps(alias)} if alias else {}

    def _passthrough(
        self, call: Call, mode: Mode, betas: tuple[bytes, ...], body: bytes, *, download: bool = False
    ) -> Passthrough:
        headers = modes.upstream_headers(mode, call.scope["headers"], betas)
        request = UpstreamRequest(call.scope["method"], call.target, headers, body)
        return Passthrough(request, partial(modes.answer_headers, mode), download=download)

    async def _relayed(self, call: Call, credential: Credential, exchange: Exchange) -> None:
        deadline = call.scope.get("extensions", {}).get("claude_proxy.deadline", {}).get("at")
        try:
            failure = await self._relay.run(exchange, credential.auth, call.receive, call.send, deadline)
        finally:
            call.visit.usage = exchange.usage
        if failure is not None:
            call.visit.failure = failure.status

    async def _json_body(self, call: Call) -> bytes:
        media = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise ProxyError(415, "Send the request as JSON, with content-type: application/json.")
        return await self._body(call)

    async def _body(self, call: Call) -> bytes:
        """The request's body, whole. Raises ProxyError: 413 before it is all read, 415 when it is compressed."""
        limit = self._policy.request_bytes
        too_large = ProxyError(413, f"The request body is larger than this proxy takes ({limit} bytes).")
        if call.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise ProxyError(415, "The request body is compressed; send it without content-encoding.")
        length = call.headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > limit:
            raise too_large
        parts, size, more = [], 0, True
        while more:
            message = await call.receive()
            if message["type"] == "http.disconnect":
                raise CallerLeftError
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise too_large
            parts.append(part)
            more = message.get("more_body", False)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _route(path: str, endpoint: Endpoint, methods: list[str]) -> Route:
    route = Route(path, endpoint, methods=methods)
    # Starlette adds HEAD to GET; an upstream's answer to it would be waited for in vain.
    route.methods = set(methods)
    return route


async def warm_up(call: Call) -> None:
    """HEAD / and HEAD /api/hello: what Claude Code sends before its first request."""
    await call.send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await call.send({"type": "http.response.body", "body": b""})
