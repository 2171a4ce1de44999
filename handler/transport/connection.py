"""One HTTP/1.1 connection to the upstream: an asyncio protocol around llhttp, one exchange at a time.

    connected -> start() -> head() -> chunk()* -> b"" -> start() ...

A connection is reusable when the last answer was complete, kept alive, and left no surplus bytes. Whatever is not
understood, comes unasked for, or ends early makes it unusable; a cut body raises and never looks complete.
"""

import asyncio
import select
import time
from typing import NamedTuple, cast

import httptools
import httpx

MAX_HEAD_BYTES = 128 * 1024
HIGH_WATER_BYTES = 256 * 1024

_CUT = "The upstream closed the connection before its answer was complete."
_TOO_LARGE = "The upstream's headers are too large."


class Head(NamedTuple):
    """Status and headers of an answer, header names as they came."""

    status: int
    headers: list[tuple[bytes, bytes]]


class Connection(asyncio.Protocol):
    """Sends one request at a time and reads its answer; back-pressure by pausing the socket."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._expires = 0.0
        self._waiter: asyncio.Future[None] | None = None
        self._busy = False
        self._keep_alive = False
        self.idle_since = 0.0
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._head: Head | None = None
        self._head_bytes = 0
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._until_close = False
        self._complete = False
        self._failure: httpx.TransportError | None = None

    # What the pool and the answer's body call.

    @property
    def reusable(self) -> bool:
        """True when the last answer left the connection fit for another request."""
        if self._transport is None or self._transport.get_write_buffer_size():
            return False
        return self._complete and self._keep_alive and not self._paused and not self._closing

    @property
    def _closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def alive(self) -> bool:
        """True when the idle socket has nothing to say: readable means closed, or bytes nobody asked for."""
        if self._closing or self._failure is not None:
            return False
        return not _readable(cast(asyncio.Transport, self._transport).get_extra_info("socket").fileno())

    def start(self, *pieces: bytes | memoryview) -> None:
        """Writes one request. From here on it may have reached the upstream and is never sent again."""
        self._reset()
        self._busy = True
        # An empty last piece would keep asyncio's writer busy for ever, from Python 3.12 on.
        cast(asyncio.Transport, self._transport).writelines([piece for piece in pieces if piece])

    async def head(self, seconds: float) -> Head:
        """The answer's status and headers, informational answers passed over.

        Raises httpx.ReadTimeout after `seconds`, httpx.RemoteProtocolError or httpx.ReadError.
        """
        while self._head is None:
            await self._wait(seconds)
        return self._head

    async def chunk(self, seconds: float) -> bytes:
        """The next bytes of the body, all that has come; b"" when it is complete.

        Raises httpx.ReadTimeout after `seconds` of silence, httpx.RemoteProtocolError or httpx.ReadError.
        """
        while not self._chunks:
            if self._complete:
                return b""
            await self._wait(seconds)
        chunks, self._chunks, self._buffered = self._chunks, [], 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def rest(self) -> None:
        """Marks the connection idle, by the wall clock: a frozen sandbox's monotonic clock may stand still."""
        self._busy = False
        self.idle_since = time.time()

    def abort(self) -> None:
        """Closes the connection at once, unsent bytes dropped."""
        if self._transport is not None:
            self._transport.abort()

    # Waiting. One timer a connection, moved lazily: a chunk costs no timer of its own.

    async def _wait(self, seconds: float) -> None:
        if self._failure is not None:
            raise self._failure
        self._expires = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._expires:
            self._arm()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._expires, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():  # bytes came in the same turn
            return
        if self._loop.time() >= self._expires:
            self._fail(httpx.ReadTimeout("The upstream was silent for too long."))
        else:
            self._arm()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: httpx.TransportError) -> None:
        """The answer goes no further: what has come is still handed out, then the failure."""
        if self._failure is None and not self._complete:
            self._failure = failure
        self._wake()
        self.abort()

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parses what came and wakes whoever waits for it."""
        if not self._busy or self._complete:
            self._keep_alive = False
            self.abort()
            return
        if self._head is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(httpx.RemoteProtocolError("The upstream's answer is not valid HTTP."))
            return
        if self._head is None and self._head_bytes > MAX_HEAD_BYTES:
            self._fail(httpx.RemoteProtocolError(_TOO_LARGE))
        elif self._buffered > HIGH_WATER_BYTES and not self._paused and not self._closing:
            self._paused = True
            cast(asyncio.Transport, self._transport).pause_reading()
        if self._chunks or self._complete or self._head is not None:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of a body without a length, or a cut."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._keep_alive = False
        if not self._busy or self._complete:
            return
        if self._until_close and exc is None and self._failure is None:
            self._complete = True
            self._wake()
        else:
            self._fail(httpx.ReadError(_CUT) if exc else httpx.RemoteProtocolError(_CUT))

    # llhttp calls these.

    def on_message_begin(self) -> None:
        """A second answer on the heels of the first is surplus: the connection is not used again."""
        if self._complete:
            self._keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collects a header; trailers and surplus answers are passed over."""
        if self._head is None:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole; informational answers (1xx) are forgotten."""
        if self._head is not None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._headers = []
            return
        # One piece may bring it all, and then its body counts for nothing.
        if sum(len(name) + len(value) for name, value in self._headers) > MAX_HEAD_BYTES:
            self._fail(httpx.RemoteProtocolError(_TOO_LARGE))
            return
        names = {name.lower() for name, _ in self._headers}
        self._until_close = not names & {b"content-length", b"transfer-encoding"} and status not in (204, 304)
        self._keep_alive = self._parser.should_keep_alive()
        self._head = Head(status, self._headers)

    def on_body(self, data: bytes) -> None:
        """Keeps body bytes until they are asked for."""
        if not self._complete:
            self._chunks.append(data)
            self._buffered += len(data)

    def on_message_complete(self) -> None:
        """The answer is whole, unless it was an informational one."""
        if self._head is not None:
            self._complete = True


def _readable(descriptor: int) -> bool:
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLPRI)
    return bool(poll.poll(0))
