"""The official Python client against a running proxy: tools, thinking and threads, turn after turn."""

import json

import anthropic
import pytest
from anthropic import beta_async_tool, beta_tool

from tests.clients.chain import (
    BLOCK,
    MODES,
    asking,
    assert_relayed,
    async_python_sdk,
    python_sdk,
)

WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city, in „Grad“.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TIME = {
    "name": "get_time",
    "description": "The time in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
QUESTION = "Call get_weather and get_time."
THINKING = {"type": "adaptive", "display": "summarized"}


def _results(message):
    calls = [block for block in message.content if block.type == "tool_use"]
    return [{"type": "tool_result", "tool_use_id": call.id, "content": f"{call.name} is fine"} for call in calls]


def _history(message, answer):
    question = {"role": "user", "content": QUESTION}
    return [question, {"role": "assistant", "content": message.content}, {"role": "user", "content": answer}]


def test_a_tool_loop_runs_to_its_end(chain, subtests):
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, sent):
            request = asking(QUESTION, tools=[WEATHER, TIME])
            first = client.messages.create(**request)
            assert first.stop_reason == "tool_use"
            assert [(block.name, block.input) for block in first.content] == [
                ("get_weather", {"city": "Paris"}),
                ("get_time", {"city": "Paris"}),
            ]
            last = client.messages.create(**request | {"messages": _history(first, _results(first))})
            assert last.content[0].text == "The tools said: get_weather is fine; get_time is fine"
            assert_relayed(mode, sent, chain.seen)


async def test_a_streamed_tool_loop_runs_to_its_end(chain, subtests):
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode):
            async with async_python_sdk(chain.url + mode) as (client, sent):
                request = asking(QUESTION, tools=[WEATHER, TIME], thinking=THINKING)
                async with client.messages.stream(**request) as stream:
                    json_pieces = [event.partial_json async for event in stream if event.type == "input_json"]
                    first = await stream.get_final_message()
                request["messages"] = _history(first, _results(first))
                async with client.messages.stream(**request) as stream:
                    text = "".join([piece async for piece in stream.text_stream])
            assert "".join(json_pieces) == '{"city": "Paris"}' * 2
            assert [block.type for block in first.content] == ["thinking", "tool_use", "tool_use"]
            assert text == "The tools said: get_weather is fine; get_time is fine"
            assert_relayed(mode, sent, chain.seen)


def test_thinking_comes_back_signed_and_is_taken_in_the_next_turn(chain, subtests):
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, sent):
            request = asking(QUESTION, thinking=THINKING, system="Think first.")
            first = client.messages.create(**request)
            assert first.content[0].type == "thinking"
            assert first.content[0].thinking and first.content[0].signature
            again = client.messages.create(**request | {"messages": _history(first, "Go on.")})
            assert again.content[-1].text.endswith("Go on.")
            assert_relayed(mode, sent, chain.seen)


def test_streamed_thinking_is_signed_as_well(chain, subtests):
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, sent):
            request = asking(QUESTION, thinking=THINKING)
            with client.messages.stream(**request) as stream:
                thought = "".join(event.thinking for event in stream if event.type == "thinking")
                first = stream.get_final_message()
            assert thought == first.content[0].thinking
            client.messages.create(**request | {"messages": _history(first, "Go on.")})
            assert_relayed(mode, sent, chain.seen)


def test_thinking_is_bound_to_the_conversation_the_upstream_saw(chain):
    with python_sdk(chain.url) as (full, _), python_sdk(chain.url + "/pt") as (pt, _):
        request = asking(QUESTION, thinking=THINKING)
        history = _history(full.messages.create(**request), "Go on.")
        with pytest.raises(anthropic.BadRequestError, match="bound to a different conversation"):
            pt.messages.create(**request | {"messages": history})


@beta_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"It rains in {city}."


@beta_async_tool
async def get_time(city: str) -> str:
    """The time in a city."""
    return f"It is late in {city}."


def _assert_fell_back(mode, sent, chain):
    """A thread was asked for, refused, and given up; every request after it held the whole conversation."""
    threads = [json.loads(seen.body).get("thread") for seen in chain.seen]
    assert threads == [{"type": "create"}, None, None]
    assert "message-threads-" in chain.seen[0].headers["anthropic-beta"]
    assert [said.status for said in chain.said] == [400, 200, 200]
    assert_relayed(mode, sent, chain.seen)


def test_the_tool_runner_falls_back_from_threads_by_itself(chain, subtests):
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, sent):
            runner = client.beta.messages.tool_runner(**asking("Call get_weather."), tools=[get_weather])
            messages = list(runner)
            assert messages[0].content[0].name == "get_weather"
            assert messages[-1].content[0].text == "The tools said: It rains in Paris."
            _assert_fell_back(mode, sent, chain)


async def test_the_async_streaming_tool_runner_falls_back_as_well(chain, subtests):
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode):
            async with async_python_sdk(chain.url + mode) as (client, sent):
                request = asking("Call get_time.")
                runner = client.beta.messages.tool_runner(**request, tools=[get_time], stream=True)
                messages = [await stream.get_final_message() async for stream in runner]
            assert messages[-1].content[0].text == "The tools said: It is late in Paris."
            _assert_fell_back(mode, sent, chain)


def test_a_continued_thread_gets_no_system_block(chain, subtests):
    thread = {"type": "continue", "previous_message_id": "msg_01ABC"}
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, sent):
            with pytest.raises(anthropic.BadRequestError) as refused:
                client.beta.messages.create(**asking("Go on."), thread=thread, betas=["message-threads-2026-08-12"])
            assert refused.value.error_code == "thread_unsupported_request"
            assert refused.value.body == json.loads(chain.said[0].body)
            assert chain.seen[0].body == sent[0].content


def test_a_created_thread_gets_the_system_block(chain):
    with python_sdk(chain.url) as (client, sent):
        thread = client.beta.messages.thread(**asking("Hi"))
        with pytest.raises(anthropic.BadRequestError):
            thread.send()
    assert json.loads(chain.seen[0].body)["thread"] == {"type": "create"}
    assert json.loads(chain.seen[0].body)["system"] == [BLOCK]
    assert_relayed("", sent, chain.seen)
