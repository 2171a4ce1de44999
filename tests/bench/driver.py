"""Callers that cost little: raw HTTP/1.1 over asyncio protocols, one request at a time a connection."""

import asyncio
import json
import time
from dataclasses import dataclass, field

HEADERS = "host: bench\r\ncontent-type: application/json\r\nanthropic-version: 2023-06-01\r\n"


def request(path: str, wanted: str, *, stream: bool = False, size: int = 1024) -> bytes:
    """A Messages (or Chat Completions) request of about `size` bytes; `wanted` tells the upstream what to answer."""
    body: dict[str, object] = {"model": "claude-opus-5-5", "max_tokens": 1000}
    if "chat" in path:
        body["user"] = wanted
    else:
        body["metadata"] = {"user_id": wanted}
    body["stream"] = stream
    body["messages"] = [{"role": "user", "content": "x" * max(1, size - 150)}]
    data = json.dumps(body).encode()
    return f"POST {path} HTTP/1.1\r\n{HEADERS}content-length: {len(data)}\r\n\r\n".encode() + data


@dataclass
class Figures:
    """What callers saw, in seconds: to the first byte of the body, to the end, and of each stamped chunk its age."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    failed: int = 0


class Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, ages: list[float]) -> None:
        self._ages = ages
        self._done: asyncio.Future[None] | None = None
        self._head = bytearray()
        self._tail = b""
        self._left = -1
        self._in_body = False
        self.ok = False
        self.first = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport

    async def call(self, data: bytes) -> None:
        """Sends one request and waits for the end of its answer."""
        self._head.clear()
        self._tail, self._left, self._in_body, self.ok, self.first = b"", -1, False, False, 0.0
        self._done = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        await self._done

    def data_received(self, data: bytes) -> None:
        if not self._in_body:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._head[:end]).lower()
            data = bytes(self._head[end + 4 :])
            self._in_body = True
            self.ok = head.startswith(b"http/1.1 200")
            if (at := head.find(b"content-length:")) >= 0:
                self._left = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if not data:
            return
        if not self.first:
            self.first = time.perf_counter()
        if (at := data.rfind(b"@")) >= 0:
            self._ages.append(time.monotonic() - float(data[at + 1 : data.index(b" ", at)]))
        if self._left >= 0:
            self._left -= len(data)
            ended = self._left <= 0
        else:
            self._tail = (self._tail + data)[-7:]
            ended = self._tail.endswith(b"\r\n0\r\n\r\n")
        if ended and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError("closed in the middle of an answer"))


async def run(port: int, data: bytes, *, callers: int, each: int) -> Figures:
    """`callers` connections at once, each with `each` requests in a row."""
    figures = Figures()

    async def one() -> None:
        _, caller = await asyncio.get_running_loop().create_connection(lambda: Caller(figures.ages), "127.0.0.1", port)
        try:
            for _ in range(each):
                begun = time.perf_counter()
                await caller.call(data)
                figures.first.append(caller.first - begun)
                figures.whole.append(time.perf_counter() - begun)
                figures.failed += not caller.ok
        finally:
            caller.transport.close()

    await asyncio.gather(*(one() for _ in range(callers)))
    return figures
