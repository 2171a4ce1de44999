"""Cache breakpoints (MAPPING 7).

cache_control on a part, a message, a tool         kept, where it is well formed
prompt_cache_breakpoint on a part                  cache_control, of 1 hour where it names a time
prompt_cache_key, prompt_cache_options,            the automatic breakpoint, unless the caller set any of its own;
  prompt_cache_retention, tools or an                of 1 hour where more is asked for
  assistant turn
more than four                                     the earliest in the messages are left out
one hour after five minutes                        becomes five minutes: upstream, longer ones come first
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import dropwhile
from typing import Any

from handler.translate.losses import Ledger
from handler.wire.anthropic import Json
from handler.wire.chat import ChatRequest, said

MAX_BREAKPOINTS = 4
_DEFAULT, _HOUR = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}
_WELL_FORMED: Sequence[Json] = (_DEFAULT, _HOUR, {"type": "ephemeral", "ttl": "5m"})


def breakpoint_of(carrier: Mapping[str, Any], ledger: Ledger) -> Json:
    """`{"cache_control": ...}` for a part, message or tool that asks for a breakpoint; `{}` for any other."""
    match said(carrier.get("cache_control")), said(carrier.get("prompt_cache_breakpoint")):
        case dict(asked), _ if asked in _WELL_FORMED:
            return {"cache_control": dict(asked)}
        case None, {"ttl": "30m" | "12h"}:
            return {"cache_control": dict(_HOUR)}
        case None, dict():
            return {"cache_control": dict(_DEFAULT)}
        case None, None:
            return {}
    ledger.note("cache_control")
    return {}


def automatic(request: ChatRequest, body: Json, *, enabled: bool) -> Json | None:
    """The automatic breakpoint, which moves with the conversation. One-shot prompts get none: writing costs more."""
    if request.cache_control is not None:
        return dict(said(request.cache_control))
    options = request.prompt_cache_options
    mode = options.get("mode") if isinstance(options, dict) else None
    if mode == "explicit" or any(True for _ in _carriers(body)):
        return None
    retention = request.prompt_cache_retention
    asked = request.prompt_cache_key is not None or isinstance(options, dict) or retention is not None
    returns = bool(body.get("tools")) or any(turn["role"] == "assistant" for turn in body["messages"])
    if not asked and not (enabled and returns):
        return None
    named = isinstance(options, dict) and options.get("ttl") is not None
    return dict(_HOUR if named or retention == "24h" else _DEFAULT)


def limit(body: Json, ledger: Ledger) -> None:
    """Takes breakpoints out of `body` until the upstream would take them all."""
    spare = len(list(_carriers(body))) + ("cache_control" in body) - MAX_BREAKPOINTS
    if spare > 0:
        ledger.note("cache_control")
        in_messages = list(_in_messages(body))
        before_them = list(_carriers(body))[: -len(in_messages) or None]
        for carrier in [*in_messages, *before_them][:spare]:
            del carrier["cache_control"]
    kept = [*_carriers(body), *([body] if "cache_control" in body else [])]
    for carrier in dropwhile(lambda one: one["cache_control"].get("ttl") == "1h", kept):
        if carrier["cache_control"].get("ttl") == "1h":
            ledger.note("cache_control")
            carrier["cache_control"] = dict(_DEFAULT)


def _carriers(body: Json) -> Iterator[Json]:
    """Whatever has a breakpoint, in the order of the cached prefix."""
    for part in (*body.get("tools", ()), *body.get("system", ())):
        if "cache_control" in part:
            yield part
    yield from _in_messages(body)


def _in_messages(body: Json) -> Iterator[Json]:
    for turn in body["messages"]:
        for block in turn["content"]:
            inner = block.get("content") if block.get("type") == "tool_result" else None
            for part in (*(inner if isinstance(inner, list) else ()), block):
                if isinstance(part, dict) and "cache_control" in part:
                    yield part
