"""The body of POST /v1/messages, strict: no unknown field, no coerced type, at any depth.

The tag of a block is part of the path in an error, as upstream: `messages.0.content.0.text.foo: Extra inputs are not
permitted`. Content given as a string becomes one text block.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Json = dict[str, Any]


class Shape(BaseModel):
    """A JSON object with the fields it names and no other."""

    model_config = ConfigDict(extra="forbid", strict=True)


def as_blocks(content: object) -> object:
    """Content as a list of blocks, where it is a string."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class CacheControl(Shape):
    """A cache breakpoint."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class Cached(Shape):
    """What may carry a cache breakpoint."""

    cache_control: CacheControl | None = None


class Text(Cached):
    """A text block."""

    type: Literal["text"]
    text: str
    citations: list[Json] | None = None


class Base64Image(Shape):
    """An image in the request itself."""

    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str


class Url(Shape):
    """An image or a PDF to be fetched."""

    type: Literal["url"]
    url: str


class File(Shape):
    """An uploaded file."""

    type: Literal["file"]
    file_id: str


class Base64Pdf(Shape):
    """A PDF in the request itself."""

    type: Literal["base64"]
    media_type: Literal["application/pdf"]
    data: str


class PlainText(Shape):
    """A document that is text."""

    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: str


class Image(Cached):
    """An image block."""

    type: Literal["image"]
    source: Annotated[Base64Image | Url | File, Field(discriminator="type")]
    transformations: Json | None = None


class Blocks(Shape):
    """A document made of blocks."""

    type: Literal["content"]
    content: Annotated[
        list[Annotated[Text | Image, Field(discriminator="type")]],
        BeforeValidator(as_blocks),
    ]


class Citations(Shape):
    """Whether a document may be cited."""

    enabled: bool = False


class Document(Cached):
    """A document block."""

    type: Literal["document"]
    source: Annotated[Base64Pdf | PlainText | Blocks | Url | File, Field(discriminator="type")]
    citations: Citations | None = None
    context: str | None = None
    title: str | None = None


class SearchResult(Cached):
    """A search result of the caller's own."""

    type: Literal["search_result"]
    source: str
    title: str
    content: list[Text]
    citations: Citations | None = None


class Thinking(Shape):
    """Thinking that comes back, signed."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinking(Shape):
    """Thinking that comes back, encrypted."""

    type: Literal["redacted_thinking"]
    data: str


class ToolUse(Cached):
    """A call of one of the caller's tools."""

    type: Literal["tool_use"]
    id: str = Field(pattern=r"^[a-zA-Z0-9_-]+$")
    name: str = Field(min_length=1, max_length=200)
    input: Json
    caller: Json | None = None
    toolset_name: str | None = None


class ToolReference(Cached):
    """A tool that a search found."""

    type: Literal["tool_reference"]
    tool_name: str


ResultContent = Annotated[Text | Image | SearchResult | Document | ToolReference, Field(discriminator="type")]


class ToolResult(Cached):
    """What a call gave."""

    type: Literal["tool_result"]
    tool_use_id: str = Field(pattern=r"^[a-zA-Z0-9_-]+$")
    content: Annotated[list[ResultContent], BeforeValidator(as_blocks)] = Field(default_factory=list)
    is_error: bool = False
    toolset_name: str | None = None


class ServerToolUse(Cached):
    """A call of a tool that runs upstream."""

    type: Literal["server_tool_use", "mcp_tool_use"]
    id: str
    name: str
    input: Json
    caller: Json | None = None
    server_name: str | None = None


class ServerToolResult(Cached):
    """What a tool that runs upstream gave."""

    type: Literal[
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "mcp_tool_result",
    ]
    tool_use_id: str
    content: str | list[Json] | Json
    caller: Json | None = None
    is_error: bool = False


class ContainerUpload(Cached):
    """A file put into the code container."""

    type: Literal["container_upload"]
    file_id: str


Block = Annotated[
    Text
    | Image
    | Document
    | SearchResult
    | Thinking
    | RedactedThinking
    | ToolUse
    | ToolResult
    | ServerToolUse
    | ServerToolResult
    | ContainerUpload,
    Field(discriminator="type"),
]


class Message(Shape):
    """One message of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: Annotated[list[Block], BeforeValidator(as_blocks)]
