"""The official Python client against a running proxy: failures arrive as the client's own exceptions, whole."""

import json
import socket

import anthropic
import pytest

from tests.clients.chain import (
    MODES,
    asking,
    async_python_sdk,
    events_of,
    python_sdk,
    simulate,
)
from tests.support.proxy import proxied_for_blocking

TOO_LONG = "prompt is too long: 215211 tokens > 200000 maximum"
REFUSALS = [
    (anthropic.BadRequestError, 400, asking("Hi", stop_sequences=[" "])),
    (anthropic.BadRequestError, 400, asking(simulate(error=400, message=TOO_LONG))),
    (anthropic.PermissionDeniedError, 403, asking(simulate(error=403))),
    (anthropic.NotFoundError, 404, asking("Hi", model="claude-3-opus-20240229")),
    (anthropic.ContentTooLargeError, 413, asking(simulate(error=413))),
    (anthropic.RateLimitError, 429, asking(simulate(error=429, headers={"retry-after": "7"}))),
    (anthropic.InternalServerError, 500, asking(simulate(error=500))),
    (anthropic.OverloadedError, 529, asking(simulate(error=529, headers={"x-should-retry": "true"}))),
]


def assert_told(error, kind, status, said):
    """The exception is of the client's own class, and everything it tells is the upstream's word."""
    assert type(error) is kind
    assert error.status_code == said.status == status
    assert error.response.content == said.body
    assert error.type == json.loads(said.body)["error"]["type"]
    assert error.request_id == said.headers["request-id"]
    for name in ("retry-after", "x-should-retry"):
        assert error.response.headers.get(name) == said.headers.get(name)


def test_a_refusal_is_the_clients_own_exception_with_the_upstreams_words(chain, subtests):
    for mode in MODES:
        with python_sdk(chain.url + mode) as (client, _):
            for kind, status, request in REFUSALS:
                chain.forget()
                with subtests.test(mode=mode, status=status):
                    with pytest.raises(anthropic.APIStatusError) as refused:
                        client.messages.create(**request)
                    assert_told(refused.value, kind, status, chain.said[0])


async def test_a_stream_that_does_not_begin_is_refused_the_same_way(chain, subtests):
    for mode in MODES:
        async with async_python_sdk(chain.url + mode) as (client, _):
            for kind, status, request in REFUSALS[1::2]:
                chain.forget()
                with subtests.test(mode=mode, status=status):
                    with pytest.raises(anthropic.APIStatusError) as refused:
                        await client.messages.create(**request, stream=True)
                    assert_told(refused.value, kind, status, chain.said[0])


def test_an_unknown_model_is_not_found_in_the_list_either(chain, subtests):
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, _):
            with pytest.raises(anthropic.NotFoundError) as refused:
                client.models.retrieve("claude-none")
            assert_told(refused.value, anthropic.NotFoundError, 404, chain.said[0])


def test_the_client_may_retry_what_the_upstream_says_may_be_retried(chain):
    with (
        python_sdk(chain.url, max_retries=1) as (client, sent),
        pytest.raises(anthropic.RateLimitError),
    ):
        client.messages.create(**asking(simulate(error=429, headers={"retry-after-ms": "1"})))
    assert [seen.headers["x-stainless-retry-count"] for seen in chain.seen] == ["0", "1"]
    assert len(sent) == 2


def _broken_stream(client, script):
    """The events a client gets of a stream that breaks, and the exception that ends it."""
    events = []
    stream = client.messages.create(**asking(script), stream=True)
    with pytest.raises(anthropic.APIStatusError) as broken, stream:
        events.extend(event.to_dict() for event in stream)
    return events, broken.value


def test_an_error_event_in_the_middle_is_raised_after_what_came_before(chain, subtests):
    script = simulate(text="one two three", error="overloaded_error", message="Overloaded, try later", after=5)
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, _):
            events, error = _broken_stream(client, script)
            *before, told = events_of(chain.said[0].body)
            assert events == before
            assert error.body == told
            assert (error.type, error.api_message) == ("overloaded_error", "Overloaded, try later")
            assert error.request_id == chain.said[0].headers["request-id"]


@pytest.mark.parametrize("cut", ["end", "reset"])
def test_a_cut_stream_is_an_error_after_what_came_before_and_never_an_answer(chain, cut, subtests):
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, _):
            events, error = _broken_stream(client, simulate(text="one two three", cut=cut, after=5))
            assert events == events_of(chain.said[0].body)
            assert error.type == "api_error"
            assert error.request_id == chain.said[0].headers["request-id"]
            assert len(chain.seen) == 1


async def test_the_async_stream_helper_raises_on_a_cut_stream_too(chain, subtests):
    for mode in MODES:
        with subtests.test(mode=mode):
            async with async_python_sdk(chain.url + mode) as (client, _):
                request = asking(simulate(text="one two three", cut="reset", after=5))
                with pytest.raises(anthropic.APIStatusError) as broken:
                    async with client.messages.stream(**request) as stream:
                        text = [piece async for piece in stream.text_stream]
                        assert text == ["never reached"]
            assert broken.value.type == "api_error"


def test_a_stream_cut_before_its_first_event_is_an_error_too(chain, subtests):
    for mode in MODES:
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, _):
            events, error = _broken_stream(client, simulate(raw=["event: message_st"], cut="reset"))
            assert events == []
            assert error.type == "api_error"


def test_an_unreachable_upstream_is_an_error_that_names_no_address(subtests):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # without listening: connections are refused
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with proxied_for_blocking(f"http://{address}") as url:
            for mode in MODES:
                with subtests.test(mode=mode), python_sdk(url + mode) as (client, _):
                    with pytest.raises(anthropic.InternalServerError) as failed:
                        client.messages.create(**asking("Hi"))
                    assert (failed.value.status_code, failed.value.type) == (502, "api_error")
                    assert "127.0.0.1" not in str(failed.value)
