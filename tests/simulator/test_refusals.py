"""The simulator refuses what the real API refuses."""

import json
from typing import Any

import pytest

from handler.errors import ProxyError
from handler.simulator.keys import identify
from handler.simulator.requests import Caller, read_counted, read_messages

CALLER = Caller("2023-06-01", (), oauth=False)
NEWEST = Caller("2026-10-21", (), oauth=False)
TOOL = {"name": "f", "input_schema": {"type": "object"}}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}
HI = {"role": "user", "content": "Hi"}
STRICT = {**TOOL, "strict": True, "input_schema": {"type": "object", "properties": {}}}
MARK = {"cache_control": {"type": "ephemeral"}}


def body(**changes: Any) -> dict[str, Any]:
    whole = {"model": "claude-opus-5-5", "max_tokens": 100, "messages": [HI], **changes}
    return {key: value for key, value in whole.items() if value is not ...}


def refused(caller: Caller = CALLER, **changes: Any) -> str:
    with pytest.raises(ProxyError) as error:
        read_messages(json.dumps(body(**changes)).encode(), caller)
    assert error.value.status in (400, 404)
    return error.value.message


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"max_tokens": ...}, "max_tokens: Field required"),
    ({"messages": ...}, "messages: Field required"),
    ({"n": 1}, "n: Extra inputs are not permitted"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "foo": 1}]}]}, "text.foo: Extra inputs"),
    ({"max_tokens": "5"}, "max_tokens: Input should be a valid integer"),
    ({"max_tokens": 1_000_000}, "maximum allowed number of output tokens"),
    ({"model": "gpt-4o"}, "model: gpt-4o"),
    ({"model": "claude-mythos-preview"}, "model: claude-mythos-preview"),
    ({"messages": []}, "at least one message"),
    ({"messages": [{"role": "user", "content": ""}]}, "text content blocks must be non-empty"),
    ({"messages": [{"role": "user", "content": " \n"}]}, "non-whitespace"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "Input should be 'user', 'assistant' or 'system'"),
    ({"messages": [HI, CALL]}, "`tool_use` ids were found without `tool_result`"),
    ({"messages": [HI, CALL, HI]}, "`tool_use` ids were found without `tool_result`"),
    ({"messages": [{"role": "user", "content": [RESULT]}]}, "unexpected `tool_use_id`"),
    ({"messages": [HI, {"role": "assistant", "content": "So"}]}, "does not support assistant message prefill"),
    ({"messages": [{"role": "system", "content": "x"}, HI]}, "must follow a user message"),
    ({"model": "claude-opus-4-7", "messages": [HI, {"role": "system", "content": "x"}]}, 'Unexpected role "system"'),
    ({"temperature": 0.5}, "`temperature` is deprecated for this model"),
    ({"model": "claude-haiku-4-5", "temperature": 0.5, "top_p": 0.5}, "cannot both be specified"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "not supported for this model"),
    ({"thinking": {"type": "disabled"}}, '"thinking.type.disabled" is not supported'),
    ({"model": "claude-haiku-4-5", "thinking": {"type": "enabled", "budget_tokens": 1024}}, "must be greater than"),
    ({"model": "claude-haiku-4-5", "output_config": {"effort": "low"}}, "does not support the effort parameter"),
    ({"model": "claude-opus-4-6", "output_config": {"effort": "xhigh"}}, "does not support effort level 'xhigh'"),
    ({"tools": [TOOL, TOOL]}, "Tool names must be unique"),
    ({"tools": [{**TOOL, "name": "a.b"}]}, "String should match pattern"),
    ({"tools": [{**TOOL, "input_schema": {"type": "object", "anyOf": []}}]}, "does not support oneOf, allOf, or anyOf"),
    ({"tools": [STRICT]}, "'additionalProperties' must be explicitly set to false"),
    ({"tools": [TOOL], "tool_choice": {"type": "any"}}, "not supported for this model"),
    ({"model": "claude-opus-5", "tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "not found"),
    ({"tool_choice": {"type": "auto"}}, "may only be specified while providing `tools`"),
    ({"stop_sequences": [" "]}, "non-whitespace"),
    ({"metadata": {"user_id": "a@example.com"}}, "email"),
    ({"metadata": {"user_id": "x" * 300}}, "at most 256"),
    ({"system": [{"type": "text", "text": "x", **MARK}] * 5}, "A maximum of 4 blocks"),
    ({"thread": {"type": "create"}}, "thread: Extra inputs"),
    ({"thinking": None}, "thinking"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_request_is_refused_in_the_real_apis_words(changes: dict[str, Any], message: str) -> None:
    assert message in refused(**changes)


def test_the_newest_version_takes_no_sampling_even_where_the_model_does() -> None:
    assert "Extra inputs" in refused(NEWEST, model="claude-haiku-4-5", temperature=0.5)


def test_one_hour_may_not_follow_five_minutes() -> None:
    hour = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert "must not come after" in refused(system=[{"type": "text", "text": "x", **MARK}, hour])


def test_a_signature_is_bound_to_what_came_before_it() -> None:
    from handler.simulator.signatures import sign

    good = body(messages=[HI, ...], thinking={"type": "adaptive"})
    request, _ = read_messages(json.dumps(body()).encode(), CALLER)
    signature = sign("claude-opus-5-5", "hm", request.prefix(1))
    thought = {"type": "thinking", "thinking": "hm", "signature": signature}
    answered = {"role": "assistant", "content": [thought, {"type": "text", "text": "Yes."}]}
    good["messages"] = [HI, answered, HI]
    read_messages(json.dumps(good).encode(), CALLER)
    edited = {**good, "messages": [{"role": "user", "content": "Edited"}, answered, HI]}
    with pytest.raises(ProxyError, match="bound to a different"):
        read_messages(json.dumps(edited).encode(), CALLER)
    binding = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    asked = Caller("2023-06-01", ("thinking-binding-controls-2026-08-01",), oauth=False)
    read_messages(json.dumps({**edited, "thinking": binding}).encode(), asked)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": "nonsense"}, 401),
        ({"x-api-key": "sk-ant-api03-x"}, 400),
        ({"x-api-key": "sk-ant-api03-x", "anthropic-version": "1999-01-01"}, 400),
        ({"x-api-key": "sk-ant-api03-x", "authorization": "Bearer sk-ant-api03-x"}, 401),
        ({"x-api-key": "sk-ant-oat01-x", "anthropic-version": "2023-06-01"}, 401),
        ({"authorization": "Bearer sk-ant-oat01-x", "anthropic-version": "2023-06-01"}, 401),
    ],
)
def test_a_call_without_its_headers_is_refused(headers: dict[str, str], status: int) -> None:
    with pytest.raises(ProxyError) as error:
        identify(headers, "/v1/messages")
    assert error.value.status == status


def test_an_oauth_token_wants_its_beta_and_the_claude_code_prompt() -> None:
    headers = {
        "authorization": "Bearer sk-ant-oat01-x",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "oauth-2025-04-20",
    }
    caller = identify(headers, "/v1/messages")
    assert "only authorized for use with Claude Code" in refused(caller)
    prompt = "You are Claude Code, Anthropic's official CLI for Claude."
    for system in (prompt, [{"type": "text", "text": prompt}], "x-anthropic-billing-header: cc_version=1"):
        read_messages(json.dumps(body(system=system)).encode(), caller)


def test_counting_takes_no_field_of_an_answer() -> None:
    with pytest.raises(ProxyError, match="max_tokens: Extra inputs"):
        read_counted(json.dumps(body()).encode(), CALLER)
