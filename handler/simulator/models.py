"""The models the simulator knows, one line each, and how the Models API tells of them.

Thinking, by kind:

    always      adaptive, cannot be turned off
    default     adaptive unless the request turns it off (`off` says with which type)
    optional    adaptive when the request asks for it
    either      the same, and `enabled` with a budget still works
    budget      `enabled` with a budget only
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from handler.errors import ProxyError

ALL_EFFORTS = ("low", "medium", "high", "xhigh", "max")
EFFORTS_4_6 = ("low", "medium", "high", "max")
EFFORTS_4_5 = ("low", "medium", "high")
THOUSAND, MILLION = 1_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Model:
    """What one model takes. `bound`: its thinking blocks are tied to the conversation before them."""

    id: str
    name: str
    created: str
    thinking: str
    off: str | None = "disabled"
    off_needs_high: bool = False
    efforts: tuple[str, ...] = ALL_EFFORTS
    sampling: bool = False
    forced_tools: bool = True
    mid_system: bool = True
    prefill: bool = False
    bound: bool = False
    context: int = MILLION
    max_tokens: int = 128 * THOUSAND
    lifecycle: str = "active"
    retires: str | None = None

    @property
    def line(self) -> str:
        """The model line: `opus`, `sonnet`, ..."""
        return self.id.split("-")[1]

    @property
    def thinking_types(self) -> frozenset[str]:
        """The values of `thinking.type` it takes."""
        on = {"budget": {"enabled"}, "either": {"enabled", "adaptive"}}.get(self.thinking, {"adaptive"})
        return frozenset(on | ({self.off} if self.off else set()))

    @property
    def shows_thinking(self) -> bool:
        """Whether thinking comes back as text when the request does not say (4.6 and older)."""
        return self.thinking in {"either", "budget"}


def _always(line: str, version: str, created: str, bound: bool = True) -> Model:
    dashed = f"claude-{line.lower()}-{version.replace('.', '-')}"
    return Model(dashed, f"Claude {line} {version}", created, "always", off=None, forced_tools=not bound, bound=bound)


_TABLE = (
    _always("Fable", "5.2", "2026-11-10"),
    _always("Mythos", "5.2", "2026-11-10"),
    Model("claude-haiku-5-5", "Claude Haiku 5.5", "2026-10-20", "default", off_needs_high=True, bound=True),
    Model(
        "claude-sonnet-5-5",
        "Claude Sonnet 5.5",
        "2026-10-06",
        "default",
        off="between_tools",
        off_needs_high=True,
        forced_tools=False,
        bound=True,
    ),
    _always("Opus", "5.5", "2026-09-22"),
    _always("Fable", "5.1", "2026-08-25"),
    _always("Mythos", "5.1", "2026-08-25"),
    _always("Fable", "5", "2026-06-09", bound=False),
    _always("Mythos", "5", "2026-06-09", bound=False),
    Model("claude-opus-5", "Claude Opus 5", "2026-07-14", "default", off_needs_high=True),
    Model("claude-sonnet-5", "Claude Sonnet 5", "2026-06-30", "default"),
    Model("claude-opus-4-8", "Claude Opus 4.8", "2026-05-28", "optional"),
    Model("claude-opus-4-7", "Claude Opus 4.7", "2026-04-16", "optional", mid_system=False),
    Model(
        "claude-sonnet-4-6",
        "Claude Sonnet 4.6",
        "2026-02-17",
        "either",
        efforts=EFFORTS_4_6,
        sampling=True,
        mid_system=False,
    ),
    Model(
        "claude-opus-4-6",
        "Claude Opus 4.6",
        "2026-02-05",
        "either",
        efforts=EFFORTS_4_6,
        sampling=True,
        mid_system=False,
    ),
    *(
        Model(
            identifier,
            name,
            created,
            "budget",
            efforts=efforts,
            sampling=True,
            mid_system=False,
            prefill=True,
            context=200 * THOUSAND,
            max_tokens=64 * THOUSAND,
            lifecycle=lifecycle,
            retires=retires,
        )
        for identifier, name, created, efforts, lifecycle, retires in (
            ("claude-opus-4-5-20251101", "Claude Opus 4.5", "2025-11-24", EFFORTS_4_5, "active", None),
            ("claude-haiku-4-5-20251001", "Claude Haiku 4.5", "2025-10-15", (), "active", None),
            ("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5", "2025-09-29", (), "deprecated", "2026-11-30"),
        )
    ),
    Model("claude-mythos-preview", "Claude Mythos Preview", "2026-04-07", "always", lifecycle="retired"),
)
MODELS: Mapping[str, Model] = MappingProxyType({model.id: model for model in _TABLE})
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "claude-opus-4-5": "claude-opus-4-5-20251101",
        "claude-haiku-4-5": "claude-haiku-4-5-20251001",
        "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    }
)


def known(name: str) -> Model | None:
    """The model that answers to `name`, its dated id or its alias; retired ones included."""
    return MODELS.get(ALIASES.get(name, name))


def info(model: Model) -> dict[str, object]:
    """The ModelInfo object of the Models API."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.name,
        "created_at": f"{model.created}T00:00:00Z",
        "deprecated_at": None if model.lifecycle == "active" else "2026-06-01T00:00:00Z",
        "retires_at": f"{model.retires}T00:00:00Z" if model.retires else None,
        "lifecycle": model.lifecycle,
        "line": model.line,
        "max_input_tokens": model.context,
        "max_tokens": model.max_tokens,
        "capabilities": _capabilities(model),
    }


def page(query: Mapping[str, str]) -> dict[str, object]:
    """One page of the list: `limit` (20 by default), `after_id`, `before_id`. Raises ProxyError (400)."""
    limit = query.get("limit", "20")
    if not limit.isdecimal() or not 1 <= int(limit) <= 1000:
        raise ProxyError(400, "limit: Input should be between 1 and 1000")
    size = int(limit)
    listed = [model.id for model in _TABLE if model.lifecycle != "retired"]
    if "before_id" in query:
        end = _place(listed, query["before_id"], "before_id")
        start = max(0, end - size)
        more = start > 0
    else:
        start = _place(listed, query["after_id"], "after_id") + 1 if "after_id" in query else 0
        end = start + size
        more = end < len(listed)
    shown = listed[start:end]
    return {
        "data": [info(MODELS[name]) for name in shown],
        "first_id": shown[0] if shown else None,
        "has_more": more,
        "last_id": shown[-1] if shown else None,
    }


def _place(listed: list[str], name: str, field: str) -> int:
    if name not in listed:
        raise ProxyError(400, f"{field}: no such model")
    return listed.index(name)


def _capabilities(model: Model) -> dict[str, object]:
    plain = ("batch", "citations", "code_execution", "image_input", "pdf_input", "structured_outputs")
    strategies = ("clear_thinking_20251015", "clear_tool_uses_20250919", "compact_20260112")
    types = ("adaptive", "between_tools", "disabled", "enabled")
    return {
        **{name: _supported(True) for name in plain},
        "context_management": _group({name: True for name in strategies}),
        "effort": _group({level: level in model.efforts for level in ALL_EFFORTS}),
        "server_tools": _group({"code_execution": True, "web_search": True}),
        "thinking": {
            "supported": True,
            "types": {name: _supported(name in model.thinking_types) for name in types},
        },
    }


def _supported(value: bool) -> dict[str, object]:
    return {"supported": value}


def _group(members: Mapping[str, bool]) -> dict[str, object]:
    return {"supported": any(members.values()), **{name: _supported(value) for name, value in members.items()}}
