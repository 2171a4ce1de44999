"""The official OpenAI client for Python, through the proxy to the (strict) simulator and back."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pydantic
import pytest

from tests.clients.chain import MODES, Chain, chained_for_blocking, credential_of, simulate
from tests.support.proxy import KEY

MODEL = "claude-opus-5-5"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def asking(text: str, **more: Any) -> Any:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}


@pytest.fixture(params=[f"{mode}{route}" for mode in MODES for route in ("/v1", "/openai/v1")])
def client(request: pytest.FixtureRequest, chain: Chain) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=chain.url + request.param, api_key="dummy", max_retries=0) as made:
        yield made


@pytest.fixture
def one(chain: Chain) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{chain.url}/openai/v1", api_key="dummy", max_retries=0) as made:
        yield made


@pytest.fixture
async def asynchronous(chain: Chain) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{chain.url}/openai/v1", api_key="dummy", max_retries=0) as made:
        yield made


def posted(chain: Chain) -> list[Any]:
    return [json.loads(each.body) for each in chain.seen if each.method == "POST"]


def test_a_completion_in_every_mode_under_both_paths(client: openai.OpenAI, chain: Chain) -> None:
    completion = client.chat.completions.create(**asking("Grüße 😀"))
    assert completion.choices[0].message.content == "Hello from a simulated Claude! You wrote: Grüße 😀"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert completion._request_id is not None
    (seen,) = [each for each in chain.seen if each.method == "POST"]
    assert credential_of(seen) == ("x-api-key", KEY)
    assert seen.headers["anthropic-version"] == "2023-06-01"


def test_a_stream_in_every_mode_under_both_paths(client: openai.OpenAI) -> None:
    script = simulate(text="One two three — “four”.")
    chunks = list(client.chat.completions.create(**asking(script, stream=True, stream_options={"include_usage": True})))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "One two three — “four”."
    assert len(chunks) > 5
    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


async def test_the_asynchronous_client_answers_and_streams(asynchronous: openai.AsyncOpenAI) -> None:
    completion = await asynchronous.chat.completions.create(**asking("Hi"))
    assert completion.choices[0].message.content
    stream = await asynchronous.chat.completions.create(**asking("Hi", stream=True))
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == completion.choices[0].message.content


# With tools the 5.5 models say in thinking what others say between calls, asked or not, where it can't be turned off.
UNASKED = {(MODEL, None), (MODEL, "none"), ("claude-sonnet-5-5", None)}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("effort", [None, "none", "high"])
@pytest.mark.parametrize(
    "model", [MODEL, "claude-sonnet-5-5", "claude-opus-4-8", "claude-opus-4-6", "claude-haiku-4-5"]
)
def test_a_tool_loop_over_several_turns_with_thinking(
    one: openai.OpenAI, chain: Chain, model: str, effort: Any, streamed: bool
) -> None:
    """The simulator checks each signature against the conversation before it."""
    options: Any = {"model": model, "tools": [WEATHER], **({"reasoning_effort": effort} if effort else {})}
    messages: list[Any] = [{"role": "system", "content": "Use tools."}]
    for turn in range(3):
        messages.append({"role": "user", "content": f"Call get_weather, turn {turn}."})
        for step in ("tool_calls", "stop"):
            if streamed:
                with one.chat.completions.stream(messages=messages, **options) as stream:
                    choice = stream.get_final_completion().choices[0]
            else:
                choice = one.chat.completions.create(messages=messages, **options).choices[0]
            assert choice.finish_reason == step
            messages.append(choice.message.to_dict())
            for call in choice.message.tool_calls or ():
                assert json.loads(call.function.arguments) == {"city": "Paris"}
                messages.append({"role": "tool", "tool_call_id": call.id, "content": "It rains."})
        assert choice.message.content == "The tools said: It rains."
    blocks = [block["type"] for turn in posted(chain)[-1]["messages"] for block in turn["content"]]
    assert ("thinking" in blocks) == (effort == "high" or (model, effort) in UNASKED)


def test_several_calls_at_once_have_their_indices(one: openai.OpenAI) -> None:
    other = json.loads(json.dumps(WEATHER).replace("get_weather", "get_time"))
    options: Any = {"tools": [WEATHER, other]}
    with one.chat.completions.stream(**asking("Call get_weather and get_time.", **options)) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls
    assert calls is not None
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    single = one.chat.completions.create(
        **asking("Call get_weather and get_time.", parallel_tool_calls=False, tool_choice="auto", **options)
    )
    assert len(single.choices[0].message.tool_calls or ()) == 1


def test_names_that_are_illegal_upstream_are_the_callers_again(one: openai.OpenAI, chain: Chain) -> None:
    tool: Any = {"type": "function", "function": {"name": "fs.read/file", "parameters": {"type": "object"}}}
    options: Any = {
        "model": "claude-opus-4-8",
        "tools": [tool],
        "tool_choice": {"type": "function", "function": {"name": "fs.read/file"}},
    }
    first = one.chat.completions.create(messages=[{"role": "user", "content": "Hi"}], **options)
    (call,) = first.choices[0].message.tool_calls or ()
    assert call.function.name == "fs.read/file"
    assert posted(chain)[0]["tools"][0]["name"] != "fs.read/file"


class Person(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0, le=150)
    tags: list[str]
    nested: dict[str, int] | None = None


class Flat(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0, le=150)


def test_parse_gives_an_object(one: openai.OpenAI, chain: Chain) -> None:
    completion = one.chat.completions.parse(**asking("Who?"), response_format=Flat)
    assert completion.choices[0].message.parsed == Flat(name="simulated", age=1)
    schema = posted(chain)[0]["output_config"]["format"]["schema"]
    assert "maximum" not in schema["properties"]["age"]
    assert "maximum: 150" in schema["properties"]["age"]["description"]


def test_a_schema_beyond_what_can_be_enforced_is_asked_for_in_words(one: openai.OpenAI, chain: Chain) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "p", "schema": Person.model_json_schema()}}
    raw = one.chat.completions.with_raw_response.create(**asking("Who?", response_format=schema))
    assert raw.headers["x-dropped"] == "response_format"
    assert "JSON schema" in posted(chain)[0]["system"][-1]["text"]


def test_strict_tools_are_strict(one: openai.OpenAI, chain: Chain) -> None:
    one.chat.completions.create(**asking("Hi", tools=[openai.pydantic_function_tool(Flat, name="person")]))
    (tool,) = posted(chain)[0]["tools"]
    assert tool["strict"] is True
    assert tool["input_schema"]["additionalProperties"] is False


def test_reasoning_text_comes_back_beside_the_answer(one: openai.OpenAI) -> None:
    message: Any = one.chat.completions.create(**asking("Think.", reasoning_effort="low")).choices[0].message
    assert message.reasoning_content.startswith("The user wants")
    assert message.reasoning_details[0]["signature"]


def test_an_image_arrives(one: openai.OpenAI, chain: Chain) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    content: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}", "detail": "high"}},
    ]
    raw = one.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": content}], seed=3
    )
    assert raw.headers["x-dropped"] == "seed,image_url.detail"
    assert posted(chain)[0]["messages"][0]["content"][1]["source"]["data"] == pixel


def test_models_are_listed_and_found(one: openai.OpenAI) -> None:
    names = [model.id for model in one.models.list()]
    assert MODEL in names
    assert one.models.retrieve(MODEL).owned_by == "anthropic"
    with pytest.raises(openai.NotFoundError):
        one.models.retrieve("gpt-4o")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (asking("Hi", n=2), openai.BadRequestError),
        (asking("Hi", model="gpt-4o"), openai.NotFoundError),
        (asking(simulate(error=429, headers={"retry-after": "7"})), openai.RateLimitError),
        (asking(simulate(error=529)), openai.InternalServerError),
        (asking(simulate(error=500)), openai.InternalServerError),
        (asking(simulate(error=403)), openai.PermissionDeniedError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_clients_exceptions(one: openai.OpenAI, options: Any, error: Any, stream: bool) -> None:
    with pytest.raises(error) as raised:
        one.chat.completions.create(**options, stream=stream)
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["message"]
    assert raised.value.request_id
    if isinstance(raised.value, openai.RateLimitError):
        assert raised.value.response.headers["retry-after"] == "7"
    if isinstance(raised.value, openai.BadRequestError):
        assert raised.value.param == "n"


@pytest.mark.parametrize("script", [{"error": "overloaded_error"}, {"cut": "end"}, {"cut": "reset"}])
def test_a_stream_that_fails_raises_and_keeps_what_came(one: openai.OpenAI, script: Any) -> None:
    text, reasons = "", []
    with pytest.raises(openai.APIError):
        script = simulate(text="one two three", after=6, **script)
        for chunk in one.chat.completions.create(**asking(script, stream=True)):
            text += chunk.choices[0].delta.content or ""
            reasons.append(chunk.choices[0].finish_reason)
    assert text
    assert "one two three".startswith(text)
    assert set(reasons) == {None}


def test_a_wrong_token_is_an_authentication_error() -> None:
    with chained_for_blocking(auth_token="right") as chain:
        for token, passes in (("right", True), ("wrong", False)):
            with openai.OpenAI(base_url=f"{chain.url}/openai/v1", api_key=token, max_retries=0) as client:
                if passes:
                    client.chat.completions.create(**asking("Hi"))
                else:
                    with pytest.raises(openai.AuthenticationError):
                        client.chat.completions.create(**asking("Hi"))
