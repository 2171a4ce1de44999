"""pydantic-ai through the proxy, in OpenAI's words and in Anthropic's."""

from collections.abc import AsyncIterator
from typing import Any

import pydantic
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.chain import Chain, simulate


class Person(pydantic.BaseModel):
    """Somebody."""

    name: str
    age: int


# A model that takes forced tools: output tools need them.
MODEL = "claude-opus-5"


@pytest.fixture(params=["openai", "anthropic"])
async def model(request: pytest.FixtureRequest, chain: Chain) -> AsyncIterator[Any]:
    if request.param == "openai":
        async with AsyncOpenAI(base_url=f"{chain.url}/openai/v1", api_key="dummy", max_retries=0) as openai:
            yield OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=openai))
    else:
        async with AsyncAnthropic(base_url=f"{chain.url}/min", api_key="dummy", max_retries=0) as anthropic:
            yield AnthropicModel(MODEL, provider=AnthropicProvider(anthropic_client=anthropic))


async def test_an_agent_answers(model: Any) -> None:
    result = await Agent(model, system_prompt="Be brief.").run("Hi")
    assert result.output.endswith("You wrote: Hi")


async def test_an_agent_streams(model: Any) -> None:
    async with Agent(model).run_stream(simulate(text="one two three")) as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    assert "".join(pieces) == "one two three"


async def test_an_agent_calls_its_tool_and_goes_on(model: Any) -> None:
    agent = Agent(model)

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"It rains in {city}."

    result = await agent.run("Call get_weather.")
    assert result.output == "The tools said: It rains in Paris."
    again = await agent.run("Call get_weather.", message_history=result.all_messages())
    assert again.output == "The tools said: It rains in Paris."


async def test_an_agent_gives_an_object(model: Any) -> None:
    result = await Agent(model, output_type=Person).run("Who?")
    assert isinstance(result.output, Person)
