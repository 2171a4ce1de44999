"""Messages of the Anthropic API for tests: whole, and as the stream that would have brought them."""

import json
from collections.abc import Iterable
from typing import Any

from openai._models import construct_type
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from handler import sse
from handler.simulator import events as simulator
from handler.simulator.events import Cut

Json = dict[str, Any]

USAGE = {"input_tokens": 10, "output_tokens": 5, "service_tier": "standard"}


def message(*content: Json, stop_reason: str | None = "end_turn", **fields: Any) -> Json:
    """A whole Message."""
    return {
        "id": "msg_01ABC",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": USAGE,
        **fields,
    }


def text(words: str, *citations: Json) -> Json:
    """A text block."""
    return {"type": "text", "text": words, **({"citations": list(citations)} if citations else {})}


def tool_use(name: str, given: Json, call: str = "toolu_01") -> Json:
    """A call of the caller's tool."""
    return {"type": "tool_use", "id": call, "name": name, "input": given}


def web_citation(url: str) -> Json:
    """A citation of a web page."""
    return {
        "type": "web_search_result_location",
        "url": url,
        "title": "A page",
        "cited_text": "so it says",
        "encrypted_index": "abc",
    }


def whole(words: str) -> list[str]:
    """The text in one piece."""
    return [words]


def events_of(said: Json, cut: Cut = whole) -> list[Json]:
    """The events the API would have sent for this message; `cut` says where each text breaks into deltas."""
    return simulator.events_of(said, cut, cut)


def encoded(events: Iterable[Json]) -> bytes:
    """The events as the API sends them."""
    return b"".join(simulator.encoded(events))


def chunks(stream: bytes) -> list[Any]:
    """What an OpenAI client reads: the object of every frame, and the last word."""
    datas = [event.data for event in sse.events(stream)]
    return ["[DONE]" if data == b"[DONE]" else json.loads(data) for data in datas]


def folded(stream: bytes) -> Json:
    """The completion the official SDK makes of a complete stream."""
    *parts, last = chunks(stream)
    assert last == "[DONE]"
    state: Any = ChatCompletionStreamState()
    for part in parts:
        # As the client itself reads a chunk: leniently.
        state.handle_chunk(construct_type(type_=ChatCompletionChunk, value=part))
    completion: Json = state.current_completion_snapshot.to_dict()
    return completion
