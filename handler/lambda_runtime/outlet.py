"""Where an answer goes: to a caller who takes it as it comes, or collected for one who takes it whole."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mangum.types import Response

from handler.errors import ProxyError
from handler.lambda_runtime import refusal
from handler.lambda_runtime.api import AnswerStream, RuntimeApi, RuntimeApiError

Headers = Iterable[tuple[bytes, bytes]]
Render = Callable[[Response], Mapping[str, Any]]

# What the Runtime API takes as a whole answer, its own framing left out.
MAX_WHOLE_BYTES = 6 * 1024 * 1024 - 1024
# The connection is Lambda's, and so is its framing.
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection"})


class Outlet(ABC):
    """`started`: something left that cannot be taken back. `over` is set when it has ended or nobody listens."""

    started = False

    def __init__(self) -> None:
        self.over = asyncio.Event()

    @abstractmethod
    async def start(self, status: int, headers: Headers) -> None:
        """Status and headers; names are in lower case. Raises OSError."""

    @abstractmethod
    async def chunk(self, body: bytes) -> None:
        """Part of the body; returns when more may come. Raises OSError."""

    @abstractmethod
    async def end(self) -> None:
        """The end, acknowledged. Raises OSError."""

    @abstractmethod
    async def fail(self, error: ProxyError) -> None:
        """The end of an answer that has begun and cannot be completed. Raises OSError."""

    def release(self) -> None:
        """Lets go of what the answer held, however it ended."""
        self.over.set()


class Streamed(Outlet):
    """Each part of the answer is one chunk to the Runtime API."""

    def __init__(self, api: RuntimeApi, request_id: str) -> None:
        super().__init__()
        self._api = api
        self._request_id = request_id
        self._stream: AnswerStream | None = None

    async def start(self, status: int, headers: Headers) -> None:
        """Sends the prelude and its eight NULs, each a chunk of its own (an emulator wants them so)."""
        self.started = True
        self._stream = await self._api.stream(self._request_id)
        self._stream.over.add_done_callback(lambda _: self.over.set())
        await self._stream.send(json.dumps(prelude(status, headers), separators=(",", ":")).encode())
        await self._stream.send(bytes(8))

    async def chunk(self, body: bytes) -> None:
        """Sends one chunk, and waits while the caller is behind."""
        await self._open().send(body)

    async def end(self) -> None:
        """Ends the body and waits for the acknowledgement."""
        await self._open().close()

    async def fail(self, error: ProxyError) -> None:
        """Trailers, then the connection is dropped."""
        await self._open().fail("Proxy.AnswerCut", error.message)

    def release(self) -> None:
        """Drops the connection, if there is one still."""
        super().release()
        if self._stream is not None:
            self._stream.drop()

    def _open(self) -> AnswerStream:
        if self._stream is None or self.over.is_set():
            raise RuntimeApiError("nobody takes this answer")
        return self._stream


class Buffered(Outlet):
    """The answer is collected; `render` makes it what the event's sender reads. It leaves at its end."""

    def __init__(self, api: RuntimeApi, request_id: str, path: str, render: Render) -> None:
        super().__init__()
        self._api = api
        self._request_id = request_id
        self._path = path
        self._render = render
        self._status = 0
        self._headers: list[list[bytes]] = []
        self._body = bytearray()
        self._too_large = False

    async def start(self, status: int, headers: Headers) -> None:
        """Begins anew: nothing has left yet."""
        self._status = status
        self._headers = [[name, value] for name, value in headers]
        self._body.clear()
        self._too_large = False

    async def chunk(self, body: bytes) -> None:
        """Keeps it."""
        if self.over.is_set():
            raise RuntimeApiError("nobody takes this answer")
        if len(self._body) + len(body) > MAX_WHOLE_BYTES:
            self._too_large = True
            self._body.clear()
        if not self._too_large:
            self._body += body

    async def end(self) -> None:
        """Hands the whole answer over."""
        try:
            document = self._document({"status": self._status, "headers": self._headers, "body": bytes(self._body)})
            if self._too_large or len(document) > MAX_WHOLE_BYTES:
                document = self._document(refusal.whole(refusal.TOO_LARGE, self._path, self._request_id))
            await self._api.answer(self._request_id, document)
        finally:
            self.over.set()

    async def fail(self, error: ProxyError) -> None:
        """An error takes the answer's place."""
        answer = refusal.whole(error, self._path, self._request_id)
        self._status, self._headers, self._body = answer["status"], answer["headers"], bytearray(answer["body"])
        self._too_large = False
        await self.end()

    def _document(self, answer: Response) -> bytes:
        return json.dumps(self._render(answer), ensure_ascii=False, separators=(",", ":")).encode()


def prelude(status: int, headers: Headers) -> dict[str, Any]:
    """What goes before a streamed body: every value a string, equal names joined, cookies apart."""
    joined: dict[str, str] = {}
    cookies: list[str] = []
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name == "set-cookie":
            cookies.append(value)
        elif name not in _HOP_BY_HOP:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return {"statusCode": status, "headers": joined, "cookies": cookies}
