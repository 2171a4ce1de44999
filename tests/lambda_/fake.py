"""A Runtime API that keeps what it is sent, byte for byte, and the moment each byte came.

async with runtime_api() as fake:
    answer = await fake.invoke(event)       one invocation, as far as its end
"""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Call:
    """One POST: the head's lines, the decoded chunks with their times, the trailers."""

    path: str
    headers: dict[str, str]
    connection: int
    chunks: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)
    complete: bool = False

    @property
    def streamed(self) -> bool:
        return self.headers.get("lambda-runtime-function-response-mode") == "streaming"

    @property
    def prelude(self) -> dict[str, Any]:
        return json.loads(self.chunks[0])

    @property
    def body(self) -> bytes:
        """What follows prelude and NULs."""
        assert self.chunks[1] == bytes(8)
        return b"".join(self.chunks[2:])

    @property
    def document(self) -> dict[str, Any]:
        """A whole answer."""
        return json.loads(b"".join(self.chunks))


class FakeRuntimeApi:
    def __init__(self) -> None:
        self.deadline_seconds = 900.0
        self.deadline_header: str | None = None
        self.empty_polls = 0
        self.polls = 0
        self.connections = 0
        self.status = "202 Accepted"
        self.acknowledge_after = 0.0
        self.acknowledge_early = False
        self.seconds_a_chunk = 0.0
        self.drop_stream_after: int | None = None
        self.close_after_answer = False
        self.read_pause: asyncio.Event | None = None
        self.calls: list[Call] = []
        self.order: list[str] = []
        self._events: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._done: dict[str, asyncio.Future[Call]] = {}
        self.begun = asyncio.Event()
        self.polled = asyncio.Event()

    def send(self, event: object, request_id: str | None = None) -> "asyncio.Future[Call]":
        """Queues an event; the future is its answer."""
        request_id = request_id or f"request-{len(self._done) + 1}"
        done: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
        self._done[request_id] = done
        self._events.put_nowait((request_id, event if isinstance(event, bytes) else json.dumps(event).encode()))
        return done

    async def invoke(self, event: object, request_id: str | None = None) -> Call:
        return await asyncio.wait_for(self.send(event, request_id), 10)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, path, _ = head.split("\r\n")[0].split(" ")
                headers = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in head.split("\r\n")[1:] if x)}
                if method == "GET":
                    self.order.append("next")
                    await self._next(writer)
                else:
                    call = Call(path, headers, number)
                    self.calls.append(call)
                    self.order.append("post")
                    await self._read(call, reader, writer)
                    await self._acknowledge(call, writer)
                if self.close_after_answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _next(self, writer: asyncio.StreamWriter) -> None:
        self.polls += 1
        self.polled.set()
        if self.empty_polls:
            self.empty_polls -= 1
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            return
        request_id, event = await self._events.get()
        deadline = self.deadline_header or str(int((time.time() + self.deadline_seconds) * 1000))
        writer.write(
            (
                f"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {request_id}\r\n"
                f"Lambda-Runtime-Deadline-Ms: {deadline}\r\n"
                f"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:1:function:f\r\n"
                f"Content-Length: {len(event)}\r\n\r\n"
            ).encode()
            + event
        )
        await writer.drain()

    async def _read(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "content-length" in call.headers:
            call.chunks.append(await reader.readexactly(int(call.headers["content-length"])))
            return
        self.begun.set()
        if self.acknowledge_early:
            writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
        while True:
            if self.read_pause is not None and len(call.chunks) == 2:
                await self.read_pause.wait()
            await asyncio.sleep(self.seconds_a_chunk)
            size = int(await reader.readuntil(b"\r\n"), 16)
            if size == 0:
                break
            call.chunks.append(await reader.readexactly(size))
            call.times.append(time.monotonic())
            assert await reader.readexactly(2) == b"\r\n"
            if self.drop_stream_after is not None and len(call.chunks) > self.drop_stream_after:
                writer.transport.abort()
                self._settle(call)
                raise ConnectionResetError
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
            name, _, value = line.decode().partition(":")
            call.trailers[name.lower()] = value.strip()

    async def _acknowledge(self, call: Call, writer: asyncio.StreamWriter) -> None:
        call.complete = True
        await asyncio.sleep(self.acknowledge_after)
        self.order.append("acknowledged")
        if not self.acknowledge_early:
            writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        self._settle(call)

    def _settle(self, call: Call) -> None:
        request_id = call.path.split("/")[-2]
        if not self._done[request_id].done():
            self._done[request_id].set_result(call)


@asynccontextmanager
async def runtime_api() -> AsyncIterator[tuple[FakeRuntimeApi, str]]:
    """A fake and its authority, the value of AWS_LAMBDA_RUNTIME_API."""
    fake = FakeRuntimeApi()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # so that a reader who is behind is felt
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(fake.serve, sock=listener)
    try:
        yield fake, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
