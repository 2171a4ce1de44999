"""The official Python client against a running proxy: what it asks for, it gets, in every mode."""

import asyncio
import itertools
import json

from tests.clients.chain import (
    BLOCK,
    FULL_MODES,
    MODEL,
    MODES,
    PROMPT,
    asking,
    assert_relayed,
    async_python_sdk,
    events_of,
    python_sdk,
    simulate,
)
from tests.support.proxy import KEY

HELLO = "Hello from the other side: “grüße”, \\ and \U0001f600."
OUR_OWN = {"x-api-key": KEY, "accept-encoding": "identity"}


def test_a_whole_answer_is_the_upstreams_own(chain, subtests):
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, sent):
            message = client.messages.create(**asking(simulate(text=HELLO)))
            assert message.content[0].text == HELLO
            assert message.to_dict() == json.loads(chain.said[0].body)
            assert message._request_id == chain.said[0].headers["request-id"]
            assert_relayed(mode, sent, chain.seen)


async def test_an_async_client_may_call_in_all_modes_at_once(chain):
    async def ask(url, text):
        async with async_python_sdk(url) as (client, sent):
            message = await client.messages.create(**asking(simulate(text=text)))
        return message, sent

    results = await asyncio.gather(*(ask(chain.url + mode, f"in mode {mode}") for mode in MODES))
    for mode, (message, sent) in zip(MODES, results, strict=True):
        assert message.content[0].text == f"in mode {mode}"
        assert_relayed(mode, sent, [seen for seen in chain.seen if f"in mode {mode}\\" in seen.body.decode()])


def test_a_stream_brings_the_upstreams_events(chain, subtests):
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, sent):
            with client.messages.create(**asking(simulate(text=HELLO)), stream=True) as stream:
                events = [event.to_dict() for event in stream]
            assert events == events_of(chain.said[0].body)
            assert stream.response.headers["request-id"] == chain.said[0].headers["request-id"]
            assert_relayed(mode, sent, chain.seen)


async def test_an_async_stream_brings_the_upstreams_events(chain, subtests):
    for mode in MODES:
        chain.forget()
        async with async_python_sdk(chain.url + mode) as (client, sent):
            stream = await client.messages.create(**asking(simulate(text=HELLO)), stream=True)
            events = [event.to_dict() async for event in stream]
        with subtests.test(mode=mode):
            assert events == events_of(chain.said[0].body)
            assert_relayed(mode, sent, chain.seen)


def test_the_stream_helper_gives_text_and_the_final_message(chain, subtests):
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, sent):
            with client.messages.stream(**asking(simulate(text=HELLO, usage={"output_tokens": 17}))) as stream:
                pieces = list(stream.text_stream)
                message = stream.get_final_message()
            assert len(pieces) > 1
            assert "".join(pieces) == message.content[0].text == HELLO
            assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 17)
            assert stream.request_id == chain.said[0].headers["request-id"]
            assert_relayed(mode, sent, chain.seen)


async def test_the_async_stream_helper_gives_text_and_the_final_message(chain, subtests):
    for mode in MODES:
        chain.forget()
        async with (
            async_python_sdk(chain.url + mode) as (client, sent),
            client.messages.stream(**asking(simulate(text=HELLO))) as stream,
        ):
            pieces = [piece async for piece in stream.text_stream]
            message = await stream.get_final_message()
        with subtests.test(mode=mode):
            assert "".join(pieces) == message.content[0].text == HELLO
            assert_relayed(mode, sent, chain.seen)


SYSTEMS = {
    "a string": "Be brief.",
    "a string with escapes": "“Sei” kurz,\n\\ \U0001f600 }]",
    "a list": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "an empty list": [],
}


def test_full_mode_puts_one_block_before_the_callers_system_prompt(chain, subtests):
    for mode, (name, system) in itertools.product(FULL_MODES, SYSTEMS.items()):
        chain.forget()
        with subtests.test(mode=mode, system=name), python_sdk(chain.url + mode) as (client, sent):
            client.messages.create(**asking("Hi", system=system))
            own = [{"type": "text", "text": system}] if isinstance(system, str) else system
            assert json.loads(chain.seen[0].body)["system"] == [BLOCK, *own]
            assert_relayed(mode, sent, chain.seen)


def test_full_mode_adds_nothing_where_the_prompt_stands_already(chain, subtests):
    for mode, system in itertools.product(FULL_MODES, (PROMPT, PROMPT + " Be brief.", [BLOCK])):
        chain.forget()
        with subtests.test(mode=mode, system=system), python_sdk(chain.url + mode) as (client, sent):
            client.messages.create(**asking("Hi", system=system))
            assert chain.seen[0].body == sent[0].content


def test_counted_tokens_are_those_of_the_request_that_would_be_sent(chain, subtests):
    request = {name: value for name, value in asking("How many?").items() if name != "max_tokens"}
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, sent):
            counted = client.messages.count_tokens(**request).input_tokens
            assert counted == json.loads(chain.said[0].body)["input_tokens"]
            assert counted == client.messages.create(**asking("How many?")).usage.input_tokens
            assert_relayed(mode, sent, chain.seen)


def test_the_model_list_pages_by_itself(chain, subtests):
    for mode, limit in zip(MODES, (2, 7, 6, 5), strict=True):
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, sent):
            names = [model.id for model in client.models.list(limit=limit)]
            pages = [json.loads(said.body) for said in chain.said]
            assert len(pages) > 2
            assert names == [model["id"] for page in pages for model in page["data"]]
            assert [seen.query for seen in chain.seen[:2]] == [
                f"limit={limit}",
                f"limit={limit}&after_id={names[limit - 1]}",
            ]
            assert_relayed(mode, sent, chain.seen)


async def test_the_async_model_list_pages_by_itself_and_one_model_is_told(chain):
    async with async_python_sdk(chain.url) as (client, sent):
        names = [model.id async for model in client.models.list(limit=7)]
        model = await client.models.retrieve(MODEL)
    assert MODEL in names
    assert len(names) == len(set(names)) > 14
    assert model.to_dict(mode="json") == json.loads(chain.said[-1].body)
    assert_relayed("", sent, chain.seen)


def test_one_model_is_told(chain, subtests):
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, sent):
            model = client.models.retrieve(MODEL)
            assert (model.id, model.max_tokens) == (MODEL, 128_000)
            assert_relayed(mode, sent, chain.seen)


def _headers(chain, mode):
    """The headers of one request as they left the client and as they reached the upstream, framing aside."""
    given = {"x-custom": "kept?", "cookie": "a=b", "x-forwarded-for": "203.0.113.7", "referer": "https://example.com"}
    with python_sdk(chain.url + mode) as (client, sent):
        client.beta.messages.create(**asking("Hi"), betas=["files-api-2025-04-14", "other-1"], extra_headers=given)
    before, after = dict(sent[0].headers), dict(chain.seen[0].headers)
    for name in ("host", "content-length", "connection"):
        before.pop(name, None)
        after.pop(name, None)
    return before, after


def test_full_mode_passes_the_headers_it_knows_and_adds_its_beta_behind(chain):
    before, after = _headers(chain, "")
    kept = ("anthropic-", "content-type", "accept", "user-agent", "x-stainless-")
    expected = {name: value for name, value in before.items() if name.startswith(kept)} | OUR_OWN
    expected["anthropic-beta"] += ",claude-code-20250219"
    assert after == expected
    assert after["anthropic-version"] == "2026-10-21"


def test_minimal_mode_passes_four_headers_and_its_own_name(chain):
    before, after = _headers(chain, "/min")
    kept = ("anthropic-version", "anthropic-beta", "content-type", "accept")
    assert after.pop("user-agent").startswith("claude-code-proxy/")
    assert after == {name: before[name] for name in kept} | OUR_OWN


def test_passthrough_passes_every_header_but_credentials_and_identity(chain):
    before, after = _headers(chain, "/pt")
    never = ("authorization", "cookie", "x-forwarded-for", "referer")
    assert after == {name: value for name, value in before.items() if name not in never} | OUR_OWN


def test_the_answers_headers_reach_the_client_as_the_mode_says(chain, subtests):
    given = {"x-custom": "kept?", "retry-after": "3", "anthropic-priority": "1"}
    for mode in MODES:
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, _):
            chain.forget()
            headers = client.messages.with_raw_response.create(**asking(simulate(headers=given))).headers
            assert headers["x-request-id"] == headers["request-id"] == chain.said[0].headers["request-id"]
            assert headers["anthropic-ratelimit-requests-limit"] == "4000"
            assert (headers["retry-after"], headers["anthropic-priority"]) == ("3", "1")
            assert "anthropic-organization-id" not in headers
            assert headers.get("x-custom") == ("kept?" if mode == "/pt" else None)
