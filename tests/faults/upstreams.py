"""What upstreams do: one good answer in both manners, the pieces of it, and how a connection ends.

An `Answer` here is what `raw_upstream` takes: `async def answer(request, wire)`.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trustme

from tests.faults.families import OPENAI, Family
from tests.support.messages import encoded, events_of, message, text
from tests.support.proxy import proxied
from tests.support.raw_client import Answer as Reply
from tests.support.raw_client import call
from tests.support.raw_upstream import EVENTS, Answer, RawUpstream, Request, Wire, raw_upstream

TEXT = "Grüße 🎈 to nobody's log, in one answer."
BEGUN_TEXT = "Grüße 🎈"

MESSAGE = message(text(TEXT))
BODY = json.dumps(MESSAGE, ensure_ascii=False).encode()
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"

LAST = b"0\r\n\r\n"


# For tests that no timeout ends, unless something hangs.
SOON = {f"upstream_{name}_timeout_seconds": 3.0 for name in ("connect", "first_byte", "idle")}


def stream_of(words: str) -> bytes:
    """A streamed answer that says `words` at once."""
    return encoded(events_of(message(text(words))))


def _deltas(words: str) -> list[str]:
    begun, rest = words[: len(BEGUN_TEXT)], words[len(BEGUN_TEXT) :]
    return [begun, rest[:7], rest[7:]]


_EVENTS = [encoded([event]) for event in events_of(MESSAGE, _deltas)]
_FIRST_DELTA = next(at for at, event in enumerate(_EVENTS) if b"text_delta" in event)

# The stream up to its first text, and what follows.
BEGUN = b"".join(_EVENTS[: _FIRST_DELTA + 1])
REST = b"".join(_EVENTS[_FIRST_DELTA + 1 :])
STREAM = BEGUN + REST
EVENT_LIST = tuple(_EVENTS)

OVERLOADED = encoded([{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}])
PING = encoded([{"type": "ping"}])


def error_body(kind: str, words: str) -> bytes:
    """An error body as the API writes it."""
    return json.dumps({"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_011"}).encode()


@asynccontextmanager
async def upstream_that(answer: Answer, models: Answer | None = None, **options: Any) -> AsyncIterator[RawUpstream]:
    """An upstream that answers POSTs with `answer`; the models list, asked for by the proxy itself, is `models`."""

    async def either(request: Request, wire: Wire) -> None:
        if request.line.startswith("GET "):
            await (models or answers(b'{"data":[],"has_more":false}'))(request, wire)
        else:
            await answer(request, wire)

    async with raw_upstream(either, **options) as upstream:
        yield upstream


def wants_stream(request: Request) -> bool:
    """Whether the request asks for a stream."""
    return json.loads(request.body).get("stream") is True


async def good(request: Request, wire: Wire) -> None:
    """A whole answer, in the manner that was asked for."""
    if wants_stream(request):
        streamed(wire, STREAM)
    else:
        wire.json(BODY)
    await wire.drain()


def streamed(wire: Wire, body: bytes) -> None:
    """A whole stream, well ended."""
    begin(wire, body)
    wire.write(LAST)


def begin(wire: Wire, body: bytes = b"") -> None:
    """A stream's head and its first bytes."""
    wire.write(EVENTS)
    if body:
        wire.chunk(body)


def answers(data: bytes, status: bytes = b"200 OK", *headers: bytes) -> Answer:
    """An answer with a body of known length; a JSON one unless `headers` say otherwise."""
    lines = list(headers)
    if not any(line.lower().startswith(b"content-type") for line in lines):
        lines.append(b"content-type: application/json")

    async def answer(request: Request, wire: Wire) -> None:
        lines_out = [b"HTTP/1.1 " + status, *lines, b"content-length: %d" % len(data)]
        wire.write(b"\r\n".join(lines_out) + b"\r\n\r\n" + data)
        await wire.drain()

    return answer


def writes(data: bytes, end: Callable[[Wire], None] | None = None) -> Answer:
    """Bytes as they are, then an end: `Wire.close` or `Wire.reset`, or the connection stays as it is."""

    async def answer(request: Request, wire: Wire) -> None:
        wire.write(data)
        if end is not None:
            await wire.sent()
            end(wire)

    return answer


def in_turn(*given: Answer) -> Answer:
    """One answer for each request; the last one again for all that follow."""
    left = list(given)

    async def answer(request: Request, wire: Wire) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(request, wire)

    return answer


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def unended(body: bytes) -> bytes:
    """A stream's head and its first bytes, as `begin` writes them."""
    return EVENTS + (chunk(body) if body else b"")


async def asked(family: Family, answer: Answer, **settings: Any) -> tuple[Reply, int]:
    """The answer to one streamed request, and how many requests reached the upstream."""
    async with upstream_that(answer) as upstream, proxied(upstream.url, **settings) as url:
        return await call(url, family.request(stream=True)), len(upstream.posts)


def server_side(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """An upstream's side of TLS, with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


class Held:
    """An answer that stops after its first bytes and waits for the test.

    `begun` is set when a request is there and the first bytes are written; `go` lets the rest go; `left` is set when
    the caller has closed the connection instead.
    """

    def __init__(self, first: bytes, rest: bytes = b"") -> None:
        self._first, self._rest = first, rest
        self.begun, self.go, self.left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(self, request: Request, wire: Wire) -> None:
        wire.write(self._first)
        await wire.drain()
        self.begun.set()
        leaving = asyncio.ensure_future(wire.gone(60))
        going = asyncio.ensure_future(self.go.wait())
        try:
            await asyncio.wait((leaving, going), return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                self.left.set()
                wire.close()
                return
        finally:
            leaving.cancel()
            going.cancel()
            await asyncio.gather(leaving, going, return_exceptions=True)
        wire.write(self._rest)
        await wire.drain()


async def within(seconds: float, waiting: Awaitable[object]) -> None:
    """Waits for it, so long and no longer. Raises TimeoutError."""
    await asyncio.wait_for(waiting, seconds)


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Waits until it holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def first_of_all(url: str, family: Family, upstream: RawUpstream) -> None:
    """A good request; when it is over, so is what a proxy asks for by itself after its first one."""
    count = len(upstream.requests)
    assert (await call(url, family.request())).status == 200
    if family is OPENAI:
        await until(lambda: len(upstream.requests) >= count + 2)
