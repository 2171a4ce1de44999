from tests.support.proxy import proxied
from tests.support.raw_client import call, post
from tests.support.raw_upstream import raw_upstream

BODY = {"model": "claude-opus-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}


async def test_a_whole_answer_is_handed_on():
    async def answer(request, wire):
        wire.json(b'{"type":"message"}')

    async with raw_upstream(answer) as upstream, proxied(upstream.url) as url:
        got = await call(url, post("/min/v1/messages", BODY))
    assert (got.status, got.body, got.complete) == (200, b'{"type":"message"}', True)
    assert upstream.requests[0].line == "POST /v1/messages HTTP/1.1"
