"""The simulated API as an ASGI application: messages (whole and streamed), count_tokens, models, and its refusals."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Send

from handler.errors import ANTHROPIC_TYPES, ProxyError, anthropic_type
from handler.simulator import answers, events, models
from handler.simulator.keys import identify
from handler.simulator.requests import Caller, read_counted, read_messages
from handler.simulator.script import Script, script_of

MAX_BODY_BYTES = 32 * 1024 * 1024
MESSAGES: dict[str, str] = {
    "overloaded_error": "Overloaded",
    "api_error": "Internal server error",
    "rate_limit_error": "This request would exceed your account's rate limit. Please try again later.",
}
_STATUSES = {kind: status for status, kind in sorted(ANTHROPIC_TYPES.items(), reverse=True)}

Endpoint = Callable[[Request, Caller], Awaitable[Response]]


def create_simulator(pace_seconds: float = 0) -> Starlette:
    """The simulator; `pace_seconds` lie between two events of a stream, where its script does not say."""

    async def messages(request: Request, caller: Caller) -> Response:
        body, model = read_messages(await _json(request), caller)
        if body.thread is not None:
            return _threads_unsupported()
        script = script_of(body.messages)
        await asyncio.sleep(script.wait)
        if script.error is not None and not (body.stream and script.after):
            return _refusal(script)
        message = answers.answer(body, model, script)
        if not body.stream:
            return JSONResponse(message, headers=script.headers)
        chunks = _chunks(message, script)
        pace = pace_seconds if script.pace is None else script.pace
        return _Events(_paced(chunks, pace), reset=script.cut == "reset", headers=script.headers)

    async def count_tokens(request: Request, caller: Caller) -> Response:
        body, _ = read_counted(await _json(request), caller)
        return JSONResponse({"input_tokens": answers.counted(body)})

    async def listing(request: Request, _: Caller) -> Response:
        return JSONResponse(models.page(request.query_params))

    async def single(request: Request, _: Caller) -> Response:
        name = request.path_params["id"]
        if (model := models.known(name)) is None:
            raise ProxyError(404, f"model: {name}")
        return JSONResponse(models.info(model))

    return Starlette(
        routes=[
            Route("/v1/messages", _endpoint(messages), methods=["POST"]),
            Route("/v1/messages/count_tokens", _endpoint(count_tokens), methods=["POST"]),
            Route("/v1/models", _endpoint(listing), methods=["GET"]),
            Route("/v1/models/{id}", _endpoint(single), methods=["GET"]),
        ],
        exception_handlers={HTTPException: _no_route},
    )


def _endpoint(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def identified(request: Request) -> Response:
        request_id = f"req_{secrets.token_hex(12)}"
        try:
            response = await endpoint(request, identify(request.headers, request.url.path))
        except ProxyError as error:
            response = _error(error.status, anthropic_type(error.status), error.message, request_id)
        response.headers["request-id"] = request_id
        response.headers["anthropic-organization-id"] = "00000000-0000-4000-8000-000000000000"
        response.headers["anthropic-ratelimit-requests-limit"] = "4000"
        response.headers["anthropic-ratelimit-requests-remaining"] = "3999"
        return response

    return identified


class _Events(StreamingResponse):
    """A stream of events; with `reset` its connection breaks off instead of ending."""

    def __init__(self, chunks: AsyncIterator[bytes], *, reset: bool, headers: dict[str, str]) -> None:
        super().__init__(chunks, media_type="text/event-stream", headers={"cache-control": "no-cache", **headers})
        self._reset = reset

    async def stream_response(self, send: Send) -> None:
        """The events; a server whose application returns before the end of the body closes the connection."""

        async def unended(message: Message) -> None:
            if message["type"] == "http.response.start" or message.get("more_body"):
                await send(message)

        await super().stream_response(unended if self._reset else send)


async def _paced(chunks: list[bytes], pace: float) -> AsyncIterator[bytes]:
    for place, chunk in enumerate(chunks):
        if place and pace:
            await asyncio.sleep(pace)
        yield chunk


def _chunks(message: dict[str, object], script: Script) -> list[bytes]:
    if script.raw is not None:
        return [chunk.encode() for chunk in script.raw]
    chunks = events.encoded(events.events_of(message))
    if script.error is not None:
        kind, text, _ = _fault(script)
        error = {"type": "error", "error": {"type": kind, "message": text}}
        return [*chunks[: script.after], *events.encoded([error])]
    return chunks[: script.after] if script.cut else chunks


def _fault(script: Script) -> tuple[str, str, int]:
    """Type, message and status of a scripted error, which names either its status or its type."""
    error = script.error
    kind = error if isinstance(error, str) else anthropic_type(error or 500)
    status = error if isinstance(error, int) else _STATUSES.get(kind, 500)
    return kind, script.message or MESSAGES.get(kind, "A simulated error."), status


def _refusal(script: Script) -> Response:
    kind, text, status = _fault(script)
    return _error(status, kind, text, f"req_{secrets.token_hex(12)}", script.headers)


def _threads_unsupported() -> Response:
    """The simulator remembers nothing; the real API gives this answer where it cannot keep a thread either."""
    details = {"error_code": "thread_unsupported_request", "unsupported": []}
    error = {"type": "invalid_request_error", "message": "Threads are not supported here.", "details": details}
    return JSONResponse({"type": "error", "error": error, "request_id": None}, status_code=400)


def _error(status: int, kind: str, text: str, request_id: str, headers: dict[str, str] | None = None) -> Response:
    body = {"type": "error", "error": {"type": kind, "message": text}, "request_id": request_id}
    return JSONResponse(body, status_code=status, headers=headers)


async def _json(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ProxyError(415, "content-type must be application/json")
    data = await request.body()
    if len(data) > MAX_BODY_BYTES:
        raise ProxyError(413, "Request exceeds the maximum size")
    return data


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _error(status, anthropic_type(status), "Not Found", f"req_{secrets.token_hex(12)}")
