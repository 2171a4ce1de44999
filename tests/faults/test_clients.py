"""What clients do: leave, do not read, come in crowds, send by halves (FAULTS E, CL-1 to CL-6)."""

import asyncio
import json
import re
import sys
import time
from contextlib import AsyncExitStack

import pytest

from tests.faults.families import ANTHROPIC, PROMPT, each_family, each_manner, is_good, is_whole, is_whole_stream
from tests.faults.leaving import MOMENTS, leave, open_files
from tests.faults.process import running
from tests.faults.upstreams import (
    BEGUN,
    TEXT,
    Held,
    first_of_all,
    good,
    in_turn,
    stream_of,
    streamed,
    unended,
    until,
    upstream_that,
    within,
)
from tests.support.messages import message, text
from tests.support.proxy import proxied
from tests.support.raw_client import call, connected

MB = 1024 * 1024


@each_family
@pytest.mark.parametrize("moment", MOMENTS)
async def test_cl1_nothing_is_sent_for_a_client_that_has_left(family, moment):
    first, stream = MOMENTS[moment]
    held = Held(first)
    async with upstream_that(in_turn(held, good)) as upstream, proxied(upstream.url) as url:
        await leave(url, family.request(stream=stream), held)
        await within(5, held.left.wait())
        await upstream.until_idle()
        assert (len(upstream.requests), upstream.connections) == (1, 1)
        is_whole(await call(url, family.request()), family, TEXT)
        assert len(upstream.posts) == 2


@each_family
async def test_cl1_a_client_that_leaves_in_the_middle_of_its_request_costs_nothing(family):
    async with upstream_that(good) as upstream, proxied(upstream.url) as url:
        async with connected(url) as client:
            client.send(family.request()[:-10])
            await asyncio.sleep(0)
        is_whole(await call(url, family.request()), family, TEXT)
        assert len(upstream.posts) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_cl2_a_client_that_does_not_read_holds_the_upstream_back():
    taken, stopped, left = 0, asyncio.Event(), asyncio.Event()
    delta = next(each for each in stream_of("word " * 12_000).split(b"\n\n") if b"text_delta" in each) + b"\n\n"

    async def answer(request, wire):
        nonlocal taken
        wire.write(unended(BEGUN))
        try:
            while taken < 256 * MB:
                wire.chunk(delta)
                await asyncio.wait_for(wire.drain(), 1.0)
                taken += len(delta)
        except TimeoutError:
            stopped.set()
        await wire.gone(10)
        left.set()

    async with upstream_that(answer) as upstream, running(upstream.url) as proxy:
        before = proxy.resident_bytes()
        async with connected(proxy.url) as client:
            client.send(ANTHROPIC.request(stream=True))
            await within(10, stopped.wait())
            assert MB // 10 < taken < 64 * MB
            assert proxy.resident_bytes() - before < 120 * MB
        await within(5, left.wait())
        assert proxy.resident_bytes() - before < 120 * MB


@each_family
async def test_cl3_sixty_leave_at_once_twice(family):
    held = [Held(unended(BEGUN) if n % 2 else b"") for n in range(120)]
    async with upstream_that(in_turn(good, *held, good)) as upstream, proxied(upstream.url) as url:
        await first_of_all(url, family, upstream)
        before = open_files()
        for crowd in (held[:60], held[60:]):
            async with AsyncExitStack() as stack:
                for _ in crowd:
                    client = await stack.enter_async_context(connected(url))
                    client.send(family.request(stream=True))
                for each in crowd:
                    await within(5, each.begun.wait())
            for each in crowd:
                await within(5, each.left.wait())
        await until(lambda: open_files() <= before)
        is_whole(await call(url, family.request()), family, TEXT)
        assert len(upstream.posts) == 122


async def _own_answer(request, wire):
    number = re.search(rb"number-(\d+)", request.body)[1].decode()
    words = f"the answer to {number}"
    if json.loads(request.body).get("stream"):
        streamed(wire, stream_of(words))
    else:
        wire.json(json.dumps(message(text(words))).encode())


@each_family
@each_manner
async def test_cl4_two_pipelined_requests_are_answered_in_order(family, stream):
    async with upstream_that(_own_answer) as upstream, proxied(upstream.url) as url, connected(url) as client:
        client.send(b"".join(family.request(stream=stream, prompt=f"number-{n}") for n in (1, 2)))
        for n in (1, 2):
            is_good(await client.answer(), family, f"the answer to {n}", stream=stream)
        assert len(upstream.posts) == 2


@each_family
async def test_cl4_expect_100_continue_is_answered_before_the_body_comes(family):
    request = family.request(expect="100-continue")
    head, _, body = request.partition(b"\r\n\r\n")
    async with upstream_that(good) as upstream, proxied(upstream.url) as url, connected(url) as client:
        client.send(head + b"\r\n\r\n")
        assert await client.informational() == 100
        client.send(body)
        is_whole(await client.answer(), family, TEXT)
        assert len(upstream.posts) == 1
        assert upstream.posts[0].header("expect") is None


@each_family
@each_manner
async def test_cl4_a_half_close_does_not_hang(family, stream):
    async with upstream_that(good) as upstream, proxied(upstream.url) as url:
        async with connected(url) as client:
            client.send(family.request(stream=stream))
            client.writer.write_eof()
            try:
                answer = await client.answer(5)
            except ConnectionError:
                pass  # taken for leaving
            else:
                is_good(answer, family, TEXT, stream=stream)
        is_whole(await call(url, family.request()), family, TEXT)
        assert len(upstream.posts) <= 2


@each_family
async def test_cl5_sixty_slow_half_requests_keep_nobody_waiting(family):
    request = family.request()
    async with upstream_that(good) as upstream, proxied(upstream.url) as url, AsyncExitStack() as stack:
        for n in range(60):
            client = await stack.enter_async_context(connected(url))
            client.send(request[: len(request) - 1 - n * 3])
        started = time.monotonic()
        is_whole(await call(url, family.request()), family, TEXT)
        is_whole_stream(await call(url, family.request(stream=True)), family, TEXT)
        assert time.monotonic() - started < 4
        assert len(upstream.posts) == 2


@each_family
async def test_cl6_thirty_streams_at_once_are_each_whole_and_each_ones_own(family):
    everyone = asyncio.Barrier(30)

    async def answer(request, wire):
        number = int(re.search(rb"number-(\d+)", request.body)[1])
        body = stream_of(f"the answer to {number}")
        wire.write(unended(body[:100]))
        await everyone.wait()
        for start in range(100, len(body), 50 + number):
            wire.chunk(body[start : start + 50 + number])
            await wire.sent()
        wire.write(b"0\r\n\r\n")

    async with upstream_that(answer) as upstream, proxied(upstream.url) as url:
        asked = [call(url, family.request(stream=True, prompt=f"{PROMPT} number-{n}")) for n in range(30)]
        for n, got in enumerate(await asyncio.gather(*asked)):
            is_whole_stream(got, family, f"the answer to {n}")
        assert len(upstream.posts) == 30
