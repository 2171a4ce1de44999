"""An upstream made of bytes: a test says what is written, and sees what came.

async def answer(request, wire): wire.write(b"HTTP/1.1 200 OK..."); await wire.drain()

async with raw_upstream(answer) as upstream:
    upstream.url, upstream.requests, upstream.connections, upstream.open

`tls` makes it https, on localhost. `welcome` is called with each new connection, before anything is read. An `early`
upstream answers at the head of a request, its body unread, and closes. `listener` is a socket bound to loopback.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from handler.server import listen

JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Request:
    """One request: its head up to the blank line, and its body with any chunking undone."""

    head: bytes
    body: bytes = field(repr=False)

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        lines = (line.partition(b":") for line in self.head.split(b"\r\n")[1:] if line)
        return [(name, value.strip()) for name, _, value in lines]

    def header(self, name: str) -> bytes | None:
        """The value of a header, joined where it is there several times."""
        values = [value for each, value in self.headers if each.lower() == name.encode().lower()]
        return b", ".join(values) if values else None


class Wire:
    """The way back to the caller."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        self._writer.write(data)

    def chunk(self, data: bytes) -> None:
        """One chunk of a chunked body."""
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))

    def json(self, body: bytes, status: bytes = b"200 OK") -> None:
        """A whole JSON answer."""
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self._writer.write(head % (status, len(body)) + body)

    async def drain(self) -> None:
        """Waits while the other side is behind."""
        await self._writer.drain()

    async def sent(self) -> None:
        """Waits until the kernel has all of it."""
        while self._writer.transport.get_write_buffer_size():
            await asyncio.sleep(0.001)

    def close(self) -> None:
        """FIN."""
        self._writer.close()

    def reset(self) -> None:
        """RST."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def gone(self, seconds: float = 5.0) -> None:
        """Waits until the caller has closed. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            with suppress(ConnectionError):
                while await self._reader.read(65536):
                    pass


Answer = Callable[[Request, Wire], Awaitable[None]]
Welcome = Callable[[Wire], None]


class RawUpstream:
    """What the test sees. `open` counts the connections that are open now."""

    def __init__(self, answer: Answer, welcome: Welcome | None = None, *, early: bool = False) -> None:
        self.answer = answer
        self._welcome, self._early = welcome, early
        self.url = ""
        self.requests: list[Request] = []
        self.connections = 0
        self.open = 0

    @property
    def posts(self) -> list[Request]:
        """The requests that are POSTs."""
        return [request for request in self.requests if request.line.startswith("POST ")]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, as many requests as come."""
        self.connections += 1
        self.open += 1
        wire = Wire(reader, writer)
        if self._welcome is not None:
            self._welcome(wire)
        try:
            while not writer.is_closing():
                request = await _head(reader) if self._early else await _read(reader)
                self.requests.append(request)
                await self.answer(request, wire)
                if self._early:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def until_idle(self, seconds: float = 5.0) -> None:
        """Waits until no connection is open. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while self.open:
                await asyncio.sleep(0.005)


async def _head(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    return Request(head[:-4], b"")


async def _read(reader: asyncio.StreamReader) -> Request:
    request = await _head(reader)
    length = request.header("content-length")
    if length is not None:
        return Request(request.head, await reader.readexactly(int(length)))
    if request.header("transfer-encoding") is None:
        return request
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return Request(request.head, body)


@asynccontextmanager
async def raw_upstream(
    answer: Answer,
    *,
    tls: ssl.SSLContext | None = None,
    welcome: Welcome | None = None,
    early: bool = False,
    listener: socket.socket | None = None,
) -> AsyncIterator[RawUpstream]:
    """A listening upstream."""
    upstream = RawUpstream(answer, welcome, early=early)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(upstream.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    sock = listener or listen("127.0.0.1", 0)
    server = await asyncio.start_server(connected, sock=sock, limit=1024 * 1024, ssl=tls)
    port = sock.getsockname()[1]
    upstream.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    try:
        yield upstream
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
