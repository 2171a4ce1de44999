"""Faulty connections: silent, dead, hasty, with surplus bytes (FAULTS D, UPS-7, 8, 13 to 15, 25, 27)."""

import asyncio
import time
from contextlib import suppress

import pytest

from tests.faults.families import (
    ANTHROPIC,
    each_family,
    each_manner,
    fails,
    is_error,
    is_good,
    is_whole,
)
from tests.faults.upstreams import (
    SOON,
    TEXT,
    Held,
    answers,
    error_body,
    first_of_all,
    good,
    in_turn,
    server_side,
    stream_of,
    unended,
    upstream_that,
    within,
    writes,
)
from tests.faults.wire_faults import ALL, SILENT
from tests.support.proxy import proxied
from tests.support.raw_client import call
from tests.support.raw_upstream import JSON, Wire

REFUSAL = answers(error_body("overloaded_error", "Overloaded"), b"529 Overloaded")


@each_family
@each_manner
@pytest.mark.parametrize("end", SILENT)
async def test_ups7_a_request_without_an_answer_is_our_502_and_is_not_sent_again(family, stream, end):
    async with upstream_that(in_turn(SILENT[end], good)) as upstream, proxied(upstream.url) as url:
        answer = await call(url, family.request(stream=stream))
    is_error(answer, 502, family)
    assert len(upstream.posts) == 1


@each_family
@each_manner
async def test_ups7_a_kept_connection_that_dies_under_a_request_is_not_tried_again(family, stream):
    answer = in_turn(good, writes(b"", Wire.close), good)
    async with upstream_that(answer) as upstream, proxied(upstream.url) as url:
        is_good(await call(url, family.request(stream=stream)), family, TEXT, stream=stream)
        is_error(await call(url, family.request(stream=stream)), 502, family)
        assert len(upstream.posts) == 2
        is_good(await call(url, family.request(stream=stream)), family, TEXT, stream=stream)


@each_family
@each_manner
async def test_ups8_silence_is_our_504_within_the_first_byte_timeout(family, stream):
    held = Held(b"")
    async with upstream_that(held) as upstream, proxied(upstream.url, upstream_first_byte_timeout_seconds=0.2) as url:
        started = time.monotonic()
        answer = await call(url, family.request(stream=stream))
        assert time.monotonic() - started < 2
        await within(2, held.left.wait())
    is_error(answer, 504, family)
    assert len(upstream.posts) == 1


@each_family
@pytest.mark.parametrize("piece", [b"x", b"HTTP/1.1 103 Early Hints\r\n\r\n"], ids=["bytes of a head", "early hints"])
async def test_ups8_a_head_that_never_ends_is_silence(family, piece):
    async def answer(request, wire):
        wire.write(JSON + b"x-long: " if piece == b"x" else b"")
        with suppress(TimeoutError):
            while True:
                wire.write(piece)
                await wire.gone(0.05)
                return

    async with upstream_that(answer) as upstream, proxied(upstream.url, upstream_first_byte_timeout_seconds=0.2) as url:
        started = time.monotonic()
        answer = await call(url, family.request())
        assert time.monotonic() - started < 2
    is_error(answer, 504, family)
    assert len(upstream.posts) == 1


OTHER = b'{"type":"message","content":[{"type":"text","text":"somebody else\'s answer"}]}'
SURPLUS = {
    "a second answer": JSON + b"content-length: %d\r\n\r\n" % len(OTHER) + OTHER,
    "the head of a second answer": JSON,
    "one byte of a second answer": b"H",
    "a second stream": unended(stream_of("somebody else's answer")) + b"0\r\n\r\n",
    "no HTTP": b"somebody else's answer",
}


@each_family
@each_manner
@pytest.mark.parametrize("surplus", SURPLUS)
async def test_ups13_surplus_bytes_with_an_answer_never_reach_the_next_client(family, stream, surplus):
    async def answer(request, wire):
        await good(request, wire)
        wire.write(SURPLUS[surplus])

    async with upstream_that(answer) as upstream, proxied(upstream.url) as url:
        for _ in range(3):
            is_good(await call(url, family.request(stream=stream), 3), family, TEXT, stream=stream)
    assert len(upstream.posts) == 3
    if family is ANTHROPIC:  # nothing but these three requests
        assert upstream.connections == 3


@each_family
@each_manner
@pytest.mark.parametrize("surplus", SURPLUS)
async def test_ups13_surplus_bytes_on_an_idle_connection_close_it(family, stream, surplus):
    go, gone = asyncio.Event(), asyncio.Event()

    async def answer(request, wire):
        await good(request, wire)
        await go.wait()
        wire.write(SURPLUS[surplus])
        await wire.gone(2)
        wire.close()
        gone.set()

    async with upstream_that(in_turn(good, answer, good)) as upstream, proxied(upstream.url) as url:
        await first_of_all(url, family, upstream)
        is_good(await call(url, family.request(stream=stream)), family, TEXT, stream=stream)
        go.set()
        await within(3, gone.wait())
        is_good(await call(url, family.request(stream=stream)), family, TEXT, stream=stream)
    assert len(upstream.posts) == 3


@each_family
@each_manner
@pytest.mark.parametrize("end", [Wire.close, Wire.reset], ids=["closed", "reset"])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_ups14_a_connection_that_was_to_be_kept_and_was_not_costs_nobody_an_answer(
    family, stream, end, secure, trusted
):
    def closing_behind(answer):
        async def closing(request, wire):
            await answer(request, wire)
            await wire.sent()
            end(wire)

        return closing

    tls = server_side(trusted, "localhost") if secure else None
    models = closing_behind(answers(b'{"data":[],"has_more":false}'))
    async with upstream_that(closing_behind(good), models, tls=tls) as upstream, proxied(upstream.url) as url:
        for count in range(1, 6):
            is_good(await call(url, family.request(stream=stream)), family, TEXT, stream=stream)
            assert len(upstream.posts) == count
            await upstream.until_idle()


@each_family
@each_manner
@pytest.mark.parametrize("closes", [True, False], ids=["and closes", "and stays open"])
async def test_ups15_an_early_413_ends_an_upload(family, stream, closes):
    answered = asyncio.Event()

    async def answer(request, wire):
        wire.json(error_body("request_too_large", "Too large."), b"413 Payload Too Large")
        if not closes:
            await answered.wait()

    async with upstream_that(answer, early=True) as upstream, proxied(upstream.url, **SOON) as url:
        started = time.monotonic()
        answer = await call(url, family.request(stream=stream, prompt="x" * 3_000_000))
        took = time.monotonic() - started
        answered.set()
    is_error(answer, answer.status, family)
    assert answer.status in ((413, 502) if closes else (413,))
    assert took < 3
    assert len(upstream.posts) == 1


@each_family
async def test_ups25_twenty_at_once_are_all_told_of_the_overload(family):
    async with upstream_that(in_turn(*[REFUSAL] * 20, good)) as upstream, proxied(upstream.url) as url:
        started = time.monotonic()
        asked = [call(url, family.request(stream=n % 2 == 1)) for n in range(20)]
        for answer in await asyncio.gather(*asked):
            is_error(answer, 529, family)
        assert time.monotonic() - started < 12
        assert len(upstream.posts) == 20
        is_whole(await call(url, family.request()), family, TEXT)


@each_family
@pytest.mark.parametrize("fault", ALL)
async def test_ups27_a_wire_fault_harms_its_own_request_only(family, fault):
    answer, stream, text = ALL[fault]
    async with upstream_that(in_turn(answer, good)) as upstream, proxied(upstream.url, **SOON) as url:
        fails(await call(url, family.request(stream=stream)), family, text)
        for manner in (False, True, stream):
            is_good(await call(url, family.request(stream=manner)), family, TEXT, stream=manner)
    assert len(upstream.posts) == 4
