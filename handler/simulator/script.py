"""What a prompt asks of the simulator: a line of the last user message that begins with `simulate:`, then JSON.

    simulate: {"text": "Hello", "pace": 0.3}
    simulate: {"content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}], "stop_reason": "tool_use"}
    simulate: {"error": 529}                                   instead of an answer
    simulate: {"error": "overloaded_error", "after": 4}        inside the stream, after four events
    simulate: {"cut": "reset", "after": 4}                     the connection, after four events
    simulate: {"raw": ["event: ping\\r\\n", "\\r\\n"]}         these chunks of a stream, as they stand

Unknown members are refused, so that a typo in a test is seen.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal

from jiter import from_json
from pydantic import Field, ValidationError

from handler.errors import ProxyError
from handler.simulator.shapes import Json, Message, Shape, Text, ToolResult

_LINE = re.compile(r"^[ \t]*simulate:[ \t]*(\{.*\})[ \t]*$", re.MULTILINE)


class Script(Shape):
    """One scripted answer; what is not said is made up. Times in seconds, `after` in events."""

    text: str | None = None
    content: list[Json] | None = None
    stop_reason: str | None = None
    stop_details: Json | None = None
    usage: Json = Field(default_factory=dict)
    wait: float = Field(default=0, ge=0)
    pace: float | None = Field(default=None, ge=0)
    error: int | str | None = None
    message: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    cut: Literal["end", "reset"] | None = None
    after: int = Field(default=0, ge=0)
    raw: list[str] | None = None


def script_of(messages: Sequence[Message]) -> Script:
    """The script in the last user message; an empty one where there is none. Raises ProxyError (400)."""
    found = _LINE.search(last_text(messages))
    if found is None:
        return Script()
    try:
        value: Any = from_json(found[1].encode())
        return Script.model_validate(value)
    except (ValueError, ValidationError) as error:
        raise ProxyError(400, f"simulate: {error}") from None


def last_text(messages: Sequence[Message]) -> str:
    """The text of the last user message, without what tools said."""
    message = next((message for message in reversed(messages) if message.role == "user"), None)
    blocks = message.content if message is not None else []
    return "\n".join(block.text for block in blocks if isinstance(block, Text))


def tools_said(messages: Sequence[Message]) -> str | None:
    """What the tool results of the last user message say, or None where it has none."""
    message = next((message for message in reversed(messages) if message.role == "user"), None)
    results = [block for block in message.content if isinstance(block, ToolResult)] if message is not None else []
    if not results:
        return None
    return "; ".join(inner.text for result in results for inner in result.content if isinstance(inner, Text))
