import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from handler.errors import ProxyError
from handler.translate.chat_answer import answer
from handler.wire.reading import Reading
from tests.support.messages import message, text, tool_use, web_citation

PLAIN = Reading()


def said(*content: dict[str, Any], reading: Reading = PLAIN, **fields: Any) -> dict[str, Any]:
    completion = answer(message(*content, **fields), reading, 1_700_000_000)
    ChatCompletion.model_validate(completion)
    return completion


def spoken(*content: dict[str, Any], reading: Reading = PLAIN, **fields: Any) -> dict[str, Any]:
    inner: dict[str, Any] = said(*content, reading=reading, **fields)["choices"][0]["message"]
    return inner


def reason(*content: dict[str, Any], reading: Reading = PLAIN, **fields: Any) -> str:
    finish: str = said(*content, reading=reading, **fields)["choices"][0]["finish_reason"]
    return finish


def test_text_blocks_are_one_string_without_anything_between() -> None:
    assert spoken(text("The sky"), text(" is blue"), text("."))["content"] == "The sky is blue."


def test_an_answer_without_text_is_empty_and_null_beside_a_call() -> None:
    assert spoken()["content"] == ""
    assert spoken(tool_use("f", {}))["content"] is None


def test_only_what_is_there_is_said() -> None:
    assert spoken(text("Hi")) == {"role": "assistant", "content": "Hi", "refusal": None}


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("of_tomorrow", "stop"),
        (None, "stop"),
    ],
)
def test_the_stop_reason_becomes_a_finish_reason(stop: str | None, finish: str) -> None:
    assert reason(text("Hi"), stop_reason=stop) == finish


def test_an_unknown_stop_after_a_call_still_tells_the_caller_to_run_it() -> None:
    assert reason(tool_use("f", {}), stop_reason="of_tomorrow") == "tool_calls"
    assert reason(tool_use("f", {}), stop_reason="max_tokens") == "length"


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert spoken(tool_use("now", {}))["tool_calls"] == [
        {"id": "toolu_01", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    ]


def test_a_rewritten_tool_name_is_the_callers_again() -> None:
    reading = Reading(tool_names={"fs_read_1a2b": "fs.read"}, custom_tools=frozenset({"sql_x"}))

    first, second = spoken(tool_use("fs_read_1a2b", {}), tool_use("sql_x", {"input": "select 1"}), reading=reading)[
        "tool_calls"
    ]

    assert first["function"]["name"] == "fs.read"
    assert second == {"id": "toolu_01", "type": "custom", "custom": {"name": "sql_x", "input": "select 1"}}


def test_a_custom_tool_called_in_another_shape_keeps_all_it_was_given() -> None:
    reading = Reading(custom_tools=frozenset({"sql"}))

    (call,) = spoken(tool_use("sql", {"query": 1}), reading=reading)["tool_calls"]

    assert json.loads(call["custom"]["input"]) == {"query": 1}


def test_a_caller_of_the_legacy_functions_gets_one_function_call() -> None:
    reading = Reading(legacy_functions=True, custom_tools=frozenset({"f"}))
    inner = spoken(tool_use("f", {"a": 1}), tool_use("g", {}), reading=reading, stop_reason="tool_use")

    assert inner["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert "tool_calls" not in inner
    assert reason(tool_use("f", {}), reading=reading, stop_reason="tool_use") == "function_call"


def test_thinking_is_told_as_text_and_as_details_that_can_be_sent_back() -> None:
    inner = spoken(
        {"type": "thinking", "thinking": "First.", "signature": "sig1"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "thinking", "thinking": "", "signature": "sig2"},
        {"type": "thinking", "thinking": "Then.", "signature": ""},
        text("Done"),
    )

    assert inner["reasoning_content"] == "First.\n\nThen."
    shared = {"format": "anthropic-claude-v1", "model": "claude-opus-5-5"}
    assert inner["reasoning_details"] == [
        {"index": 0, "type": "reasoning.text", "text": "First.", "signature": "sig1"} | shared,
        {"index": 1, "type": "reasoning.encrypted", "data": "xyz"} | shared,
        {"index": 2, "type": "reasoning.text", "text": "", "signature": "sig2"} | shared,
        {"index": 3, "type": "reasoning.text", "text": "Then."} | shared,
    ]


def test_excluded_reasoning_is_not_told() -> None:
    thinking = {"type": "thinking", "thinking": "First.", "signature": "sig1"}

    inner = spoken(thinking, text("Hi"), reading=Reading(expose_reasoning=False))

    assert inner == {"role": "assistant", "content": "Hi", "refusal": None}


def test_web_citations_point_into_the_content_and_others_stay_raw() -> None:
    page = {"type": "page_location", "document_index": 0, "start_page_number": 1}
    inner = spoken(text("It is "), text("blue", web_citation("https://a.example")), text(".", page))

    (note,) = inner["annotations"]
    place = note["url_citation"]
    assert inner["content"][place["start_index"] : place["end_index"]] == "blue"
    assert (place["url"], place["title"]) == ("https://a.example", "A page")
    assert inner["citations"] == [page]


def test_a_citation_without_a_title_is_named_by_its_address() -> None:
    cited = {**web_citation("https://a.example"), "title": None}
    (note,) = spoken(text("blue", cited))["annotations"]
    assert note["url_citation"]["title"] == "https://a.example"


@pytest.mark.parametrize("details", [None, {}, {"type": "refusal", "explanation": None}])
def test_a_refusal_without_an_explanation_still_says_so(details: Any) -> None:
    inner = spoken(text("I "), stop_reason="refusal", stop_details=details)
    assert (inner["content"], inner["refusal"]) == ("I ", "The model refused to answer.")


def test_a_refusal_is_explained_in_the_upstreams_words() -> None:
    inner = spoken(stop_reason="refusal", stop_details={"type": "refusal", "explanation": "No."})
    assert inner["refusal"] == "No."


def test_an_explanation_of_something_else_is_no_refusal() -> None:
    assert spoken(stop_reason="end_turn", stop_details={"explanation": "No."})["refusal"] is None


@pytest.mark.parametrize("kind", ["server_tool_use", "web_search_tool_result", "mcp_tool_use", "of_tomorrow"])
def test_what_the_upstream_ran_itself_is_never_a_call(kind: str) -> None:
    block = {"type": kind, "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}

    inner = spoken(block, text("Hi"))

    assert inner == {"role": "assistant", "content": "Hi", "refusal": None}


@pytest.mark.parametrize(
    ("content", "bare"),
    [
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ("\n```\n[1]\n```\n", "[1]"),
        ('{"a": "```json\\n{}\\n```"}', '{"a": "```json\\n{}\\n```"}'),
        ('Here:\n```json\n{"a": 1}\n```', 'Here:\n```json\n{"a": 1}\n```'),
        ('```json\n{"a": 1', '```json\n{"a": 1'),
    ],
)
def test_a_fence_around_asked_for_json_is_taken_off(content: str, bare: str) -> None:
    assert spoken(text(content), reading=Reading(json_object=True))["content"] == bare
    assert spoken(text(content))["content"] == content


def test_usage_counts_cached_tokens_as_prompt_tokens() -> None:
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 1000,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
        "server_tool_use": {"web_search_requests": 2},
        "service_tier": "priority",
    }
    completion = said(text("Hi"), usage=usage)

    assert completion["usage"] == {
        "prompt_tokens": 1110,
        "completion_tokens": 7,
        "total_tokens": 1117,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 1000},
        "completion_tokens_details": {"reasoning_tokens": 3},
        "server_tool_use": {"web_search_requests": 2},
    }
    assert completion["service_tier"] == "priority"


@pytest.mark.parametrize(
    "usage",
    [None, {}, [], {"input_tokens": None, "cache_read_input_tokens": None, "output_tokens_details": None}],
)
def test_usage_that_is_missing_counts_nothing(usage: Any) -> None:
    counts = said(text("Hi"), usage=usage)["usage"]

    assert counts == {
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"type": "message"},
        {**message(), "content": None},
        {**message(), "id": None},
        message({"type": "text"}),
        message({"type": "tool_use", "id": "a", "name": "f", "input": "{}"}),
        message({"type": "thinking", "thinking": None}),
        message({}),
        {**message(), "content": ["Hi"]},
    ],
)
def test_what_is_no_message_is_a_bad_gateway(broken: dict[str, Any]) -> None:
    with pytest.raises(ProxyError) as caught:
        answer(broken, PLAIN, 0)
    assert caught.value.status == 502
