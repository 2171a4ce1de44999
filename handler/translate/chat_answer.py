"""A whole Message as a ChatCompletion (MAPPING 5.1, 6.4).

    text                       content, all of it in one string; citations of web pages as annotations, others raw
    thinking                   reasoning_content, and reasoning_details with the signature
    redacted_thinking          reasoning_details
    tool_use                   tool_calls (function_call for a caller of the legacy functions)
    any other block            left out: what the upstream ran itself is not for the caller to run

The words both writers use for one thing, this one and the stream's, are here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handler.errors import ProxyError
from handler.translate import outcomes
from handler.wire import json_text
from handler.wire.anthropic import Json
from handler.wire.reading import Reading

REASONING_FORMAT = "anthropic-claude-v1"
READ_BLOCKS = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
_FENCED = re.compile(r"\s*```(?:json)?\s*([\[{].*[\]}])\s*```\s*", re.DOTALL | re.IGNORECASE)


def answer(message: Json, reading: Reading, created: int) -> Json:
    """The ChatCompletion. `created`: epoch seconds. Raises ProxyError (502) when `message` is no Message."""
    match message:
        case {"type": "message", "id": str(name), "model": str(model), "content": list(blocks)}:
            said = _Said(model, reading)
            for block in blocks:
                said.take(block)
        case _:
            raise ProxyError(502, "The upstream answered with something that is no message.")
    usage = message.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    reason = outcomes.finish_reason(
        message.get("stop_reason"), called=bool(said.calls), legacy=reading.legacy_functions
    )
    refusal = outcomes.refusal(message.get("stop_reason"), message.get("stop_details"))
    return {
        "id": completion_id(name),
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": said.message(refusal), "logprobs": None, "finish_reason": reason}],
        "service_tier": outcomes.service_tier(counts),
        "system_fingerprint": None,
        "usage": outcomes.completion_usage(counts),
    }


def completion_id(message_id: str) -> str:
    """`chatcmpl-` and what is the message's own of its id."""
    return "chatcmpl-" + message_id.removeprefix("msg_")


def annotation(citation: Mapping[str, Any], start: int, end: int) -> Json | None:
    """The annotation for a cited web page; `start` and `end` are characters of the content. None for other sources."""
    match citation:
        case {"type": "web_search_result_location", "url": str(url)}:
            title = citation.get("title") or url
            place = {"start_index": start, "end_index": end, "title": title, "url": url}
            return {"type": "url_citation", "url_citation": place}
    return None


def reasoning_text(index: int, text: str, signature: str, model: str) -> Json:
    """One element of `reasoning_details`; without a signature it cannot be sent back."""
    detail = {"index": index, "type": "reasoning.text", "text": text}
    if signature:
        detail["signature"] = signature
    return detail | {"format": REASONING_FORMAT, "model": model}


def reasoning_encrypted(index: int, data: str, model: str) -> Json:
    """The element of `reasoning_details` for thinking that cannot be read."""
    return {
        "index": index,
        "type": "reasoning.encrypted",
        "data": data,
        "format": REASONING_FORMAT,
        "model": model,
    }


def custom_input(value: object) -> str:
    """A custom tool's one string, out of the object it travelled in."""
    match value:
        case {"input": str(text)}:
            return text
    return json_text.write(value)


@dataclass(slots=True)
class _Said:
    """What the blocks read so far amount to."""

    model: str
    reading: Reading
    content: str = ""
    annotations: list[Json] = field(default_factory=list)
    citations: list[Json] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    details: list[Json] = field(default_factory=list)
    calls: list[Json] = field(default_factory=list)

    def take(self, block: Any) -> None:
        match block:
            case {"type": "text", "text": str(text)}:
                self._text(text, block.get("citations"))
            case {"type": "thinking", "thinking": str(text)}:
                self._thinking(text, block.get("signature"))
            case {"type": "redacted_thinking", "data": str(data)}:
                self.details.append(reasoning_encrypted(len(self.details), data, self.model))
            case {"type": "tool_use", "id": str(call), "name": str(name), "input": dict() | None as given}:
                self.calls.append(self._call(call, name, given or {}))
            case {"type": str(kind)} if kind not in READ_BLOCKS:
                pass
            case _:
                raise ProxyError(502, "The upstream's message has a content block that cannot be read.")

    def message(self, refusal: str | None) -> Json:
        message: Json = {"role": "assistant", "content": self._whole_content(), "refusal": refusal}
        extras: Json = {"annotations": self.annotations, "citations": self.citations}
        if self.reading.expose_reasoning:
            extras |= {"reasoning_content": "\n\n".join(self.thoughts), "reasoning_details": self.details}
        if not self.reading.legacy_functions:
            extras["tool_calls"] = self.calls
        elif self.calls:
            extras["function_call"] = self.calls[0]["function"]
        return message | {name: value for name, value in extras.items() if value}

    def _whole_content(self) -> str | None:
        if self.calls and not self.content:
            return None
        if self.reading.json_object and not self.annotations and (fenced := _FENCED.fullmatch(self.content)):
            return fenced[1]
        return self.content

    def _text(self, text: str, citations: object) -> None:
        start = len(self.content)
        self.content += text
        for citation in citations if isinstance(citations, list) else ():
            if (note := annotation(citation, start, len(self.content))) is not None:
                self.annotations.append(note)
            elif isinstance(citation, dict):
                self.citations.append(citation)

    def _thinking(self, text: str, signature: object) -> None:
        if text:
            self.thoughts.append(text)
        proof = signature if isinstance(signature, str) else ""
        if text or proof:
            self.details.append(reasoning_text(len(self.details), text, proof, self.model))

    def _call(self, call: str, upstream_name: str, given: Json) -> Json:
        name = self.reading.tool_names.get(upstream_name, upstream_name)
        if upstream_name in self.reading.custom_tools and not self.reading.legacy_functions:
            return {"id": call, "type": "custom", "custom": {"name": name, "input": custom_input(given)}}
        return {"id": call, "type": "function", "function": {"name": name, "arguments": json_text.write(given)}}
