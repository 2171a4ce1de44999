"""What the proxy asks for by itself, the models list, may fail in every way: no request is harmed or waits for it."""

import gc

import pytest

from tests.faults.families import OPENAI, is_error, is_whole
from tests.faults.leaving import leave
from tests.faults.upstreams import HTML, TEXT, Held, answers, first_of_all, good, upstream_that, within
from tests.faults.wire_faults import CUT, SILENT
from tests.support.proxy import proxied
from tests.support.raw_client import call

LISTS = {
    "an error": answers(b'{"type":"error","error":{"type":"api_error","message":"No"}}', b"500 No"),
    "an HTML page": answers(HTML, b"200 OK", b"content-type: text/html"),
    "an empty body": answers(b""),
    "null": answers(b"null"),
    "no data": answers(b"{}"),
    "data that is no list": answers(b'{"data":7}'),
    "models that are none": answers(b'{"data":[null,7,{"id":7},{"id":"claude-opus-5-5","max_tokens":"many"}]}'),
    "capabilities that are none": answers(b'{"data":[{"id":"claude-opus-5-5","capabilities":[1]}],"has_more":"x"}'),
    "pages without end": answers(b'{"data":[],"has_more":true,"last_id":"claude-opus-5-5"}'),
    "an id that is no header": answers(b'{"data":[{"id":"a"}],"has_more":true,"last_id":"\\r\\nx: y"}'),
    "bytes that are not UTF-8": answers(b'{"data":[{"id":"\xff"}]}'),
    "half a surrogate pair": answers(b'{"data":[{"id":"\\ud83d"}],"has_more":true,"last_id":"\\ud83d"}'),
    "a redirect": answers(b"{}", b"302 Found", b"location: http://elsewhere.test/"),
    **CUT,
    **SILENT,
}


@pytest.mark.parametrize("models", LISTS)
async def test_a_models_list_that_fails_harms_no_request(models):
    async with upstream_that(good, LISTS[models]) as upstream, proxied(upstream.url) as url:
        await first_of_all(url, OPENAI, upstream)
        is_whole(await call(url, OPENAI.request()), OPENAI, TEXT)
        assert len(upstream.posts) == 2
    gc.collect()  # a task that failed unseen is told of when it goes


@pytest.mark.parametrize("path", ["/openai/v1/models", "/openai/v1/models/claude-opus-5-5", "/v1/models"])
async def test_cl1_the_list_is_dropped_when_who_asks_for_it_leaves(path):
    held = Held(b"")
    async with upstream_that(held, held) as upstream, proxied(upstream.url) as url:
        await leave(url, f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode(), held)
        await within(5, held.left.wait())


@pytest.mark.parametrize("models", LISTS)
async def test_a_models_list_that_fails_is_an_answer_or_an_error_for_who_asks_for_it(models):
    request = b"GET /openai/v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"
    async with upstream_that(good, LISTS[models]) as upstream, proxied(upstream.url) as url:
        answer = await call(url, request)
    if answer.status == 200:
        assert answer.complete
        assert answer.json()["object"] == "list"
    else:
        is_error(answer, 500 if models == "an error" else 502, OPENAI)


async def test_a_models_list_that_never_comes_keeps_nobody_waiting():
    held = Held(b"")
    async with upstream_that(good, held) as upstream, proxied(upstream.url) as url:
        await first_of_all(url, OPENAI, upstream)
        await within(5, held.begun.wait())
        is_whole(await call(url, OPENAI.request(), 2), OPENAI, TEXT)
        assert len(upstream.posts) == 2


async def test_a_models_list_that_is_under_way_ends_with_the_proxy():
    held = Held(b"")
    async with upstream_that(good, held) as upstream:
        async with proxied(upstream.url) as url:
            await first_of_all(url, OPENAI, upstream)
            await within(5, held.begun.wait())
        await within(2, held.left.wait())
