"""The official Anthropic client for Node against a running proxy, in the three modes."""

import json
from typing import Any, NamedTuple

import httpx2
import pytest

from tests.clients.chain import (
    AUTH_TOKEN,
    OWN_KEY,
    OWN_OAUTH,
    Said,
    assert_relayed,
    chained_for_blocking,
    credential_of,
    events_of,
    secrets_in,
)
from tests.support.proxy import KEY
from tests.support.recorder import Seen

SCRIPT = "anthropic.mjs"


class Told(NamedTuple):
    """One scenario: what the client said of it and sent, what the upstream saw and answered."""

    mode: str
    outcome: Any
    sent: list[httpx2.Request]
    seen: list[Seen]
    said: list[Said]


@pytest.fixture(scope="module", params=("", "/min", "/pt"), ids=("/", "/min", "/pt"))
def told(request, default_chain, run_node):
    """Every scenario in one mode, by name."""
    default_chain.forget()
    results = run_node(SCRIPT, default_chain.url + request.param)
    seen, said = iter(list(default_chain.seen)), iter(list(default_chain.said))
    scenarios = {}
    for name, result in results.items():
        assert "threw" not in result, f"{name}: {result['threw']}"
        sent = [httpx2.Request(each["method"], each["url"], content=each["body"].encode()) for each in result["sent"]]
        pairs = [(next(seen), next(said)) for _ in sent]
        scenarios[name] = Told(
            request.param, result["outcome"], sent, [one for one, _ in pairs], [two for _, two in pairs]
        )
    assert next(seen, None) is None
    return scenarios


def test_every_request_reaches_the_upstream_as_the_mode_promises(told):
    for scenario in told.values():
        assert_relayed(scenario.mode, scenario.sent, scenario.seen)
        assert {credential_of(seen) for seen in scenario.seen} == {("x-api-key", KEY)}


def test_a_whole_answer_is_the_upstreams_own(told):
    message, said = told["create"].outcome["message"], told["create"].said[0]
    assert message == json.loads(said.body)
    assert message["content"][0]["text"].endswith("Grüße, “Claude” 😀")
    assert told["create"].outcome["requestID"] == said.headers["request-id"]


def test_a_stream_brings_the_upstreams_events(told):
    assert told["stream"].outcome == events_of(told["stream"].said[0].body)


def test_the_stream_helper_gives_text_and_the_final_message(told):
    outcome = told["helper"].outcome
    assert (outcome["text"], outcome["stop"]) == ("One two three.", "end_turn")
    assert outcome["pieces"] == ["One", " two", " three."]


def test_a_tool_loop_with_thinking_runs_to_its_end(told):
    assert told["tools"].outcome == {
        "kinds": ["thinking", "tool_use"],
        "input": {"city": "Paris"},
        "text": "The tools said: It rains.",
    }


def test_the_tool_runner_falls_back_from_threads_by_itself(told):
    assert told["runner"].outcome == "The tools said: It rains in Paris."
    threads = [json.loads(seen.body).get("thread") for seen in told["runner"].seen]
    assert threads == [{"type": "create"}, None, None]


def test_counted_tokens_are_the_upstreams(told):
    assert told["tokens"].outcome == json.loads(told["tokens"].said[0].body)["input_tokens"]


def test_the_model_list_pages_by_itself(told):
    *pages, one = (json.loads(said.body) for said in told["models"].said)
    assert len(pages) > 2
    assert told["models"].outcome["names"] == [model["id"] for page in pages for model in page["data"]]
    assert told["models"].outcome["one"] == one["display_name"]


def test_refusals_are_the_clients_own_exceptions_with_the_upstreams_words(told):
    outcomes, said = told["errors"].outcome, told["errors"].said
    assert [(error["status"], error["type"]) for error in outcomes] == [
        (400, "invalid_request_error"),
        (404, "not_found_error"),
        (429, "rate_limit_error"),
        (529, "overloaded_error"),
    ]
    assert [error["class"] for error in outcomes[:3]] == ["BadRequestError", "NotFoundError", "RateLimitError"]
    assert [error["error"] for error in outcomes] == [json.loads(each.body) for each in said]
    assert [error["requestID"] for error in outcomes] == [each.headers["request-id"] for each in said]
    assert [error["retryAfter"] for error in outcomes] == [None, None, "7", None]


def test_a_broken_stream_is_an_error_after_what_came_before(told):
    overloaded, *cuts = told["broken"].outcome
    *before, last = events_of(told["broken"].said[0].body)
    assert overloaded["events"] == before
    assert (overloaded["told"]["type"], overloaded["told"]["error"]) == ("overloaded_error", last)
    for cut, said in zip(cuts, told["broken"].said[1:], strict=True):
        assert cut["events"] == events_of(said.body)
        assert cut["told"]["type"] == "api_error"


CALLERS = [
    ({"apiKey": AUTH_TOKEN}, KEY),
    ({"apiKey": None, "authToken": AUTH_TOKEN, "defaultHeaders": {"x-api-key": OWN_KEY}}, OWN_KEY),
]


def test_behind_a_gate_one_credential_goes_upstream_and_never_the_token(run_node, subtests):
    with chained_for_blocking(auth_token=AUTH_TOKEN) as chain:
        for options, key in CALLERS:
            chain.forget()
            results = run_node(SCRIPT, chain.url, json.dumps(options), "create", "helper", "models")
            with subtests.test(options=list(options)):
                assert not [result["threw"] for result in results.values() if "threw" in result]
                assert {credential_of(seen) for seen in chain.seen} == {("x-api-key", key)}
                assert secrets_in(chain.seen) == {key}


def test_a_wrong_token_is_an_authentication_error_and_nothing_goes_upstream(run_node):
    with chained_for_blocking(auth_token=AUTH_TOKEN) as chain:
        outcome = run_node(SCRIPT, chain.url, '{"apiKey":"another-token"}', "refused")["refused"]["outcome"]
    assert (outcome["class"], outcome["type"]) == ("AuthenticationError", "authentication_error")
    assert outcome["requestID"]
    assert chain.seen == []


def test_a_callers_oauth_token_goes_upstream_in_full_mode_only(chain, run_node):
    options = json.dumps({"apiKey": None, "authToken": OWN_OAUTH})
    told = run_node(SCRIPT, chain.url, options, "create", "models")
    assert not [result["threw"] for result in told.values() if "threw" in result]
    assert {credential_of(seen) for seen in chain.seen} == {("authorization", f"Bearer {OWN_OAUTH}")}
    chain.forget()
    refused = run_node(SCRIPT, chain.url + "/min", options, "refused")["refused"]["outcome"]
    assert refused["class"] == "BadRequestError"
    assert refused["error"]["error"]["message"].startswith("system: This credential is only authorized for use with")
    assert chain.seen == []
