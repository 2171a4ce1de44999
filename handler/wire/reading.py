"""What has to be remembered of an OpenAI request until its answer is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Reading:
    """How the caller wants to read the answer; made from the request, used by every writer of an answer.

    `include_usage` is `stream_options.include_usage`; `legacy_functions` says the caller knows `function_call` only;
    `json_object` that the answer is asked to be bare JSON. `tool_names` leads from an upstream name to the caller's
    own, for the names that had to be rewritten; `custom_tools` holds the upstream names of OpenAI's custom tools,
    whose one string travels as `{"input": ...}`. Without `expose_reasoning` no reasoning text is handed on.
    """

    stream: bool = False
    include_usage: bool = False
    legacy_functions: bool = False
    json_object: bool = False
    tool_names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    custom_tools: frozenset[str] = frozenset()
    expose_reasoning: bool = True
