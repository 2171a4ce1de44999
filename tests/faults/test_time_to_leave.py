"""A caller who leaves is not worked for: the upstream's connection is closed within 2 s, and no socket stays behind."""

import time

import pytest

from tests.faults.families import each_family, is_whole, is_whole_stream
from tests.faults.leaving import MOMENTS, leave, open_files
from tests.faults.upstreams import (
    BEGUN,
    LAST,
    REST,
    TEXT,
    Held,
    chunk,
    first_of_all,
    good,
    in_turn,
    unended,
    until,
    upstream_that,
    within,
)
from tests.support.proxy import proxied
from tests.support.raw_client import call, connected

SECONDS = 2.0


@each_family
@pytest.mark.parametrize("reset", [False, True], ids=["by FIN", "by RST"])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_the_upstream_is_dropped_within_two_seconds_of_the_callers_leaving(family, moment, reset):
    first, stream = MOMENTS[moment]
    held = Held(first)
    async with upstream_that(in_turn(good, held, good)) as upstream, proxied(upstream.url) as url:
        await first_of_all(url, family, upstream)
        before = open_files()
        left = await leave(url, family.request(stream=stream), held, reset=reset)
        await within(SECONDS, held.left.wait())
        await until(lambda: open_files() <= before, SECONDS)
        assert time.monotonic() - left < SECONDS
        is_whole(await call(url, family.request()), family, TEXT)
        assert len(upstream.posts) == 3


@each_family
async def test_the_upstream_is_dropped_while_it_is_still_being_connected_to(family):
    async with (
        upstream_that(good) as upstream,
        proxied(upstream.url.replace("http://127.0.0.1", "https://localhost")) as url,
    ):
        before = open_files()
        async with connected(url) as client:
            client.send(family.request())
            await until(lambda: upstream.connections == 1)
        await upstream.until_idle(SECONDS)
        await until(lambda: open_files() <= before, SECONDS)
    assert upstream.requests == []


@each_family
async def test_those_who_stay_are_not_harmed_by_one_who_leaves(family):
    stays, leaves = Held(unended(BEGUN), chunk(REST) + LAST), Held(unended(BEGUN))
    async with (
        upstream_that(in_turn(stays, leaves)) as upstream,
        proxied(upstream.url) as url,
        connected(url) as client,
    ):
        client.send(family.request(stream=True))
        await within(5, stays.begun.wait())
        await leave(url, family.request(stream=True), leaves)
        await within(SECONDS, leaves.left.wait())
        assert not stays.left.is_set()
        stays.go.set()
        is_whole_stream(await client.answer(), family, TEXT)
