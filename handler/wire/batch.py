"""The requests of a Message Batch: their models changed where they stand, and no other byte.

{"requests": [{"custom_id": ..., "params": {"model": ..., ...}}, ...]}
"""

import json
from collections.abc import Mapping
from typing import Any

from handler.wire.json_object import JsonObject, elements


def with_models(body: JsonObject, aliases: Mapping[str, str]) -> dict[str, str]:
    """The edit of `body` that names the models `aliases` stand for; empty where it names none of them."""
    requests = body.value.get("requests")
    named = [_alias(each, aliases) for each in requests] if aliases and isinstance(requests, list) else []
    if not any(named):
        return {}
    text, pieces, done = body.text_of("requests"), [], 0
    for (start, end), model in zip(elements(text), named, strict=True):
        if model is not None:
            pieces += [text[done:start], _renamed(text[start:end], model)]
            done = end
    return {"requests": "".join([*pieces, text[done:]])}


def _alias(request: Any, aliases: Mapping[str, str]) -> str | None:
    match request:
        case {"params": {"model": str(name)}}:
            return aliases.get(name)
    return None


def _renamed(request: str, model: str) -> str:
    outer = JsonObject(request.encode())
    params = JsonObject(outer.text_of("params").encode())
    return _joined(outer, {"params": _joined(params, {"model": json.dumps(model)})})


def _joined(body: JsonObject, edits: Mapping[str, str]) -> str:
    return b"".join(body.edited(edits)).decode()
