"""The upstream's connections: an httpx transport that opens, keeps and drops them.

No redirects, no cookies, no proxies from the environment, no retry. A kept connection is used again only if it rested
for less than `KEEP_SECONDS` by the wall clock (a sandbox may have been frozen meanwhile) and its socket is silent.
"""

import asyncio
import functools
import re
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import certifi
import httpx

from handler.transport.connection import Connection
from handler.transport.dial import dial

KEEP_SECONDS = 60.0
KEEP_CONNECTIONS = 256

_FORBIDDEN_IN_HEADER = re.compile(rb"[\r\n\x00]")
_FORBIDDEN_IN_TARGET = re.compile(rb"[\x00-\x20\x7f-\xff]")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect (name, TCP and TLS), until an answer's head, between two of its bytes."""

    connect: float
    first_byte: float
    idle: float


class Body(httpx.AsyncByteStream):
    """An answer's bytes as they come; closing it early drops the connection."""

    def __init__(self, pool: "Pool", connection: Connection, origin: "Origin") -> None:
        self._pool, self._connection, self._origin = pool, connection, origin
        self._timeout = pool.timeouts.idle
        self._closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if chunk := await self._connection.chunk(self._timeout):
            return chunk
        await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Gives the connection back when the answer was read to its end, closes it otherwise."""
        if not self._closed:
            self._closed = True
            self._pool.release(self._connection, self._origin)


Origin = tuple[str, str, int]


class Trust:
    """Whose certificates are believed. They take tens of milliseconds to load: once, when first asked for."""

    @functools.cached_property
    def context(self) -> ssl.SSLContext:
        """The system's roots (SSL_CERT_FILE included), or certifi's on systems that have none."""
        context = ssl.create_default_context()
        if not context.cert_store_stats()["x509_ca"]:
            context.load_verify_locations(certifi.where())
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        return context


class Pool(httpx.AsyncBaseTransport):
    """Sends httpx requests; `request.extensions["target"]` is the raw request target, where it must stay verbatim."""

    def __init__(self, timeouts: Timeouts, trust: Trust | None = None) -> None:
        self.timeouts = timeouts
        self._trust = trust or Trust()
        self._idle: dict[Origin, list[Connection]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request, one answer, its body unread.

        Raises httpx.LocalProtocolError (nothing was sent), ConnectError, ConnectTimeout, ReadTimeout, ReadError and
        RemoteProtocolError.
        """
        head = _request_head(request)
        url = request.url
        origin = (url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
        connection = self._kept(origin) or await self._connect(origin)
        try:
            connection.start(head, *cast(httpx.SyncByteStream, request.stream))
            status, headers = await connection.head(self.timeouts.first_byte)
        except BaseException:
            connection.abort()
            raise
        return httpx.Response(status, headers=headers, stream=Body(self, connection, origin))

    def release(self, connection: Connection, origin: Origin) -> None:
        """Keeps a reusable connection for the next request, closes any other."""
        kept = self._idle.setdefault(origin, [])
        if connection.reusable and len(kept) < KEEP_CONNECTIONS:
            connection.rest()
            kept.append(connection)
        else:
            connection.abort()

    async def aclose(self) -> None:
        """Closes every kept connection."""
        for kept in self._idle.values():
            for connection in kept:
                connection.abort()
        self._idle.clear()

    def _kept(self, origin: Origin) -> Connection | None:
        kept = self._idle.get(origin, [])
        oldest = time.time() - KEEP_SECONDS
        while kept:
            connection = kept.pop()
            if connection.idle_since >= oldest and connection.alive():
                return connection
            connection.abort()
        return None

    async def _connect(self, origin: Origin) -> Connection:
        scheme, host, port = origin
        try:
            async with asyncio.timeout(self.timeouts.connect):
                tls = self._trust.context if scheme == "https" else None
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection, sock=await dial(host, port), ssl=tls, server_hostname=host if tls else None
                )
        except TimeoutError:
            raise httpx.ConnectTimeout("The upstream did not accept a connection in time.") from None
        except (OSError, UnicodeError, ssl.SSLError):
            raise httpx.ConnectError("The upstream could not be reached.") from None
        return connection


def _request_head(request: httpx.Request) -> bytes:
    target: bytes = request.extensions.get("target") or request.url.raw_path
    if _FORBIDDEN_IN_TARGET.search(target):
        raise httpx.LocalProtocolError("The request path or query holds a character that is not allowed there.")
    lines = [request.method.encode() + b" " + target + b" HTTP/1.1"]
    for name, value in request.headers.raw:
        if _FORBIDDEN_IN_HEADER.search(name) or _FORBIDDEN_IN_HEADER.search(value):
            raise httpx.LocalProtocolError("A header holds a line break or a NUL.")
        lines.append(name + b": " + value)
    lines.append(b"\r\n")
    return b"\r\n".join(lines)
