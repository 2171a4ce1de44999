"""LangChain through the proxy, in OpenAI's words and in Anthropic's."""

import warnings
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from tests.clients.chain import Chain, simulate

MODEL = "claude-opus-5-5"


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"It rains in {city}."


class Person(pydantic.BaseModel):
    """Somebody."""

    name: str
    age: int


@pytest.fixture(scope="module")
def models(default_chain: Chain) -> Iterator[dict[str, Any]]:
    """LangChain keeps one HTTP client for each base URL, whatever model asks for it: it is closed at the end."""
    common: Any = {"api_key": "dummy", "max_retries": 0}
    openai = ChatOpenAI(model=MODEL, base_url=f"{default_chain.url}/openai/v1", **common)
    forced = ChatOpenAI(model="claude-sonnet-5", base_url=f"{default_chain.url}/openai/v1", **common)
    anthropic: Any = ChatAnthropic(model=MODEL, base_url=f"{default_chain.url}/pt", max_tokens=1000, **common)
    yield {"openai": openai, "anthropic": anthropic, "openai, with forced tools": forced}
    openai.root_client.close()
    anthropic._client.close()


@pytest.fixture(params=["openai", "anthropic"])
def model(request: pytest.FixtureRequest, models: dict[str, Any]) -> Any:
    return models[request.param]


def text_of(message: Any) -> str:
    return message.text if isinstance(message.text, str) else message.text()


def test_it_answers(model: Any) -> None:
    message = model.invoke([SystemMessage("Be brief."), HumanMessage("Hi")])
    assert text_of(message).endswith("You wrote: Hi")
    assert message.usage_metadata["total_tokens"] > 0


def test_it_streams(model: Any) -> None:
    pieces = [text_of(chunk) for chunk in model.stream(simulate(text="one two three"))]
    assert "".join(pieces) == "one two three"
    assert len([piece for piece in pieces if piece]) >= 3


def test_a_tool_loop_over_two_turns(model: Any) -> None:
    bound = model.bind_tools([get_weather])
    messages: list[Any] = []
    for _ in range(2):
        messages.append(HumanMessage("Call get_weather."))
        asked = bound.invoke(messages)
        assert isinstance(asked, AIMessage)
        assert [call["name"] for call in asked.tool_calls] == ["get_weather"]
        messages.append(asked)
        messages += [
            ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in asked.tool_calls
        ]
        messages.append(bound.invoke(messages))
        assert text_of(messages[-1]) == "The tools said: It rains in Paris."


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(models: dict[str, Any], method: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic's, about LangChain's own models
        model = models["openai, with forced tools"].with_structured_output(Person, method=method)
        person = model.invoke("Who?")
    assert isinstance(person, Person)
    assert person.age == 1
