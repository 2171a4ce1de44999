"""Anthropic's models as OpenAI lists them (MAPPING 9).

    id, created_at (RFC 3339)          id, object: "model", created (Unix seconds), owned_by: "anthropic"
    max_input_tokens, max_tokens       context_window, max_output_tokens          extras, as is display_name

A retired model stays in Anthropic's catalogue but cannot be called; the list leaves it out.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from handler.errors import ProxyError
from handler.wire import json_text
from handler.wire.anthropic import Json

# The upstream's name of a number or text, and ours.
_EXTRAS = (
    ("display_name", "display_name"),
    ("max_input_tokens", "context_window"),
    ("max_tokens", "max_output_tokens"),
)


def page(body: bytes) -> Json:
    """One page of the upstream's list. Raises ProxyError (502) when it is none."""
    value: Json = _object(body)
    match value:
        case {"data": list()}:
            return value
    raise ProxyError(502, "The upstream answered with something that is no list of models.")


def next_page(value: Json) -> str | None:
    """The `after_id` of the page that follows, or None after the last one."""
    match value:
        case {"has_more": True, "last_id": str(last)} if last:
            return last
    return None


def listing(pages: Iterable[Json]) -> bytes:
    """OpenAI's list of the models on all pages, in their order, each once."""
    found: dict[str, Json] = {}
    for each in pages:
        for info in each["data"]:
            match info:
                case {"lifecycle": "retired"}:
                    continue
                case {"id": str(name)} if name:
                    found.setdefault(name, entry(info))
    return json_text.utf8(json_text.write({"object": "list", "data": list(found.values())}))


def single(body: bytes) -> bytes:
    """OpenAI's object for the upstream's answer about one model. Raises ProxyError (502) when it is none."""
    match value := _object(body):
        case {"id": str(name)} if name:
            return json_text.utf8(json_text.write(entry(value)))
    raise ProxyError(502, "The upstream answered with something that is no model.")


def entry(info: Json) -> Json:
    """One model; `info` has an `id`."""
    said: Json = {
        "id": info["id"],
        "object": "model",
        "created": _seconds(info.get("created_at")),
        "owned_by": "anthropic",
    }
    return said | {ours: info[theirs] for theirs, ours in _EXTRAS if isinstance(info.get(theirs), int | str)}


def _object(body: bytes) -> Any:
    try:
        return json_text.read(body)
    except ValueError:
        raise ProxyError(502, "The upstream's answer is not valid JSON.") from None


def _seconds(moment: object) -> int:
    try:
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else datetime.fromtimestamp(0, UTC)
    except ValueError:
        return 0
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
