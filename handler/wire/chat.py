"""What callers send to Chat Completions (MAPPING 1 and 2).

Strict where a wrong value is refused, lenient elsewhere: `null` is the same as absent, unknown keys are kept aside and
never forwarded. Content parts and tools stay plain dicts: they come in many forms, and are matched where they are used.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from handler.errors import ProxyError
from handler.wire.json_object import JsonObject
from handler.wire.model_name import resolved

Json = dict[str, Any]
Sent = TypeVar("Sent", bound=BaseModel)


def _content(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return value
    raise PydanticCustomError("content", "must be a string or a list of content parts")


def _stop(value: Any) -> list[str]:
    entries = [value] if isinstance(value, str) else value or []
    if isinstance(entries, list) and all(isinstance(entry, str) for entry in entries):
        return entries
    raise PydanticCustomError("stop", "must be a string or a list of strings")


def _one(value: Any) -> None:
    if value is not None and (type(value) is not int or value != 1):
        raise PydanticCustomError("n", "must be 1: Claude gives one answer a request. Send several requests instead")


Content = Annotated[str | list[Json] | None, PlainValidator(_content)]


class _Sent(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


class FunctionCall(_Sent):
    """A call in the history; `arguments` is JSON text, or already an object."""

    name: str = Field(min_length=1)
    arguments: Any = None


class CustomCall(_Sent):
    """A custom tool's call in the history; its input is free text."""

    name: str = Field(min_length=1)
    input: str | None = None


class ToolCall(_Sent):
    """One entry of `tool_calls`: a function's or a custom tool's."""

    id: str | None = None
    type: str | None = None
    function: FunctionCall | None = None
    custom: CustomCall | None = None


class Message(_Sent):
    """One message of any role."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Content = None
    refusal: str | None = None
    name: Any = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None
    reasoning_content: Any = None
    reasoning_details: Any = None
    thinking_blocks: Any = None
    cache_control: Any = None


class Function(_Sent):
    """The definition of a function tool."""

    name: str = Field(min_length=1)
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None
    cache_control: Any = None


class CustomTool(_Sent):
    """The definition of a custom tool: free text in."""

    name: str = Field(min_length=1)
    description: str | None = None
    format: Json | None = None


class ChatRequest(BaseModel):
    """A Chat Completions request; keys it does not name are in `model_extra`."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, hide_input_in_errors=True)

    model: str
    messages: list[Message] = Field(min_length=1)
    max_completion_tokens: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=0)
    stream: bool | None = None
    stream_options: Any = None
    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, ge=0)
    top_k: int | None = Field(default=None, ge=0)
    stop: Annotated[list[str], PlainValidator(_stop)] = Field(default_factory=list)
    n: Annotated[None, PlainValidator(_one)] = None
    tools: list[Json] | None = None
    functions: list[Json] | None = None
    tool_choice: Any = None
    function_call: Any = None
    parallel_tool_calls: bool | None = None
    response_format: Json | None = None
    reasoning_effort: Any = None
    reasoning: Json | None = None
    include_reasoning: bool | None = None
    thinking: Json | None = None
    output_config: Json | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: Any = None
    service_tier: Any = None
    modalities: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    web_search_options: Json | None = None
    cache_control: Json | None = None
    context_management: Any = None
    mcp_servers: Any = None
    container: Any = None
    inference_geo: Any = None
    betas: Any = None

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with a chunk that tells what the answer cost."""
        match self.stream_options:
            case {"include_usage": True}:
                return True
        return False

    def sent(self, name: str) -> Any:
        """The value of a field this model does not name; None when it was not sent, or null."""
        return (self.model_extra or {}).get(name)


def said(value: Any) -> Any:
    """An object without its nulls, which are the same as absent (MAPPING 1.2); anything else as it is."""
    return {name: inner for name, inner in value.items() if inner is not None} if isinstance(value, dict) else value


def parse(body: bytes, aliases: Mapping[str, str]) -> ChatRequest:
    """The request in a body, its model's alias resolved. Raises ProxyError (400) that names the field at fault."""
    request = checked(ChatRequest, JsonObject(body).value)
    model = resolved(request.model, aliases)
    if not model.strip():
        raise ProxyError(400, "`model` must name a model.", field="model")
    return request.model_copy(update={"model": model})


def checked(kind: type[Sent], value: Mapping[str, Any], at: str = "") -> Sent:
    """`value` read as `kind`; `at` is where it stands. Raises ProxyError (400)."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = _dotted(at, first["loc"])
        problem = _PROBLEMS.get(first["type"]) or _worded(first["msg"])
        raise ProxyError(400, f"`{field}` {problem}.", field=field) from None


_PROBLEMS: Mapping[str, str] = {
    "missing": "is required",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "int_type": "must be an integer",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "too_short": "must not be empty",
    "greater_than_equal": "must not be negative",
}


def _worded(message: str) -> str:
    return message.replace("Input should be", "must be")


def _dotted(at: str, place: tuple[int | str, ...]) -> str:
    """OpenAI's way to name a place: `messages.[0].role`."""
    steps = [f"[{step}]" if isinstance(step, int) else step for step in place]
    return ".".join([at, *steps] if at else steps)
