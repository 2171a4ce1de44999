"""What the simulator answers: made up, scripted, whole and streamed."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from handler import sse
from handler.simulator import create_simulator
from handler.simulator.events import events_of
from tests.support.server import serving

HEADERS = {"x-api-key": "sk-ant-api03-x", "anthropic-version": "2023-06-01"}
TOOL = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(create_simulator()) as url, httpx.AsyncClient(base_url=url, headers=HEADERS) as made:
        yield made


async def asked(client: httpx.AsyncClient, text: str, **more: Any) -> Any:
    body = {"model": "claude-opus-5", "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}
    return await client.post("/v1/messages", json=body)


async def said(client: httpx.AsyncClient, text: str, **more: Any) -> Any:
    answer = await asked(client, text, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_prompt_is_greeted_and_counted(client: httpx.AsyncClient) -> None:
    message = await said(client, "Hi")
    assert message["content"][0]["text"].endswith("You wrote: Hi")
    assert (message["stop_reason"], message["model"]) == ("end_turn", "claude-opus-5")
    counted = await client.post(
        "/v1/messages/count_tokens", json={"model": "claude-opus-5", "messages": [{"role": "user", "content": "Hi"}]}
    )
    assert counted.json()["input_tokens"] == message["usage"]["input_tokens"]


async def test_a_tool_is_called_when_it_is_named_or_must_be(client: httpx.AsyncClient) -> None:
    for text, choice in (("Call get_weather.", {}), ("Hi", {"tool_choice": {"type": "any"}})):
        message = await said(client, text, tools=[TOOL], **choice)
        assert message["stop_reason"] == "tool_use"
        assert message["content"][-1]["input"] == {"city": "Paris"}
    assert (await said(client, "Hi", tools=[TOOL]))["stop_reason"] == "end_turn"


async def test_a_schema_is_met(client: httpx.AsyncClient) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
    message = await said(client, "Hi", output_config={"format": {"type": "json_schema", "schema": schema}})
    assert json.loads(message["content"][0]["text"]) == {"n": 1}


async def test_thinking_is_shown_when_it_is_asked_for(client: httpx.AsyncClient) -> None:
    omitted = await said(client, "Hi", thinking={"type": "adaptive"})
    shown = await said(client, "Hi", thinking={"type": "adaptive", "display": "summarized"})
    assert (omitted["content"][0]["thinking"], bool(shown["content"][0]["thinking"])) == ("", True)
    assert omitted["content"][0]["signature"]


async def test_text_stops_at_a_stop_sequence_or_at_the_limit(client: httpx.AsyncClient) -> None:
    stopped = await said(client, 'simulate: {"text": "one two three"}', stop_sequences=["three", "two"])
    assert (stopped["content"][0]["text"], stopped["stop_sequence"]) == ("one ", "two")
    limited = await said(client, 'simulate: {"text": "one two three"}', max_tokens=1)
    assert (limited["content"][0]["text"], limited["stop_reason"]) == ("one ", "max_tokens")


async def test_a_script_says_everything(client: httpx.AsyncClient) -> None:
    script = {"content": [{"type": "redacted_thinking"}], "stop_reason": "refusal", "usage": {"input_tokens": 7}}
    message = await said(client, f"Please:\nsimulate: {json.dumps(script)}\nThanks.")
    assert message["content"][0]["data"]
    assert (message["stop_reason"], message["usage"]["input_tokens"]) == ("refusal", 7)


@pytest.mark.parametrize("script", ['{"txt": "x"}', '{"pace": -1}', "{"])
async def test_a_typo_in_a_script_is_seen(client: httpx.AsyncClient, script: str) -> None:
    answer = await asked(client, f"simulate: {script}")
    # What is no JSON object is no script either.
    assert answer.status_code == (200 if script == "{" else 400)


async def test_a_stream_brings_the_message_in_events(client: httpx.AsyncClient) -> None:
    answer = await asked(client, 'simulate: {"text": "one two"}', stream=True)
    events = [json.loads(event.data) for event in sse.events(answer.content)]
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize(("error", "status", "kind"), [(529, 529, "overloaded_error"), ("api_error", 500, "api_error")])
async def test_an_error_takes_the_answers_place_or_comes_inside_the_stream(
    client: httpx.AsyncClient, error: Any, status: int, kind: str
) -> None:
    refused = await asked(client, f"simulate: {json.dumps({'error': error})}", stream=True)
    assert (refused.status_code, refused.json()["error"]["type"]) == (status, kind)
    inside = await asked(client, f"simulate: {json.dumps({'error': error, 'after': 4, 'text': 'a b'})}", stream=True)
    assert inside.status_code == 200
    assert json.loads(list(sse.events(inside.content))[-1].data)["error"]["type"] == kind


async def test_a_cut_ends_or_breaks_off(client: httpx.AsyncClient) -> None:
    ended = await asked(client, 'simulate: {"text": "a b", "cut": "end", "after": 3}', stream=True)
    assert len(list(sse.events(ended.content))) == 3
    with pytest.raises(httpx.RemoteProtocolError):
        await asked(client, 'simulate: {"text": "a b", "cut": "reset", "after": 3}', stream=True)


async def test_models_are_paged(client: httpx.AsyncClient) -> None:
    first = (await client.get("/v1/models?limit=3")).json()
    second = (await client.get(f"/v1/models?limit=1000&after_id={first['last_id']}")).json()
    back = (await client.get(f"/v1/models?limit=2&before_id={second['first_id']}")).json()
    assert (len(first["data"]), first["has_more"], second["has_more"]) == (3, True, False)
    assert [each["id"] for each in back["data"]] == [each["id"] for each in first["data"]][1:]
    assert (await client.get("/v1/models?limit=0")).status_code == 400
    assert (await client.get("/v1/models/gpt-4o")).status_code == 404


async def test_what_is_no_route_is_a_404(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/organizations/me")
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")


def test_every_kind_of_block_becomes_events() -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
        {"type": "text", "text": "a", "citations": [{"type": "char_location"}]},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
    ]
    message = {"id": "m", "type": "message", "content": content, "stop_reason": "tool_use", "usage": {}}
    starts = [event for event in events_of(message) if event["type"] == "content_block_start"]
    assert [event["content_block"]["type"] for event in starts] == [block["type"] for block in content]
