"""Any list of messages becomes a conversation that the upstream takes (MAPPING 2)."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handler.errors import ProxyError
from handler.models import SNAPSHOT, Catalogue
from handler.simulator.history import NO_PREFILL
from handler.simulator.requests import Caller, read_messages
from handler.simulator.signatures import seal, sign
from handler.translate.chat_request import Options, Translated, translate
from handler.wire import chat, json_text

Json = dict[str, Any]
# With system turns; without them; without them but with prefill; one that binds its thinking.
MODELS = ("claude-opus-4-8", "claude-opus-4-7", "claude-haiku-4-5", "claude-opus-5-5")
BLOCK_KEYS = {
    "text": {"type", "text", "cache_control"},
    "tool_use": {"type", "id", "name", "input", "cache_control"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control"},
    "image": {"type", "source", "cache_control"},
    "document": {"type", "source", "title", "cache_control"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
}

IDS = st.sampled_from(["c1", "c2", "call:1", "call.1", "ä", "call_0", "c1_2"])
NAMES = st.sampled_from(["now", "fs.read", "fs/read"])
WORDS = st.sampled_from(["", " \n", "A", "B ", " C", "Grüße"])
GIF = "R0lGODlhAQABAAAAACw="
TEXT_PART = st.builds(lambda text: {"type": "text", "text": text}, WORDS)
MEDIA_PART = st.sampled_from(
    [
        {"type": "image_url", "image_url": {"url": "https://a.example/x.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": f"data:image/gif;base64,{GIF}"}},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,QQ==", "filename": "a.txt"}},
    ]
)
NATIVE_RESULT = st.builds(lambda call, text: {"type": "tool_result", "tool_use_id": call, "content": text}, IDS, WORDS)
NATIVE_CALL = st.builds(lambda call, name: {"type": "tool_use", "id": call, "name": name, "input": {}}, IDS, NAMES)
THINKING = st.sampled_from(
    [
        *({"type": "thinking", "thinking": "Hm.", "signature": sign(model, "Hm.", [])} for model in MODELS),
        {"type": "redacted_thinking", "data": seal("secret")},
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
    ]
)
DETAIL = st.sampled_from(
    [
        *(
            {"index": 0, "type": "reasoning.text", "text": "Hm.", "signature": sign(model, "Hm.", []), "model": model}
            for model in MODELS
        ),
        {"index": 0, "type": "reasoning.text", "text": "Hm."},
        {"index": 0, "type": "reasoning.encrypted", "data": seal("secret"), "format": "anthropic-claude-v1"},
    ]
)


def parts(*kinds: st.SearchStrategy[Json]) -> st.SearchStrategy[Any]:
    return WORDS | st.none() | st.lists(st.one_of(*kinds), max_size=3)


ARGUMENTS = st.sampled_from(["", "{}", '{"a": 1}', "[1]", '{"a": ', "null", None, {"a": 1}])
CALL = st.one_of(
    st.builds(
        lambda call, name, arguments: {
            "id": call,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        },
        IDS | st.sampled_from(["", None]),
        NAMES,
        ARGUMENTS,
    ),
    st.builds(lambda call, text: {"id": call, "type": "custom", "custom": {"name": "sql", "input": text}}, IDS, WORDS),
)
EXTRAS = st.fixed_dictionaries({}, optional={"name": st.just("ada"), "annotations": st.just([]), "audio": st.none()})
MESSAGE = st.one_of(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["system", "developer"]),
        parts(TEXT_PART),
    ),
    st.builds(lambda content: {"role": "user", "content": content}, parts(TEXT_PART, MEDIA_PART, NATIVE_RESULT)),
    st.builds(
        lambda content, more: {"role": "assistant", "content": content, **more},
        parts(TEXT_PART, MEDIA_PART, NATIVE_CALL, THINKING),
        st.fixed_dictionaries(
            {},
            optional={
                "tool_calls": st.lists(CALL, max_size=3),
                "refusal": WORDS,
                "reasoning_content": WORDS,
                "reasoning_details": st.lists(DETAIL, max_size=2),
            },
        ),
    ),
    st.builds(
        lambda name, arguments: {
            "role": "assistant",
            "content": None,
            "function_call": {"name": name, "arguments": arguments},
        },
        NAMES,
        ARGUMENTS,
    ),
    st.builds(
        lambda call, content: {"role": "tool", "tool_call_id": call, "content": content},
        IDS | st.sampled_from(["", None]),
        parts(TEXT_PART, MEDIA_PART),
    ),
    st.builds(lambda name, content: {"role": "function", "name": name, "content": content}, NAMES, parts(TEXT_PART)),
)
MESSAGES = st.lists(st.builds(lambda message, extras: extras | message, MESSAGE, EXTRAS), min_size=1, max_size=9)
properties = settings(max_examples=3 * settings.default.max_examples, suppress_health_check=[HealthCheck.too_slow])


def translated(model: str, messages: list[Json], **fields: Any) -> Translated | None:
    """The translation; None where the messages hold nothing to answer, which is all that may be refused."""
    request = chat.parse(json.dumps({"model": model, "messages": messages, **fields}).encode(), {})
    try:
        return translate(request, Catalogue().of(model), Options())
    except ProxyError as error:
        assert error.status == 400
        assert error.field in ("messages", f"messages.[{len(messages) - 1}].content")
        return None


def blocks(body: Json, kind: str) -> Iterator[Json]:
    return (block for turn in body["messages"] for block in turn["content"] if block["type"] == kind)


@given(st.sampled_from(MODELS), MESSAGES)
@properties
def test_the_upstream_takes_whatever_was_said(model: str, messages: list[Json]) -> None:
    done = translated(model, messages)
    if done is None:
        return
    try:
        read_messages(json_text.utf8(json_text.write(done.body)), Caller("2023-06-01", done.betas, oauth=False))
    except ProxyError as error:
        # A prefill is the caller's own doing, and the model's own business.
        assert error.message == NO_PREFILL
        assert done.body["messages"][-1]["role"] == "assistant"


@given(st.sampled_from(MODELS), MESSAGES)
@properties
def test_user_and_assistant_take_turns(model: str, messages: list[Json]) -> None:
    if (done := translated(model, messages)) is None:
        return
    roles = [turn["role"] for turn in done.body["messages"]]
    spoken = [role for role in roles if role != "system"]

    assert set(roles) <= {"user", "assistant", "system"}
    assert all(one != other for one, other in pairwise(spoken))
    assert all(turn["content"] for turn in done.body["messages"])
    assert "system" not in roles or SNAPSHOT[model].system_turns
    for before, role, after in zip(["", *roles], roles, [*roles[1:], "assistant"], strict=False):
        assert role != "system" or (before, after) == ("user", "assistant")


@given(st.sampled_from(MODELS), MESSAGES)
@properties
def test_every_call_has_its_result_first_in_the_next_turn(model: str, messages: list[Json]) -> None:
    if (done := translated(model, messages)) is None:
        return
    called: list[str] = []
    for turn in done.body["messages"]:
        results = [block["tool_use_id"] for block in turn["content"] if block["type"] == "tool_result"]
        assert results == called
        assert all(block["type"] == "tool_result" for block in turn["content"][: len(results)])
        called = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
    assert not called


@given(st.sampled_from(MODELS), MESSAGES)
@properties
def test_ids_and_names_are_legal_and_ids_unique(model: str, messages: list[Json]) -> None:
    if (done := translated(model, messages)) is None:
        return
    ids = [block["id"] for block in blocks(done.body, "tool_use")]

    assert len(set(ids)) == len(ids)
    legal = [*ids, *(block["name"] for block in blocks(done.body, "tool_use"))]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", each) for each in legal)


@given(st.sampled_from(MODELS), MESSAGES)
@properties
def test_nothing_of_openais_is_left_and_nothing_blank(model: str, messages: list[Json]) -> None:
    if (done := translated(model, messages)) is None:
        return
    for turn in done.body["messages"]:
        assert turn.keys() == {"role", "content"}
        inner = [block.get("content") for block in turn["content"]]
        for block in (*turn["content"], *(each for content in inner if isinstance(content, list) for each in content)):
            assert block.keys() <= BLOCK_KEYS[block["type"]]
            assert block["type"] != "text" or block["text"].strip()
            assert None not in block.values()


@given(st.sampled_from(MODELS), MESSAGES)
@properties
def test_the_same_messages_are_the_same_bytes(model: str, messages: list[Json]) -> None:
    one, other = translated(model, messages), translated(model, json.loads(json.dumps(messages)))

    assert (one and json_text.write(one.body)) == (other and json_text.write(other.body))


@given(st.sampled_from(MODELS), MESSAGES)
@properties
def test_what_the_user_said_is_said_in_its_order(model: str, messages: list[Json]) -> None:
    if (done := translated(model, messages)) is None:
        return
    said: list[str] = []
    for message in messages:
        if message["role"] == "user":
            content = message["content"]
            given = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
            said += [part["text"] for part in given if part["type"] == "text" and part["text"].strip()]
    told = iter(
        block["text"]
        for turn in done.body["messages"]
        if turn["role"] == "user"
        for block in turn["content"]
        if "text" in block
    )

    assert all(text in told for text in said)


@given(MESSAGES, st.lists(MESSAGE, max_size=3))
@properties
def test_a_longer_conversation_begins_with_the_shorter(messages: list[Json], more: list[Json]) -> None:
    """What the upstream has cached of a conversation is found again when it goes on."""
    messages = [*messages, {"role": "user", "content": "Go on."}]
    longer = [*messages, {"role": "assistant", "content": "Well."}, *more, {"role": "user", "content": "And?"}]
    for model in ("claude-opus-4-8", "claude-opus-5-5"):
        one, other = translated(model, messages), translated(model, longer)
        assert one is not None
        assert other is not None
        assert other.body.get("system") == one.body.get("system")
        assert other.body["messages"][: len(one.body["messages"])] == one.body["messages"]


@pytest.mark.parametrize("model", MODELS)
def test_a_question_of_white_space_alone_is_refused(model: str) -> None:
    for content in ("", " \n", None, [], [{"type": "text", "text": " "}]):
        assert translated(model, [{"role": "user", "content": content}]) is None
