"""How much the model thinks, by what it is able to (MAPPING 6.1 to 6.3).

              A always  B between_tools        C on               D, E off           F, G budget
    none      low       between_tools + low    disabled + low     nothing            nothing
    minimal   low       low                    low                adaptive + low     1024
    low..max  effort, with adaptive thinking; the highest the model has that is not above   2048 .. 32000

Sources, first that applies: `thinking` itself, `reasoning_effort`, `reasoning` (OpenRouter), `include_reasoning`. Text
is asked for (`display: summarized`) wherever reasoning was asked for, since newer models leave it out otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handler.errors import ProxyError
from handler.translate.losses import Ledger
from handler.wire import chat
from handler.wire.anthropic import Json
from handler.wire.capability import EFFORTS, Capability, Thinking
from handler.wire.chat import ChatRequest

MIN_BUDGET = 1024
BUDGETS: Mapping[str, int] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 32000,
    "max": 32000,
}
_LEVELS = ("none", *BUDGETS)
_ADAPTIVE: Mapping[str, Any] = {"type": "adaptive", "display": "summarized"}
_ADAPTS = (Thinking.ALWAYS, Thinking.BETWEEN_TOOLS, Thinking.ON, Thinking.OFF)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller asked for: a level, a budget in tokens, reasoning at all (`text`), or nothing of these."""

    level: str | None = None
    budget: int | None = None
    text: bool = False
    hidden: bool = False
    """The caller wants no reasoning text back."""


def wish(request: ChatRequest) -> Wish:
    """Raises ProxyError (400) for a level that does not exist."""
    given = request.reasoning or {}
    enabled = given.get("enabled")
    field = "reasoning_effort" if request.reasoning_effort is not None else "reasoning.effort"
    level = request.reasoning_effort if request.reasoning_effort is not None else given.get("effort")
    if level is not None and (not isinstance(level, str) or level not in _LEVELS):
        raise ProxyError(400, f"`{field}` must be one of {', '.join(_LEVELS)}.", field=field)
    budget = given.get("max_tokens")
    if budget is not None and (type(budget) is not int or budget < 0):
        raise ProxyError(400, "`reasoning.max_tokens` must be a number of tokens.", field="reasoning.max_tokens")
    hidden = given.get("exclude") is True or request.include_reasoning is False
    off = enabled is False or level == "none"
    text = not off and (level is not None or request.reasoning is not None or request.include_reasoning is True)
    return Wish("none" if off else level, budget, text, hidden)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent: `thinking` and `output_config.effort`, each None where it is left out."""

    thinking: Json | None = None
    effort: str | None = None

    @property
    def on(self) -> bool:
        """Whether this request turns thinking on."""
        return self.thinking is not None and self.thinking.get("type") in ("adaptive", "enabled")

    @property
    def manual(self) -> bool:
        """Whether it has a budget, which other fields must make room for."""
        return self.thinking is not None and self.thinking.get("type") == "enabled"


def stated_budget(request: ChatRequest) -> int:
    """The tokens that the caller himself sets apart for thinking; 0 where he does not."""
    for given, name in ((request.thinking, "budget_tokens"), (request.reasoning, "max_tokens")):
        tokens = (given or {}).get(name)
        if type(tokens) is int and tokens > 0:
            return tokens
    return 0


def plan(request: ChatRequest, capability: Capability, *, max_tokens: int, tools: bool, ledger: Ledger) -> Plan:
    """What to send for this request. Raises ProxyError (400)."""
    wanted = wish(request)
    if request.thinking is not None:
        if wanted.level is not None:
            ledger.note("reasoning_effort")
        return Plan(_converted(chat.said(request.thinking), capability, ledger))
    planned = _adaptive(wanted, capability, ledger) if capability.thinking in _ADAPTS else Plan()
    if capability.thinking is Thinking.BUDGET:
        planned = _budgeted(wanted, capability, max_tokens, ledger)
    elif capability.thinking is Thinking.UNKNOWN and wanted.level not in (None, "none"):
        ledger.note("reasoning_effort")
    if planned.thinking is None and tools and capability.narrates and not wanted.hidden:
        # Between two calls these models say in thinking what others say in text: without it the caller hears nothing.
        return Plan(dict(_ADAPTIVE), planned.effort)
    return planned


def _converted(thinking: Json, capability: Capability, ledger: Ledger) -> Json:
    """The caller's own `thinking`; a budget becomes adaptive thinking where the model takes none."""
    takes_budgets = capability.thinking in (Thinking.BUDGET, Thinking.UNKNOWN) or capability.sampling
    if thinking.get("type") != "enabled" or takes_budgets:
        return thinking
    ledger.note("thinking")
    return {**_ADAPTIVE, **{key: value for key, value in thinking.items() if key in ("display", "block_binding")}}


def _adaptive(wanted: Wish, capability: Capability, ledger: Ledger) -> Plan:
    if wanted.level == "none":
        return _off(capability, ledger)
    level = wanted.level or _level_for(wanted.budget)
    effort = None if level is None else _nearest("low" if level == "minimal" else level, capability, ledger)
    turns_on = level is not None or wanted.text
    if not turns_on:
        return Plan()
    return Plan({"type": "adaptive"} if wanted.hidden else dict(_ADAPTIVE), effort)


def _off(capability: Capability, ledger: Ledger) -> Plan:
    lowest = capability.effort("low")
    match capability.thinking:
        case Thinking.ALWAYS:
            ledger.note("reasoning_effort")
            return Plan(None, lowest)
        case Thinking.BETWEEN_TOOLS:
            return Plan({"type": "between_tools"}, lowest)
        case Thinking.ON:
            return Plan({"type": "disabled"}, lowest)
    return Plan()


def _budgeted(wanted: Wish, capability: Capability, max_tokens: int, ledger: Ledger) -> Plan:
    level = wanted.level or ("medium" if wanted.text and wanted.budget is None else None)
    if level in (None, "none") and not wanted.budget:
        return Plan()
    asked = wanted.budget if wanted.budget else BUDGETS[level or "medium"]
    budget = min(max(asked, MIN_BUDGET), max_tokens - MIN_BUDGET)
    if wanted.budget and budget < asked:
        ledger.note("reasoning_effort")
    effort = None
    if capability.efforts and level is not None:
        effort = _nearest("low" if level == "minimal" else level, capability, ledger)
    if budget < MIN_BUDGET:
        ledger.note("reasoning_effort")
        return Plan(None, effort)
    return Plan({"type": "enabled", "budget_tokens": budget}, effort)


def _nearest(level: str, capability: Capability, ledger: Ledger) -> str | None:
    effort = capability.effort(level)
    if effort != level:
        ledger.note("reasoning_effort")
    return effort


def _level_for(budget: int | None) -> str | None:
    """The lowest level whose budget holds that many tokens."""
    if not budget:
        return None
    return next((level for level in EFFORTS if BUDGETS[level] >= budget), EFFORTS[-1])


def fitted(planned: Plan, turns: Sequence[Json], *, forced: bool, ledger: Ledger) -> Plan:
    """The plan without a budget where the upstream would refuse one (MAPPING 3, 6.3)."""
    if planned.manual and (forced or not _thinking_first(turns)):
        ledger.note("thinking")
        return Plan(None, planned.effort)
    return planned


def _thinking_first(turns: Sequence[Json]) -> bool:
    """Whether the turn whose calls were answered last begins with thinking; True where no call was."""
    if len(turns) < 2 or turns[-1]["content"][0]["type"] != "tool_result":
        return True
    return turns[-2]["content"][0]["type"] in ("thinking", "redacted_thinking")


def bound(planned: Plan, turns: Sequence[Json], capability: Capability) -> Plan:
    """Lets the upstream drop thinking that no longer fits what is before it: OpenAI clients edit their histories."""
    if not capability.binds_thinking or not any(map(_has_thinking, turns)):
        return planned
    thinking = planned.thinking or {"type": "adaptive"}
    if thinking.get("type") != "adaptive" or "block_binding" in thinking:
        return planned
    return Plan({**thinking, "block_binding": {"prefix_mismatch_behavior": "drop_block"}}, planned.effort)


def _has_thinking(turn: Json) -> bool:
    return any(block["type"] in ("thinking", "redacted_thinking") for block in turn["content"])


def without_thinking(turns: Sequence[Json]) -> list[Json]:
    """The turns without thinking blocks, for a request that turns thinking off."""
    kinds = ("thinking", "redacted_thinking")
    return [{**turn, "content": [b for b in turn["content"] if b["type"] not in kinds]} for turn in turns]
