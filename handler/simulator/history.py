"""What the conversation may look like: who says what, where tool results stand, what thinking comes back."""

from collections.abc import Iterator, Sequence

from handler.errors import ProxyError
from handler.simulator import shapes
from handler.simulator.body import BudgetThinking, Counted
from handler.simulator.images import check_image
from handler.simulator.models import Model
from handler.simulator.signatures import Verdict, check, sealed

ASSISTANT_ONLY = (shapes.ToolUse, shapes.Thinking, shapes.RedactedThinking, shapes.ServerToolUse)
USER_ONLY = (shapes.ToolResult, shapes.SearchResult, shapes.ContainerUpload)
MEDIA = (shapes.Image, shapes.Document)

MISPLACED_SYSTEM = (
    "role 'system' must follow a user message or a server tool result, and precede an assistant message or the end"
)
UNEXPECTED_SYSTEM = (
    'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" as an '
    "input message role."
)
NO_RESULT = (
    "`tool_use` ids were found without `tool_result` blocks immediately after: {ids}. Each `tool_use` block must have "
    "a corresponding `tool_result` block in the next message."
)
NO_CALL = (
    "unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding "
    "`tool_use` block in the previous message."
)
BOUND = (
    " The block is bound to a different conversation. Remove the block, or set `thinking.block_binding."
    'prefix_mismatch_behavior` to "drop_block".'
)
NO_PREFILL = "This model does not support assistant message prefill. The conversation must end with a user message."
THINKING_FIRST = (
    "Expected `thinking` or `redacted_thinking`, but found `{found}`. When `thinking` is enabled, a final `assistant` "
    "message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks)."
)


def check_history(body: Counted, model: Model, version: str) -> None:
    """Raises ProxyError (400), in the words of the real API, at the first thing that is wrong."""
    if not body.messages:
        raise ProxyError(400, "messages: at least one message is required")
    for place, message in enumerate(body.messages):
        _check_message(place, message, version)
    _check_system_turns(body.messages, model)
    _check_tools(body.messages)
    _check_end(body, model)
    _check_signatures(body, model)


def _check_message(place: int, message: shapes.Message, version: str) -> None:
    if not message.content:
        raise ProxyError(400, f"messages.{place}: all messages must have non-empty content")
    for index, block in enumerate(message.content):
        where = f"messages.{place}.content.{index}"
        if isinstance(block, shapes.Text):
            check_text(block, "messages")
        _check_side(where, message.role, block, version)
        for inner, path in _images(block, where):
            check_image(inner, path)


def check_text(block: shapes.Text, where: str) -> None:
    """Raises ProxyError (400) for a text block that says nothing."""
    if not block.text:
        raise ProxyError(400, f"{where}: text content blocks must be non-empty")
    if not block.text.strip():
        raise ProxyError(400, f"{where}: text content blocks must contain non-whitespace text")


def _check_side(where: str, role: str, block: shapes.Shape, version: str) -> None:
    kind = str(getattr(block, "type", ""))
    if role != "assistant" and isinstance(block, ASSISTANT_ONLY):
        raise ProxyError(400, f"{where}: `{kind}` blocks can only be in `assistant` messages")
    if role != "user" and isinstance(block, USER_ONLY):
        raise ProxyError(400, f"{where}: `{kind}` blocks can only be in `user` messages")
    if role == "system" and not isinstance(block, shapes.Text):
        raise ProxyError(400, f"{where}: `{kind}` blocks cannot be in `system` messages")
    if version < "2026-10-21":
        return
    if role == "assistant" and isinstance(block, MEDIA):
        raise ProxyError(400, f"{where}: `{kind}` blocks can only be in `user` messages")
    if role == "user" and isinstance(block, shapes.Text) and block.citations:
        raise ProxyError(400, f"{where}.text.citations: citations can only be in `assistant` messages")


def _images(block: shapes.Shape, where: str) -> Iterator[tuple[shapes.Image, str]]:
    if isinstance(block, shapes.Image):
        yield block, f"{where}.image.source"
    elif isinstance(block, shapes.ToolResult):
        for index, inner in enumerate(block.content):
            yield from _images(inner, f"{where}.tool_result.content.{index}")


def _check_system_turns(messages: Sequence[shapes.Message], model: Model) -> None:
    roles = [message.role for message in messages]
    if "system" in roles and not model.mid_system:
        raise ProxyError(400, UNEXPECTED_SYSTEM)
    for place, role in enumerate(roles):
        before = next((other for other in reversed(roles[:place]) if other != "system"), None)
        after = next((other for other in roles[place + 1 :] if other != "system"), "assistant")
        follows = before == "user" or (before == "assistant" and _ends_with_server_result(messages[place - 1]))
        if role == "system" and not (follows and after == "assistant"):
            raise ProxyError(400, f"messages.{place}: {MISPLACED_SYSTEM}")


def _ends_with_server_result(message: shapes.Message) -> bool:
    return isinstance(message.content[-1], shapes.ServerToolResult)


def turns(messages: Sequence[shapes.Message]) -> list[tuple[str, list[tuple[str, shapes.Shape]]]]:
    """Neighbours of one role as one turn: its role and its blocks, each with its path."""
    merged: list[tuple[str, list[tuple[str, shapes.Shape]]]] = []
    for place, message in enumerate(messages):
        blocks = [(f"messages.{place}.content.{index}", block) for index, block in enumerate(message.content)]
        if merged and merged[-1][0] == message.role:
            merged[-1][1].extend(blocks)
        else:
            merged.append((message.role, list(blocks)))
    return merged


def _check_tools(messages: Sequence[shapes.Message]) -> None:
    called: list[str] = []
    seen: set[str] = set()
    for role, blocks in turns(messages):
        if role == "user":
            _check_results(called, blocks)
        elif called:
            raise ProxyError(400, f"{_message(blocks)}: {NO_RESULT.format(ids=', '.join(called))}")
        called = [block.id for _, block in blocks if isinstance(block, shapes.ToolUse)]
        if len(seen | set(called)) != len(seen) + len(called):
            raise ProxyError(400, f"{_message(blocks)}: `tool_use` ids must be unique")
        seen.update(called)
    if called:
        raise ProxyError(400, f"messages.{len(messages) - 1}: {NO_RESULT.format(ids=', '.join(called))}")


def _check_results(called: Sequence[str], blocks: Sequence[tuple[str, shapes.Shape]]) -> None:
    """Results stand first in the turn, one for each call and none without."""
    answered: list[str] = []
    leading = True
    for path, block in blocks:
        if not isinstance(block, shapes.ToolResult):
            leading = False
            continue
        if block.tool_use_id not in called:
            raise ProxyError(400, f"{path}: {NO_CALL.format(id=block.tool_use_id)}")
        if block.tool_use_id in answered:
            message = "each tool_use must have a single result. Found multiple `tool_result` blocks with id"
            raise ProxyError(400, f"{path}: {message}: {block.tool_use_id}")
        if leading:
            answered.append(block.tool_use_id)
    if missing := [identifier for identifier in called if identifier not in answered]:
        raise ProxyError(400, f"{_message(blocks)}: {NO_RESULT.format(ids=', '.join(missing))}")


def _message(blocks: Sequence[tuple[str, shapes.Shape]]) -> str:
    return ".".join(blocks[0][0].split(".")[:2])


def _check_end(body: Counted, model: Model) -> None:
    last = body.messages[-1]
    if last.role == "assistant" and isinstance(last.content[-1], shapes.ServerToolUse | shapes.ServerToolResult):
        return  # a paused turn goes on
    if last.role == "assistant":
        if not model.prefill or body.thinks_with() or (body.output_config and body.output_config.format):
            message = (
                "This model does not support assistant message prefill. The conversation must end with a user message."
            )
            raise ProxyError(400, message)
        end = last.content[-1]
        if isinstance(end, shapes.Text) and end.text != end.text.rstrip():
            raise ProxyError(400, "messages: final assistant content cannot end with trailing whitespace")
    if isinstance(body.thinking, BudgetThinking):
        _check_thinking_first(body.messages)


def _check_thinking_first(messages: Sequence[shapes.Message]) -> None:
    """With manual thinking, the assistant turn a last tool result answers starts with thinking."""
    last = turns(messages)
    if len(last) < 2 or not isinstance(last[-1][1][0][1], shapes.ToolResult):
        return
    path, first = last[-2][1][0]
    if not isinstance(first, shapes.Thinking | shapes.RedactedThinking):
        raise ProxyError(400, f"{path}.type: {THINKING_FIRST.format(found=getattr(first, 'type', ''))}")


def _check_signatures(body: Counted, model: Model) -> None:
    thinking = body.thinks_with()
    binding = thinking.block_binding if thinking else None
    drops = binding is not None and binding.prefix_mismatch_behavior == "drop_block"
    for place, message in enumerate(body.messages):
        for index, block in enumerate(message.content):
            where = f"messages.{place}.content.{index}"
            if isinstance(block, shapes.RedactedThinking) and not sealed(block.data):
                raise ProxyError(400, f"{where}: Invalid `data` in `redacted_thinking` block")
            if isinstance(block, shapes.Thinking):
                verdict = check(block.signature, model.id, block.thinking, body.prefix(place))
                _judge(verdict, where, model.bound and not drops)


def _judge(verdict: Verdict, where: str, bound: bool) -> None:
    """A broken signature is refused by every model, a foreign one only by those that bind their blocks."""
    if verdict is Verdict.BROKEN or (bound and verdict is not Verdict.GOOD):
        suffix = "" if verdict is Verdict.BROKEN else "." + BOUND
        raise ProxyError(400, f"{where}: Invalid `signature` in `thinking` block{suffix}")
