"""The Lambda Runtime API (2018-06-01) over asyncio streams: next, answer, stream, fail.

    GET  .../invocation/next              waits, without a time limit, for the next event; 204 means ask again
    POST .../invocation/{id}/response     the answer: one JSON document, or streamed
    POST .../invocation/{id}/error        only where no answer has begun

A streamed answer has a connection of its own. Its chunks are a JSON prelude (status, headers, cookies), eight NULs,
then the body; after the last one come, for a failure, two trailers, which are dropped unless announced at the start.
Its 202 must be read before the next event is asked for.
"""

import asyncio
import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import httptools

READ_BYTES = 65536
# An emulator may not answer a stream that ended in trailers; its connection is then dropped.
TRAILERS_ANSWER_SECONDS = 0.5
_STREAMED = (
    "Lambda-Runtime-Function-Response-Mode: streaming",
    "Content-Type: application/vnd.awslambda.http-integration-response",
    "Transfer-Encoding: chunked",
    "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
)


class RuntimeApiError(ConnectionError):
    """The Runtime API went away, or refused what it was sent; `status` is 0 where it did not answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Delivery(NamedTuple):
    """One invocation as `/next` hands it over: `event` is JSON, `deadline_ms` as received (see `seconds_left`)."""

    request_id: str
    deadline_ms: int | None
    event: bytes


class _Answer:
    """One HTTP answer; httptools calls the `on_` methods."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.complete = False
        self.keeps = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = True
        self.keeps = self._parser.should_keep_alive()

    @property
    def status(self) -> int:
        return int(self._parser.get_status_code())

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Reads until the answer is whole. Raises RuntimeApiError."""
        try:
            while not self.complete:
                data = await reader.read(READ_BYTES)
                if not data:
                    raise RuntimeApiError("the Runtime API closed the connection")
                self._parser.feed_data(data)
        except (httptools.HttpParserError, OSError) as error:
            raise RuntimeApiError(f"no answer from the Runtime API: {error}") from error


class _Connection:
    """One connection to the Runtime API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer
        # Nothing of an answer may still be here when it is let go of, or when the sandbox is frozen.
        writer.transport.set_write_buffer_limits(high=0)

    async def write(self, *parts: bytes) -> None:
        """Sends, and waits until the system has all of it. Raises OSError."""
        # `writelines` does not hold the writer back on Python 3.12 and 3.13.
        self._writer.write(b"".join(parts))
        await self._writer.drain()

    def drop(self) -> None:
        self._writer.transport.abort()


class RuntimeApi:
    """`authority` is the value of AWS_LAMBDA_RUNTIME_API: host, port and (in emulators) a path."""

    def __init__(self, authority: str) -> None:
        address, _, prefix = authority.partition("/")
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._root = f"/{prefix.strip('/')}" if prefix.strip("/") else ""
        self._authority = address
        self._kept: _Connection | None = None

    async def next(self) -> Delivery | None:
        """The next invocation; None where there is none yet. Raises RuntimeApiError."""
        answer = await self._call(self._head("GET", "next", ()), b"")
        if answer.status == 204:
            return None
        if answer.status != 200:
            raise RuntimeApiError(f"/next was answered with {answer.status}", answer.status)
        deadline = answer.headers.get("lambda-runtime-deadline-ms", "")
        return Delivery(
            answer.headers.get("lambda-runtime-aws-request-id", ""),
            int(deadline) if deadline.isdecimal() else None,
            bytes(answer.body),
        )

    async def answer(self, request_id: str, document: bytes) -> None:
        """The whole answer, as JSON. Raises RuntimeApiError."""
        await self._post(f"{request_id}/response", document, ["Content-Type: application/json"])

    async def fail(self, request_id: str, kind: str, message: str) -> None:
        """No answer: the caller gets AWS's own 502. Raises RuntimeApiError."""
        headers = ["Content-Type: application/json", f"Lambda-Runtime-Function-Error-Type: {kind}"]
        await self._post(f"{request_id}/error", _failure(kind, message), headers)

    async def stream(self, request_id: str) -> "AnswerStream":
        """Begins a streamed answer. Raises RuntimeApiError."""
        connection = await self._connect()
        await connection.write(self._head("POST", f"{request_id}/response", _STREAMED))
        return AnswerStream(connection)

    def close(self) -> None:
        """Drops the kept connection."""
        if self._kept is not None:
            self._kept.drop()
            self._kept = None

    async def _post(self, path: str, body: bytes, headers: list[str]) -> None:
        answer = await self._call(self._head("POST", path, [*headers, f"Content-Length: {len(body)}"]), body)
        if not 200 <= answer.status < 300:
            raise RuntimeApiError(f"the answer was refused with {answer.status}", answer.status)

    async def _call(self, head: bytes, body: bytes) -> _Answer:
        """One exchange over the kept connection; a kept one that turns out dead is replaced, once."""
        if self._kept is not None:
            with suppress(OSError):
                return await self._exchange(self._kept, head, body)
            self.close()
        self._kept = await self._connect()
        return await self._exchange(self._kept, head, body)

    async def _exchange(self, connection: _Connection, head: bytes, body: bytes) -> _Answer:
        answer = _Answer()
        await connection.write(head, body)
        await answer.read(connection.reader)
        if not answer.keeps:
            self.close()
        return answer

    async def _connect(self) -> _Connection:
        try:
            return _Connection(*await asyncio.open_connection(self._host, self._port))
        except OSError as error:
            raise RuntimeApiError(f"the Runtime API does not take connections: {error}") from error

    def _head(self, method: str, path: str, headers: Sequence[str]) -> bytes:
        target = f"{self._root}/2018-06-01/runtime/invocation/{path}"
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._authority}", "User-Agent: claude-code-proxy", *headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class AnswerStream:
    """A streamed answer that has begun: every `send` is one chunk."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._answer = _Answer()
        self._acknowledged = asyncio.Event()
        self.over = asyncio.create_task(self._watch())
        """Done when nobody listens any more: the Runtime API refused the answer, or closed the connection."""
        self.over.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def send(self, chunk: bytes) -> None:
        """Sends one chunk, and waits while the other side is behind. Raises OSError when nobody listens."""
        if self.over.done():
            raise RuntimeApiError("the caller is gone", self._answer.status)
        if chunk:
            await self._connection.write(b"%x\r\n" % len(chunk), chunk, b"\r\n")

    async def close(self) -> None:
        """Ends the answer well and waits until it is acknowledged. Raises OSError."""
        await self._connection.write(b"0\r\n\r\n")
        await self._heard()
        self.drop()
        if not self._acknowledged.is_set():
            raise RuntimeApiError(f"the stream was refused with {self._answer.status}", self._answer.status)

    async def fail(self, kind: str, message: str) -> None:
        """Ends the answer as one that failed. Raises OSError."""
        body = base64.b64encode(_failure(kind, message)).decode()
        trailers = f"Lambda-Runtime-Function-Error-Type: {kind}\r\nLambda-Runtime-Function-Error-Body: {body}\r\n\r\n"
        await self._connection.write(b"0\r\n", trailers.encode("latin-1"))
        with suppress(TimeoutError):
            async with asyncio.timeout(TRAILERS_ANSWER_SECONDS):
                await self._heard()
        self.drop()

    def drop(self) -> None:
        """Lets go of the connection."""
        self.over.cancel()
        self._connection.drop()

    async def _heard(self) -> None:
        """Waits for the acknowledgement, or for the end."""
        acknowledged = asyncio.create_task(self._acknowledged.wait())
        try:
            await asyncio.wait({acknowledged, self.over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            acknowledged.cancel()

    async def _watch(self) -> None:
        # An emulator acknowledges as soon as the answer has begun: that ends nothing, only a refusal or a close does.
        await self._answer.read(self._connection.reader)
        if 200 <= self._answer.status < 300:
            self._acknowledged.set()
            await self._connection.reader.read(1)


def _failure(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message, "stackTrace": []}).encode()
