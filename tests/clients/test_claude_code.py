"""Requests as Claude Code sends them: full mode relays them untouched, and its answers come back untouched."""

import json

import pytest

from tests.clients import claude_code
from tests.clients.chain import (
    AUTH_TOKEN,
    FULL_MODES,
    MODEL,
    OWN_KEY,
    OWN_OAUTH,
    OWNERS_OAUTH,
    PROMPT,
    assert_same_body,
    chained,
    credential_of,
    secrets_in,
    simulate,
)
from tests.clients.claude_code import BETAS, HEADERS, body, request, scripted, warm_up
from tests.support.proxy import KEY
from tests.support.raw_client import call, connected

MESSAGES = "/v1/messages?beta=true"
TOO_LONG = "prompt is too long: 215211 tokens > 200000 maximum"


def assert_untouched(chain, data, betas=BETAS):
    """The one request that went upstream: its target, its body and every header but those of credential and framing."""
    (seen,) = chain.seen
    headers = dict(seen.headers)
    for name in ("host", "x-api-key", "authorization"):
        headers.pop(name, None)
    ours = {"content-length": str(len(data)), "accept-encoding": "identity", "content-type": "application/json"}
    assert (seen.method, seen.path, seen.query) == ("POST", "/v1/messages", "beta=true")
    assert headers == HEADERS | ours | {"anthropic-beta": betas}
    same = seen.body == data
    assert same, f"the body is changed: {len(data)} bytes before, {len(seen.body)} after"


def assert_answered(chain, answer):
    """The answer is the upstream's, byte for byte."""
    (said,) = chain.said
    assert answer.complete
    assert (answer.status, answer.body) == (said.status, said.body)
    assert answer.headers["request-id"] == said.headers["request-id"]


def test_the_sample_is_what_was_seen_of_claude_code():
    sample = json.loads(body())
    keys = "model messages system tools metadata max_tokens thinking context_management stream"
    assert list(sample) == keys.split()
    assert sample["system"][0]["text"].startswith("x-anthropic-billing-header:")
    assert len(BETAS.split(",")) == 5
    assert 86_000 < len(body()) < 88_000


async def test_a_streamed_request_and_its_answer_are_relayed_untouched(chain, subtests):
    for mode in FULL_MODES:
        chain.forget()
        data = scripted(text="Done — “ready”.")
        answer = await call(chain.url, request(mode + MESSAGES, data))
        with subtests.test(mode=mode):
            assert_untouched(chain, data)
            assert_answered(chain, answer)
            assert b"event: ping\n" in answer.body
            assert answer.headers["content-type"].startswith("text/event-stream")


async def test_each_credential_leaves_the_request_untouched(subtests):
    bearer = f"Bearer {AUTH_TOKEN}"
    callers = {
        "the token as Bearer": ({"authorization": bearer}, KEY),
        "the token as x-api-key": ({"x_api_key": AUTH_TOKEN}, KEY),
        "the token in both": ({"authorization": bearer, "x_api_key": AUTH_TOKEN}, KEY),
        "own key": ({"authorization": bearer, "x_api_key": OWN_KEY}, OWN_KEY),
    }
    async with chained(auth_token=AUTH_TOKEN) as chain:
        for name, (headers, key) in callers.items():
            chain.forget()
            answer = await call(chain.url, request(MESSAGES, body(), **headers))
            with subtests.test(name):
                assert_untouched(chain, body())
                assert_answered(chain, answer)
                assert credential_of(chain.seen[0]) == ("x-api-key", key)
                assert secrets_in(chain.seen) == {key}


async def test_on_loopback_an_oauth_token_adds_its_beta_behind_and_nothing_else(chain):
    answer = await call(chain.url, request(MESSAGES, body(), authorization=f"Bearer {OWN_OAUTH}"))
    assert_untouched(chain, body(), betas=f"{BETAS},oauth-2025-04-20")
    assert_answered(chain, answer)
    assert credential_of(chain.seen[0]) == ("authorization", f"Bearer {OWN_OAUTH}")


async def test_the_owners_oauth_token_adds_its_beta_behind_and_nothing_else():
    async with chained(claude_code_oauth_token=OWNERS_OAUTH) as chain:
        answer = await call(chain.url, request(MESSAGES, body(), authorization="Bearer dummy"))
    assert_untouched(chain, body(), betas=f"{BETAS},oauth-2025-04-20")
    assert_answered(chain, answer)
    assert credential_of(chain.seen[0]) == ("authorization", f"Bearer {OWNERS_OAUTH}")


async def test_away_from_loopback_an_oauth_token_adds_nothing_at_all():
    betas = f"oauth-2025-04-20,{BETAS}"
    credentials = {"authorization": f"Bearer {OWN_OAUTH}", "x_api_key": AUTH_TOKEN}
    async with chained(host="0.0.0.0", auth_token=AUTH_TOKEN) as chain:
        answer = await call(chain.url, request(MESSAGES, body(), **credentials, anthropic_beta=betas))
        assert_untouched(chain, body(), betas)
        assert_answered(chain, answer)
        assert credential_of(chain.seen[0]) == ("authorization", f"Bearer {OWN_OAUTH}")
        assert secrets_in(chain.seen) == {OWN_OAUTH}
        chain.forget()
        await call(chain.url, request(MESSAGES, body(), **credentials))
        assert_untouched(chain, body())


async def test_betas_of_the_proxys_own_are_not_added(chain):
    answer = await call(chain.url, request(MESSAGES, body(), anthropic_beta="context-management-2025-06-27,another-1"))
    assert_untouched(chain, body(), betas="context-management-2025-06-27,another-1")
    assert answer.status == 200


async def test_an_older_claude_code_is_known_by_its_prompt(chain):
    data = body(system=[{"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral"}}])
    await call(chain.url, request(MESSAGES, data))
    assert_untouched(chain, data)


async def test_another_program_with_the_same_headers_is_not_taken_for_claude_code(chain):
    data = body(system=[{"type": "text", "text": claude_code.AGENT}])
    await call(chain.url, request(MESSAGES, data))
    assert_same_body("/full", data, chain.seen[0].body)
    assert "x-app" not in chain.seen[0].headers


async def test_the_warm_ups_are_answered_before_any_request_on_the_same_connection(subtests):
    async with chained(auth_token=AUTH_TOKEN) as chain:
        for mode in FULL_MODES:
            chain.forget()
            async with connected(chain.url) as client:
                for path in ("/", "/api/hello"):
                    client.send(warm_up(mode + path))
                    assert (await client.answer()).status == 200
                assert chain.seen == []
                client.send(request(mode + MESSAGES, body(), authorization=f"Bearer {AUTH_TOKEN}"))
                with subtests.test(mode=mode):
                    assert_answered(chain, await client.answer())
                    assert_untouched(chain, body())


async def test_the_model_list_keeps_its_query_and_its_bytes(chain, subtests):
    lines = [f"{name}: {value}" for name, value in HEADERS.items()]
    for mode in FULL_MODES:
        chain.forget()
        asked = f"GET {mode}/v1/models?limit=1000 HTTP/1.1\r\nhost: localhost\r\n" + "\r\n".join(lines) + "\r\n\r\n"
        answer = await call(chain.url, asked.encode())
        with subtests.test(mode=mode):
            assert (chain.seen[0].path, chain.seen[0].query) == ("/v1/models", "limit=1000")
            assert_answered(chain, answer)
            assert MODEL in [model["id"] for model in answer.json()["data"]]


async def test_counting_tokens_leaves_the_request_untouched(chain):
    uncounted = ("metadata", "max_tokens", "stream")
    data = json.dumps({name: value for name, value in json.loads(body()).items() if name not in uncounted}).encode()
    answer = await call(chain.url, request("/v1/messages/count_tokens?beta=true", data))
    assert (chain.seen[0].path, chain.seen[0].query) == ("/v1/messages/count_tokens", "beta=true")
    assert chain.seen[0].body == data
    assert_answered(chain, answer)


@pytest.mark.parametrize(
    "script",
    [
        {"error": 400, "message": TOO_LONG},
        {"error": 401, "message": "OAuth token has expired. Please obtain a new token or refresh your existing token."},
        {"error": 413},
        {"error": 429, "headers": {"retry-after": "31", "anthropic-ratelimit-unified-status": "rejected"}},
        {"error": 529, "headers": {"x-should-retry": "true"}},
    ],
    ids=lambda script: str(script["error"]),
)
async def test_a_refusal_comes_back_byte_for_byte(script, chain, subtests):
    for mode in FULL_MODES:
        chain.forget()
        data = scripted(**script)
        answer = await call(chain.url, request(mode + MESSAGES, data))
        with subtests.test(mode=mode):
            assert answer.status == script["error"]
            assert_untouched(chain, data)
            assert_answered(chain, answer)
            given = script.get("headers", {})
            assert {name: answer.headers.get(name) for name in given} == given


async def test_an_error_in_the_middle_of_a_stream_comes_back_byte_for_byte(chain):
    data = scripted(text="one two", error="overloaded_error", message=TOO_LONG, after=5)
    answer = await call(chain.url, request(MESSAGES, data))
    assert_answered(chain, answer)
    assert TOO_LONG.encode() in answer.body


async def test_comments_unknown_events_and_any_line_ends_come_back_byte_for_byte(chain):
    chunks = [
        ": a comment\r\n\r\n",
        'event: message_start\r\ndata: {"type":"message_start","message":{}}\r',
        "\n\r\nevent: of_tomorrow\ndata: {}\ndata:  twice\nid: 7\n\n",
        "event: ping\ndata: {}\n\n",
        'event: message_stop\ndata: {"type": "message_stop"}\n\n',
    ]
    answer = await call(chain.url, request(MESSAGES, scripted(raw=chunks)))
    assert_answered(chain, answer)
    assert answer.body == "".join(chunks).encode()


async def test_a_whole_answer_brings_every_header_but_the_organisation(chain):
    data = body(simulate(text="Done.", headers={"x-custom": "kept", "set-cookie": "a=b"}), stream=False)
    answer = await call(chain.url, request(MESSAGES, data))
    assert_untouched(chain, data)
    assert_answered(chain, answer)
    assert answer.headers["x-custom"] == "kept"
    assert not {"set-cookie", "anthropic-organization-id"} & answer.headers.keys()
