"""A strict HTTP/1.1 client: knows a cut answer from a whole one, and when each piece came.

async with connected(url) as client:
    client.send(post("/v1/messages", body))
    answer = await client.answer()
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import h11


@dataclass
class Answer:
    """One answer; `complete` is False when it was cut, `times` are monotonic seconds, one for each of `chunks`."""

    status: int
    headers: dict[str, str]
    chunks: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    complete: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def json(self) -> Any:
        return json.loads(self.body)


class RawClient:
    """One connection. Bytes go out as they are; answers are parsed by h11, strictly."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._parser = _parser()
        self._begun: Answer | None = None
        self.informed: list[int] = []

    def send(self, data: bytes) -> None:
        """Writes bytes."""
        self.writer.write(data)

    async def informational(self, seconds: float = 10.0) -> int:
        """The status of the first informational answer (1xx), once it is there; `informed` has them all."""
        async with asyncio.timeout(seconds):
            while not self.informed:
                await self._step()
        return self.informed[0]

    async def head(self, seconds: float = 10.0) -> Answer:
        """Status and headers; the body follows with `answer` or `chunk`. Raises ConnectionError without any."""
        async with asyncio.timeout(seconds):
            while self._begun is None:
                await self._step()
        return self._begun

    async def chunk(self, seconds: float = 10.0) -> bytes:
        """The next piece of the body; b"" at its end or cut."""
        answer = await self.head(seconds)
        count = len(answer.chunks)
        async with asyncio.timeout(seconds):
            while len(answer.chunks) == count:
                if not await self._step():
                    return b""
        return answer.chunks[-1]

    async def answer(self, seconds: float = 10.0) -> Answer:
        """The answer to its end, or to where it was cut."""
        answer = await self.head(seconds)
        async with asyncio.timeout(seconds):
            while await self._step():
                pass
        self._begun = None
        if answer.complete:
            rest = self._parser.trailing_data[0]
            self._parser = _parser()
            if rest:
                self._parser.receive_data(rest)
        return answer

    async def _step(self) -> bool:
        """One event of h11's; False when there will be no more of this answer."""
        event = self._parser.next_event()
        if event is h11.NEED_DATA:
            try:
                data = await self._reader.read(65536)
            except ConnectionError:
                data = b""
            if not data:
                if self._begun is None:
                    raise ConnectionError("closed without an answer")
                if self._begun.headers.get("transfer-encoding") or "content-length" in self._begun.headers:
                    return False
            self._parser.receive_data(data)
            return True
        if isinstance(event, h11.Response):
            self._begun = Answer(event.status_code, {n.decode(): v.decode("latin-1") for n, v in event.headers})
        elif isinstance(event, h11.InformationalResponse):
            self.informed.append(event.status_code)
        elif isinstance(event, h11.Data) and self._begun is not None:
            self._begun.chunks.append(bytes(event.data))
            self._begun.times.append(time.monotonic())
        elif isinstance(event, h11.EndOfMessage) and self._begun is not None:
            self._begun.complete = True
            return False
        return True


def _parser() -> h11.Connection:
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1024 * 1024)
    parser.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
    parser.send(h11.EndOfMessage())
    return parser


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RawClient]:
    """A connection to a server."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=64 * 1024)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()


def post(path: str, body: bytes | dict[str, Any], **headers: str) -> bytes:
    """A POST of JSON; `headers` with `_` for `-` replace or add to the usual ones, an empty one leaves it out."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"host": "localhost", "content-type": "application/json", "content-length": str(len(data))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + data


async def call(url: str, request: bytes, seconds: float = 10.0) -> Answer:
    """One request on a connection of its own."""
    async with connected(url) as client:
        client.send(request)
        return await client.answer(seconds)
