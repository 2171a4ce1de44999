"""The top level of a Messages request, strict; what a block may be is in `shapes`."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from handler.simulator.shapes import CacheControl, Cached, Json, Message, Shape, Text, as_blocks

TOOL_NAME = r"^[a-zA-Z0-9_-]{1,128}$"


class InputSchema(Shape):
    """A tool's parameters: a JSON schema whose type is object."""

    model_config = ConfigDict(extra="allow", strict=True)

    type: Literal["object"]
    properties: Json | None = None
    required: list[str] | None = None


class CustomTool(Cached):
    """A tool the caller runs."""

    type: Literal["custom"]
    name: str = Field(pattern=TOOL_NAME)
    input_schema: InputSchema
    description: str = ""
    strict: bool = False
    defer_loading: bool = False
    eager_input_streaming: bool | None = None
    input_examples: list[Json] = Field(default_factory=list)
    allowed_callers: list[str] = Field(default_factory=list)


class ServerTool(Cached):
    """A tool whose definition Anthropic holds; it runs upstream, or the caller runs it."""

    type: Literal[
        "bash_20250124",
        "code_execution_20250522",
        "code_execution_20250825",
        "code_execution_20260120",
        "code_execution_20260521",
        "memory_20250818",
        "text_editor_20250124",
        "text_editor_20250429",
        "text_editor_20250728",
        "tool_search_tool_bm25_20251119",
        "tool_search_tool_regex_20251119",
        "web_fetch_20250910",
        "web_fetch_20260209",
        "web_search_20250305",
        "web_search_20260209",
        "web_search_20260318",
    ]
    name: str
    allowed_callers: list[str] = Field(default_factory=list)
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None
    citations: Json | None = None
    defer_loading: bool = False
    input_examples: list[Json] = Field(default_factory=list)
    max_characters: int | None = None
    max_content_tokens: int | None = None
    max_uses: int | None = Field(default=None, ge=1)
    strict: bool = False
    user_location: Json | None = None


def _as_custom(tool: object) -> object:
    return {**tool, "type": "custom"} if isinstance(tool, dict) and tool.get("type") is None else tool


Tool = Annotated[Annotated[CustomTool | ServerTool, Field(discriminator="type")], BeforeValidator(_as_custom)]


class AutoChoice(Shape):
    """The model decides, or must call some tool."""

    type: Literal["auto", "any"]
    disable_parallel_tool_use: bool = False


class ToolChoice(Shape):
    """This tool and no other."""

    type: Literal["tool"]
    name: str
    disable_parallel_tool_use: bool = False


class NoChoice(Shape):
    """No tool."""

    type: Literal["none"]


class BlockBinding(Shape):
    """What happens to a thinking block from another conversation."""

    prefix_mismatch_behavior: Literal["error", "drop_block"] | None = None


class AdaptiveThinking(Shape):
    """The model decides how much to think."""

    type: Literal["adaptive"]
    display: Literal["summarized", "omitted"] | None = None
    block_binding: BlockBinding | None = None


class BudgetThinking(Shape):
    """Thinking up to a number of tokens."""

    type: Literal["enabled"]
    budget_tokens: int = Field(ge=1024)
    display: Literal["summarized", "omitted"] | None = None
    block_binding: BlockBinding | None = None


class NoThinking(Shape):
    """Thinking turned off, or kept for the time between tool calls."""

    type: Literal["disabled", "between_tools"]


class JsonFormat(Shape):
    """A schema the answer must fit."""

    type: Literal["json_schema"]
    schema_: Json = Field(alias="schema")


class OutputConfig(Shape):
    """How the answer is to be."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonFormat | None = None


class Metadata(Shape):
    """Who the caller's user is, opaquely."""

    user_id: str | None = Field(default=None, max_length=256)


class Counted(Shape):
    """The body of POST /v1/messages/count_tokens."""

    model: str = Field(min_length=1, max_length=256)
    messages: list[Message]
    system: Annotated[list[Text], BeforeValidator(as_blocks)] = Field(default_factory=list)
    tools: list[Tool] = Field(default_factory=list)
    tool_choice: Annotated[AutoChoice | ToolChoice | NoChoice, Field(discriminator="type")] | None = None
    thinking: Annotated[AdaptiveThinking | BudgetThinking | NoThinking, Field(discriminator="type")] | None = None
    output_config: OutputConfig | None = None
    cache_control: CacheControl | None = None
    speed: Literal["standard", "fast"] | None = None
    context_management: Json | None = None
    mcp_servers: list[Json] = Field(default_factory=list)
    user_profile_id: str | None = None

    @field_validator("thinking", "tool_choice", mode="before")
    @classmethod
    def _no_null(cls, value: object) -> object:
        if value is None:
            raise PydanticCustomError("null", "Input should be a valid object")
        return value

    def thinks_with(self) -> AdaptiveThinking | BudgetThinking | None:
        """The thinking this request turns on, if it does."""
        return None if isinstance(self.thinking, NoThinking) else self.thinking

    def prefix(self, upto: int) -> list[Any]:
        """Everything before message `upto`, cache breakpoints aside: what a thinking block may be bound to."""
        parts = (*self.system, *self.tools, *self.messages[:upto])
        return [_bare(part.model_dump(exclude_unset=True)) for part in parts]


class Body(Counted):
    """The body of POST /v1/messages."""

    max_tokens: int = Field(ge=0)
    stream: bool = False
    temperature: float | None = Field(default=None, ge=0, le=1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    stop_sequences: list[str] = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=Metadata)
    service_tier: Literal["auto", "standard_only"] = "auto"
    inference_geo: str | None = None
    container: str | Json | None = None
    diagnostics: Json | None = None
    thread: Json | None = None


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(inner) for key, inner in value.items() if key != "cache_control"}
    return [_bare(inner) for inner in value] if isinstance(value, list) else value
