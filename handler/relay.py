"""Sends one exchange upstream and its answer back: the only module that calls upstream.

    request  ->  status and headers  ->  error or JSON: read whole, checked, then ours starts
                                     ->  stream: ours starts at once, chunks leave as they come

Nothing is sent twice, but for the credential's own resend after a 401. The caller leaving cancels the exchange where it
stands, which closes the upstream's connection; so do the deadline and the server's shutdown. A failure before our
start is a ProxyError for the envelope; after it, one in-band error event and a proper end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from typing import Any, cast

import httpx

from handler.errors import ProxyError
from handler.modes import header
from handler.presence import Receive, attended
from handler.translate.exchange import Exchange, UpstreamRequest
from handler.upstream_body import decoded, read_whole
from handler.wire.json_object import Pieces

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

# After a stream's last word the upstream has this long to end it, so that its connection can be kept.
TRAILING_SECONDS = 0.25
_UNREACHABLE = "upstream_unreachable"
_JSON, _EVENTS = b"application/json", b"text/event-stream"
_OF_A_FAILURE = ("request-id", "retry-after", "retry-after-ms", "x-should-retry")
_STREAMED = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))


class Relay:
    """The way to the one configured upstream. `path` is what its URL has before the routes' own."""

    def __init__(self, transport: httpx.AsyncBaseTransport, base_url: str) -> None:
        self._transport = transport
        self._url = httpx.URL(base_url)
        self._path = self._url.raw_path.rstrip(b"/")

    async def aclose(self) -> None:
        """Closes the upstream's connections."""
        await self._transport.aclose()

    async def run(
        self, exchange: Exchange, auth: httpx.Auth, receive: Receive, send: Send, deadline: float | None = None
    ) -> ProxyError | None:
        """Answers the caller through `send`; `deadline` is a moment of the event loop's clock.

        Returns the failure that ended an answer after it began. Raises ProxyError when nothing was sent yet,
        CallerLeftError when there is nobody to send it to.
        """
        outlet = Outlet(send)
        try:
            async with attended(receive, deadline):
                answer = await self._call(exchange.upstream, auth)
                try:
                    await _hand_on(answer, exchange, outlet)
                finally:
                    await answer.aclose()
            return None
        except ProxyError as error:
            failure = error
        except httpx.TransportError as error:
            failure = _failure(error)
        except asyncio.CancelledError:
            failure = ProxyError(503, "The proxy is shutting down.")
        if not outlet.started:
            raise failure
        if outlet.events:
            await outlet.end(exchange.fail(failure))
        return failure

    async def whole(self, request: UpstreamRequest, auth: httpx.Auth) -> tuple[int, httpx.Headers, bytes]:
        """A request of the proxy's own (the models list): status, headers and the whole body. Raises ProxyError."""
        try:
            answer = await self._call(request, auth)
            try:
                return answer.status_code, answer.headers, await read_whole(answer)
            finally:
                await answer.aclose()
        except httpx.TransportError as error:
            raise _failure(error) from None

    async def _call(self, upstream: UpstreamRequest, auth: httpx.Auth) -> httpx.Response:
        request = httpx.Request(
            upstream.method,
            self._url,
            # Given as a stream, the body brings no headers of httpx's own making.
            headers=[(b"host", self._url.netloc), *upstream.headers, *_length(upstream)],
            stream=_Body(upstream.body),
            extensions={"target": self._path + upstream.target},
        )
        flow = auth.async_auth_flow(request)
        try:
            request = await anext(flow)
            while True:
                answer = await self._transport.handle_async_request(request)
                try:
                    request = await flow.asend(answer)
                except StopAsyncIteration:
                    return answer
                except BaseException:
                    await answer.aclose()
                    raise
                await answer.aclose()
        finally:
            await flow.aclose()


class Outlet:
    """The caller's side of an exchange: knows whether our answer has begun, and whether it is a stream of events."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.events = False

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Status and headers."""
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def chunk(self, body: bytes) -> None:
        """Bytes that leave at once."""
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """The last bytes."""
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """A complete answer."""
        await self.start(status, [*headers, (b"content-length", b"%d" % len(body))])
        await self.end(body)


async def _hand_on(answer: httpx.Response, exchange: Exchange, outlet: Outlet) -> None:
    try:
        await _answered(answer, exchange, outlet)
    except ProxyError as error:
        # What we say in the upstream's place keeps its id, and how long to wait.
        kept = {name: answer.headers[name] for name in _OF_A_FAILURE if name in answer.headers}
        error.headers = {**kept, **error.headers}
        raise


async def _answered(answer: httpx.Response, exchange: Exchange, outlet: Outlet) -> None:
    status, received = answer.status_code, answer.headers.raw
    kind = header(received, b"content-type")
    media = kind.partition(b";")[0].strip().lower()
    headers = exchange.headers(received)
    if request_id := header(received, b"request-id"):
        headers.append((b"request-id", request_id))
    if status >= 400:
        body = exchange.refuse(status, await read_whole(answer))
        await outlet.whole(status, [*headers, _kind(kind, media, _JSON, exchange)], body)
    elif not 200 <= status < 300:
        raise ProxyError(502, f"The upstream answered with status {status}, which is not followed.")
    elif exchange.download:
        await outlet.start(status, [*headers, (b"content-type", kind)] if kind else headers)
        async for chunk in decoded(answer):
            await outlet.chunk(chunk)
        await outlet.end()
    elif media == _EVENTS:
        headers += [_kind(kind, media, _EVENTS, exchange), *_STREAMED]
        outlet.events = True
        await outlet.start(status, headers)
        await _stream(answer, exchange, outlet)
    else:
        body = exchange.answer(await read_whole(answer))
        await outlet.whole(status, [*headers, _kind(kind, media, _JSON, exchange)], body)


def _kind(given: bytes, media: bytes, wanted: bytes, exchange: Exchange) -> tuple[bytes, bytes]:
    """The content type: the upstream's where the body is, and is what it says; ours elsewhere."""
    if exchange.rewrites or media != wanted:
        return b"content-type", wanted + b"; charset=utf-8" if wanted == _EVENTS else wanted
    return b"content-type", given


async def _stream(answer: httpx.Response, exchange: Exchange, outlet: Outlet) -> None:
    chunks = decoded(answer)
    async for chunk in chunks:
        if out := exchange.feed(chunk):
            await outlet.chunk(out)
        if exchange.done:
            break
    last = b""
    if exchange.done:
        with suppress(TimeoutError, httpx.TransportError, ProxyError):
            async with asyncio.timeout(TRAILING_SECONDS):
                async for chunk in chunks:
                    last += exchange.feed(chunk)
    await outlet.end(last + exchange.close())


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A request's body as httpx takes it."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return cast(Iterator[bytes], iter(self._pieces))


def _length(upstream: UpstreamRequest) -> list[tuple[bytes, bytes]]:
    if not upstream.body and upstream.method != "POST":
        return []
    return [(b"content-length", b"%d" % sum(map(len, upstream.body)))]


def _failure(error: httpx.TransportError) -> ProxyError:
    """The answer to a failed call, in our own words: httpx's may name the upstream's address."""
    match error:
        case httpx.ConnectTimeout():
            return ProxyError(504, "The upstream did not accept a connection in time.", code=_UNREACHABLE)
        case httpx.ConnectError():
            return ProxyError(502, "The upstream could not be reached.", code=_UNREACHABLE)
        case httpx.TimeoutException():
            return ProxyError(504, "The upstream was silent for too long.")
        case httpx.LocalProtocolError():
            return ProxyError(400, "The request's query or a header holds a character that is not allowed there.")
        case _:
            message = "The upstream's connection ended, or broke the protocol, before its answer was complete."
            return ProxyError(502, message, code="upstream_disconnected")
