"""OpenAI's client for Node and the Vercel AI SDK through the proxy."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.chain import Chain

RunNode = Callable[..., Any]


@pytest.mark.parametrize("path", ["/openai/v1", "/min/v1", "/pt/openai/v1"])
def test_the_openai_client_for_node(run_node: RunNode, chain: Chain, path: str) -> None:
    got = run_node("openai.mjs", chain.url + path)
    assert [name for name, outcome in got.items() if isinstance(outcome, dict) and "threw" in outcome] == []
    assert got["create"]["text"].endswith("You wrote: Grüße 😀")
    assert got["create"]["usage"]["total_tokens"] > 0
    assert got["create"]["id"].startswith("req_")
    assert "".join(got["stream"]["pieces"]) == "one two three"
    assert got["stream"]["usage"]["completion_tokens"] > 0
    assert got["helper"] == [["get_weather", {"city": "Paris"}]]
    assert got["runner"] == "The tools said: It rains in Paris."
    assert "claude-opus-5-5" in got["models"]
    assert [(each["class"], each["status"]) for each in got["errors"]] == [
        ("BadRequestError", 400),
        ("NotFoundError", 404),
        ("RateLimitError", 429),
        ("InternalServerError", 529),
    ]
    assert got["broken"]["class"] == "APIError"


def test_the_vercel_ai_sdk(run_node: RunNode, chain: Chain) -> None:
    got = run_node("ai-sdk.mjs", chain.url)
    for outcome in got.values():
        assert outcome["text"]["text"].endswith("You wrote: Hi")
        assert outcome["text"]["finishReason"] == "stop"
        assert outcome["text"]["tokens"] > 0
        assert "".join(outcome["stream"]) == "one two three"
        assert len(outcome["stream"]) >= 3
        assert outcome["tools"] == "The tools said: It rains in Paris."
        assert outcome["error"] == {"status": 529}
