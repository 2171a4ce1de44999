"""What each Claude model can do. The one table of model names (MAPPING 12), corrected by the Models API.

The snapshot below is what ships; `Catalogue.learn` overrides it with what `GET /v1/models` says. A name that is not
listed is matched without its date, then by pattern: `claude-(line)-(major)-(minor)` follows the newest listed model of
its line that is not newer than itself; a new line from generation 5 on gets the newest rules there are.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from handler.wire.capability import EFFORTS, Capability, Thinking

_NEW = Capability(
    context=1_000_000,
    max_output=128_000,
    thinking=Thinking.ON,
    efforts=EFFORTS,
    system_turns=True,
    structured_outputs=True,
    hides_thinking=True,
)
_ALWAYS = replace(_NEW, thinking=Thinking.ALWAYS)
_BOUND = replace(_ALWAYS, forced_tools=False, binds_thinking=True)
_OFF = replace(_NEW, thinking=Thinking.OFF)
_4_6 = replace(_OFF, efforts=("low", "medium", "high", "max"), sampling=True, system_turns=False, hides_thinking=False)
_4_5 = Capability(
    context=200_000,
    max_output=64_000,
    thinking=Thinking.BUDGET,
    sampling=True,
    prefill=True,
    structured_outputs=True,
)

SNAPSHOT: Mapping[str, Capability] = {
    "claude-fable-5-2": _BOUND,
    "claude-mythos-5-2": _BOUND,
    "claude-opus-5-5": replace(_BOUND, narrates=True),
    "claude-sonnet-5-5": replace(_BOUND, thinking=Thinking.BETWEEN_TOOLS, narrates=True),
    "claude-haiku-5-5": replace(_NEW, binds_thinking=True, narrates=True),
    "claude-fable-5-1": _BOUND,
    "claude-mythos-5-1": _BOUND,
    "claude-fable-5": _ALWAYS,
    "claude-mythos-5": _ALWAYS,
    "claude-opus-5": _NEW,
    "claude-sonnet-5": _NEW,
    "claude-opus-4-8": _OFF,
    "claude-opus-4-7": replace(_OFF, system_turns=False),
    "claude-opus-4-6": _4_6,
    "claude-sonnet-4-6": _4_6,
    "claude-opus-4-5": replace(_4_5, efforts=("low", "medium", "high")),
    "claude-haiku-4-5": _4_5,
    "claude-sonnet-4-5": _4_5,
}

UNKNOWN = Capability()
REFRESH_SECONDS = 3600.0
_NEW_LINE = replace(_NEW, forced_tools=False, binds_thinking=True)
_DATE = re.compile(r"-\d{8}$")
_NAME = re.compile(r"claude-([a-z]+)-(\d{1,3})(?:-(\d{1,3}))?$")


@dataclass(slots=True)
class Catalogue:
    """Capabilities by model id: the snapshot, and what has been learned since."""

    known: dict[str, Capability] = field(default_factory=lambda: dict(SNAPSHOT))
    _asked_at: float | None = None

    def due(self, now: float) -> bool:
        """Whether the Models API should be asked (again); `now` in seconds. Says so once, then not for an hour."""
        if self._asked_at is not None and now - self._asked_at < REFRESH_SECONDS:
            return False
        self._asked_at = now
        return True

    def of(self, model: str) -> Capability:
        """What `model` can do; a careful default where nobody knows."""
        undated = _DATE.sub("", model)
        return self.known.get(model) or self.known.get(undated) or self._by_pattern(undated)

    def learn(self, models: Iterable[object]) -> None:
        """Take over what the Models API says (its `data` list); whatever is malformed is passed over."""
        learned = {}
        for info in models:
            match info:
                case {"id": str(model)}:
                    learned[model] = _corrected(self.of(model), cast(dict[str, Any], info))
        self.known = {**self.known, **learned}

    def _by_pattern(self, model: str) -> Capability:
        version = _version(model)
        if version is None:
            return UNKNOWN
        line, number = version
        relatives = {key[1]: name for name in self.known if (key := _version(name)) and key[0] == line}
        older = [other for other in relatives if other <= number]
        if older:
            return self.known[relatives[max(older)]]
        return _NEW_LINE if number >= (5, 0) else UNKNOWN


def _version(model: str) -> tuple[str, tuple[int, int]] | None:
    name = _NAME.fullmatch(model)
    return (name[1], (int(name[2]), int(name[3] or 0))) if name else None


def _corrected(shipped: Capability, info: Mapping[str, Any]) -> Capability:
    match info.get("capabilities"):
        case dict(told):
            pass
        case _:
            told = {}
    return replace(
        shipped,
        context=_tokens(info.get("max_input_tokens"), shipped.context),
        max_output=_tokens(info.get("max_tokens"), shipped.max_output),
        thinking=_thinking(told.get("thinking"), shipped.thinking),
        efforts=_efforts(told.get("effort"), shipped.efforts),
        structured_outputs=_supported(told.get("structured_outputs"), shipped.structured_outputs),
    )


def _tokens(value: object, shipped: int | None) -> int | None:
    return value if type(value) is int and value > 0 else shipped


def _supported(value: object, shipped: bool) -> bool:
    match value:
        case {"supported": bool(supported)}:
            return supported
    return shipped


def _efforts(value: object, shipped: tuple[str, ...]) -> tuple[str, ...]:
    match value:
        case {"supported": False}:
            return ()
        case {"supported": True, **levels}:
            return tuple(level for level in EFFORTS if _supported(levels.get(level), False)) or shipped
    return shipped


def _thinking(value: object, shipped: Thinking) -> Thinking:
    match value:
        case {"supported": False}:
            return Thinking.UNKNOWN
        case {"supported": True, "types": dict(types)}:
            takes = {name for name in types if _supported(types[name], False)}
            return _thinking_of(takes, shipped)
    return shipped


def _thinking_of(takes: set[Any], shipped: Thinking) -> Thinking:
    """The class that fits the accepted `thinking.type`s; which one is the default, the Models API does not tell."""
    if "adaptive" not in takes:
        return Thinking.BUDGET if "enabled" in takes else shipped
    if "disabled" not in takes:
        return Thinking.BETWEEN_TOOLS if "between_tools" in takes else Thinking.ALWAYS
    return shipped if shipped in (Thinking.ON, Thinking.OFF) else Thinking.ON
