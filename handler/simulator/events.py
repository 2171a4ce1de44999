"""A Message as the events that bring it, in the order and with the pieces of the real API."""

import json
import re
from collections.abc import Callable, Iterable

from handler import sse
from handler.simulator.shapes import Json

Cut = Callable[[str], list[str]]

_WORD = re.compile(r"\s*\S+|\s+$")
_PIECE = re.compile(r".{1,12}", re.DOTALL)


def words(text: str) -> list[str]:
    """The text cut before each word."""
    return _WORD.findall(text)


def pieces(text: str) -> list[str]:
    """The text cut into short pieces of one length."""
    return _PIECE.findall(text)


def events_of(message: Json, cut: Cut = words, json_cut: Cut = pieces) -> list[Json]:
    """The events of `message`; `cut` says where texts break into deltas, `json_cut` where tool input does."""
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    events: list[Json] = [{"type": "message_start", "message": {**begun, "usage": {**usage, "output_tokens": 1}}}]
    for index, block in enumerate(message["content"]):
        start, deltas = _in_pieces(block, cut, json_cut)
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "ping"}] if index == 0 else []
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    ended = {name: message.get(name) for name in ("stop_reason", "stop_sequence", "stop_details")}
    counts = {name: count for name, count in usage.items() if name != "service_tier"}
    return [*events, {"type": "message_delta", "delta": ended, "usage": counts}, {"type": "message_stop"}]


def encoded(events: Iterable[Json]) -> list[bytes]:
    """The events as they are sent."""
    return [sse.encode(event["type"], json.dumps(event, separators=(",", ":")).encode()) for event in events]


def _in_pieces(block: Json, cut: Cut, json_cut: Cut) -> tuple[Json, list[Json]]:
    match block["type"]:
        case "text":
            cited = [{"type": "citations_delta", "citation": each} for each in block.get("citations") or []]
            said = [{"type": "text_delta", "text": piece} for piece in cut(block["text"])]
            return {"type": "text", "text": ""} | ({"citations": []} if cited else {}), said + cited
        case "thinking":
            thought = [{"type": "thinking_delta", "thinking": piece} for piece in cut(block["thinking"])]
            signed = [{"type": "signature_delta", "signature": block["signature"]}]
            return {"type": "thinking", "thinking": "", "signature": ""}, thought + signed
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            given = ["", *(json_cut(json.dumps(block["input"])) if block["input"] else [])]
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in given]
    return block, []
