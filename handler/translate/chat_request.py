"""A Chat Completions request as a Messages request (MAPPING 1 to 4, 6, 7). One line a field, most of them below.

    model                                     model, without a vendor's prefix
    messages                                  system, messages               chat_messages, conversation, content
    tools, functions, tool_choice, ...        tools, tool_choice             tools, schemas
    response_format                           output_config.format           response_format, schemas
    reasoning_effort, reasoning, thinking     thinking, output_config.effort reasoning
    max_completion_tokens, max_tokens         max_tokens                     at most what the model can write
    temperature, top_p, top_k                 the same                       where the model takes them
    stop                                      stop_sequences
    stream                                    stream
    safety_identifier, user                   metadata.user_id
    service_tier                              service_tier
    prompt_cache_*, cache_control             cache_control                  caching
    context_management, mcp_servers, container, inference_geo, betas         as they are

The same request always gives the same bytes. What is left out on the way is in the ledger (`losses`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from handler.translate import caching, reasoning, schemas, tools
from handler.translate.chat_messages import converse
from handler.translate.losses import NOTHING_ASKED, UNSUPPORTED, Ledger
from handler.translate.response_format import form_of
from handler.wire import chat
from handler.wire.anthropic import Json
from handler.wire.capability import Capability
from handler.wire.chat import ChatRequest
from handler.wire.reading import Reading

DEFAULT_MAX_TOKENS, UNKNOWN_MAX_TOKENS = 32_000, 8_192
FILES_BETA, BINDING_BETA = "files-api-2025-04-14", "thinking-binding-controls-2026-08-01"
_NATIVE_FIELDS = ("context_management", "mcp_servers", "container", "inference_geo")
_SERVICE_TIERS: Mapping[str, str] = {
    "auto": "auto",
    "priority": "auto",
    "fast": "auto",
    "default": "standard_only",
    "flex": "standard_only",
    "scale": "standard_only",
}
_MAIL, _PHONE = re.compile(r"[^@\s]@[^@\s]"), re.compile(r"\+?[\d\s().-]{7,}")
_BETA = re.compile(r"[A-Za-z0-9._-]{1,128}")
_MAX_USER_ID = 256


@dataclass(frozen=True, slots=True)
class Options:
    """What the settings say: DEFAULT_MAX_TOKENS and AUTO_PROMPT_CACHE."""

    default_max_tokens: int | None = None
    auto_prompt_cache: bool = True


@dataclass(frozen=True, slots=True)
class Translated:
    """The request for the upstream, how to read its answer, and the names of what was left out."""

    body: Json
    reading: Reading
    losses: tuple[str, ...]
    betas: tuple[str, ...]


def translate(request: ChatRequest, capability: Capability, options: Options) -> Translated:
    """Raises ProxyError (400), which names the field that cannot be carried and matters."""
    ledger = Ledger()
    conversation = converse(request.messages, request.model, ledger, system_turns=capability.system_turns)
    budget = schemas.Budget()
    form, asked = form_of(request, capability, budget, ledger)
    toolbox = tools.Toolbox(request, budget, ledger)
    chosen = tools.choice(request, toolbox)
    max_tokens = _max_tokens(request, capability, options, ledger)
    has_tools = bool(toolbox.definitions)
    plan = reasoning.plan(request, capability, max_tokens=max_tokens, tools=has_tools, ledger=ledger)
    plan = reasoning.fitted(plan, conversation.turns, forced=tools.forces(chosen), ledger=ledger)
    plan = reasoning.bound(plan, conversation.turns, capability)
    system = [*conversation.system, *({"type": "text", "text": words} for words in asked)]
    if tools.forces(chosen) and chosen is not None and (form or not capability.forced_tools):
        ledger.note("tool_choice")
        if not form:
            system.append({"type": "text", "text": tools.must_call(chosen)})
        chosen = {key: value for key, value in chosen.items() if key != "name"} | {"type": "auto"}
    config = {"format": form, "effort": plan.effort} | (chat.said(request.output_config) or {})
    body: Json = {
        "model": request.model,
        "max_tokens": max_tokens,
        "system": system,
        "messages": _turns(conversation.turns, plan),
        "tools": toolbox.definitions,
        "tool_choice": chosen,
        "thinking": plan.thinking,
        "output_config": {key: value for key, value in config.items() if value is not None},
        **_sampling(request, capability, plan, ledger),
        "stop_sequences": _stop_sequences(request, ledger),
        "metadata": _metadata(request, ledger),
        "service_tier": _service_tier(request, ledger),
        "stream": request.stream or None,
        **{name: getattr(request, name) for name in _NATIVE_FIELDS},
    }
    body = {key: value for key, value in body.items() if value is not None and value not in ([], {})}
    if (automatic := caching.automatic(request, body, enabled=options.auto_prompt_cache)) is not None:
        body["cache_control"] = automatic
    caching.limit(body, ledger)
    _note_unsupported(request, ledger)
    reading = Reading(
        stream=request.stream is True,
        include_usage=request.includes_usage,
        legacy_functions=toolbox.legacy,
        json_object=bool(asked),
        tool_names=toolbox.renamed(),
        custom_tools=frozenset(toolbox.custom),
        expose_reasoning=not reasoning.wish(request).hidden,
    )
    return Translated(body, reading, ledger.names(), _betas(request, body))


def _max_tokens(request: ChatRequest, capability: Capability, options: Options, ledger: Ledger) -> int:
    asked = request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens
    most = capability.max_output
    if asked is None:
        default = options.default_max_tokens or (UNKNOWN_MAX_TOKENS if most is None else DEFAULT_MAX_TOKENS)
        if (budget := reasoning.stated_budget(request)) + reasoning.MIN_BUDGET > default:
            default += budget
        return default if most is None else min(default, most)
    if most is not None and asked > most:
        ledger.note("max_tokens")
        return most
    return asked


def _turns(turns: list[Json], plan: reasoning.Plan) -> list[Json]:
    off = plan.thinking is not None and plan.thinking.get("type") in ("disabled", "between_tools")
    return reasoning.without_thinking(turns) if off else turns


def _sampling(request: ChatRequest, capability: Capability, plan: reasoning.Plan, ledger: Ledger) -> Json:
    """What the model takes of temperature, top_p and top_k, beside each other and beside thinking."""
    sent: Json = {name: getattr(request, name) for name in ("temperature", "top_p", "top_k")}
    sent = {name: value for name, value in sent.items() if value is not None}
    kept = dict(sent) if capability.sampling else {}
    if "temperature" in kept:
        kept["temperature"] = min(kept["temperature"], 1)
    if plan.on and kept.get("temperature", 1) != 1:
        del kept["temperature"]
    if "temperature" in kept or (plan.on and kept.get("top_p", 1) < 0.95):
        kept.pop("top_p", None)
    if plan.on:
        kept.pop("top_k", None)
    for name in sent:
        if kept.get(name) != sent[name]:
            ledger.note(name)
    return kept


def _stop_sequences(request: ChatRequest, ledger: Ledger) -> list[str]:
    kept = [stop for stop in request.stop if stop.strip()]
    if len(kept) < len(request.stop):
        ledger.note("stop")
    return kept


def _metadata(request: ChatRequest, ledger: Ledger) -> Json | None:
    given = request.metadata if isinstance(request.metadata, dict) else {}
    if given.keys() - {"user_id"}:
        ledger.note("metadata")
    named = given.get("user_id")
    user = request.safety_identifier or request.user or (named if isinstance(named, str) else None)
    if not user:
        return None
    if len(user) > _MAX_USER_ID or _MAIL.search(user) or _PHONE.fullmatch(user):
        # The upstream refuses what may name a person; a digest of it tells users apart as well.
        user = sha256(user.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return {"user_id": user}


def _service_tier(request: ChatRequest, ledger: Ledger) -> str | None:
    if request.service_tier is None:
        return None
    tier = _SERVICE_TIERS.get(request.service_tier) if isinstance(request.service_tier, str) else None
    if tier is None:
        ledger.note("service_tier")
    return tier


def _note_unsupported(request: ChatRequest, ledger: Ledger) -> None:
    for name in UNSUPPORTED:
        value = request.sent(name)
        if value is not None and value != NOTHING_ASKED.get(name):
            ledger.note(name)
    if request.modalities not in (None, ["text"]):
        ledger.note("modalities")


def _betas(request: ChatRequest, body: Json) -> tuple[str, ...]:
    """The betas this request needs, the caller's own first."""
    own = request.betas if isinstance(request.betas, list) else [request.betas]
    betas = [beta for beta in own if isinstance(beta, str) and _BETA.fullmatch(beta)]
    if any(_is_file(block) for turn in body["messages"] for block in turn["content"]):
        betas.append(FILES_BETA)
    if "block_binding" in body.get("thinking", {}):
        betas.append(BINDING_BETA)
    return tuple(dict.fromkeys(betas))


def _is_file(block: Mapping[str, Any]) -> bool:
    match block:
        case {"source": {"type": "file"}}:
            return True
        case {"type": "tool_result", "content": list(inner)}:
            return any(_is_file(part) for part in inner)
    return False
