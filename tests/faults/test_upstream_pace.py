"""How streams come: compressed, in large and small pieces, late, silent (FAULTS D, UPS-10 and 21 to 24)."""

import asyncio
import gzip
import time
import zlib

import pytest

from tests.faults.families import (
    ANTHROPIC,
    each_family,
    each_manner,
    is_error,
    is_stream_error,
    is_whole_stream,
    said,
)
from tests.faults.upstreams import (
    BEGUN,
    BEGUN_TEXT,
    BODY,
    LAST,
    OVERLOADED,
    PING,
    REST,
    STREAM,
    TEXT,
    Held,
    asked,
    begin,
    chunk,
    stream_of,
    unended,
    upstream_that,
    within,
    writes,
)
from tests.support.proxy import proxied
from tests.support.raw_client import call, connected
from tests.support.raw_upstream import EVENTS, JSON


async def _in_two(family, first, rest):
    """The answer to a streamed request whose `rest` is written when the client has read the text of `first`."""
    held = Held(first, rest)
    async with upstream_that(held) as upstream, proxied(upstream.url) as url, connected(url) as client:
        client.send(family.request(stream=True))
        answer = await client.head()
        while said(answer.body, family) != BEGUN_TEXT:
            assert await client.chunk(2)
        assert not held.go.is_set()
        held.go.set()
        answer = await client.answer()
    assert len(upstream.posts) == 1
    return answer


ZIP_EVENTS = EVENTS.removesuffix(b"\r\n") + b"content-encoding: gzip\r\n\r\n"


def _squeezed() -> tuple[bytes, bytes]:
    squeeze = zlib.compressobj(wbits=31)
    first = squeeze.compress(BEGUN) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    return first, squeeze.compress(REST) + squeeze.flush()


@each_family
async def test_ups10_a_compressed_stream_is_readable_as_it_comes(family):
    first, rest = _squeezed()
    answer = await _in_two(family, ZIP_EVENTS + chunk(first), chunk(rest) + LAST)
    is_whole_stream(answer, family, TEXT)
    assert "content-encoding" not in answer.headers


@each_family
@pytest.mark.parametrize("rest", [chunk(b"\xff" * 40), b"", chunk(b"\x00")], ids=["corrupt", "cut", "cut inside"])
async def test_ups10_a_compressed_stream_that_breaks_ends_with_one_error(family, rest):
    answer = await _in_two(family, ZIP_EVENTS + chunk(_squeezed()[0]), rest + LAST)
    is_stream_error(answer, family, BEGUN_TEXT, 502)


@each_family
@pytest.mark.parametrize("said_last", [b"", OVERLOADED], ids=["message_stop", "an error event"])
async def test_ups10_a_compressed_stream_without_its_trailer_has_one_end(family, said_last):
    body = BEGUN + said_last if said_last else STREAM
    answer, _ = await asked(family, writes(ZIP_EVENTS + chunk(gzip.compress(body)[:-8]) + LAST))
    if said_last:
        is_stream_error(answer, family, BEGUN_TEXT, 529)
    else:
        is_whole_stream(answer, family, TEXT)


@each_family
async def test_ups21_an_event_of_2_mb_is_whole(family):
    words = "word " * 400_000
    body = stream_of(words)

    async def answer(request, wire):
        begin(wire)
        for start in range(0, len(body), 60_000):
            wire.chunk(body[start : start + 60_000])
            await wire.drain()
        wire.write(LAST)

    answer, count = await asked(family, answer)
    is_whole_stream(answer, family, words)
    assert count == 1
    if family is ANTHROPIC:
        assert answer.body == body


@each_family
async def test_ups21_a_stream_of_four_bytes_at_a_time_is_whole(family):
    async def answer(request, wire):
        begin(wire)
        for start in range(0, len(STREAM), 4):
            wire.chunk(STREAM[start : start + 4])
            await wire.sent()
        wire.write(LAST)

    answer, count = await asked(family, answer)
    is_whole_stream(answer, family, TEXT)
    assert count == 1


@each_family
async def test_ups22_the_first_text_is_there_while_the_upstream_thinks(family):
    answer = await _in_two(family, unended(BEGUN), chunk(REST) + LAST)
    is_whole_stream(answer, family, TEXT)


@each_family
async def test_ups23_a_stream_of_pings_lives_longer_than_the_idle_timeout(family):
    async def answer(request, wire):
        begin(wire, BEGUN)
        started = time.monotonic()
        while time.monotonic() - started < 0.8:
            wire.chunk(PING)
            await asyncio.sleep(0.05)
        wire.chunk(REST)
        wire.write(LAST)

    answer, count = await asked(family, answer, upstream_idle_timeout_seconds=0.4)
    is_whole_stream(answer, family, TEXT)
    assert count == 1


@each_family
@pytest.mark.parametrize("first", [b"", BEGUN, BEGUN + PING], ids=["no event", "mid-stream", "after a ping"])
async def test_ups24_a_stream_that_falls_silent_ends_within_the_idle_timeout(family, first):
    held = Held(unended(first))
    async with upstream_that(held) as upstream, proxied(upstream.url, upstream_idle_timeout_seconds=0.2) as url:
        started = time.monotonic()
        answer = await call(url, family.request(stream=True))
        assert time.monotonic() - started < 2
        await within(2, held.left.wait())
    is_stream_error(answer, family, BEGUN_TEXT if first else "", 504)
    assert len(upstream.posts) == 1


@each_family
@each_manner
async def test_ups24_a_plain_body_that_falls_silent_is_our_504(family, stream):
    held = Held(JSON + b"content-length: %d\r\n\r\n" % len(BODY) + BODY[:20])
    async with upstream_that(held) as upstream, proxied(upstream.url, upstream_idle_timeout_seconds=0.2) as url:
        answer = await call(url, family.request(stream=stream))
        await within(2, held.left.wait())
    is_error(answer, 504, family)
    assert len(upstream.posts) == 1
