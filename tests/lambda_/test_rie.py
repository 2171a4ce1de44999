"""Inside AWS's own emulator, which gives whole answers and checks the Runtime API's order: the proxy as deployed."""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from handler.simulator import create_simulator
from tests.lambda_ import artifact
from tests.lambda_.emulators import PROGRAM, PROXY, TOKEN, Loop, Rie, emulated
from tests.lambda_.events import function_url, http_api, rest, with_json
from tests.support.raw_upstream import RawUpstream, raw_upstream
from tests.support.server import served

pytestmark = pytest.mark.rie

BODY = {"model": "claude-opus-5-5", "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]}


def post(event: Any, path: str = "/min/v1/messages", body: Any = BODY) -> dict[str, Any]:
    return with_json(event("POST", path), body, **{"x-api-key": TOKEN})


@pytest.fixture(scope="module", params=["source", "artifact"])
def proxy(request: pytest.FixtureRequest) -> Iterator[Rie]:
    loop: Loop = PROXY
    if request.param == "artifact":
        loop = artifact.deployed(request.getfixturevalue("artifact_folder"))
    with served(create_simulator()) as upstream, emulated(loop, UPSTREAM_BASE_URL=upstream) as rie:
        yield rie


@pytest.mark.parametrize("event", [http_api, rest])
def test_a_whole_answer_goes_back_in_the_events_own_form(proxy: Rie, event: Any) -> None:
    answer = proxy.answer(post(event))
    assert answer["statusCode"] == 200
    assert answer["isBase64Encoded"] is False
    assert json.loads(answer["body"])["content"][0]["text"].endswith("Hi")
    headers = answer.get("headers") or {name: values[0] for name, values in answer["multiValueHeaders"].items()}
    assert headers["request-id"].startswith("req_")


def test_a_function_urls_event_is_answered_as_well(proxy: Rie) -> None:
    """The emulator collects the stream: prelude, NULs and body."""
    raw = proxy.invoke(post(function_url)).content
    prelude, _, body = raw.partition(bytes(8))
    assert json.loads(prelude)["statusCode"] == 200
    assert json.loads(body)["type"] == "message"


def test_a_body_in_base64_is_decoded(proxy: Rie) -> None:
    event = post(http_api)
    event["body"], event["isBase64Encoded"] = base64.b64encode(event["body"].encode()).decode(), True
    assert proxy.answer(event)["statusCode"] == 200


def test_an_openai_stream_is_given_whole_to_a_caller_who_takes_no_stream(proxy: Rie) -> None:
    answer = proxy.answer(post(http_api, "/openai/v1/chat/completions", BODY | {"stream": True}))
    assert answer["headers"]["content-type"].startswith("text/event-stream")
    assert answer["body"].endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("event", [b"[]", b'"x"', b"{}", b'{"Records": []}', b'{"requestContext": {"http": 5}}'])
def test_la5_a_malformed_event_gets_a_clean_400(proxy: Rie, event: bytes) -> None:
    answer = proxy.answer(event)
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["error"]["type"] == "invalid_request_error"


def test_la7_a_request_near_six_megabytes_gets_our_own_413(proxy: Rie) -> None:
    words = "w" * (11 * 1024 * 1024 // 2)
    answer = proxy.answer(post(http_api, body=BODY | {"messages": [{"role": "user", "content": words}]}))
    assert answer["statusCode"] == 413
    assert json.loads(answer["body"])["error"]["type"] == "request_too_large"


def test_la8_an_answer_above_six_megabytes_is_an_error_that_says_so() -> None:
    with emulated(PROGRAM) as rie:
        answer = rie.answer(http_api(path="/large"))
    assert answer["statusCode"] == 502
    assert "6 MB" in answer["body"]


@contextmanager
def counted_upstream() -> Iterator[RawUpstream]:
    """An upstream in a thread of its own, which counts its connections."""
    started, stop = threading.Event(), asyncio.Event()
    found: list[Any] = []

    async def serve() -> None:
        async def answer(_: Any, wire: Any) -> None:
            wire.json(b'{"type":"message","content":[]}')

        async with raw_upstream(answer) as upstream:
            found[:] = [upstream, asyncio.get_running_loop()]
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait(5)
    try:
        yield found[0]
    finally:
        found[1].call_soon_threadsafe(stop.set)
        thread.join()


def test_two_hundred_invocations_use_one_upstream_connection() -> None:
    with counted_upstream() as upstream, emulated(PROXY, UPSTREAM_BASE_URL=upstream.url) as rie:
        for _ in range(200):
            assert rie.answer(post(http_api))["statusCode"] == 200
        assert len(upstream.requests) == 200
        assert upstream.connections == 1


def test_la11_a_nonsense_setting_gives_a_running_function_that_answers_503() -> None:
    with emulated(PROXY, RATE_LIMIT_BURST="many") as rie:
        answers = [rie.answer(post(http_api)) for _ in range(3)]
    assert [answer["statusCode"] for answer in answers] == [503] * 3


def test_au17_a_public_url_with_a_short_token_serves_no_key() -> None:
    with served(create_simulator()) as upstream, emulated(PROXY, UPSTREAM_BASE_URL=upstream, AUTH_TOKEN="short") as rie:
        event = with_json(http_api("POST", "/v1/messages"), BODY, **{"x-api-key": "short"})
        answer, health = rie.answer(event), rie.answer(http_api(path="/health"))
    assert (answer["statusCode"], health["statusCode"]) == (503, 200)
    assert "32 characters" in answer["body"]
