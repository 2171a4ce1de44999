"""The process is asked to end while it streams (FAULTS E, CL-7)."""

import time

from tests.faults.families import each_family, is_stream_error, is_whole_stream, said
from tests.faults.process import running
from tests.faults.upstreams import BEGUN, BEGUN_TEXT, LAST, REST, TEXT, Held, chunk, unended, upstream_that
from tests.support.raw_client import connected

IMPATIENT = "import handler.server; handler.server.SHUTDOWN_SECONDS = 1"


async def _terminated(proxy, family, held, *, goes_on):
    """The answer to a stream during which SIGTERM comes; the process is gone behind it."""
    async with connected(proxy.url) as client:
        client.send(family.request(stream=True))
        answer = await client.head()
        while said(answer.body, family) != BEGUN_TEXT:
            assert await client.chunk(5)
        started = time.monotonic()
        proxy.process.terminate()
        if goes_on:
            await _refuses(proxy.url)
            held.go.set()
        answer = await client.answer(15)
    await proxy.process.wait()
    assert time.monotonic() - started < 15
    return answer


async def _refuses(url):
    """Waits until the proxy listens no longer."""
    while True:
        try:
            async with connected(url):
                pass
        except OSError:
            return


@each_family
async def test_cl7_a_stream_that_ends_after_sigterm_is_whole(family):
    held = Held(unended(BEGUN), chunk(REST) + LAST)
    async with upstream_that(held) as upstream, running(upstream.url) as proxy:
        answer = await _terminated(proxy, family, held, goes_on=True)
    is_whole_stream(answer, family, TEXT)


@each_family
async def test_cl7_a_stream_that_does_not_end_after_sigterm_ends_with_one_error(family):
    held = Held(unended(BEGUN))
    async with upstream_that(held) as upstream, running(upstream.url, IMPATIENT) as proxy:
        answer = await _terminated(proxy, family, held, goes_on=False)
    is_stream_error(answer, family, BEGUN_TEXT, 503)
