"""Chunks leave the proxy when they arrive: the client's clock against the upstream's, on real sockets."""

import asyncio
import itertools
import time

from handler.simulator.events import encoded, words
from tests.clients.chain import MODES, asking, async_python_sdk, python_sdk, simulate
from tests.support.messages import events_of, message, text
from tests.support.raw_client import connected, post

PACE = 0.4
# A stalled machine may hold one chunk up; a proxy that collects chunks is off by whole paces.
TOLERANCE = 0.35
CHUNKS = [f"event: ping\ndata: {number}\n\n" for number in range(4)]
CHUNKS.append('event: message_stop\ndata: {"type":"message_stop"}\n\n')


START, BLOCK, PING, *WORDS, STOP, DELTA, END = encoded(events_of(message(text("one two three four")), words))
SPOKEN = [chunk.decode() for chunk in (START + BLOCK + PING, *WORDS, STOP + DELTA + END)]


def gaps(times):
    return [after - before for before, after in itertools.pairwise(times)]


def assert_same_pace(sent, arrived):
    """As many chunks, the first before the second was sent, and between them the time there was upstream."""
    assert len(arrived) == len(sent) > 3
    assert arrived[0] < sent[1]
    assert min(gaps(sent)) > PACE / 2
    drift = [abs(there - here) for there, here in zip(gaps(sent), gaps(arrived), strict=True)]
    assert max(drift) < TOLERANCE, f"off by {drift}"


async def test_chunks_arrive_at_the_upstreams_pace_and_headers_before_them(chain):
    async def stream(url, path):
        async with connected(url) as client:
            body = asking(simulate(raw=CHUNKS, pace=PACE), stream=True)
            client.send(post(path, body))
            await client.head()
            began = time.monotonic()
            return began, await client.answer()

    streams = await asyncio.gather(*(stream(chain.url, mode + "/v1/messages") for mode in MODES))
    assert len(chain.said) == len(streams)
    for (began, answer), said in zip(streams, chain.said, strict=True):
        assert began < said.times[1]
        assert [chunk.decode() for chunk in answer.chunks] == CHUNKS
        assert_same_pace(said.times, answer.times)


async def test_the_async_client_reads_words_as_they_are_sent(chain):
    async def stream(url):
        async with (
            async_python_sdk(url) as (client, _),
            client.messages.stream(**asking(simulate(raw=SPOKEN, pace=PACE))) as events,
        ):
            return [time.monotonic() async for _ in events.text_stream]

    streams = await asyncio.gather(*(stream(chain.url + mode) for mode in MODES))
    for arrived, said in zip(streams, chain.said, strict=True):
        assert_same_pace(said.times[1:-1], arrived)


def test_the_blocking_client_reads_words_as_they_are_sent(chain):
    with python_sdk(chain.url) as (client, _):
        stream = client.messages.create(**asking(simulate(raw=SPOKEN, pace=PACE)), stream=True)
        began = time.monotonic()
        arrived = [time.monotonic() for event in stream if event.type == "content_block_delta"]
    assert began < chain.said[0].times[1]
    assert_same_pace(chain.said[0].times[1:-1], arrived)


async def test_half_an_event_waits_for_its_other_half_and_nothing_else_waits(chain):
    first, half, rest = 'event: ping\ndata: "a"\n\n', "event: ping\ndata: ", '"b"\n\n'
    last = 'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    body = asking(simulate(raw=[first, half, rest, last], pace=PACE), stream=True)
    async with connected(chain.url) as client:
        client.send(post("/v1/messages", body))
        answer = await client.answer()
    sent = chain.said[0].times
    assert [chunk.decode() for chunk in answer.chunks] == [first, half + rest, last]
    assert answer.times[0] < sent[1]
    assert sent[2] <= answer.times[1] < sent[3]
