"""The body of an upstream answer: read whole within a limit, decompressed where it came compressed all the same."""

import zlib
from collections.abc import AsyncIterator

import httpx

from handler.errors import ProxyError
from handler.modes import header

MAX_ANSWER_BYTES = 32 * 1024 * 1024
# A small chunk may hold a large text, which leaves in steps of this size.
STEP_BYTES = 1024 * 1024


async def read_whole(answer: httpx.Response) -> bytes:
    """The whole body, decompressed. Raises ProxyError (502) when it is too large or broken, httpx.TransportError."""
    parts, size = [], 0
    async for chunk in decoded(answer):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise ProxyError(502, "The upstream's answer is too large.")
        parts.append(chunk)
    return b"".join(parts)


def decoded(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body's bytes, decompressed where the upstream compressed them although asked not to."""
    encoding = header(answer.headers.raw, b"content-encoding").strip().lower()
    stream = answer.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise ProxyError(502, "The upstream's answer cannot be read.")
    if encoding in (b"", b"identity"):
        return aiter(stream)
    if encoding not in (b"gzip", b"x-gzip", b"deflate"):
        raise ProxyError(502, "The upstream's answer is compressed in a way that was not asked for.")
    return _inflated(stream)


async def _inflated(stream: httpx.AsyncByteStream) -> AsyncIterator[bytes]:
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        async for chunk in stream:
            pending = chunk
            while pending:
                if inflate.eof:  # gzip may have several members
                    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
                if out := inflate.decompress(pending, STEP_BYTES):
                    yield out
                pending = inflate.unused_data or inflate.unconsumed_tail
    except zlib.error:
        raise ProxyError(502, "The upstream's compressed answer is broken.") from None
    if not inflate.eof:
        raise ProxyError(502, "The upstream's compressed answer is cut short.")
