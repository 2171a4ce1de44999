import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.errors import ProxyError
from handler.translate.chat_answer import answer
from handler.translate.chat_stream import ChatStream
from handler.wire.reading import Reading
from tests.support.messages import Cut, chunks, events_of, folded, message, text, tool_use, web_citation

USAGE_TOO = Reading(stream=True, include_usage=True)
CREATED = 1_700_000_000


def streamed(said: dict[str, Any], reading: Reading = USAGE_TOO, cut: Cut = lambda words: [words]) -> bytes:
    stream = ChatStream(reading, CREATED)
    return b"".join(stream.feed(event) for event in events_of(said, cut))


def deltas(said: dict[str, Any], reading: Reading = USAGE_TOO) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in chunks(streamed(said, reading))[:-1] if chunk["choices"]]


def halves(words: str) -> list[str]:
    middle = len(words) // 2
    return [words[:middle], words[middle:]]


def test_a_stream_begins_with_the_role_and_ends_with_reason_usage_and_done() -> None:
    first, word, finish, usage, done = chunks(streamed(message(text("Hi"))))

    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert word["choices"][0]["delta"] == {"content": "Hi"}
    assert finish["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 15)
    assert done == "[DONE]"


def test_every_chunk_has_the_same_id_time_and_model() -> None:
    said = chunks(streamed(message(text("Hi"), tool_use("f", {"a": 1}))))[:-1]

    assert {(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in said} == {
        ("chatcmpl-01ABC", CREATED, "claude-opus-5-5", "chat.completion.chunk")
    }


def test_usage_is_null_on_every_chunk_but_the_last_and_absent_where_not_asked_for() -> None:
    *others, last, _ = chunks(streamed(message(text("Hi"))))
    assert [chunk["usage"] for chunk in others] == [None] * len(others)
    assert last["usage"] is not None

    unasked = chunks(streamed(message(text("Hi")), Reading(stream=True)))[:-1]
    assert all("usage" not in chunk and chunk["choices"] for chunk in unasked)


def test_one_chunk_has_a_finish_reason() -> None:
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks(streamed(message(text("Hi"))))[:-2]]
    assert reasons == [None, None, "stop"]


def test_the_tool_index_counts_the_callers_calls_and_not_the_blocks() -> None:
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
    result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    said = message(text("a"), search, result, tool_use("f", {"a": 1}), tool_use("g", {}, "toolu_02"))

    calls = [call for delta in deltas(said) for call in delta.get("tool_calls", [])]

    assert calls == [
        {"index": 0, "id": "toolu_01", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a": 1}'}},
        {"index": 1, "id": "toolu_02", "type": "function", "function": {"name": "g", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{}"}},
    ]


def test_input_that_comes_with_the_start_event_is_the_arguments() -> None:
    stream = ChatStream(USAGE_TOO, CREATED)
    start, *_ = events_of(message())
    stream.feed(start)

    out = stream.feed({"type": "content_block_start", "index": 0, "content_block": tool_use("f", {"a": "é"})})
    out += stream.feed({"type": "content_block_stop", "index": 0})

    pieces = [chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for chunk in chunks(out)]
    assert pieces == ["", '{"a":"é"}']


def test_arguments_cut_inside_an_escape_pass_as_they_are() -> None:
    stream = ChatStream(USAGE_TOO, CREATED)
    stream.feed(events_of(message())[0])
    stream.feed({"type": "content_block_start", "index": 0, "content_block": tool_use("f", {})})
    pieces = ['{"a": "\\', "ud83d\\ude", '00"}']
    said = [
        stream.feed({"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": piece}})
        for piece in pieces
    ]

    arguments = [chunks(out)[0]["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for out in said]
    assert arguments == pieces


def test_a_legacy_caller_reads_one_function_call() -> None:
    reading = Reading(stream=True, legacy_functions=True)
    said = message(tool_use("f", {"a": 1}), tool_use("g", {"b": 2}, "toolu_02"), stop_reason="tool_use")

    assert deltas(said, reading) == [
        {"role": "assistant", "content": ""},
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"a": 1}'}},
        {},
    ]
    assert chunks(streamed(said, reading))[-2]["choices"][0]["finish_reason"] == "function_call"


@pytest.mark.parametrize(
    ("partial", "read"),
    [
        ('{"input": "a\\n\\"b\\" \\u00e9 \\ud83d\\ude00"}', 'a\n"b" é 😀'),
        ('{"input": "cut by the end of tok', "cut by the end of tok"),
        ('{"input": "cut in an escape \\u00', "cut in an escape "),
        ('{"other": 1}', '{"other":1}'),
        ("not JSON", "not JSON"),
        ("", "{}"),
    ],
)
def test_a_custom_tools_input_is_unwrapped(partial: str, read: str) -> None:
    stream = ChatStream(Reading(stream=True, custom_tools=frozenset({"sql"})), CREATED)
    stream.feed(events_of(message())[0])
    out = stream.feed({"type": "content_block_start", "index": 0, "content_block": tool_use("sql", {})})
    for piece in halves(partial):
        delta = {"type": "input_json_delta", "partial_json": piece}
        out += stream.feed({"type": "content_block_delta", "index": 0, "delta": delta})
    out += stream.feed({"type": "content_block_stop", "index": 0})

    introduced, said = (chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in chunks(out))
    assert introduced == {"index": 0, "id": "toolu_01", "type": "custom", "custom": {"name": "sql", "input": ""}}
    assert said == {"index": 0, "custom": {"input": read}}


def test_each_reasoning_detail_is_introduced_once() -> None:
    thinking = {"type": "thinking", "thinking": "Hmm", "signature": "sig"}
    stream = streamed(message(thinking, {"type": "redacted_thinking", "data": "x"}, thinking), cut=halves)

    inner = folded(stream)["choices"][0]["message"]

    assert inner["reasoning_content"] == "Hmm\n\nHmm"
    shared = {"format": "anthropic-claude-v1", "model": "claude-opus-5-5"}
    assert inner["reasoning_details"] == [
        {"index": 0, "type": "reasoning.text", "text": "Hmm", "signature": "sig"} | shared,
        {"index": 1, "type": "reasoning.encrypted", "data": "x"} | shared,
        {"index": 2, "type": "reasoning.text", "text": "Hmm", "signature": "sig"} | shared,
    ]


def test_annotations_come_once_and_before_the_finish() -> None:
    page = {"type": "page_location", "document_index": 0}
    *_, notes, finish = deltas(message(text("a "), text("b", web_citation("https://b.example"), page)))

    place = {"start_index": 2, "end_index": 3, "title": "A page", "url": "https://b.example"}
    assert notes == {
        "annotations": [{"index": 0, "type": "url_citation", "url_citation": place}],
        "citations": [{"index": 0, **page}],
    }
    assert finish == {}


def test_a_refusal_is_told_before_the_finish() -> None:
    said = message(text("I "), stop_reason="refusal", stop_details={"type": "refusal", "explanation": "No."})
    assert deltas(said)[-2:] == [{"refusal": "No."}, {}]


def test_later_counts_replace_earlier_ones_but_nulls_do_not() -> None:
    stream = ChatStream(USAGE_TOO, CREATED)
    stream.feed({"type": "message_start", "message": message(usage={"input_tokens": 9, "output_tokens": 1})})
    late = {"input_tokens": None, "output_tokens": 5, "cache_read_input_tokens": 2}
    stream.feed({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": late})
    stream.feed({"type": "message_delta", "delta": {"stop_reason": None}})

    finish, usage, _ = chunks(stream.feed({"type": "message_stop"}))

    assert finish["choices"][0]["finish_reason"] == "stop"
    assert (usage["usage"]["prompt_tokens"], usage["usage"]["completion_tokens"]) == (11, 5)


@pytest.mark.parametrize("block", [text(""), tool_use("f", {}), {"type": "thinking", "thinking": ""}, {"type": "new"}])
def test_a_delta_of_tomorrow_is_passed_over(block: dict[str, Any]) -> None:
    stream = ChatStream(USAGE_TOO, CREATED)
    stream.feed(events_of(message())[0])
    stream.feed({"type": "content_block_start", "index": 0, "content_block": block})

    assert stream.feed({"type": "content_block_delta", "index": 0, "delta": {"type": "of_tomorrow", "x": 1}}) == b""
    assert stream.feed({"type": "content_block_delta", "index": 0, "delta": {}}) == b""


def test_what_the_start_event_holds_already_is_told() -> None:
    thinking = {"type": "thinking", "thinking": "Hm", "signature": "s"}
    stream = ChatStream(USAGE_TOO, CREATED)
    stream.feed(events_of(message())[0])
    out = b""
    for index, block in enumerate([thinking, text("Hi", web_citation("https://a.example"))]):
        out += stream.feed({"type": "content_block_start", "index": index, "content_block": block})
        out += stream.feed({"type": "content_block_stop", "index": index})
    out += stream.feed({"type": "message_stop"})

    thought, word, notes, *_ = (chunk["choices"][0]["delta"] for chunk in chunks(out)[:-2])
    assert (thought["reasoning_content"], thought["reasoning_details"][0]["signature"]) == ("Hm", "s")
    assert word == {"content": "Hi"}
    assert notes["annotations"][0]["url_citation"]["end_index"] == 2


@pytest.mark.parametrize(
    ("block", "delta"),
    [
        (text(""), {"type": "text_delta"}),
        (text(""), {"type": "text_delta", "text": None}),
        (tool_use("f", {}), {"type": "input_json_delta", "partial_json": {}}),
        ({"type": "thinking", "thinking": ""}, {"type": "thinking_delta"}),
        ({"type": "thinking", "thinking": ""}, {"type": "signature_delta", "signature": 1}),
    ],
)
def test_a_delta_without_its_content_is_a_failure_and_not_silence(block: Any, delta: Any) -> None:
    stream = ChatStream(USAGE_TOO, CREATED)
    stream.feed(events_of(message())[0])
    stream.feed({"type": "content_block_start", "index": 0, "content_block": block})

    with pytest.raises(ProxyError):
        stream.feed({"type": "content_block_delta", "index": 0, "delta": delta})


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text"},
        {"type": "thinking"},
        {"type": "redacted_thinking"},
        {"type": "tool_use", "id": "a"},
        {"type": "tool_use", "name": ["f"]},
        {"type": "tool_use", "name": "f"},
    ],
)
def test_a_block_without_its_content_is_a_failure(block: Any) -> None:
    stream = ChatStream(Reading(stream=True, custom_tools=frozenset({"x"})), CREATED)
    stream.feed(events_of(message())[0])

    with pytest.raises(ProxyError):
        stream.feed({"type": "content_block_start", "index": 0, "content_block": block})


def test_a_stream_that_begins_without_id_or_model_is_a_failure() -> None:
    with pytest.raises(ProxyError):
        ChatStream(USAGE_TOO, CREATED).feed({"type": "message_start", "message": {"id": "msg_1"}})


WORDS = st.text(max_size=12)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | WORDS, lambda inner: st.lists(inner, max_size=3))
CITATIONS = st.lists(
    st.sampled_from([web_citation("https://a.example"), web_citation("https://b.example"), {"type": "page_location"}]),
    max_size=2,
)
BLOCKS = st.one_of(
    st.builds(lambda words, cited: text(words, *cited), WORDS, CITATIONS),
    st.builds(lambda words: {"type": "thinking", "thinking": words, "signature": "sig" + words}, WORDS),
    st.just({"type": "redacted_thinking", "data": "xyz"}),
    st.builds(tool_use, st.sampled_from(["f", "g_1"]), st.dictionaries(WORDS, JSON, max_size=3)),
    st.builds(lambda words: tool_use("sql", {"input": words}), WORDS),
    st.just({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}),
    st.just({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}),
)
MESSAGES = st.builds(
    lambda blocks, stop: message(*blocks, stop_reason=stop),
    st.lists(BLOCKS, max_size=6),
    st.sampled_from(["end_turn", "max_tokens", "tool_use", "refusal", "of_tomorrow", None]),
)
READINGS = st.builds(
    Reading,
    stream=st.just(True),
    include_usage=st.just(True),
    legacy_functions=st.booleans(),
    expose_reasoning=st.booleans(),
    custom_tools=st.just(frozenset({"sql"})),
    tool_names=st.just({"g_1": "g.1"}),
)


@given(MESSAGES, READINGS, st.data())
def test_the_stream_folded_by_the_official_client_is_the_whole_answer(
    said: dict[str, Any], reading: Reading, data: st.DataObject
) -> None:
    def anywhere(words: str) -> list[str]:
        at = data.draw(st.integers(0, len(words)))
        return [words[:at], words[at:]]

    stream = folded(streamed(said, reading, anywhere))
    plain = answer(said, reading, CREATED)

    assert _compared(stream["choices"][0]["message"]) == _compared(plain["choices"][0]["message"])
    assert stream["choices"][0]["finish_reason"] == plain["choices"][0]["finish_reason"]
    for name in ("id", "created", "model", "service_tier", "system_fingerprint", "usage"):
        assert stream[name] == plain[name]


def _compared(inner: dict[str, Any]) -> dict[str, Any]:
    """Aside: the indices a stream needs, the spaces of JSON, and `null` for what a stream has begun with ""."""
    same = {name: value for name, value in inner.items() if value is not None}
    same["content"] = inner["content"] or ""
    for name in ("annotations", "citations", "tool_calls"):
        if name in same:
            same[name] = [_indexless(each) for each in same[name]]
    for function in _functions(same):
        function["arguments"] = json.loads(function["arguments"])
    return same


def _indexless(each: dict[str, Any]) -> dict[str, Any]:
    """The client's accumulator gives a custom call a `function: null`."""
    return {key: value for key, value in each.items() if key != "index" and value is not None}


def _functions(inner: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Copies of the functions called, put in the place of theirs; the accumulator adds `parsed_arguments`."""
    owners = [call for call in inner.get("tool_calls", []) if call["type"] == "function"]
    for owner, key in [(call, "function") for call in owners] + [(inner, "function_call")]:
        if key in owner:
            owner[key] = {name: owner[key][name] for name in ("name", "arguments")}
            yield owner[key]
