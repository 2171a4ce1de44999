"""Tools and who chooses among them (MAPPING 3).

function                       a tool; `strict` where its schema can be enforced
custom                         a tool with one string, `input`; a grammar is told in the description
web_search, web_search_options Anthropic's own web search
Anthropic's own tools          as they are
functions                      as function tools, one call a turn

tool_choice: auto, none, required, a tool by name, allowed_tools
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from handler.errors import ProxyError
from handler.translate import names, schemas, tool_schemas
from handler.translate.caching import breakpoint_of
from handler.translate.losses import Ledger
from handler.wire.anthropic import Json
from handler.wire.chat import ChatRequest, CustomTool, Function, checked

WEB_SEARCH = "web_search"
_WEB_SEARCH_TYPE = "web_search_20250305"
_MAX_USES = {"low": 1, "medium": 5, "high": 10}
_NATIVE = re.compile(r"[a-z_0-9]+_\d{8}|mcp_toolset")
_BY_NAME = ("function", "custom", "tool", "web_search", "web_search_preview")
_PLACES = ("city", "region", "country", "timezone")
_CUSTOM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}


class Toolbox:
    """The tools of one request: `definitions` for the upstream, `callers` names by upstream name, `custom` ones."""

    def __init__(self, request: ChatRequest, budget: schemas.Budget, ledger: Ledger) -> None:
        self.definitions: list[Json] = []
        self.callers: dict[str, str] = {}
        self.custom: set[str] = set()
        self.legacy = bool(request.functions) and not request.tools
        self._ledger = ledger
        self._budget = budget
        for index, tool in enumerate(request.tools or ()):
            self._add(tool, f"tools.[{index}]")
        for index, function in enumerate(request.functions or ()):
            self._function(checked(Function, function, f"functions.[{index}]"), {})
        if request.web_search_options is not None and WEB_SEARCH not in self.names():
            self._put(_web_search(request.web_search_options))

    def names(self) -> list[str]:
        """The upstream's names, in order."""
        return [str(tool.get("name")) for tool in self.definitions]

    def renamed(self) -> dict[str, str]:
        """The caller's name for each upstream name that is another."""
        return {ours: theirs for ours, theirs in self.callers.items() if ours != theirs}

    def keep(self, allowed: Iterable[str]) -> None:
        """Leaves only these tools (the upstream's names)."""
        wanted = set(allowed)
        self.definitions = [tool for tool in self.definitions if tool.get("name") in wanted]

    def _add(self, tool: Json, field: str) -> None:
        match tool.get("type"):
            case "function":
                self._function(checked(Function, _object(tool, "function", field), f"{field}.function"), tool)
            case "custom":
                self._custom(checked(CustomTool, _object(tool, "custom", field), f"{field}.custom"), tool)
            case "web_search" | "web_search_preview":
                self._put(_web_search(tool))
            case str(kind) if _NATIVE.fullmatch(kind):
                self._native(tool)
            case None if isinstance(tool.get("input_schema"), dict):
                self._function(checked(Function, tool | {"parameters": tool["input_schema"]}, field), tool)
            case _:
                raise ProxyError(400, f"`{field}.type` is not a type of tool known here.", field=f"{field}.type")

    def _native(self, tool: Json) -> None:
        plain = {key: value for key, value in tool.items() if value is not None and key != "cache_control"}
        self._put(plain | breakpoint_of(tool, self._ledger))

    def _function(self, function: Function, tool: Json) -> None:
        definition: Json = {"name": names.tool_name(function.name)}
        if function.description:
            definition["description"] = function.description
        strict = self._strict(function) if function.strict else None
        definition["input_schema"] = tool_schemas.tool_schema(function.parameters) if strict is None else strict
        if strict is not None:
            definition["strict"] = True
        marked = tool if tool.get("cache_control") is not None else {"cache_control": function.cache_control}
        self._put(definition | breakpoint_of(marked, self._ledger), function.name)

    def _strict(self, function: Function) -> Json | None:
        try:
            return self._budget.take(tool_schemas.strict_tool(function.parameters), tools=1)
        except schemas.InexpressibleError:
            self._ledger.note("tools.strict")
            return None

    def _custom(self, tool: CustomTool, sent: Json) -> None:
        description = tool.description or ""
        match tool.format:
            case {"type": "grammar", "grammar": {"syntax": str(syntax), "definition": str(grammar)}} | {
                "type": "grammar",
                "syntax": str(syntax),
                "definition": str(grammar),
            }:
                self._ledger.note("tools.custom.format")
                told = f"The input must match this {syntax} grammar:\n{grammar}"
                description = f"{description}\n\n{told}" if description else told
        name = names.tool_name(tool.name)
        definition = {"name": name, **({"description": description} if description else {})}
        self._put(definition | {"input_schema": dict(_CUSTOM_SCHEMA)} | breakpoint_of(sent, self._ledger), tool.name)
        self.custom.add(name)

    def _put(self, definition: Json, callers_name: str | None = None) -> None:
        name = definition.get("name")
        if isinstance(name, str) and name in self.names():
            self._ledger.note("tools")
            self.custom.discard(name)
            self.definitions = [tool for tool in self.definitions if tool.get("name") != name]
        if isinstance(name, str) and callers_name is not None:
            self.callers[name] = callers_name
        self.definitions.append(definition)


def _web_search(options: Json) -> Json:
    tool: Json = {"type": _WEB_SEARCH_TYPE, "name": WEB_SEARCH}
    if (uses := _MAX_USES.get(str(options.get("search_context_size")))) is not None:
        tool["max_uses"] = uses
    match options.get("user_location"):
        case {"approximate": dict(place)} | dict(place):
            told = {key: place[key] for key in _PLACES if isinstance(place.get(key), str)}
            if told:
                tool["user_location"] = {"type": "approximate", **told}
    match options.get("filters"):
        case {"allowed_domains": list(domains)} if domains:
            tool["allowed_domains"] = domains
    return tool


def _object(tool: Json, key: str, field: str) -> Json:
    value = tool.get(key)
    if value is None and isinstance(tool.get("name"), str):
        return tool  # the Responses API's form, which Cursor and others send here
    if not isinstance(value, dict):
        raise ProxyError(400, f"`{field}.{key}` must be an object.", field=f"{field}.{key}")
    return value


def choice(request: ChatRequest, toolbox: Toolbox) -> Json | None:
    """The upstream's `tool_choice`; None where nothing is to be said. Raises ProxyError (400)."""
    field = "function_call" if toolbox.legacy else "tool_choice"
    asked = request.function_call if toolbox.legacy else request.tool_choice
    if not toolbox.definitions:
        if asked in (None, "none", "auto"):
            return None
        raise ProxyError(400, f"`{field}` asks for a tool, but there are no `tools`.", field=field)
    chosen = _chosen(asked, field, toolbox)
    if (request.parallel_tool_calls is False or toolbox.legacy) and chosen != {"type": "none"}:
        return {**(chosen or {"type": "auto"}), "disable_parallel_tool_use": True}
    return chosen


def _chosen(asked: Any, field: str, toolbox: Toolbox) -> Json | None:
    match asked:
        case None:
            return None
        case "auto" | "none":
            return {"type": asked}
        case "required":
            return {"type": "any"}
        case {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto" | "required" as mode, "tools": list(allowed)},
        } | {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": list(allowed)} if (
            allowed or mode == "auto"
        ):
            if not allowed and mode == "auto":
                return {"type": "none"}
            toolbox.keep([_known(_named(tool), field, toolbox) for tool in allowed])
            return {"type": "any"} if mode == "required" else {"type": "auto"}
        case dict() if asked.get("type", "function") in _BY_NAME:
            return {"type": "tool", "name": _known(_named(asked), field, toolbox)}
    raise ProxyError(400, f"`{field}` must be none, auto, required or name a tool.", field=field)


def _named(tool: Any) -> object:
    """The name in any of the forms that name a tool."""
    match tool:
        case {"function": {"name": name}} | {"custom": {"name": name}} | {"name": name}:
            return name
        case {"type": "web_search" | "web_search_preview"}:
            return WEB_SEARCH
    return None


def _known(name: object, field: str, toolbox: Toolbox) -> str:
    ours = names.tool_name(name) if isinstance(name, str) else ""
    if ours not in toolbox.names():
        raise ProxyError(400, f"`{field}` names a tool that is not among the tools.", field=field)
    return ours


def must_call(tool_choice: Json) -> str:
    """The words for a choice that a model cannot be forced to."""
    if tool_choice["type"] != "tool":
        return "You must call one of the tools."
    return f"You must call the tool `{tool_choice['name']}`."


def forces(tool_choice: Json | None) -> bool:
    """Whether some tool must be called."""
    return tool_choice is not None and tool_choice["type"] in ("any", "tool")
