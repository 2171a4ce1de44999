"""OpenAI's messages as a conversation (MAPPING 2).

system, developer     system text
user                  user blocks
assistant             thinking that came back, then text, then calls
tool, function        the result of a call
"""

from collections.abc import Mapping, Sequence
from typing import Any

from handler.errors import ProxyError
from handler.translate import content, thoughts
from handler.translate.caching import breakpoint_of
from handler.translate.conversation import Conversation
from handler.translate.losses import Ledger
from handler.wire import json_text
from handler.wire.anthropic import Json
from handler.wire.chat import Message, ToolCall

_SYSTEM = ("system", "developer")


def converse(messages: Sequence[Message], model: str, ledger: Ledger, *, system_turns: bool) -> Conversation:
    """The whole conversation. Raises ProxyError (400), which names the message at fault."""
    conversation = Conversation(system_turns)
    # The upstream wants something to answer: of system messages alone, the last is the question.
    question = messages[-1] if all(message.role in _SYSTEM for message in messages) else None
    for index, message in enumerate(messages):
        field = f"messages.[{index}]"
        if message.name is not None and message.role not in ("tool", "function"):
            ledger.note("messages.name")
        if message.role == "assistant":
            _assistant(conversation, message, index, model, ledger)
        elif message.role in ("tool", "function"):
            _tool(conversation, message, f"{field}.content", ledger)
        elif message.role in _SYSTEM and message is not question:
            blocks = content.only_text(message.content, f"{field}.content", ledger)
            conversation.say_system(_marked(blocks, message, ledger))
        else:
            _user(conversation, message, field, ledger, last=message is messages[-1])
    conversation.close()
    if not conversation.turns:
        raise ProxyError(400, "`messages` must hold a message with content.", field="messages")
    return conversation


def _user(conversation: Conversation, message: Message, field: str, ledger: Ledger, *, last: bool) -> None:
    parts = message.content
    if isinstance(parts, list):
        for part in parts:
            match part:
                case {"type": "tool_result", "tool_use_id": str(call)}:
                    result = _result(_inner(part.get("content")), part, f"{field}.content", ledger)
                    failed = {"is_error": True} if part.get("is_error") is True else {}
                    conversation.answer_call(call, result | failed)
        parts = [part for part in parts if part.get("type") != "tool_result"]
    blocks = _marked(content.spoken(parts, f"{field}.content", ledger), message, ledger)
    if last and not blocks and parts == message.content:
        raise ProxyError(400, f"`{field}.content` must not be empty.", field=f"{field}.content")
    conversation.say_user(blocks)


def _assistant(conversation: Conversation, message: Message, index: int, model: str, ledger: Ledger) -> None:
    field = f"messages.[{index}]"
    conversation.before_assistant()
    texts = content.answered(message.content, f"{field}.content", ledger)
    if message.refusal:
        texts += content.answered(message.refusal, field, ledger)
    calls = [
        _call(conversation, call, f"{field}.tool_calls.[{place}]")
        for place, call in enumerate(message.tool_calls or ())
    ]
    if (legacy := message.function_call) is not None:
        calls.append(
            conversation.call(None, legacy.name, _arguments(legacy.arguments), f"call_fn_{index}_{legacy.name}")
        )
    calls += _native_calls(conversation, message)
    blocks = _marked([*texts, *calls], message, ledger)
    if blocks:  # thinking alone is no answer
        conversation.say_assistant([*thoughts.sent_back(message, model, ledger), *blocks])


def _call(conversation: Conversation, call: ToolCall, field: str) -> Json:
    if call.custom is not None:
        return conversation.call(call.id, call.custom.name, {"input": call.custom.input or ""})
    if call.function is not None:
        return conversation.call(call.id, call.function.name, _arguments(call.function.arguments))
    raise ProxyError(400, f"`{field}` must hold a `function` or a `custom` tool's call.", field=field)


def _native_calls(conversation: Conversation, message: Message) -> list[Json]:
    """Anthropic's own blocks for calls that `tool_calls` does not have."""
    known = {call.id for call in message.tool_calls or ()}
    blocks = []
    for part in message.content if isinstance(message.content, list) else ():
        match part:
            case {"type": "tool_use", "id": str(call), "name": str(name), "input": dict(given)} if call not in known:
                blocks.append(conversation.call(call, name, given))
    return blocks


def _arguments(arguments: Any) -> Json:
    """A call's input. What a client saved half of stays with its call, so that the result after it has its place."""
    if isinstance(arguments, dict):
        return arguments
    text = arguments if isinstance(arguments, str) else json_text.write(arguments)
    if not text.strip() or text == "null":
        return {}
    try:
        value = json_text.read(text.encode("utf-8", "surrogatepass"))
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"_raw_arguments": text}


def _tool(conversation: Conversation, message: Message, field: str, ledger: Ledger) -> None:
    result = _result(message.content, {"cache_control": message.cache_control}, field, ledger)
    if message.tool_call_id:
        conversation.answer_call(message.tool_call_id, result)
    else:
        name = message.name if isinstance(message.name, str) else None
        conversation.answer_named(name, result, latest=message.role == "function")


def _result(given: str | list[Json] | None, carrier: Mapping[str, Any], field: str, ledger: Ledger) -> Json:
    """What a tool answered, as members of a tool_result."""
    said: str | list[Json] = given if isinstance(given, str) else content.spoken(given, field, ledger)
    blank = isinstance(said, str) and not said.strip()
    return {**({"content": said} if said and not blank else {}), **breakpoint_of(carrier, ledger)}


def _inner(value: object) -> str | list[Json] | None:
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return value
    return value if isinstance(value, str) else None


def _marked(blocks: list[Json], message: Message, ledger: Ledger) -> list[Json]:
    """A breakpoint on a message is one on its last block."""
    if blocks and message.cache_control is not None:
        blocks[-1] = {**blocks[-1], **breakpoint_of({"cache_control": message.cache_control}, ledger)}
    return blocks
