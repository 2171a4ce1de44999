"""The upstream's connections: which are kept, which are used again, and what is never sent."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from handler.transport import Pool, Timeouts
from handler.transport import pool as module
from handler.transport.connection import Connection
from handler.transport.pool import KEEP_SECONDS
from tests.support.raw_upstream import JSON, RawUpstream, Request, Wire, raw_upstream


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    made = Pool(Timeouts(connect=2, first_byte=1, idle=1))
    yield made
    await made.aclose()


async def whole(_: Request, wire: Wire) -> None:
    wire.json(b'{"a":1}')


async def call(pool: Pool, upstream: RawUpstream, body: bytes = b"{}", **options: Any) -> bytes:
    request = httpx.Request("POST", f"{upstream.url}/v1/messages", content=body, **options)
    response = await pool.handle_async_request(request)
    return await response.aread()


async def test_a_connection_is_used_again(pool: Pool) -> None:
    async with raw_upstream(whole) as upstream:
        for _ in range(5):
            assert await call(pool, upstream) == b'{"a":1}'
        assert upstream.connections == 1


async def test_requests_at_once_have_connections_of_their_own(pool: Pool) -> None:
    async with raw_upstream(whole) as upstream:
        await asyncio.gather(*(call(pool, upstream) for _ in range(10)))
        assert upstream.connections == 10


async def test_la3_a_connection_that_rested_too_long_by_the_wall_clock_is_not_used(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen, the monotonic clock may have stood still, and no FIN was seen."""
    async with raw_upstream(whole) as upstream:
        await call(pool, upstream)
        now = module.time.time()
        monkeypatch.setattr(module.time, "time", lambda: now + KEEP_SECONDS + 1)
        await call(pool, upstream)
        assert upstream.connections == 2
        assert len(upstream.requests) == 2


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_la1_a_connection_that_was_closed_meanwhile_is_not_used(pool: Pool, end: str) -> None:
    wires: list[Wire] = []

    async def answer(request: Request, wire: Wire) -> None:
        wires.append(wire)
        await whole(request, wire)

    async with raw_upstream(answer) as upstream:
        await call(pool, upstream)
        getattr(wires[0], end)()
        await upstream.until_idle()
        await call(pool, upstream)
        assert len(upstream.requests) == 2


async def test_la1_a_close_that_nobody_had_time_to_read_is_seen_all_the_same(pool: Pool) -> None:
    """A thawed process looks at the socket itself: its event loop has not run since."""

    async def answer(request: Request, wire: Wire) -> None:
        await whole(request, wire)
        wire.close()

    async with raw_upstream(answer) as upstream:
        for _ in range(5):
            await call(pool, upstream)
        assert len(upstream.requests) == 5


async def test_surplus_bytes_make_a_connection_useless(pool: Pool) -> None:
    async def answer(request: Request, wire: Wire) -> None:
        wire.write(JSON + b"content-length: 7\r\n\r\n" + b'{"a":1}' + JSON + b"content-length: 7\r\n\r\n" + b'{"b":2}')

    async with raw_upstream(answer) as upstream:
        assert [await call(pool, upstream) for _ in range(3)] == [b'{"a":1}'] * 3
        assert upstream.connections == 3


async def test_an_answer_that_is_not_read_to_its_end_closes_its_connection(pool: Pool) -> None:
    async def answer(request: Request, wire: Wire) -> None:
        wire.write(JSON + b"content-length: 1000000\r\n\r\n" + b"x" * 1000)
        await wire.gone()

    async with raw_upstream(answer) as upstream:
        response = await pool.handle_async_request(httpx.Request("GET", upstream.url))
        await response.aclose()
        await upstream.until_idle(2)


async def test_the_target_goes_out_as_it_is(pool: Pool) -> None:
    async with raw_upstream(whole) as upstream:
        await call(pool, upstream, extensions={"target": b"/v1/models?after_id=a%20b&x[]=%2F&beta"})
        assert upstream.requests[0].line == "POST /v1/models?after_id=a%20b&x[]=%2F&beta HTTP/1.1"


@pytest.mark.parametrize("target", [b"/a b", b"/a\r\nx: y", b"/\x00", "/ä".encode()])
async def test_a_target_that_would_break_the_line_is_never_sent(pool: Pool, target: bytes) -> None:
    async with raw_upstream(whole) as upstream:
        with pytest.raises(httpx.LocalProtocolError):
            await call(pool, upstream, extensions={"target": target})
        assert upstream.connections == 0


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\x00"])
async def test_a_header_that_would_break_the_line_is_never_sent(pool: Pool, value: bytes) -> None:
    async with raw_upstream(whole) as upstream:
        with pytest.raises(httpx.LocalProtocolError):
            await call(pool, upstream, headers=[(b"x", value)])
        assert upstream.connections == 0


async def test_headers_go_out_in_order_and_as_they_are(pool: Pool) -> None:
    headers = [(b"B", b"2"), (b"a", b"1"), (b"x-latin", b"caf\xe9"), (b"a", b"3")]
    async with raw_upstream(whole) as upstream:
        await call(pool, upstream, headers=headers)
        sent = [pair for pair in upstream.requests[0].headers if pair[0] not in (b"Host", b"Content-Length")]
    assert sent == headers


async def test_silence_before_the_head_and_in_the_body_are_timeouts(pool: Pool) -> None:
    async def silent(_: Request, wire: Wire) -> None:
        await wire.gone()

    async def half(_: Request, wire: Wire) -> None:
        wire.write(JSON + b"content-length: 10\r\n\r\nxxx")
        await wire.gone()

    for answer in (silent, half):
        async with raw_upstream(answer) as upstream:
            with pytest.raises(httpx.ReadTimeout):
                await call(pool, upstream)
            await upstream.until_idle(2)


async def test_a_head_that_drips_does_not_move_the_first_byte_timeout(pool: Pool) -> None:
    async def drip(_: Request, wire: Wire) -> None:
        for byte in b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000:
            wire.write(bytes([byte]))
            await asyncio.sleep(0.05)

    async with raw_upstream(drip) as upstream:
        with pytest.raises(httpx.ReadTimeout):
            async with asyncio.timeout(5):
                await call(pool, upstream)


@pytest.mark.parametrize("size", [1 << 20, 1000])
async def test_ups12_a_head_that_is_too_large_is_refused_however_it_arrives(size: int) -> None:
    sent = JSON + b"".join(b"x-%d: %s\r\n" % (n, b"v" * 1000) for n in range(240)) + b"content-length: 2\r\n\r\n{}"
    connection = Connection()
    connection._busy = True
    for start in range(0, len(sent), size):
        connection.data_received(sent[start : start + size])

    with pytest.raises(httpx.RemoteProtocolError, match="headers are too large"):
        await connection.head(1)


async def test_a_reader_who_is_behind_stops_the_upstream(pool: Pool) -> None:
    sent = 0

    async def flood(_: Request, wire: Wire) -> None:
        nonlocal sent
        wire.write(JSON + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(2000):
            wire.chunk(bytes(65536))
            await wire.drain()
            sent += 65536

    async with raw_upstream(flood) as upstream:
        response = await pool.handle_async_request(httpx.Request("GET", upstream.url))
        before = -1
        while before != sent:  # until it stands still
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 64 * 1024 * 1024
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        assert len(await anext(aiter(stream))) < 8 * 1024 * 1024
        await response.aclose()


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + JSON,
            b"content-length: 2\r\n\r\n{}",
        ),
        (JSON, b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;ext=1\r\n}\r\n0\r\ntrailer: x\r\n\r\n"),
        (b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n", b"\r\n{}"),
    ],
    ids=["informational", "chunked with trailers", "until the close"],
)
async def test_every_legal_framing_is_read(pool: Pool, head: bytes, body: bytes) -> None:
    async def answer(_: Request, wire: Wire) -> None:
        wire.write(head + body)
        if head.startswith(b"HTTP/1.0"):
            wire.close()

    async with raw_upstream(answer) as upstream:
        assert await call(pool, upstream) == b"{}"


@pytest.mark.parametrize(
    "answer",
    [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", JSON + b"content-length: 9\r\n\r\n{}"],
)
async def test_what_is_no_http_or_cut_short_is_an_error(pool: Pool, answer: bytes) -> None:
    async def broken(_: Request, wire: Wire) -> None:
        wire.write(answer)
        wire.close()

    async with raw_upstream(broken) as upstream:
        with pytest.raises(httpx.TransportError):
            await call(pool, upstream)


async def test_a_body_of_five_megabytes_goes_up_whole(pool: Pool) -> None:
    body = bytes(range(256)) * 20_000
    async with raw_upstream(whole) as upstream:
        await call(pool, upstream, body=body)
        assert upstream.requests[0].body == body


async def test_a_connection_that_was_left_paused_is_not_used_again(pool: Pool) -> None:
    """The piece that stops the reading may hold the answer's end: the next answer would never be read."""

    async def large(_: Request, wire: Wire) -> None:
        wire.json(bytes(400_000) if upstream.connections == 1 else b"{}")

    async with raw_upstream(large) as upstream:
        response = await pool.handle_async_request(httpx.Request("GET", upstream.url))
        await asyncio.sleep(0.2)  # all of it has come; nobody reads
        await response.aclose()
        assert await call(pool, upstream) == b"{}"
        assert upstream.connections == 2


def stand_still(seconds: float) -> None:
    """What a frozen process does to its loop."""
    time.sleep(seconds)


async def test_bytes_that_come_in_the_turn_of_the_timeout_count() -> None:
    """A loop that stood still finds both at once."""
    connection = Connection()
    connection._busy = True
    head = asyncio.create_task(connection.head(0.05))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(connection.data_received, JSON + b"content-length: 2\r\n\r\n")
    stand_still(0.1)
    assert (await head).status == 200
    asyncio.get_running_loop().call_soon(connection.data_received, b"{}")
    assert await connection.chunk(1) == b"{}"


async def test_no_empty_piece_is_written() -> None:
    """asyncio's writer would never end with it, from Python 3.12 on."""
    written: list[Any] = []
    connection = Connection()
    connection._transport = SimpleNamespace(writelines=written.extend)
    connection.start(b"POST / HTTP/1.1\r\n\r\n", b"", memoryview(b""))
    assert written == [b"POST / HTTP/1.1\r\n\r\n"]
