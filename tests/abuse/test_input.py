"""What is wrong with a request's body (FAULTS.md A, IN-1 to IN-7)."""

import json
from typing import Any

import pytest

from tests.abuse.target import Chain, Target, each_family, each_target, prompt_of, refused
from tests.faults.families import OPENAI
from tests.support.raw_client import post

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_ONE_OBJECT = {
    "empty": b"",
    "blank": b" \n",
    "cut": b'{"model": "claude-opus-5-5", "messages": [',
    "single quotes": b"{'model': 'claude-opus-5-5'}",
    "trailing comma": b'{"model": "claude-opus-5-5",}',
    "plain text": b"Hello, Claude",
    "two objects": b'{"model": "a"}{"model": "b"}',
    "a comment": b'{"model": "a" /* b */}',
    "a list": b"[]",
    "a string": b'"{}"',
    "a number": b"5",
    "null": b"null",
    "NaN": b'{"max_tokens": NaN}',
    "Infinity": b'{"max_tokens": Infinity}',
    "-Infinity": b'{"max_tokens": -Infinity}',
    "Latin-1": '{"model": "Größe"}'.encode("latin-1"),
    "UTF-16": '{"model": "a"}'.encode("utf-16"),
    "a surrogate in UTF-8": b'{"model": "\xed\xa0\x80"}',
    "half a character": b'{"model": "\xf0\x9f\x8e"}',
}

DEEP = {
    "lists, never closed": '{"a": ' + "[" * 100_000,
    "lists": '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "objects": '{"a": ' + '{"a":' * 50_000 + "1" + "}" * 50_000 + "}",
}

LARGE_NUMBERS = ("9" * 10_000, "-" + "9" * 10_000, "1e999", "-1e999", "0." + "1" * 10_000, "1E-9999")

SURROGATES = {
    "text": ("messages", r'[{"role": "user", "content": "half \ud83d an emoji"}]'),
    "low half": ("messages", r'[{"role": "user", "content": "\udc00"}]'),
    "model": ("model", r'"claude-\ud800"'),
    "value": ("user", r'"\ud800"'),
    "key": ("metadata", r'{"\ud800": "x"}'),
}

PROMPTS = {
    "NUL": "before\x00after",
    "line separators": "a\u2028b\u2029c\x85d",
    "bidi": "\u202eevil\u202c \u2066x\u2069",
    "joiners": "👩\u200d👩\u200d👧\u200d👦 \u200b\ufeff",
    "quotes": """'"`\\ \\u0041 \\" </script>""",
    "templates": "${7*7} {{7*7}} {0.__class__} %s%n %(x)s #{x} <%= x %>",
    "events": "\n\ndata: [DONE]\n\nevent: message_stop\r\n\r\n",
    "controls": "\x01\x1b[31m\x7f\t\b",
    "combining": "Z" + "\u0351" * 500,
}

WRONG_TYPES: dict[str, list[Any]] = {
    "model": [5, None, [], {}, "", True],
    "messages": ["x", 5, None, {}, [], [5], ["x"], [[]], [None], [{}], [{"role": 5}], [{"role": "user"}]],
    "stream": ["yes", 1, []],
    "max_tokens": ["many", -1, 1.5, True, []],
    "temperature": ["hot", {}, True],
    "tools": ["x", [None], [5], [{}], [{"type": "function"}], [{"type": "function", "function": []}]],
    "tool_choice": [5, [], {"type": 5}],
    "stop_sequences": [5, [5]],
    "stop": [5, [5], {}],
    "metadata": [5, "x", []],
    "system": [5, {}, [5], [None]],
    "response_format": [5, "json", [], {"type": 5}, {"type": "json_schema", "json_schema": 5}],
    "reasoning_effort": [5, [], {}],
    "thinking": [5, "yes", []],
    "stream_options": [5, "x"],
    "n": ["x", 0, 2],
}
WRONG_MESSAGES: dict[str, Any] = {
    "content 5": {"role": "user", "content": 5},
    "content [5]": {"role": "user", "content": [5]},
    "a part without a type": {"role": "user", "content": [{"text": "x"}]},
    "a part of type 5": {"role": "user", "content": [{"type": 5}]},
    "text 5": {"role": "user", "content": [{"type": "text", "text": 5}]},
    "image_url 5": {"role": "user", "content": [{"type": "image_url", "image_url": 5}]},
    "image_url.url 5": {"role": "user", "content": [{"type": "image_url", "image_url": {"url": 5}}]},
    "source 5": {"role": "user", "content": [{"type": "image", "source": 5}]},
    "tool_calls x": {"role": "assistant", "tool_calls": "x"},
    "tool_calls [5]": {"role": "assistant", "tool_calls": [5]},
    "a call without a function": {"role": "assistant", "tool_calls": [{"id": "a", "type": "function"}]},
    "arguments 5": {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": 5}}]},
    "arguments broken": {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]},
    "a tool's answer without a call": {"role": "tool", "content": "x"},
    "tool_call_id 5": {"role": "tool", "tool_call_id": 5, "content": "x"},
    "input 5": {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": 5}]},
}


def wrong_fields() -> list[Any]:
    fields = [(name, value) for name, values in WRONG_TYPES.items() for value in values]
    messages = [("messages", [{"role": "user", "content": "Hi"}, message]) for message in WRONG_MESSAGES.values()]
    names = [f"{name} {json.dumps(value)}" for name, value in fields] + list(WRONG_MESSAGES)
    return [pytest.param(name, value, id=case) for (name, value), case in zip(fields + messages, names, strict=True)]


def strict(body: bytes) -> Any:
    """The value of valid JSON in valid UTF-8; bare words raise. Digits are kept, however many."""

    def no_word(word: str) -> None:
        raise ValueError(word)

    return json.loads(body.decode("utf-8"), parse_constant=no_word, parse_int=str, parse_float=str)


def refused_or_served(answer: Any, target: Target) -> None:
    """Below 500; our own refusals in the family's shape. The simulator's leave Anthropic routes as they are."""
    assert answer.status < 500, answer.body[:300]
    if answer.status != 200:
        error = answer.json()["error"]
        assert error["type"] == target.family.types[answer.status]
        assert error["message"]


@each_target
@pytest.mark.parametrize("body", NOT_ONE_OBJECT.values(), ids=NOT_ONE_OBJECT)
async def test_in1_in3_in4_a_body_that_is_not_one_json_object_is_refused(chain: Chain, target: Target, body: bytes):
    answer = await chain.call(post(target.path, body))

    refused(answer, target.family, 400)
    assert not chain.seen


async def test_in1_tokens_of_what_is_not_json_are_not_counted(chain: Chain):
    answer = await chain.call(post("/v1/messages/count_tokens", b"{"))

    assert answer.status == 400
    assert not chain.seen


@each_target
@pytest.mark.parametrize("body", DEEP.values(), ids=DEEP)
async def test_in2_nesting_without_end_is_refused_and_the_proxy_lives_on(chain: Chain, target: Target, body: str):
    answer = await chain.call(post(target.path, body.encode()))

    refused(answer, target.family, 400)
    assert not chain.seen
    assert await chain.alive()


@each_target
@pytest.mark.parametrize("field", ["max_tokens", "temperature", "metadata", "tools"])
@pytest.mark.parametrize("number", LARGE_NUMBERS, ids=lambda number: f"{number[:5]}-{len(number)}")
async def test_in3_a_number_of_any_size_is_refused_or_passed_on_as_valid_json(
    chain: Chain, target: Target, field: str, number: str
):
    function = '{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "default": %s}}}'
    tool = '{"name": "f", "input_schema": {"type": "object", "default": %s}}'
    value = {"metadata": '{"user_id": %s}', "tools": f"[{function if target.family is OPENAI else tool}]"}
    answer = await chain.call(target.with_field(field, value.get(field, "%s") % number))

    refused_or_served(answer, target)
    for seen in chain.posts:
        strict(seen.body)


@each_target
@pytest.mark.parametrize(("field", "value"), SURROGATES.values(), ids=SURROGATES)
async def test_in4_half_a_surrogate_pair_never_leaves_as_bytes_that_are_no_utf_8(
    chain: Chain, target: Target, field: str, value: str
):
    answer = await chain.call(target.with_field(field, value))

    refused_or_served(answer, target)
    for seen in chain.posts:
        strict(seen.body)


@each_target
@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
async def test_in5_a_strange_prompt_arrives_as_it_is(chain: Chain, target: Target, prompt: str):
    answer = await chain.call(target.ask(prompt))

    assert answer.status == 200
    assert [prompt_of(seen) for seen in chain.posts] == [prompt]


@each_family
@pytest.mark.parametrize(("name", "value"), wrong_fields())
async def test_in6_a_field_of_the_wrong_type_is_refused_below_500(chain: Chain, target: Target, name: str, value: Any):
    answer = await chain.call(target.with_field(name, json.dumps(value)))

    refused_or_served(answer, target)
    assert len(chain.posts) <= 1


@each_target
@pytest.mark.parametrize(
    "media",
    ["", "text/plain", "text/json", "application/xml", "application/jsonl", "application/x-www-form-urlencoded",
     "multipart/form-data; boundary=x", "json", "*/*", ";", "application/json, text/plain"],
)  # fmt: skip
async def test_in7_a_body_that_is_not_declared_as_json_is_refused(chain: Chain, target: Target, media: str):
    answer = await chain.call(target.ask(content_type=media))

    refused(answer, target.family, 415)
    assert not chain.seen


@each_target
@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "Application/JSON", "application/json;"])
async def test_in7_json_may_be_declared_in_any_spelling(chain: Chain, target: Target, media: str):
    answer = await chain.call(target.ask(content_type=media))

    assert answer.status == 200
